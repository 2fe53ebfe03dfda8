//! The one promise: for every point the same cell as `h3o`. `CITYLOOM_CELL_POINTS` sets how many points are tried
//! in each kind of place; a hundred million take minutes in an optimised build.

use std::cell::Cell as Counter;
use std::f64::consts::PI;

use h3o::{CellIndex, LatLng};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;

thread_local! {
    /// How many points of this thread `h3o` was asked for.
    pub(super) static ASKED: Counter<usize> = const { Counter::new(0) };
}

const RESOLUTIONS: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Points of each kind.
fn wanted() -> usize {
    std::env::var("CITYLOOM_CELL_POINTS").ok().and_then(|n| n.parse().ok()).unwrap_or(120_000)
}

/// Holds points of a kind against `h3o`, at all resolutions in turn, in batches of odd sizes; says which share of them
/// the fast path left to `h3o`.
fn agree(seed: u64, mut point: impl FnMut(&mut StdRng, Resolution) -> (f64, f64)) -> f64 {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut tried = 0;
    ASKED.set(0);
    for r in RESOLUTIONS.into_iter().cycle() {
        if tried >= wanted() {
            break;
        }
        let resolution = Resolution::try_from(r).unwrap();
        let batch = dice.random_range(1..1_000);
        let (lng, lat): (Vec<f64>, Vec<f64>) = (0..batch).map(|_| point(&mut dice, resolution)).unzip();
        for ((cell, &lng), &lat) in cells(&lng, &lat, resolution).into_iter().zip(&lng).zip(&lat) {
            assert_eq!(cell, one(lng, lat, resolution), "{lng} {lat} at {r}");
        }
        tried += batch;
    }
    ASKED.get() as f64 / tried as f64
}

fn one(lng: f64, lat: f64, resolution: Resolution) -> i64 {
    LngLat { lng, lat }.cell(resolution).map_or(NO_CELL, Cell::to_i64)
}

fn anywhere(dice: &mut StdRng) -> (f64, f64) {
    (dice.random_range(-180.0..180.0), dice.random_range(-1.0..1.0_f64).asin().to_degrees())
}

/// Ever smaller steps, down to nothing.
fn nudge(dice: &mut StdRng) -> f64 {
    let size = 10_f64.powf(dice.random_range(-17.0..-1.0));
    size * dice.random_range(-1.0..1.0)
}

fn near((lng, lat): (f64, f64), dice: &mut StdRng) -> (f64, f64) {
    (lng + nudge(dice), lat + nudge(dice))
}

fn degrees(at: LatLng) -> (f64, f64) {
    (at.lng(), at.lat())
}

/// A point between two, on the shorter way.
fn between(a: [f64; 3], b: [f64; 3], share: f64) -> (f64, f64) {
    let [x, y, z] = [0, 1, 2].map(|n| a[n] + share * (b[n] - a[n]));
    (y.atan2(x).to_degrees(), z.atan2(x.hypot(y)).to_degrees())
}

#[test]
fn all_over_the_world() {
    let left = agree(1, |dice, _| anywhere(dice));
    assert!(left < 1e-4, "{left} of the points are left to h3o");
}

#[test]
fn all_over_a_city() {
    for (seed, (lng, lat)) in
        [(120.9, 32.1), (-87.6, 41.8), (-58.4, -34.6), (18.4, -33.9)].into_iter().enumerate()
    {
        let seed = 10 + seed as u64;
        let left =
            agree(seed, |dice, _| (lng + dice.random_range(-0.6..0.6), lat + dice.random_range(-0.4..0.4)));
        assert!(left < 1e-4, "{left} of the points are left to h3o");
    }
}

#[test]
fn on_and_near_edges_and_corners_of_cells() {
    agree(2, |dice, resolution| {
        let (lng, lat) = anywhere(dice);
        let edge = LatLng::new(lat, lng).unwrap().to_cell(resolution).boundary();
        let corner = dice.random_range(0..edge.len());
        let vector = |at: LatLng| unit_vector(at.lng(), at.lat());
        let (a, b) = (vector(edge[corner]), vector(edge[(corner + 1) % edge.len()]));
        let share = if dice.random_bool(0.3) { 0.0 } else { dice.random_range(0.0..1.0) };
        near(between(a, b, share), dice)
    });
}

