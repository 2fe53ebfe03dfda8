//! Everything that moves: probe vehicles, buses and trains, ships. Each goes from place to place along street corners.

use crate::demo::dice::Dice;
use crate::demo::ground::{Ground, km_between};
use crate::demo::plan::{Going, PlantedKind};
use crate::demo::rhythm;
use crate::model::LngLat;

/// A mover on its way from corner to corner.
#[derive(Debug, Clone)]
pub struct Mover {
    /// Its number, from 1.
    pub number: i64,
    /// Where it is.
    pub place: LngLat,
    /// Its speed when it was last moved.
    pub speed_kmh: f64,
    grid: usize,
    corner: LngLat,
    goal: LngLat,
    dice: Dice,
}

impl Mover {
    fn new(number: i64, ground: &Ground, mut dice: Dice) -> Self {
        let grid = dice.below(ground.spots.len());
        let place = ground.spots.get(grid).map_or(LngLat { lng: 0.0, lat: 0.0 }, |s| s.place);
        Self { number, place, speed_kmh: 0.0, grid, corner: place, goal: place, dice }
    }

    /// Moves on for some seconds at the speed that road, hour and incidents allow.
    fn drive(&mut self, ground: &Ground, seconds: f64, second: i64, going: &Going<'_>) {
        let density = ground.spots.get(self.grid).map_or(1.0, |s| s.density);
        let free = 34.0 + 46.0 / (1.0 + density / 4.0);
        let held = 1.0 - rhythm::rush(second) * 0.30 * (density / (density + 6.0));
        let jam = 1.0 - 0.93 * going.strength(PlantedKind::Congestion, self.place).sqrt();
        let at_lights = jam > 0.9 && self.dice.chance(0.05);
        let noise = 1.0 + 0.16 * self.dice.bell();
        self.speed_kmh =
            if at_lights { self.dice.between(0.0, 6.0) } else { (free * held * jam * noise).max(0.0) };
        self.travel(ground, self.speed_kmh * seconds / 3_600.0);
    }

    /// Goes some kilometres, first to the corner, then to the goal; there it chooses the next.
    fn travel(&mut self, ground: &Ground, km: f64) {
        let mut left = km;
        for _ in 0..4 {
            let away = km_between(self.place, self.corner);
            if away > left {
                let t = left / away;
                self.place.lng += t * (self.corner.lng - self.place.lng);
                self.place.lat += t * (self.corner.lat - self.place.lat);
                return;
            }
            left -= away;
            self.place = self.corner;
            if self.corner == self.goal {
                self.choose(ground);
            } else {
                self.corner = self.goal;
            }
        }
    }

    /// The next goal: mostly near, now and then right across the city.
    fn choose(&mut self, ground: &Ground) {
        let reach = if self.dice.chance(0.12) { 2_500 } else { 45 };
        self.grid = ground.near(self.grid, reach, &mut self.dice);
        self.goal = ground.spots.get(self.grid).map_or(self.place, |s| s.place);
        let east_first = self.dice.chance(0.5);
        self.corner = if east_first {
            LngLat { lng: self.goal.lng, lat: self.place.lat }
        } else {
            LngLat { lng: self.place.lng, lat: self.goal.lat }
        };
    }
}

/// Movers of one kind, each reporting every so many seconds.
#[derive(Debug, Clone)]
pub struct Fleet {
    movers: Vec<Mover>,
    period: i64,
}

impl Fleet {
    /// `size` movers spread by people.
    pub fn new(seed: u64, kind: u64, size: usize, period: i64, ground: &Ground) -> Self {
        let mover =
            |number: i64| Mover::new(number, ground, Dice::of(&[seed, 30, kind, number.unsigned_abs()]));
        Self { movers: (1..).take(size).map(mover).collect(), period }
    }

    /// Moves those whose turn it is in this second and hands each to `report`.
    pub fn tick(
        &mut self,
        ground: &Ground,
        second: i64,
        going: &Going<'_>,
        mut report: impl FnMut(&Mover, &mut Dice),
    ) {
        let turn = usize::try_from(second.rem_euclid(self.period)).unwrap_or_default();
        let step = usize::try_from(self.period).unwrap_or(1);
        #[expect(clippy::cast_precision_loss, reason = "seconds")]
        let seconds = self.period as f64;
        for mover in self.movers.iter_mut().skip(turn).step_by(step) {
            mover.drive(ground, seconds, second, going);
            let mut dice = mover.dice.clone();
            report(mover, &mut dice);
            mover.dice = dice;
        }
    }
}
