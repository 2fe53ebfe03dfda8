//! What goes wrong in the demo city, when and where, and which alert should find it: the truth.
//!
//! A round of fourteen incidents begins shortly after the start and comes again every twenty minutes elsewhere.

use std::collections::BTreeMap;

use crate::model::{AreaCode, AreaLevel, LngLat, Micros};

use super::dice::Dice;
use super::feeds::Networks;
use super::ground::{Ground, km_between, moved};

/// How often the round comes again.
const ROUND_S: i64 = 1_200;
/// Rounds planned ahead: a day.
const ROUNDS: u64 = 72;
/// Where gas, crowd, tank or cabin stands alone: no neighbour is that near.
const ALONE_KM: f64 = 0.02;

/// What kind of incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PlantedKind {
    /// Traffic collapses.
    Congestion,
    /// A detector finds gas.
    GasLeak,
    /// Several fires near each other, with people trapped.
    Fire,
    /// The weather office warns a county.
    Warning,
    /// A place holds more people than it may.
    Crowd,
    /// A cloud of fine particles drifts.
    AirPlume,
    /// Many police calls near each other.
    IncidentCluster,
    /// People in a stopped cabin.
    Elevator,
    /// A main bursts.
    WaterOutage,
    /// Many call the hotline about the same thing.
    HotlineSurge,
    /// Traffic lights go dark.
    SignalsOut,
    /// A fault on the network.
    PowerOutage,
    /// Streets under water.
    Flood,
    /// A tank leaves its safe range.
    Premises,
}

impl PlantedKind {
    /// The alert query that should find it, and the category it should say.
    pub fn expected(self) -> (&'static str, &'static str) {
        match self {
            Self::Congestion => ("alert_congestion", "congestion"),
            Self::GasLeak => ("alert_gas", "gas_leak"),
            Self::Fire => ("alert_fire", "fire"),
            Self::Warning => ("alert_weather", "weather"),
            Self::Crowd => ("alert_crowd", "crowd"),
            Self::AirPlume => ("alert_air", "air_pollution"),
            Self::IncidentCluster => ("alert_incident_cluster", "public_order"),
            Self::Elevator => ("alert_elevator", "elevator"),
            Self::WaterOutage => ("alert_water_outage", "water_outage"),
            Self::HotlineSurge => ("alert_hotline", "hotline_surge"),
            Self::SignalsOut => ("alert_signals", "signal_failure"),
            Self::PowerOutage => ("alert_power_outage", "power_outage"),
            Self::Flood => ("alert_flood", "flood"),
            Self::Premises => ("alert_premises", "hazardous_premises"),
        }
    }

    /// How far it reaches, how many seconds after its round's beginning it starts and how long it lasts.
    fn shape(self) -> (f64, i64, i64) {
        match self {
            Self::Congestion => (1.7, -240, 1_080),
            Self::GasLeak => (ALONE_KM, 12, 420),
            Self::Fire => (0.35, 25, 240),
            Self::Warning => (0.0, 40, 2_400),
            Self::Crowd => (ALONE_KM, 70, 600),
            Self::AirPlume => (7.0, 90, 1_500),
            Self::IncidentCluster => (0.12, 130, 240),
            Self::Elevator => (ALONE_KM, 200, 900),
            Self::WaterOutage => (1.2, 260, 1_200),
            Self::HotlineSurge => (0.5, 300, 600),
            Self::SignalsOut => (1.6, 380, 900),
            Self::PowerOutage => (1.5, 480, 1_080),
            Self::Flood => (2.2, 620, 1_200),
            Self::Premises => (ALONE_KM, 780, 480),
        }
    }
}

const ALL_KINDS: [PlantedKind; 14] = [
    PlantedKind::Congestion,
    PlantedKind::GasLeak,
    PlantedKind::Fire,
    PlantedKind::Warning,
    PlantedKind::Crowd,
    PlantedKind::AirPlume,
    PlantedKind::IncidentCluster,
    PlantedKind::Elevator,
    PlantedKind::WaterOutage,
    PlantedKind::HotlineSurge,
    PlantedKind::SignalsOut,
    PlantedKind::PowerOutage,
    PlantedKind::Flood,
    PlantedKind::Premises,
];

/// One incident that the generator makes happen.
#[derive(Debug, Clone)]
pub struct Planted {
    /// Its number, from 1.
    pub id: u32,
    /// What it is.
    pub kind: PlantedKind,
    /// The grid it begins in; of a warning, the county.
    pub area: AreaCode,
    /// Where it begins.
    pub place: LngLat,
    /// How far it reaches.
    pub reach_km: f64,
    /// Kilometres east and north that it drifts in an hour.
    pub drift_km_h: (f64, f64),
    /// Begin.
    pub starts: Micros,
    /// End.
    pub ends: Micros,
    /// The alert query that should find it.
    pub query: &'static str,
    /// The category that the alert should say.
    pub category: &'static str,
}

