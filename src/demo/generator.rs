//! The demo city's rows for any slice of time: whole seconds, each written once it is over, so nothing lies in the future.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;

use crate::model::{FeedName, Micros};

use super::areas::City;
use super::feeds::fleet::Fleet;
use super::feeds::reading::Moment;
use super::feeds::{Networks, event, reading};
use super::ground::Ground;
use super::plan::{Going, Planted, PlantedKind, planted};
use super::rhythm;
use super::sheet::{self, Book, Table, Value};

use Value::{Int, Null, Num, Text};

/// How many probe vehicles there are at scale 1; a fifth reports each second.
const VEHICLES: f64 = 8_300.0;
const VEHICLE_PERIOD: i64 = 5;
const TRANSIT: f64 = 760.0;
const TRANSIT_PERIOD: i64 = 10;
const VESSELS: usize = 120;
const VESSEL_PERIOD: i64 = 20;
/// Of so many speeds one is out of range and one lacks its vehicle.
const DIRT_ONE_IN: usize = 2_500;
/// The fairway, west to east.
const RIVER: [(f64, f64); 8] = [
    (120.20, 32.16),
    (120.50, 32.015),
    (120.70, 31.965),
    (120.80, 31.885),
    (120.93, 31.805),
    (121.06, 31.745),
    (121.34, 31.685),
    (121.95, 31.63),
];

/// What the demo city is like.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The same seed makes the same rows.
    pub seed: u64,
    /// When the demo begins: incidents are planned from here on.
    pub start: Micros,
    /// 1 makes about 2,000 rows a second.
    pub scale: f64,
}

/// The rows of one feed.
pub type Batch = (FeedName, RecordBatch);

/// How many rows the generator has spoilt on purpose: by feed and reason code.
pub type Dirt = BTreeMap<(&'static str, &'static str), u64>;

/// The city at work.
#[derive(Debug)]
pub struct Generator {
    settings: Settings,
    ground: Ground,
    networks: Networks,
    planted: Vec<Planted>,
    vehicles: Fleet,
    transit: Fleet,
    vessels: Fleet,
    dirt: Dirt,
}

impl Generator {
    /// The city as it stands when the demo begins.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "fleets are small and not negative"
    )]
    pub fn new(settings: Settings, city: &City) -> Self {
        let ground = Ground::of(city);
        let networks = Networks::new(settings.seed, &ground);
        let planted = planted(settings.seed, settings.start, &ground, &networks);
        let scaled = |size: f64| (size * settings.scale).max(1.0) as usize;
        let fleet = |kind, size, period| Fleet::new(settings.seed, kind, size, period, &ground);
        Self {
            vehicles: fleet(1, scaled(VEHICLES), VEHICLE_PERIOD),
            transit: fleet(2, scaled(TRANSIT), TRANSIT_PERIOD),
            vessels: fleet(3, VESSELS, VESSEL_PERIOD),
            settings,
            ground,
            networks,
            planted,
            dirt: Dirt::new(),
        }
    }

    /// What goes wrong, in the order of beginning.
    pub fn truth(&self) -> &[Planted] {
        &self.planted
    }

    /// How many rows have been spoilt on purpose so far.
    pub fn dirt(&self) -> &Dirt {
        &self.dirt
    }

    /// The rows of every second that ends after `from` and not after `to`. Slices that follow each other give the
    /// same rows as one slice over them all.
    pub fn tick(&mut self, from: Micros, to: Micros) -> Vec<Batch> {
        self.seconds(from.seconds(), to.seconds(), 1)
    }

    /// The rows of the `minutes` before `until`, for a first picture that is full: every event and every reading, but
    /// of the vehicles only one second's in `thin`.
    pub fn history(&mut self, until: Micros, minutes: u32, thin: u32) -> Vec<Batch> {
        let until = until.seconds();
        self.seconds(until - i64::from(minutes) * 60, until, i64::from(thin.max(1)))
    }

    fn seconds(&mut self, from: i64, to: i64, thin: i64) -> Vec<Batch> {
        let mut book = Book::new();
        for second in from..to {
            let going = Going::at(&self.planted, second);
            let at = Moment { seed: self.settings.seed, second, going: &going };
            // Whole turns of the fleet are left out, or the same vehicles would be missing every time.
            if second.div_euclid(VEHICLE_PERIOD).rem_euclid(thin) == 0 {
                speeds(at, &mut self.vehicles, &self.ground, book.of(&sheet::SPEED));
            }
            transit(at, &mut self.transit, &self.ground, book.of(&sheet::TRANSIT));
            vessels(at, &mut self.vessels, &self.ground, book.of(&sheet::VESSELS));
            reading::all(at, &self.networks, &mut book);
            event::all(at, &self.ground, self.settings.scale, &mut book);
        }
        let mut batches = Vec::new();
        for table in book.into_tables() {
            let feed = table.sheet.feed;
            for (&code, &rows) in &table.spoilt {
                *self.dirt.entry((feed, code)).or_default() += rows;
            }
            // Sheets' names are valid feed names; an empty table is no batch.
            batches.extend(feed.parse().ok().zip(table.finish()));
        }
        batches
    }
}

