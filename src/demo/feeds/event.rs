//! What happens in a second: calls, requests, reports, outages, warnings. Ordinary ones by chance, planted ones by plan.

use crate::demo::dice::Dice;
use crate::demo::ground::{Ground, around};
use crate::demo::plan::{Planted, PlantedKind};
use crate::demo::rhythm;
use crate::demo::sheet::{self, Book, Table, Value};
use crate::model::{AreaLevel, LngLat, Micros};

use super::reading::Moment;

use Value::{Bool, Int, Null, Num, Text};

const POLICE_KINDS: &[&str] =
    &["theft", "assault", "accident", "accident", "noise", "noise", "missing", "fraud", "other", "other"];
const FIRE_KINDS: &[&str] =
    &["building", "vehicle", "wildland", "industrial", "rescue", "rescue", "false_alarm"];
const SUBJECTS: &[&str] = &[
    "water",
    "power",
    "gas",
    "noise",
    "noise",
    "road",
    "waste",
    "housing",
    "traffic",
    "environment",
    "consumer",
    "labour",
    "other",
];
const CHANNELS: &[&str] = &["phone", "phone", "phone", "app", "wechat", "web"];
const FINDINGS: &[&str] = &[
    "hazard",
    "dispute",
    "waste",
    "waste",
    "facility",
    "facility",
    "illegal_building",
    "fire_lane",
    "person_in_need",
    "other",
];
const TRADES: &[&str] =
    &["restaurant", "restaurant", "market", "pharmacy", "factory", "lift_operator", "other"];
const HAZARDS: &[&str] = &["rainstorm", "gale", "fog", "thunderstorm"];

/// Far outside the city: a request that was filed with the address of its caller's home town.
const ELSEWHERE: LngLat = LngLat { lng: 118.78, lat: 32.06 };

/// How often a row is spoilt on purpose.
mod dirt {
    pub const KIND: f64 = 0.01;
    pub const OUTSIDE: f64 = 0.01;
}

/// How often things happen, in a second of a waking hour, before scaling.
mod rate {
    pub const POLICE: f64 = 0.06;
    pub const FIRE: f64 = 0.004;
    pub const AMBULANCE: f64 = 0.03;
    pub const HOTLINE: f64 = 0.40;
    pub const GRID: f64 = 0.55;
    pub const INSPECTIONS: f64 = 0.02;
}

/// Everything that happens in one second.
pub fn all(at: Moment<'_>, ground: &Ground, scale: f64, book: &mut Book) {
    let dice = &mut Dice::of(&[at.seed, 40, at.second.unsigned_abs()]);
    let busy = rhythm::awake(at.second) * scale;
    police(at, ground, busy, dice, book.of(&sheet::POLICE));
    fire(at, ground, busy, dice, book.of(&sheet::FIRE));
    ambulance(at, ground, busy, dice, book.of(&sheet::AMBULANCE));
    hotline(at, ground, busy, dice, book.of(&sheet::HOTLINE));
    grid(at, ground, busy, dice, book.of(&sheet::GRID));
    inspections(at, ground, busy, dice, book.of(&sheet::INSPECTIONS));
    outages(at, PlantedKind::PowerOutage, dice, book.of(&sheet::POWER));
    outages(at, PlantedKind::WaterOutage, dice, book.of(&sheet::MAINS));
    warnings(at, dice, book.of(&sheet::WARNINGS));
}

/// A number that no other event of this feed has: the second and the place in it.
fn number(at: Moment<'_>, place_in_second: usize) -> i64 {
    at.second * 1_000 + i64::try_from(place_in_second).unwrap_or_default() % 1_000
}

/// The places of this second's events: `mean` ordinary ones, and those of the planted ones that take their turn.
fn places<'a>(
    at: Moment<'a>,
    ground: &Ground,
    mean: f64,
    kind: PlantedKind,
    every_s: i64,
    dice: &mut Dice,
) -> Vec<(LngLat, Option<&'a Planted>)> {
    let mut found = Vec::new();
    for _ in 0..dice.count(mean) {
        if let Some(spot) = ground.any(dice) {
            found.push((around(spot.place, 0.25, dice), None));
        }
    }
    for &planted in at.going.of(kind) {
        if (at.second - planted.starts.seconds()) % every_s == 0 {
            found.push((around(planted.place, planted.reach_km * 0.5, dice), Some(planted)));
        }
    }
    found
}

