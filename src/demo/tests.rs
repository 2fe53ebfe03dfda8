//! The demo city held against its promises: its sizes, its partition, its determinism, its truth and its dirt.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::OnceLock;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float32Type, Int32Type, Int64Type, TimestampMicrosecondType};

use crate::model::{AreaLevel, LngLat, Micros};

use super::dice::Dice;
use super::mesh::{LNG_SHRINK, UNITS, doubled_area};
use super::{Area, COMPREHENSIVE, City, DEDICATED, Generator, GridKind, PlantedKind, Settings};

const SEED: u64 = 3206;
/// 2026-11-23 08:00 in Shanghai.
const START: Micros = Micros(1_795_392_000_000_000);

fn city() -> &'static City {
    static CITY: OnceLock<City> = OnceLock::new();
    CITY.get_or_init(|| City::generate(SEED))
}

fn generator(scale: f64) -> Generator {
    Generator::new(Settings { seed: SEED, start: START, scale }, city())
}

fn at_level(level: AreaLevel) -> impl Iterator<Item = &'static Area> {
    city().areas.iter().filter(move |a| a.code.level() == level && a.stands())
}

#[test]
fn the_city_has_ten_counties_96_towns_and_13_649_grids() {
    let counted =
        [AreaLevel::City, AreaLevel::County, AreaLevel::Town, AreaLevel::Grid].map(|l| at_level(l).count());
    assert_eq!(counted, [1, 10, 96, 13_649]);
    let of = |kind| at_level(AreaLevel::Grid).filter(|g| g.kind == Some(kind)).count();
    assert_eq!((of(GridKind::Comprehensive), of(GridKind::Dedicated)), (COMPREHENSIVE, DEDICATED));
    assert!(city().areas.iter().filter(|a| !a.stands()).count() > 5, "some grids have an ended predecessor");
}

#[test]
fn every_code_is_its_own_and_begins_with_its_parents() {
    let codes: HashSet<_> = city().areas.iter().map(|a| a.code.as_str()).collect();
    assert_eq!(codes.len(), city().areas.len());
    for area in &city().areas {
        match &area.parent {
            None => assert_eq!(area.code.as_str(), "3206"),
            Some(parent) => {
                assert!(parent.contains(&area.code) && codes.contains(parent.as_str()), "{}", area.code);
            }
        }
    }
}

#[test]
fn grids_fill_their_towns_towns_their_counties_and_counties_the_city_exactly() {
    let mut parts: HashMap<&str, i64> = HashMap::new();
    for area in city().areas.iter().filter(|a| a.stands()) {
        assert!(doubled_area(&area.ring) > 0, "{} runs counter-clockwise", area.code);
        if let Some(parent) = &area.parent {
            *parts.entry(parent.as_str()).or_default() += doubled_area(&area.ring);
        }
    }
    for area in city().areas.iter().filter(|a| a.stands() && a.code.level() != AreaLevel::Grid) {
        assert_eq!(parts[area.code.as_str()], doubled_area(&area.ring), "{}", area.code);
    }
    let whole = at_level(AreaLevel::City).map(|c| doubled_area(&c.ring)).sum::<i64>() as f64;
    let km2 = whole * 0.5 * (111.2 / UNITS) * (111.2 / UNITS) * LNG_SHRINK;
    assert!((8_000.0..10_500.0).contains(&km2), "{km2}");
}

#[test]
fn a_place_in_the_city_lies_in_exactly_one_grid_and_a_place_outside_in_none() {
    let whole = at_level(AreaLevel::City).next().unwrap();
    let mut dice = Dice::of(&[99]);
    let mut inside = 0;
    for _ in 0..300 {
        let place = LngLat { lng: dice.between(120.1, 122.0), lat: dice.between(31.6, 32.7) };
        let holders: Vec<_> = city().grids().filter(|g| g.holds(place)).collect();
        assert_eq!(holders.len(), usize::from(whole.holds(place)), "{place:?}");
        for grid in &holders {
            let county = grid.code.at(AreaLevel::County).unwrap();
            assert!(city().counties().any(|c| c.code == county && c.holds(place)));
            inside += 1;
        }
    }
    assert!(inside > 100);
}

#[test]
fn the_committed_areas_are_what_the_seed_grows() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/areas.geojson");
    let grown = city().to_geojson();
    if std::env::var_os("CITYLOOM_BLESS").is_some() {
        std::fs::write(path, &grown).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(
        committed == grown,
        "fixtures/areas.geojson differs from the seed's; write it with CITYLOOM_BLESS=1"
    );
}

/// All rows of each feed, as text.
fn printed(batches: Vec<super::Batch>) -> BTreeMap<String, Vec<String>> {
    let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (feed, batch) in batches {
        let mut text = Vec::new();
        arrow::csv::WriterBuilder::new().with_header(false).build(&mut text).write(&batch).unwrap();
        let text = String::from_utf8(text).unwrap();
        rows.entry(feed.to_string()).or_default().extend(text.lines().map(str::to_owned));
    }
    rows
}

