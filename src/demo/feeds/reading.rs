//! What the stations report in a second: an ordinary reading, bent by the hour and by the incidents nearby.

use crate::demo::dice::Dice;
use crate::demo::ground::km_between;
use crate::demo::plan::{Going, PlantedKind};
use crate::demo::rhythm;
use crate::demo::sheet::{self, Book, Table, Value};

use super::network::{Networks, Site};

use Value::{Int, Null, Num, Text};

/// How often a row is spoilt on purpose.
mod dirt {
    pub const REPEATED: f64 = 0.004;
    pub const BATTERY: f64 = 0.001;
}

/// The second that is being written.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// The seed.
    pub seed: u64,
    /// Seconds since 1970.
    pub second: i64,
    /// What is going on.
    pub going: &'a Going<'a>,
}

impl Moment<'_> {
    /// A microsecond inside the second.
    pub fn micros(self, dice: &mut Dice) -> i64 {
        self.second * 1_000_000 + i64::try_from(dice.below(1_000_000)).unwrap_or_default()
    }

    /// How much an incident is felt at a site.
    fn strength(self, kind: PlantedKind, site: &Site) -> f64 {
        self.going.strength(kind, site.place)
    }
}

/// One report of one site: its id, time and place, then `values`.
fn put(table: &mut Table, site: &Site, ts: i64, values: &[Value<'_>]) {
    let mut row = vec![Text(&site.id), Int(ts), Num(site.place.lat), Num(site.place.lng)];
    row.extend_from_slice(values);
    table.row(&row);
}

#[expect(clippy::cast_possible_truncation, reason = "counts of people and places")]
fn whole(number: f64) -> Value<'static> {
    Int(number.round() as i64)
}

/// The reports of every network in one second.
pub fn all(at: Moment<'_>, nets: &Networks, book: &mut Book) {
    signals(at, nets, book.of(&sheet::SIGNALS));
    parking(at, nets, book.of(&sheet::PARKING));
    air(at, nets, book.of(&sheet::AIR));
    water_quality(at, nets, book.of(&sheet::WATER_QUALITY));
    noise(at, nets, book.of(&sheet::NOISE));
    weather(at, nets, book.of(&sheet::WEATHER));
    construction(at, nets, book.of(&sheet::SITES));
    gas(at, nets, book.of(&sheet::GAS));
    premises(at, nets, book.of(&sheet::PREMISES));
    crowds(at, nets, book.of(&sheet::CROWDS));
    elevators(at, nets, book.of(&sheet::ELEVATORS));
    manholes(at, nets, book.of(&sheet::MANHOLES));
    gauges(at, nets, book.of(&sheet::LEVELS));
    phones(at, nets, book.of(&sheet::CROWD_CELLS));
}

fn signals(at: Moment<'_>, nets: &Networks, table: &mut Table) {
    for (site, mut dice) in nets.signals.due(at.seed, at.second) {
        let dark = at.strength(PlantedKind::SignalsOut, site) > 0.0
            || at.strength(PlantedKind::PowerOutage, site) > 0.7;
        let night = rhythm::rush(at.second) < 0.16;
        let state = if dark {
            "dark"
        } else if night && site.trait_of_own < 0.4 {
            "flashing"
        } else {
            "normal"
        };
        let queue =
            20.0 + 90.0 * rhythm::rush(at.second) + 600.0 * at.strength(PlantedKind::Congestion, site);
        let queue = (queue + 12.0 * dice.bell()).max(0.0);
        put(table, site, at.micros(&mut dice), &[Text(state), Num(queue)]);
    }
}

fn parking(at: Moment<'_>, nets: &Networks, table: &mut Table) {
    for (site, mut dice) in nets.parking.due(at.seed, at.second) {
        let capacity = (80.0 + 900.0 * site.trait_of_own).round();
        let used =
            0.30 + 0.55 * rhythm::awake(at.second) * (0.7 + 0.3 * site.trait_of_own) + 0.03 * dice.bell();
        let free = (capacity * (1.0 - used)).clamp(0.0, capacity);
        put(table, site, at.micros(&mut dice), &[whole(capacity), whole(free)]);
    }
}

