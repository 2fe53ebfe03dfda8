//! Degrees to unit vectors, without a branch, so that the compiler does several points at once.

use std::f64::consts::PI;

/// Added to a number below 2⁵¹ it leaves no room for a fraction: the sum is rounded, and the whole number stands in its low bits.
pub(super) const WHOLE: f64 = 6_755_399_441_055_744.0;

/// Coefficients for sine and cosine within an eighth of a turn: interpolated at Chebyshev's points, where the greatest error
/// is nearly the least possible, 1.4·10⁻¹⁴ and 10⁻¹⁵.
const SIN: [f64; 5] = [
    -0.166_666_666_666_638_82,
    0.008_333_333_331_077_422,
    -0.000_198_412_669_152_350_4,
    2.755_599_039_983_990_5e-6,
    -2.480_558_717_998_064_6e-8,
];
const COS: [f64; 5] = [
    0.041_666_666_666_664_68,
    -0.001_388_888_888_727_605_6,
    2.480_158_520_973_839_7e-5,
    -2.755_636_931_675_049e-7,
    2.070_056_539_736_993e-9,
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
    let x = (degrees - (quarters - WHOLE) * 90.0) * (PI / 180.0);
    let sin = x + x * (x * x) * horner(SIN, x * x);
    let cos = 1.0 - 0.5 * (x * x) + (x * x) * (x * x) * horner(COS, x * x);
    // An odd number of quarters swaps the two; the second half of the turn has a minus, each in its own place.
    let quarters = quarters.to_bits();
    let swapped = (sin.to_bits() ^ cos.to_bits()) & (quarters & 1).wrapping_neg();
    let sin = sin.to_bits() ^ swapped ^ ((quarters & 2) << 62);
    let cos = cos.to_bits() ^ swapped ^ ((quarters.wrapping_add(1) & 2) << 62);
    (f64::from_bits(sin), f64::from_bits(cos))
}

#[inline]
fn horner([c0, c1, c2, c3, c4]: [f64; 5], x: f64) -> f64 {
    c0 + x * (c1 + x * (c2 + x * (c3 + x * c4)))
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