#[test]
fn the_same_seed_gives_the_same_rows_however_the_time_is_sliced() {
    let whole = printed(generator(0.05).tick(START, START.plus_seconds(90)));
    let mut slicer = generator(0.05);
    let mut sliced = slicer.tick(START, START.plus_seconds(1));
    sliced.extend(slicer.tick(START.plus_seconds(1), Micros(START.0 + 37_400_000)));
    sliced.extend(slicer.tick(Micros(START.0 + 37_400_000), START.plus_seconds(90)));
    assert_eq!(whole, printed(sliced));
    let other = Generator::new(Settings { seed: 1, start: START, scale: 0.05 }, city());
    assert_ne!(whole, printed({ other }.tick(START, START.plus_seconds(90))));
}

#[test]
fn about_two_thousand_rows_a_second_come_in_and_none_from_the_future() {
    let batches = generator(1.0).tick(START, START.plus_seconds(10));
    let rows: usize = batches.iter().map(|(_, b)| b.num_rows()).sum();
    assert!((16_000..24_000).contains(&rows), "{rows}");
    for (feed, batch) in &batches {
        let times = batch["ts"].as_primitive::<TimestampMicrosecondType>();
        assert!(times.values().iter().all(|t| (START.0..START.plus_seconds(10).0).contains(t)), "{feed}");
    }
}

#[test]
fn spoilt_rows_are_counted_as_they_are_made() {
    let mut generator = generator(1.0);
    let batches = generator.tick(START, START.plus_seconds(30));
    let speeds = of(&batches, "traffic.speed");
    let over =
        speeds["speed_kmh"].as_primitive::<Float32Type>().values().iter().filter(|v| **v > 250.0).count();
    let nameless = speeds["vehicle"].as_primitive::<Int32Type>().null_count();
    assert!(over > 0 && nameless > 0);
    assert_eq!(generator.dirt()[&("traffic.speed", "OUT_OF_RANGE")], over as u64);
    assert_eq!(generator.dirt()[&("traffic.speed", "NULL_REQUIRED")], nameless as u64);
}

fn of<'a>(batches: &'a [super::Batch], feed: &str) -> &'a RecordBatch {
    &batches.iter().find(|(name, _)| name.to_string() == feed).unwrap().1
}

#[test]
fn numbers_of_events_are_never_used_twice() {
    let batches = generator(3.0).tick(START, START.plus_seconds(240));
    for (feed, column) in
        [("police.incidents", "event_id"), ("hotline.requests", "request_id"), ("grid.reports", "report_id")]
    {
        let ids = of(&batches, feed)[column].as_primitive::<Int64Type>().values().to_vec();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "{feed}");
    }
}

#[test]
fn something_can_be_seen_within_a_minute_and_every_planned_alert_has_its_query() {
    let generator = generator(0.01);
    let within =
        |seconds: i64| generator.truth().iter().filter(move |p| p.starts <= START.plus_seconds(seconds));
    assert!(within(60).count() >= 4);
    for planted in within(1_200) {
        let path = format!("{}/queries/alert/{}.sql", env!("CARGO_MANIFEST_DIR"), planted.query);
        let sql = std::fs::read_to_string(&path).unwrap();
        assert!(sql.contains(&format!("'{}' AS category", planted.category)), "{path}");
        assert!(planted.starts < planted.ends);
    }
}

#[test]
fn a_planted_gas_leak_is_in_the_readings_and_ordinary_detectors_stay_low() {
    let mut generator = generator(0.01);
    let batches = generator.tick(START, START.plus_seconds(60));
    let leak = generator.truth().iter().find(|p| p.kind == PlantedKind::GasLeak).unwrap();
    let gas = of(&batches, "gas.leaks");
    let lel = gas["lel_pct"].as_primitive::<Float32Type>();
    let lat = gas["lat"].as_primitive::<arrow::datatypes::Float64Type>();
    let high: Vec<usize> = (0..gas.num_rows()).filter(|&i| lel.value(i) >= 20.0).collect();
    assert!(!high.is_empty());
    assert!(high.iter().all(|&i| (lat.value(i) - leak.place.lat).abs() < 1e-3));
}

#[test]
fn traffic_is_slow_where_it_should_collapse_and_fast_elsewhere() {
    let mut generator = generator(1.0);
    let batches = generator.history(START.plus_seconds(60), 3, 1);
    let jam = generator.truth().iter().find(|p| p.kind == PlantedKind::Congestion).unwrap();
    let speeds = of(&batches, "traffic.speed");
    let float =
        |column: &str| speeds[column].as_primitive::<arrow::datatypes::Float64Type>().values().to_vec();
    let (lats, lngs) = (float("lat"), float("lng"));
    let kmh = speeds["speed_kmh"].as_primitive::<Float32Type>();
    let (mut near, mut far) = (Vec::new(), Vec::new());
    for i in 0..speeds.num_rows() {
        let away = super::ground::km_between(LngLat { lng: lngs[i], lat: lats[i] }, jam.place);
        let list = if away < 0.6 { &mut near } else { &mut far };
        list.push(f64::from(kmh.value(i)));
    }
    let mean = |list: &[f64]| list.iter().sum::<f64>() / list.len() as f64;
    assert!(near.len() > 40 && mean(&near) < 12.0, "{} readings of {}", near.len(), mean(&near));
    assert!(mean(&far) > 30.0, "{}", mean(&far));
}