fn air(at: Moment<'_>, nets: &Networks, table: &mut Table) {
    for (site, mut dice) in nets.air.due(at.seed, at.second) {
        let plume = at.strength(PlantedKind::AirPlume, site).sqrt();
        let ordinary = 22.0 + 16.0 * site.trait_of_own + 14.0 * rhythm::rush(at.second);
        let pm25 = (ordinary + 3.0 * dice.bell() + 300.0 * plume).max(1.0);
        let no2 =
            (14.0 + 40.0 * rhythm::rush(at.second) * (0.4 + 0.6 * site.trait_of_own) + 2.5 * dice.bell())
                .max(1.0);
        let no2 = if dice.chance(0.004) { Null } else { Num(no2) };
        let values = [Num(pm25), no2];
        let ts = at.micros(&mut dice);
        put(table, site, ts, &values);
        if dice.chance(dirt::REPEATED) {
            put(table, site, ts, &values);
            table.spoil("KEY_DUPLICATE");
        }
    }
}

fn water_quality(at: Moment<'_>, nets: &Networks, table: &mut Table) {
    for (site, mut dice) in nets.water_quality.due(at.seed, at.second) {
        let ph = 7.4 + 0.3 * site.trait_of_own + 0.06 * dice.bell();
        let oxygen = (7.0 - 2.0 * site.trait_of_own + 0.2 * dice.bell()).max(0.2);
        let ammonia = (0.3 + 0.7 * site.trait_of_own + 0.05 * dice.bell()).max(0.01);
        let turbidity = (25.0 + 20.0 * site.trait_of_own + 4.0 * dice.bell()).max(0.5);
        put(table, site, at.micros(&mut dice), &[Num(ph), Num(oxygen), Num(ammonia), Num(turbidity)]);
    }
}

fn noise(at: Moment<'_>, nets: &Networks, table: &mut Table) {
    for (site, mut dice) in nets.noise.due(at.seed, at.second) {
        let level = 43.0 + 14.0 * rhythm::awake(at.second) + 9.0 * site.trait_of_own + 2.0 * dice.bell();
        put(table, site, at.micros(&mut dice), &[Num(level.clamp(28.0, 110.0))]);
    }
}

fn weather(at: Moment<'_>, nets: &Networks, table: &mut Table) {
    for (site, mut dice) in nets.weather.due(at.seed, at.second) {
        let rain = 75.0 * at.strength(PlantedKind::Flood, site) * (1.0 + 0.1 * dice.bell());
        let temperature = 12.0 + 7.0 * rhythm::awake(at.second) + 1.5 * site.trait_of_own + 0.2 * dice.bell();
        let wind = (3.4 + 2.0 * site.trait_of_own + 0.7 * dice.bell()).max(0.0);
        let from = (115.0 + 20.0 * dice.bell()).rem_euclid(360.0);
        let visibility = (14_000.0 - 120.0 * rain + 500.0 * dice.bell()).max(300.0);
        let values = [Num(temperature), Num(rain.max(0.0)), Num(wind), Num(from), Num(visibility)];
        put(table, site, at.micros(&mut dice), &values);
    }
}

fn construction(at: Moment<'_>, nets: &Networks, table: &mut Table) {
    for (site, mut dice) in nets.construction.due(at.seed, at.second) {
        let busy = rhythm::awake(at.second);
        let dust = (40.0 + 90.0 * busy * site.trait_of_own + 8.0 * dice.bell()).max(3.0);
        let loud = 45.0 + 25.0 * busy + 2.0 * dice.bell();
        let crane = if site.trait_of_own < 0.3 {
            Null
        } else {
            Num((55.0 * busy + 10.0 * dice.bell()).clamp(0.0, 98.0))
        };
        put(table, site, at.micros(&mut dice), &[Num(dust), Num(loud), crane]);
    }
}

fn gas(at: Moment<'_>, nets: &Networks, table: &mut Table) {
    for (site, mut dice) in nets.gas.due(at.seed, at.second) {
        let leak = 46.0 * at.strength(PlantedKind::GasLeak, site) * (1.0 + 0.05 * dice.bell());
        let lel = (0.8 + 0.5 * dice.bell() + leak).clamp(0.0, 100.0);
        let wrong = dice.chance(dirt::BATTERY);
        let battery = if wrong { 255.0 } else { 60.0 + 40.0 * site.trait_of_own };
        put(table, site, at.micros(&mut dice), &[Num(lel), Num(battery)]);
        if wrong {
            table.spoil("OUT_OF_RANGE");
        }
    }
}

