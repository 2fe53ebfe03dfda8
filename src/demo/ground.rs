//! Where things may stand in the demo city: its grids by their centres, and distances over ground.

use crate::model::{AreaCode, LngLat};

use super::areas::{City, density};
use super::dice::Dice;
use super::mesh::LNG_SHRINK;

const KM_PER_DEGREE: f64 = 111.2;

/// A standing grid seen as one place.
#[derive(Debug, Clone)]
pub struct Spot {
    /// The grid's code.
    pub code: AreaCode,
    /// The centre of its ground.
    pub place: LngLat,
    /// People around, the open country being 1.
    pub density: f64,
}

/// All grids. About as many people live in one as in another, so an even choice of grids is one by people.
#[derive(Debug, Clone)]
pub struct Ground {
    /// In the order of codes, so that neighbours in the list are near each other on the ground.
    pub spots: Vec<Spot>,
}

impl Ground {
    /// The grids of a city.
    pub fn of(city: &City) -> Self {
        let spot = |grid: &super::areas::Area| {
            let place = grid.centre();
            Spot { code: grid.code.clone(), place, density: density(place.lng, place.lat) }
        };
        Self { spots: city.grids().map(spot).collect() }
    }

    /// A grid by chance; none of an empty city.
    pub fn any(&self, dice: &mut Dice) -> Option<&Spot> {
        dice.pick(&self.spots)
    }

    /// A grid by chance where it is at least so dense, or the densest of sixty tries.
    pub fn dense(&self, least: f64, dice: &mut Dice) -> Option<&Spot> {
        let mut best: Option<&Spot> = None;
        for _ in 0..60 {
            let spot = self.any(dice)?;
            if spot.density >= least {
                return Some(spot);
            }
            if best.is_none_or(|b| b.density < spot.density) {
                best = Some(spot);
            }
        }
        best
    }

    /// The grid in the list beside number `at`, at most `reach` away.
    pub fn near(&self, at: usize, reach: usize, dice: &mut Dice) -> usize {
        let last = self.spots.len().saturating_sub(1);
        (at + dice.below(2 * reach + 1)).saturating_sub(reach).min(last)
    }
}

/// Kilometres between two places (flat, good to a percent inside a city).
pub fn km_between(a: LngLat, b: LngLat) -> f64 {
    let (x, y) = ((a.lng - b.lng) * LNG_SHRINK * KM_PER_DEGREE, (a.lat - b.lat) * KM_PER_DEGREE);
    (x * x + y * y).sqrt()
}

/// The place so many kilometres east and north of another.
pub fn moved(place: LngLat, east_km: f64, north_km: f64) -> LngLat {
    LngLat {
        lng: place.lng + east_km / (LNG_SHRINK * KM_PER_DEGREE),
        lat: place.lat + north_km / KM_PER_DEGREE,
    }
}

/// A place near another, by chance, seldom farther than twice `km`.
pub fn around(place: LngLat, km: f64, dice: &mut Dice) -> LngLat {
    let (east, north) = (dice.bell() * km * 0.6, dice.bell() * km * 0.6);
    moved(place, east, north)
}