#[test]
fn around_the_twelve_pentagons() {
    agree(3, |dice, resolution| {
        let pentagons: Vec<CellIndex> = resolution.pentagons().collect();
        let centre = degrees(LatLng::from(pentagons[dice.random_range(0..pentagons.len())]));
        let wide = 10_f64.powf(dice.random_range(-9.0..1.2));
        let (lng, lat) = (dice.random_range(-wide..wide), dice.random_range(-wide..wide));
        near((centre.0 + lng, (centre.1 + lat).clamp(-90.0, 90.0)), dice)
    });
}

#[test]
fn at_the_poles_and_the_date_line() {
    agree(4, |dice, _| {
        let (lng, lat) = anywhere(dice);
        match dice.random_range(0..4) {
            0 => near((lng, 90.0_f64.copysign(lat)), dice),
            1 => near((180.0_f64.copysign(lng), lat), dice),
            2 => near((0.0, lat), dice),
            _ => (dice.random_range(-360.0..360.0), dice.random_range(-360.0..360.0)),
        }
    });
}

#[test]
fn on_and_near_edges_and_centres_of_faces() {
    let faces = Upright::new().on_globe();
    agree(5, |dice, _| {
        let corners = faces[dice.random_range(0..faces.len())].corners;
        let first = dice.random_range(0..3);
        let (a, b) = (corners[first], corners[(first + 1) % 3]);
        if dice.random_bool(0.5) {
            return near(between(a, b, dice.random_range(0.0..1.0)), dice);
        }
        let [x, y, z] = [0, 1, 2].map(|n| corners[0][n] + corners[1][n] + corners[2][n]);
        near((y.atan2(x).to_degrees(), z.atan2(x.hypot(y)).to_degrees()), dice)
    });
}

#[test]
fn at_round_numbers() {
    agree(6, |dice, _| {
        let round = |v: f64, digits: i32| (v * 10_f64.powi(digits)).round() / 10_f64.powi(digits);
        let (lng, lat) = anywhere(dice);
        let digits = dice.random_range(0..7);
        (round(lng, digits), round(lat, digits))
    });
}

/// Ancestors of all resolutions, and the two next generations of descendants.
#[test]
fn ancestors_and_descendants_anywhere() {
    let mut dice = StdRng::seed_from_u64(7);
    let mut tried = 0;
    for r in RESOLUTIONS.into_iter().cycle() {
        if tried >= wanted() {
            break;
        }
        let resolution = Resolution::try_from(r).unwrap();
        let (lng, lat): (Vec<f64>, Vec<f64>) = (0..500).map(|_| anywhere(&mut dice)).unzip();
        let mut cells = cells(&lng, &lat, resolution);
        // A pentagon has other children than a hexagon.
        cells.extend(resolution.pentagons().map(|cell| Cell(cell).to_i64()));
        let h3o: Vec<CellIndex> = cells.iter().map(|cell| Cell::from_i64(*cell).unwrap().0).collect();
        for to in RESOLUTIONS.into_iter().map(|to| Resolution::try_from(to).unwrap()) {
            let expected = h3o.iter().map(|cell| cell.parent(to).map_or(NO_CELL, |cell| Cell(cell).to_i64()));
            assert!(parents(&cells, to).into_iter().eq(expected), "from {r} to {to}");
        }
        for to in (r..16).take(3).map(|to| Resolution::try_from(to).unwrap()) {
            let expected = h3o.iter().flat_map(|cell| cell.children(to)).map(|cell| Cell(cell).to_i64());
            let found = children(&cells, to, 100, 100 * cells.len()).unwrap();
            assert!(found.cells.into_iter().eq(expected), "from {r} to {to}");
            assert!(found.counts.into_iter().eq(h3o.iter().map(|cell| cell.children_count(to) as usize)));
        }
        tried += cells.len();
    }
}

#[test]
fn what_is_no_place_has_no_cell_and_spoils_no_other() {
    let odd =
        [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e9, 361.0, 0.0, -0.0, f64::MIN_POSITIVE, PI];
    let (lng, lat): (Vec<f64>, Vec<f64>) = odd.iter().flat_map(|a| odd.map(|b| (*a, b))).unzip();
    for r in RESOLUTIONS {
        let resolution = Resolution::try_from(r).unwrap();
        let one_by_one: Vec<i64> =
            lng.iter().zip(&lat).map(|(&lng, &lat)| one(lng, lat, resolution)).collect();
        assert_eq!(cells(&lng, &lat, resolution), one_by_one);
        assert_eq!(one_by_one[0], NO_CELL);
    }
    assert!(cells(&[], &[], Resolution::Nine).is_empty());
    assert_eq!(cells(&[1.0, 2.0], &[3.0], Resolution::Nine).len(), 1);
}