impl Planted {
    /// Whether it is going on in this second.
    pub fn is_on(&self, second: i64) -> bool {
        (self.starts.seconds()..self.ends.seconds()).contains(&second)
    }

    /// Where its middle is in this second.
    #[expect(clippy::cast_precision_loss, reason = "an incident lasts less than a day")]
    pub fn place_at(&self, second: i64) -> LngLat {
        let hours = (second - self.starts.seconds()) as f64 / 3_600.0;
        moved(self.place, self.drift_km_h.0 * hours, self.drift_km_h.1 * hours)
    }

    /// How much it is felt at a place: 1 in its middle, 0 from its reach on.
    pub fn strength(&self, place: LngLat, second: i64) -> f64 {
        let away = km_between(place, self.place_at(second)) / self.reach_km.max(1e-6);
        (1.0 - away * away).max(0.0)
    }
}

/// All incidents in the order of their beginning.
pub fn planted(seed: u64, start: Micros, ground: &Ground, networks: &Networks) -> Vec<Planted> {
    let mut all: Vec<Planted> = (0..ROUNDS)
        .flat_map(|round| ALL_KINDS.into_iter().map(move |kind| (round, kind)))
        .filter_map(|(round, kind)| one(seed, start, round, kind, ground, networks))
        .collect();
    all.sort_by_key(|p| p.starts);
    for (id, planted) in (1u32..).zip(&mut all) {
        planted.id = id;
    }
    all
}

fn one(
    seed: u64,
    start: Micros,
    round: u64,
    kind: PlantedKind,
    ground: &Ground,
    networks: &Networks,
) -> Option<Planted> {
    let mut dice = Dice::of(&[seed, 20, round, kind as u64]);
    let place = match kind {
        PlantedKind::GasLeak => networks.gas.any(&mut dice)?,
        PlantedKind::Crowd => networks.crowds.any(&mut dice)?,
        PlantedKind::AirPlume => networks.air.any(&mut dice)?,
        PlantedKind::Elevator => networks.elevators.any(&mut dice)?,
        PlantedKind::Premises => networks.premises.any(&mut dice)?,
        PlantedKind::SignalsOut => networks.signals.any(&mut dice)?,
        PlantedKind::Flood => networks.crowded_manhole(&mut dice)?,
        PlantedKind::Congestion => ground.dense(20.0, &mut dice)?.place,
        PlantedKind::Warning => ground.any(&mut dice)?.place,
        _ => ground.dense(8.0, &mut dice)?.place,
    };
    let nearest = |a: &&super::ground::Spot, b: &&super::ground::Spot| {
        km_between(a.place, place).total_cmp(&km_between(b.place, place))
    };
    let grid = ground.spots.iter().min_by(nearest)?.code.clone();
    let (reach_km, after_s, lasts_s) = kind.shape();
    let drift_km_h = if kind == PlantedKind::AirPlume {
        (dice.between(-9.0, -3.0), dice.between(2.0, 8.0))
    } else {
        (0.0, 0.0)
    };
    let starts = start.plus_seconds(i64::try_from(round).ok()? * ROUND_S + after_s);
    let (query, category) = kind.expected();
    Some(Planted {
        id: 0,
        kind,
        area: if kind == PlantedKind::Warning { grid.at(AreaLevel::County)? } else { grid },
        place,
        reach_km,
        drift_km_h,
        starts,
        ends: starts.plus_seconds(lasts_s),
        query,
        category,
    })
}

/// The incidents that are going on in one second, by kind.
#[derive(Debug, Default)]
pub struct Going<'a> {
    by_kind: BTreeMap<PlantedKind, Vec<&'a Planted>>,
    second: i64,
}

impl<'a> Going<'a> {
    /// Those of `all` that are on.
    pub fn at(all: &'a [Planted], second: i64) -> Self {
        let mut by_kind: BTreeMap<PlantedKind, Vec<&Planted>> = BTreeMap::new();
        for planted in all.iter().take_while(|p| p.starts.seconds() <= second).filter(|p| p.is_on(second)) {
            by_kind.entry(planted.kind).or_default().push(planted);
        }
        Self { by_kind, second }
    }

    /// Those of one kind.
    pub fn of(&self, kind: PlantedKind) -> &[&'a Planted] {
        self.by_kind.get(&kind).map_or(&[], Vec::as_slice)
    }

    /// How much that kind is felt at a place, 0 to 1.
    pub fn strength(&self, kind: PlantedKind, place: LngLat) -> f64 {
        self.of(kind).iter().map(|p| p.strength(place, self.second)).fold(0.0, f64::max)
    }
}