fn premises(at: Moment<'_>, nets: &Networks, table: &mut Table) {
    for (site, mut dice) in nets.premises.due(at.seed, at.second) {
        let wrong = at.strength(PlantedKind::Premises, site);
        let pressure = 0.7 + 0.3 * site.trait_of_own + 0.01 * dice.bell() + 1.1 * wrong;
        let temperature = 21.0 + 6.0 * site.trait_of_own + 0.4 * dice.bell() + 48.0 * wrong;
        let level = 45.0 + 40.0 * site.trait_of_own + 0.2 * dice.bell();
        let persons = 8.0 + 50.0 * rhythm::awake(at.second) * site.trait_of_own;
        let values = [Num(pressure), Num(temperature), Num(level), whole(persons)];
        put(table, site, at.micros(&mut dice), &values);
    }
}

fn crowds(at: Moment<'_>, nets: &Networks, table: &mut Table) {
    for (site, mut dice) in nets.crowds.due(at.seed, at.second) {
        let capacity = (1_500.0 + 22_000.0 * site.trait_of_own * site.trait_of_own).round();
        let ordinary = 0.10 + 0.55 * rhythm::leisure(at.second) + 0.02 * dice.bell();
        let share = (ordinary + 0.95 * at.strength(PlantedKind::Crowd, site)).max(0.0);
        put(table, site, at.micros(&mut dice), &[whole(capacity * share), whole(capacity)]);
    }
}

fn elevators(at: Moment<'_>, nets: &Networks, table: &mut Table) {
    for (site, mut dice) in nets.elevators.due(at.seed, at.second) {
        let stuck = at.strength(PlantedKind::Elevator, site) > 0.0;
        let ordinary = if dice.chance(0.45) {
            "running"
        } else if dice.chance(0.004) {
            "maintenance"
        } else {
            "stopped"
        };
        let (state, trapped) = if stuck { ("fault", 2.0 + 5.0 * site.trait_of_own) } else { (ordinary, 0.0) };
        put(table, site, at.micros(&mut dice), &[Text(state), whole(trapped)]);
    }
}

fn manholes(at: Moment<'_>, nets: &Networks, table: &mut Table) {
    for (site, mut dice) in nets.manholes.due(at.seed, at.second) {
        let water = 8.0
            + 22.0 * site.trait_of_own
            + 1.5 * dice.bell()
            + 210.0 * at.strength(PlantedKind::Flood, site);
        let tilt = (0.6 + 0.4 * dice.bell()).max(0.0);
        put(table, site, at.micros(&mut dice), &[Num(tilt), Num(water.max(0.0))]);
    }
}

fn gauges(at: Moment<'_>, nets: &Networks, table: &mut Table) {
    for (site, mut dice) in nets.gauges.due(at.seed, at.second) {
        // The Yangtze's tide at Nantong: a rise and a fall in about 12.4 hours, here a triangle.
        let turn = at.second.rem_euclid(44_700);
        #[expect(clippy::cast_precision_loss, reason = "below 44,700")]
        let tide = (turn as f64 / 22_350.0 - 1.0).abs();
        let level = 1.2 + 1.1 * tide + 0.4 * site.trait_of_own + 0.02 * dice.bell();
        let level = level + 1.0 * at.strength(PlantedKind::Flood, site);
        put(table, site, at.micros(&mut dice), &[Num(level), Num(3.4)]);
    }
}

fn phones(at: Moment<'_>, nets: &Networks, table: &mut Table) {
    const PERIOD: i64 = 120;
    let turn = usize::try_from(at.second.rem_euclid(PERIOD)).unwrap_or_default();
    let mut dice = Dice::of(&[at.seed, 77, at.second.unsigned_abs()]);
    for cell in nets.phones.iter().skip(turn).step_by(120) {
        let out = 0.75 + 0.35 * rhythm::awake(at.second) + 0.02 * dice.bell();
        let pulled = at.going.of(PlantedKind::Crowd).iter().any(|p| km_between(p.place, cell.place) < 0.6);
        let people = (cell.people * out + if pulled { 14_000.0 } else { 0.0 }).max(10.0);
        let arrivals = people * (0.02 + 0.004 * dice.bell());
        table.row(&[Text(&cell.id), Int(at.micros(&mut dice)), whole(people), whole(arrivals)]);
    }
}