fn speeds(at: Moment<'_>, fleet: &mut Fleet, ground: &Ground, table: &mut Table) {
    fleet.tick(ground, at.second, at.going, |mover, dice| {
        let ts = Int(at.micros(dice));
        let spoilt = dice.below(DIRT_ONE_IN);
        let number = if spoilt == 1 { Null } else { Int(mover.number) };
        let speed = if spoilt == 0 { 999.0 } else { mover.speed_kmh };
        table.row(&[ts, Num(mover.place.lat), Num(mover.place.lng), number, Num(speed)]);
        match spoilt {
            0 => table.spoil("OUT_OF_RANGE"),
            1 => table.spoil("NULL_REQUIRED"),
            _ => {}
        }
    });
}

fn transit(at: Moment<'_>, fleet: &mut Fleet, ground: &Ground, table: &mut Table) {
    let rush = rhythm::rush(at.second);
    fleet.tick(ground, at.second, at.going, |mover, dice| {
        let metro = mover.number % 12 == 0;
        let id = format!("{}-{:04}", if metro { "MTR" } else { "BUS" }, mover.number % 10_000);
        let route =
            if metro { format!("M{}", 1 + mover.number % 2) } else { (1 + mover.number % 98).to_string() };
        let jam = at.going.strength(PlantedKind::Congestion, mover.place);
        let delay = 40.0 + 90.0 * rush + 55.0 * dice.bell() + 900.0 * jam;
        let load = (25.0 + 60.0 * rush + 12.0 * dice.bell()).clamp(0.0, 160.0);
        let speed = (mover.speed_kmh * 0.8).min(110.0);
        #[expect(clippy::cast_possible_truncation, reason = "seconds")]
        let delay = Int(delay as i64);
        let (ts, lat, lng) = (Int(at.micros(dice)), Num(mover.place.lat), Num(mover.place.lng));
        table.row(&[Text(&id), ts, lat, lng, Text(&route), Num(speed), delay, Num(load)]);
    });
}

/// Ships follow the land's movers, thrown onto the Yangtze: a band along the city's south bank.
fn vessels(at: Moment<'_>, fleet: &mut Fleet, ground: &Ground, table: &mut Table) {
    const KINDS: [&str; 6] = ["cargo", "cargo", "tanker", "tug", "fishing", "passenger"];
    fleet.tick(ground, at.second, at.going, |mover, dice| {
        let lng = mover.place.lng;
        let bank = RIVER.windows(2).find(|w| w[1].0 >= lng).map_or(31.62, |w| {
            let t = (lng - w[0].0) / (w[1].0 - w[0].0);
            w[0].1 + t * (w[1].1 - w[0].1)
        });
        #[expect(clippy::cast_precision_loss, reason = "a fleet's numbers are small")]
        let lane = (mover.number % 7) as f64 * 0.004;
        let kind =
            KINDS.get(usize::try_from(mover.number % 6).unwrap_or_default()).copied().unwrap_or("other");
        let knots = (mover.speed_kmh * 0.2 + 0.3 * dice.bell()).clamp(0.0, 24.0);
        let (ts, lat, lng) = (Int(at.micros(dice)), Num(bank - lane), Num(lng));
        table.row(&[Int(mover.number), ts, lat, lng, Num(knots), Text(kind)]);
    });
}
