//! The shifted degrees of Chinese maps, GCJ-02 and BD-09, and the way back to true ones.
//!
//! Only the forward formulas are published. The way back iterates them, which ends within a few rounds
//! because the shift changes by less than 1 % of the distance between two points.

use std::f64::consts::PI;

use crate::model::LngLat;

const SEMI_MAJOR: f64 = 6_378_245.0;
const ECCENTRICITY_SQUARED: f64 = 0.006_693_421_622_965_943;
const BAIDU_PI: f64 = PI * 3000.0 / 180.0;

/// The iteration stops below this many degrees: a tenth of a millimetre.
const CLOSE: f64 = 1e-10;

/// Whether the shift applies: China's bounding box, as in the published formula.
fn is_shifted(p: LngLat) -> bool {
    (72.004..=137.8347).contains(&p.lng) && (0.8293..=55.8271).contains(&p.lat)
}

/// The true degrees of a GCJ-02 point; outside the box it is true already.
pub(super) fn gcj02_to_wgs84(p: LngLat) -> LngLat {
    if is_shifted(p) { undo(p, shift_gcj02) } else { p }
}

/// The GCJ-02 point of a BD-09 one.
pub(super) fn bd09_to_gcj02(p: LngLat) -> LngLat {
    undo(p, shift_bd09)
}

/// The point that `forward` moves onto `target`.
fn undo(target: LngLat, forward: impl Fn(LngLat) -> LngLat) -> LngLat {
    let mut guess = target;
    for _ in 0..30 {
        let there = forward(guess);
        let (east, north) = (target.lng - there.lng, target.lat - there.lat);
        guess = LngLat { lng: guess.lng + east, lat: guess.lat + north };
        if east.abs() < CLOSE && north.abs() < CLOSE {
            break;
        }
    }
    guess
}

/// WGS84 to GCJ-02 without the box, as the iteration needs it near the box's edge.
fn shift_gcj02(p: LngLat) -> LngLat {
    let (x, y) = (p.lng - 105.0, p.lat - 35.0);
    let wave = |v: f64, a: f64, b: f64, c: f64| (a * (v * PI).sin() + b * (v * PI / c).sin()) * 2.0 / 3.0;
    let common = wave(6.0 * x, 20.0, 20.0, 3.0);
    let root = x.abs().sqrt();
    let north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root;
    let north = north + common + wave(y, 20.0, 40.0, 3.0) + wave(y / 12.0, 160.0, 320.0, 2.5);
    let east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root;
    let east = east + common + wave(x, 20.0, 40.0, 3.0) + wave(x / 12.0, 150.0, 300.0, 2.5);

    let lat = p.lat.to_radians();
    let magic = 1.0 - ECCENTRICITY_SQUARED * lat.sin() * lat.sin();
    let north_radius = SEMI_MAJOR * (1.0 - ECCENTRICITY_SQUARED) / (magic * magic.sqrt());
    let east_radius = SEMI_MAJOR / magic.sqrt() * lat.cos();
    LngLat {
        lng: p.lng + (east / east_radius).to_degrees(),
        lat: p.lat + (north / north_radius).to_degrees(),
    }
}

/// GCJ-02 to BD-09.
fn shift_bd09(p: LngLat) -> LngLat {
    let radius = p.lng.hypot(p.lat) + 0.000_02 * (p.lat * BAIDU_PI).sin();
    let angle = p.lat.atan2(p.lng) + 0.000_003 * (p.lng * BAIDU_PI).cos();
    LngLat { lng: radius * angle.cos() + 0.0065, lat: radius * angle.sin() + 0.006 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn assert_close(a: LngLat, b: LngLat, tolerance: f64) {
        assert!((a.lng - b.lng).abs() < tolerance && (a.lat - b.lat).abs() < tolerance, "{a:?} {b:?}");
    }

    #[test]
    fn known_points_move_as_the_maps_move_them() {
        let p = LngLat { lng: 116.404, lat: 39.915 };
        assert_close(
            shift_gcj02(p),
            LngLat { lng: 116.410_244_499_169_38, lat: 39.916_404_281_501_64 },
            1e-12,
        );
        assert_close(
            shift_bd09(p),
            LngLat { lng: 116.410_369_493_710_29, lat: 39.921_336_993_510_21 },
            1e-12,
        );
        // The widely copied closed form of the way back is itself only near: within some 2 m.
        assert_close(
            bd09_to_gcj02(p),
            LngLat { lng: 116.397_627_291_193_15, lat: 39.908_656_739_576_31 },
            2e-5,
        );
        assert_close(
            gcj02_to_wgs84(p),
            LngLat { lng: 116.397_755_500_830_61, lat: 39.913_595_718_498_36 },
            2e-5,
        );
    }

    #[test]
    fn outside_china_nothing_moves() {
        for p in [
            LngLat { lng: -87.6, lat: 41.8 },
            LngLat { lng: 2.35, lat: 48.85 },
            LngLat { lng: 72.0, lat: 30.0 },
        ] {
            assert_eq!(gcj02_to_wgs84(p), p);
        }
    }

    proptest! {
        #[test]
        fn the_way_back_from_gcj02_ends_where_it_began(lng in 73.0..137.0, lat in 1.5..55.0) {
            let p = LngLat { lng, lat };
            assert_close(gcj02_to_wgs84(shift_gcj02(p)), p, 1e-9);
        }

        #[test]
        fn the_way_back_from_bd09_ends_where_it_began(lng in 73.0..137.0, lat in 1.5..55.0) {
            let p = LngLat { lng, lat };
            assert_close(bd09_to_gcj02(shift_bd09(p)), p, 1e-9);
        }
    }
}