fn one_of(choices: &[&'static str], dice: &mut Dice) -> &'static str {
    dice.pick(choices).copied().unwrap_or("other")
}

fn severity(dice: &mut Dice) -> i64 {
    1 + i64::from(dice.chance(0.55))
        + i64::from(dice.chance(0.3))
        + i64::from(dice.chance(0.12))
        + i64::from(dice.chance(0.04))
}

fn police(at: Moment<'_>, ground: &Ground, busy: f64, dice: &mut Dice, table: &mut Table) {
    for (i, (place, planted)) in
        places(at, ground, rate::POLICE * busy, PlantedKind::IncidentCluster, 14, dice)
            .into_iter()
            .enumerate()
    {
        let kind = if planted.is_some() {
            one_of(&["assault", "theft", "other"], dice)
        } else {
            one_of(POLICE_KINDS, dice)
        };
        let grave = if planted.is_some() { 3 + i64::from(dice.chance(0.4)) } else { severity(dice) };
        let wrong = planted.is_none() && dice.chance(dirt::KIND);
        let kind = if wrong { "theif" } else { kind };
        let id = number(at, i);
        table.row(&[Int(id), Int(at.micros(dice)), Num(place.lat), Num(place.lng), Text(kind), Int(grave)]);
        if wrong {
            table.spoil("NOT_IN_SET");
        }
    }
}

fn fire(at: Moment<'_>, ground: &Ground, busy: f64, dice: &mut Dice, table: &mut Table) {
    for (i, (place, planted)) in
        places(at, ground, rate::FIRE * busy, PlantedKind::Fire, 12, dice).into_iter().enumerate()
    {
        let kind = if planted.is_some() { "building" } else { one_of(FIRE_KINDS, dice) };
        let first = planted.is_some_and(|p| at.second == p.starts.seconds());
        let trapped = if first { 4 } else { 0 };
        let engines = if planted.is_some() { 6 } else { 1 + i64::from(dice.chance(0.3)) };
        let id = format!("F{:010}", number(at, i) % 10_000_000_000);
        table.row(&[
            Text(&id),
            Int(at.micros(dice)),
            Num(place.lat),
            Num(place.lng),
            Text(kind),
            Int(trapped),
            Int(engines),
        ]);
    }
}

fn ambulance(at: Moment<'_>, ground: &Ground, busy: f64, dice: &mut Dice, table: &mut Table) {
    for (i, (place, planted)) in
        places(at, ground, rate::AMBULANCE * busy, PlantedKind::Fire, 40, dice).into_iter().enumerate()
    {
        let priority =
            if planted.is_some() { 1 } else { 1 + i64::try_from(dice.below(4)).unwrap_or_default() };
        #[expect(clippy::cast_possible_truncation, reason = "seconds")]
        let response =
            if dice.chance(0.2) { Null } else { Int((540.0 + 140.0 * dice.bell()).max(90.0) as i64) };
        let id = format!("A{:010}", number(at, i) % 10_000_000_000);
        table.row(&[
            Text(&id),
            Int(at.micros(dice)),
            Num(place.lat),
            Num(place.lng),
            Int(priority),
            response,
        ]);
    }
}

fn hotline(at: Moment<'_>, ground: &Ground, busy: f64, dice: &mut Dice, table: &mut Table) {
    let mut found: Vec<(LngLat, &str)> =
        places(at, ground, rate::HOTLINE * busy, PlantedKind::HotlineSurge, 9, dice)
            .into_iter()
            .map(|(place, planted)| {
                let subject = match planted {
                    Some(p) if p.id.is_multiple_of(2) => "noise",
                    Some(_) => "waste",
                    None => one_of(SUBJECTS, dice),
                };
                (place, subject)
            })
            .collect();
    for (kind, subject) in [
        (PlantedKind::WaterOutage, "water"),
        (PlantedKind::PowerOutage, "power"),
        (PlantedKind::GasLeak, "gas"),
    ] {
        found.extend(places(at, ground, 0.0, kind, 11, dice).into_iter().map(|(place, _)| (place, subject)));
    }
    for (i, (place, subject)) in found.into_iter().enumerate() {
        let (channel, urgent) = (one_of(CHANNELS, dice), dice.chance(0.08));
        let id = number(at, i);
        let ts = at.micros(dice);
        let wrong = dice.chance(dirt::OUTSIDE);
        let place = if wrong { ELSEWHERE } else { place };
        if wrong {
            table.spoil("OUTSIDE_CITY");
        }
        table.row(&[
            Int(id),
            Int(ts),
            Num(place.lat),
            Num(place.lng),
            Text(subject),
            Text(channel),
            Bool(urgent),
        ]);
    }
}

fn grid(at: Moment<'_>, ground: &Ground, busy: f64, dice: &mut Dice, table: &mut Table) {
    for i in 0..dice.count(rate::GRID * busy) {
        let Some(spot) = ground.any(dice) else {
            continue;
        };
        let id = number(at, i);
        let (ts, kind, grave) = (at.micros(dice), one_of(FINDINGS, dice), severity(dice));
        table.row(&[Int(id), Int(ts), Text(spot.code.as_str()), Text(kind), Int(grave)]);
    }
}

fn inspections(at: Moment<'_>, ground: &Ground, busy: f64, dice: &mut Dice, table: &mut Table) {
    for (i, (place, _)) in places(at, ground, rate::INSPECTIONS * busy, PlantedKind::Premises, i64::MAX, dice)
        .into_iter()
        .enumerate()
    {
        let violations = i64::try_from(dice.below(6)).unwrap_or_default();
        let grade = match violations {
            0 => "A",
            1 | 2 => "B",
            3 | 4 => "C",
            _ => "D",
        };
        let due = if violations == 0 { Null } else { Int(at.second.div_euclid(86_400) + 7) };
        let id = number(at, i);
        let values = [
            Int(id),
            Int(at.micros(dice)),
            Num(place.lat),
            Num(place.lng),
            Text(one_of(TRADES, dice)),
            Text(grade),
            Int(violations),
            due,
        ];
        table.row(&values);
    }
}

/// An outage reports every 20 seconds while it lasts, and says in its last second that it is over.
fn outages(at: Moment<'_>, kind: PlantedKind, dice: &mut Dice, table: &mut Table) {
    let power = kind == PlantedKind::PowerOutage;
    for planted in at.going.of(kind) {
        let (age, left) = (at.second - planted.starts.seconds(), planted.ends.seconds() - 1 - at.second);
        if age % 20 != 0 && left != 0 {
            continue;
        }
        let id = format!("{}{:08}", if power { "EO" } else { "WO" }, planted.id);
        let customers = 2_400 + i64::from(planted.id % 9) * 1_900;
        let (state, customers) = if left == 0 { ("restored", 0) } else { ("open", customers) };
        let (ts, lat, lng) = (Int(at.micros(dice)), Num(planted.place.lat), Num(planted.place.lng));
        if power {
            table.row(&[Text(&id), ts, lat, lng, Int(customers), Text(state)]);
        } else {
            let pressure = if left == 0 { 0.34 } else { 0.06 };
            table.row(&[Text(&id), ts, lat, lng, Int(customers), Num(pressure), Text(state)]);
        }
    }
}

fn warnings(at: Moment<'_>, dice: &mut Dice, table: &mut Table) {
    for planted in at.going.of(PlantedKind::Warning).iter().filter(|p| p.starts.seconds() == at.second) {
        let Some(county) = planted.area.at(AreaLevel::County) else {
            continue;
        };
        let id = format!("WW{:012}", at.second);
        let colour = one_of(&["blue", "yellow", "yellow", "orange"], dice);
        let Micros(expires) = planted.ends;
        let kind = one_of(HAZARDS, dice);
        let ts = Int(at.micros(dice));
        table.row(&[Text(&id), ts, Text(county.as_str()), Text(kind), Text(colour), Int(expires)]);
    }
}
