//! Degrees to unit vectors, without a branch, so that the compiler does several points at once.

/// Added to a number below 2⁵¹ it leaves no room for a fraction: the sum is rounded, and the whole number stands in its low bits.
pub(super) const WHOLE: f64 = 6_755_399_441_055_744.0;

/// Coefficients of an angle in degrees, up to an eighth of a turn each way, in its square: of sine divided by the angle, and of
/// cosine. Interpolated at Chebyshev's points, where the greatest error is nearly the least possible, 1.4·10⁻¹⁴ and 10⁻¹⁵.
const SIN: [f64; 6] = [
    0.017_453_292_519_943_295,
    -8.860_961_557_011_5e-7,
    1.349_601_622_797_905_3e-11,
    -9.788_383_418_103_527e-17,
    4.141_067_723_807_667_5e-22,
    -1.135_535_079_762_338e-27,
];
const COS: [f64; 7] = [
    1.0,
    -0.000_152_308_709_893_354_3,
    3.866_323_851_562_809e-9,
    -3.925_831_985_287_211_6e-14,
    2.135_494_123_480_247_1e-19,
    -7.227_626_017_123_742e-25,
    1.653_905_222_843_331_6e-30,
];

/// The point on the unit sphere, each coordinate to 3·10⁻¹⁴ for angles up to a full turn.
#[inline]
pub(super) fn unit_vector(lng: f64, lat: f64) -> [f64; 3] {
    let ((sin_lng, cos_lng), (sin_lat, cos_lat)) = (sin_cos(lng), sin_cos(lat));
    [cos_lng * cos_lat, sin_lng * cos_lat, sin_lat]
}

/// Quarter turns are taken off in degrees, where they are exact.
#[inline]
fn sin_cos(degrees: f64) -> (f64, f64) {
    let quarters = degrees * (1.0 / 90.0) + WHOLE;
    let x = degrees - (quarters - WHOLE) * 90.0;
    let [s0, s1, s2, s3, s4, s5] = SIN;
    let [c0, c1, c2, c3, c4, c5, c6] = COS;
    let xx = x * x;
    let sin = x * (s0 + xx * (s1 + xx * (s2 + xx * (s3 + xx * (s4 + xx * s5)))));
    let cos = c0 + xx * (c1 + xx * (c2 + xx * (c3 + xx * (c4 + xx * (c5 + xx * c6)))));
    // An odd number of quarters swaps the two; the second half of the turn has a minus, each in its own place.
    let quarters = quarters.to_bits();
    let swapped = (sin.to_bits() ^ cos.to_bits()) & (quarters & 1).wrapping_neg();
    let sin = sin.to_bits() ^ swapped ^ ((quarters & 2) << 62);
    let cos = cos.to_bits() ^ swapped ^ ((quarters.wrapping_add(1) & 2) << 62);
    (f64::from_bits(sin), f64::from_bits(cos))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quarters_of_a_turn_are_exact() {
        for (degrees, sin, cos) in
            [(0.0, 0.0, 1.0), (90.0, 1.0, 0.0), (180.0, 0.0, -1.0), (-90.0, -1.0, 0.0), (360.0, 0.0, 1.0)]
        {
            let (s, c) = sin_cos(degrees);
            assert!((s - sin).abs() == 0.0 && (c - cos).abs() == 0.0, "{degrees}: {s} {c}");
        }
    }

    proptest! {
        #[test]
        fn sine_and_cosine_are_those_of_the_library(degrees in -360.0..=360.0f64) {
            let (sin, cos) = degrees.to_radians().sin_cos();
            let (s, c) = sin_cos(degrees);
            prop_assert!((s - sin).abs() < 1.5e-14 && (c - cos).abs() < 1.5e-14, "{s} {sin} {c} {cos}");
        }
    }
}
