//! What areas promise, from reading a file to owning a point.

use std::fmt::Write as _;
use std::time::Instant;

use geo::coordinate_position::{CoordPos, CoordinatePosition as _};
use geo::{BoundingRect as _, CoordsIter as _};
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::super::read::LevelField;
use super::super::shape::{coord, owns};
use super::*;

const NOW: Micros = Micros(1_767_225_600_000_000); // 2026-01-01

fn feature(properties: &str, ring: &str) -> String {
    format!(
        r#"{{"type":"Feature","properties":{{{properties}}},"geometry":{{"type":"Polygon","coordinates":[{ring}]}}}}"#
    )
}

fn collection(features: &[String]) -> String {
    format!(r#"{{"type":"FeatureCollection","name":"x","features":[{}]}}"#, features.join(","))
}

fn square(x: f64, y: f64, size: f64) -> String {
    let (e, n) = (x + size, y + size);
    format!("[[{x},{y}],[{e},{y}],[{e},{n}],[{x},{n}],[{x},{y}]]")
}

fn area(code: &str, level: &str, parent: &str, ring: &str) -> String {
    feature(&format!(r#""code":"{code}","level":"{level}","parent":"{parent}","name_zh":"名{code}""#), ring)
}

fn code_at(areas: &Areas, lng: f64, lat: f64, at: Micros) -> Option<&str> {
    areas.locate(LngLat { lng, lat }, at).and_then(|i| areas.get(i)).map(|a| a.code.as_str())
}

/// The rule that the index must agree with.
fn any_owns(shape: &MultiPolygon, p: geo::Coord) -> bool {
    shape.iter().any(|part| owns(part, p))
}

fn nested() -> Areas {
    Areas::from_geojson(&collection(&[
        area("3206", "city", "", &square(0.0, 0.0, 4.0)),
        area("320613001002003", "grid", "320613001", &square(1.0, 1.0, 1.0)),
        area("320613", "county", "3206", &square(1.0, 1.0, 2.0)),
    ]))
    .unwrap()
}

#[test]
fn the_lowest_area_answers() {
    let areas = nested();
    assert_eq!(code_at(&areas, 1.5, 1.5, NOW), Some("320613001002003"));
    assert_eq!(code_at(&areas, 2.5, 1.5, NOW), Some("320613"));
    assert_eq!(code_at(&areas, 3.5, 3.5, NOW), Some("3206"));
    assert_eq!(code_at(&areas, 4.5, 3.5, NOW), None);
    assert_eq!(areas.find("320613", NOW), Some(2));
    assert_eq!(areas.get(0).unwrap().name_en, "名3206");
}

#[test]
fn the_lowest_of_levels_with_words_of_their_own_is_found_by_its_parents() {
    let areas = Areas::from_geojson(&collection(&[
        area("a", "side", "city", &square(0.0, 0.0, 1.0)),
        area("city", "whole", "a-region", &square(0.0, 0.0, 2.0)),
    ]))
    .unwrap();
    assert_eq!(code_at(&areas, 0.5, 0.5, NOW), Some("a"));
    assert_eq!(code_at(&areas, 1.5, 0.5, NOW), Some("city"));
}

#[test]
fn areas_that_lie_above_each_other_are_no_endless_climb() {
    let ring = square(0.0, 0.0, 1.0);
    let areas =
        Areas::from_geojson(&collection(&[area("a", "x", "b", &ring), area("b", "x", "a", &ring)])).unwrap();
    assert_eq!(code_at(&areas, 0.5, 0.5, NOW), Some("a"));
}

#[test]
fn a_reorganised_city_answers_with_the_areas_of_the_day() {
    let named = |code: &str, dates: &str, ring: &str| {
        feature(&format!(r#""code":"{code}","level":"x",{dates}"#), ring)
    };
    let areas = Areas::from_geojson(&collection(&[
        named("old", r#""valid_to":"2020-07-01""#, &square(0.0, 0.0, 2.0)),
        named("new", r#""valid_from":"2020-07-01","valid_to":null"#, &square(0.0, 0.0, 1.0)),
    ]))
    .unwrap();
    let change = Micros(1_593_561_600_000_000);
    assert_eq!(code_at(&areas, 0.5, 0.5, Micros(change.0 - 1)), Some("old"));
    assert_eq!(code_at(&areas, 0.5, 0.5, change), Some("new"));
    assert_eq!(code_at(&areas, 1.5, 1.5, Micros(change.0 - 1)), Some("old"));
    assert_eq!(code_at(&areas, 1.5, 1.5, change), None);
    let points = [Some(LngLat { lng: 0.5, lat: 0.5 }); 3];
    let each = [Micros(change.0 - 1), change];
    assert_eq!(areas.locate_all(&points, Instants::Each(&each)), [Some(0), Some(1), None]);
}

#[test]
fn a_file_with_names_of_its_own_is_read_by_its_fields() {
    let fields = AreaFields {
        code: "AREA_NUMBE".into(),
        name_en: "COMMUNITY".into(),
        level: LevelField::Fixed("community_area".into()),
        ..AreaFields::default()
    };
    let text = collection(&[feature(r#""AREA_NUMBE":35,"COMMUNITY":"DOUGLAS""#, &square(0.0, 0.0, 1.0))]);
    let areas = Areas::from_geojson_with(&text, &fields).unwrap();
    let only = areas.get(0).unwrap();
    assert_eq!(
        (only.code.as_str(), only.level.as_str(), only.name_zh.as_str()),
        ("35", "community_area", "DOUGLAS")
    );
}

#[test]
fn a_boundary_file_in_shifted_degrees_is_put_right() {
    let fields = AreaFields { crs: "GCJ-02".parse().unwrap(), ..AreaFields::default() };
    let text = collection(&[area("3206", "city", "", &square(120.0, 32.0, 1.0))]);
    let areas = Areas::from_geojson_with(&text, &fields).unwrap();
    assert_eq!(code_at(&areas, 120.999, 32.5, NOW), None);
    assert_eq!(code_at(&areas, 119.999, 32.5, NOW), Some("3206"));
}

#[test]
fn a_wrong_file_is_told_which_feature_and_why() {
    let good = area("1", "x", "", &square(0.0, 0.0, 1.0));
    let with = |bad: &str| collection(&[good.clone(), bad.to_owned()]);
    let dates = feature(r#""code":"2","level":"x","valid_from":"01.07.2020""#, &square(0.0, 0.0, 1.0));
    let turned =
        feature(r#""code":"2","level":"x","valid_from":"2020-07-01","valid_to":"2020-01-01""#, "[[0,0]]");
    for (text, says) in [
        ("{", "no GeoJSON FeatureCollection"),
        (r#"{"type":"Topology","features":[]}"#, "its type is `Topology`"),
        (
            &with(&feature(r#""level":"x""#, &square(0.0, 0.0, 1.0))),
            "feature 2: it has no code in property `code` (there are: level)",
        ),
        (&with(&feature(r#""code":"2""#, &square(0.0, 0.0, 1.0))), "feature 2 (`2`): it has no level"),
        (&with(&feature(r#""code":["2"],"level":"x""#, &square(0.0, 0.0, 1.0))), "must be text"),
        (&with(&dates), "`01.07.2020`, which is no date"),
        (&with(&turned), "no day at all"),
        (
            &with(&area("2", "x", "", "[[0,0],[1,1],[0,0]]")),
            "feature 2 (`2`): a ring has 2 distinct positions",
        ),
        (&with(&area("2", "x", "", "[[0,0],[1],[0,1],[0,0]]")), "feature 2 (`2`): "),
        (&with(&area("2", "x", "", "[[0,0],[1e999,1],[0,1],[0,0]]")), "feature 2 (`2`): its geometry"),
        (
            &with(&area("2", "x", "", "[[1181868,1871686],[2,2],[3,0]]")),
            "position [1181868, 1871686] is not in WGS84",
        ),
        (&with(r#"{"type":"Feature","properties":{"code":"2","level":"x"},"geometry":null}"#), "no geometry"),
        (
            &with(
                r#"{"properties":{"code":"2","level":"x"},"geometry":{"type":"Point","coordinates":[1,2]}}"#,
            ),
            "is a Point",
        ),
        (
            &with(
                r#"{"properties":{"code":"2","level":"x"},"geometry":{"type":"MultiPolygon","coordinates":[]}}"#,
            ),
            "is empty",
        ),
        (&with(&good), "feature 2 (`1`): feature 1 has the same code on the same days"),
    ] {
        let said = Areas::from_geojson(text).unwrap_err().to_string();
        assert!(said.contains(says), "{said}\n  should say: {says}");
    }
}

#[test]
fn nowhere_is_in_no_area() {
    let areas = nested();
    for (lng, lat) in [(f64::NAN, 1.0), (1.0, f64::INFINITY), (181.0, 0.0), (-180.0, -90.0), (180.0, 90.0)] {
        assert_eq!(code_at(&areas, lng, lat, NOW), None);
    }
    assert_eq!(areas.locate_all(&[None], Instants::One(NOW)), [None]);
    let empty = Areas::from_geojson(&collection(&[])).unwrap();
    assert!(empty.is_empty() && code_at(&empty, 0.0, 0.0, NOW).is_none());
    assert_eq!(empty.to_record_batch().unwrap().num_rows(), 0);
}

#[test]
fn the_table_and_the_map_show_what_the_file_holds() {
    let areas = nested();
    let batch = areas.to_record_batch().unwrap();
    assert_eq!((batch.num_rows(), batch.num_columns()), (3, 11));
    let map: serde_json::Value = serde_json::from_str(&areas.geojson("county", NOW)).unwrap();
    assert_eq!(map["features"].as_array().unwrap().len(), 1);
    assert_eq!(map["features"][0]["properties"]["code"], "320613");
    assert_eq!(map["features"][0]["geometry"]["coordinates"][0][0].as_array().unwrap().len(), 5);
    assert!(areas.geojson("nosuch", NOW).contains(r#""features":[]"#));
}

/// A wavy border between two areas, met in opposite directions from different starts, keeps the same points
/// on both sides.
#[test]
fn simplified_neighbours_still_share_their_border() {
    let border: Vec<(f64, f64)> =
        (0..=50).map(|i| (1.0 + 0.003 * f64::from(i * i % 7), f64::from(i) / 50.0)).collect();
    let text = |points: Vec<(f64, f64)>| {
        let mut ring = String::new();
        for (x, y) in &points {
            let _ = write!(ring, "[{x},{y}],");
        }
        format!("[{ring}[{},{}]]", points[0].0, points[0].1)
    };
    let west: Vec<_> = [(0.0, 1.0), (0.0, 0.0)].into_iter().chain(border.clone()).collect();
    let mut east: Vec<_> = border.into_iter().rev().chain([(2.0, 0.0), (2.0, 1.0)]).collect();
    east.rotate_left(20);
    let file = collection(&[area("w", "x", "", &text(west)), area("e", "x", "", &text(east))]);
    let areas = Areas::from_geojson(&file).unwrap();
    let map: serde_json::Value = serde_json::from_str(&areas.geojson("x", NOW)).unwrap();
    let side = |i: usize| {
        let ring = map["features"][i]["geometry"]["coordinates"][0][0].as_array().unwrap().clone();
        let mut shared: Vec<String> = ring
            .iter()
            .filter(|p| (0.9..1.1).contains(&p[0].as_f64().unwrap()))
            .map(ToString::to_string)
            .collect();
        shared.sort();
        shared.dedup();
        shared
    };
    assert_eq!(side(0), side(1));
    assert!((3..51).contains(&side(0).len()), "{} points are left", side(0).len());
}

/// As many grids as a large city has, each with some forty corners.
#[test]
fn thirteen_thousand_areas_load_quickly_and_each_owns_its_middle() {
    let mut features = Vec::new();
    for i in 0..13_649u32 {
        let (x, y) = (120.0 + f64::from(i % 117) * 0.01, 31.0 + f64::from(i / 117) * 0.01);
        let mut ring = String::from("[");
        for (dx, dy) in [(1, 0), (0, 1), (-1, 0), (0, -1)]
            .into_iter()
            .zip([(0, 0), (10, 0), (10, 10), (0, 10)])
            .flat_map(|((sx, sy), (x0, y0))| (0..10).map(move |k| (x0 + sx * k, y0 + sy * k)))
        {
            let _ = write!(ring, "[{},{}],", x + f64::from(dx) * 0.001, y + f64::from(dy) * 0.001);
        }
        let _ = write!(ring, "[{x},{y}]]");
        features.push(area(&format!("{i:015}"), "grid", "", &ring));
    }
    let text = collection(&features);
    let begun = Instant::now();
    let areas = Areas::from_geojson(&text).unwrap();
    let took = begun.elapsed();
    println!("{} areas of {} MB in {took:?}", areas.len(), text.len() / 1_000_000);
    // One second when optimised; an unoptimised build on a busy machine may take longer.
    assert!(took.as_secs_f64() < 15.0, "{took:?}");
    let middles: Vec<_> = (0..13_649u32)
        .map(|i| {
            Some(LngLat { lng: 120.005 + f64::from(i % 117) * 0.01, lat: 31.005 + f64::from(i / 117) * 0.01 })
        })
        .collect();
    for _ in 0..2 {
        assert_eq!(areas.locate_all(&middles, Instants::One(NOW)), (0..13_649).map(Some).collect::<Vec<_>>());
    }
}

/// Real outlines: the boxes agree with asking every outline, for points everywhere in the city.
#[test]
fn real_community_areas_are_located_as_by_asking_each() {
    let Some(folder) = super::super::real_data("chicago_2013") else { return };
    let text = std::fs::read_to_string(folder.join("boundary_community_areas.geojson")).unwrap();
    let fields = AreaFields {
        code: "AREA_NUMBE".into(),
        name_en: "COMMUNITY".into(),
        level: LevelField::Fixed("community_area".into()),
        ..AreaFields::default()
    };
    let areas = Areas::from_geojson_with(&text, &fields).unwrap();
    assert_eq!(areas.len(), 77);
    let mut held = 0;
    for i in 0..1_000u32 {
        let p = LngLat {
            lng: -87.95 + 0.45 * (f64::from(i) * 0.618_033_988_75).fract(),
            lat: 41.63 + 0.4 * (f64::from(i) * 0.754_877_666_25).fract(),
        };
        let asked = areas.iter().position(|a| any_owns(&a.shape, coord(p)));
        assert_eq!(areas.locate(p, NOW).map(|i| i as usize), asked, "{p:?}");
        held += usize::from(asked.is_some());
    }
    assert!((250..750).contains(&held), "{held}");
}

/// The demo city's 13,772 areas: every point has the answer of geo's own exact test, in the city, near corners and along edges.
/// `CITYLOOM_CELL_POINTS` sets how many points.
#[test]
fn the_demo_citys_points_lie_where_geo_says() {
    const BOXES: f64 = 200.0;
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/areas.geojson")).unwrap();
    let areas = Areas::from_geojson(&text).unwrap();
    let depths = depths(&areas.areas);
    // Which areas' envelopes reach into a box of a two-hundredth degree, lowest areas first.
    let mut order: Vec<usize> = (0..areas.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(depths[i]), i));
    let square = |v: f64| (v * BOXES).floor() as i32;
    let mut near: HashMap<(i32, i32), Vec<usize>> = HashMap::new();
    for &i in &order {
        let around = areas.areas[i].shape.bounding_rect().unwrap();
        for x in square(around.min().x)..=square(around.max().x) {
            (square(around.min().y)..=square(around.max().y))
                .for_each(|y| near.entry((x, y)).or_default().push(i));
        }
    }
    let corners: Vec<geo::Coord> = areas.iter().flat_map(|area| area.shape.exterior_coords_iter()).collect();
    let city = corners.iter().copied().collect::<geo::MultiPoint>().bounding_rect().unwrap();
    let wanted = std::env::var("CITYLOOM_CELL_POINTS").ok().and_then(|n| n.parse().ok()).unwrap_or(40_000);
    let (mut dice, mut tried, mut held) = (StdRng::seed_from_u64(7), 0, 0);
    while tried < wanted {
        let points: Vec<Option<LngLat>> = (0..1_000)
            .map(|_| {
                if dice.random_bool(0.5) {
                    let (lng, lat) = (city.min().x..city.max().x, city.min().y..city.max().y);
                    return Some(LngLat { lng: dice.random_range(lng), lat: dice.random_range(lat) });
                }
                // Along an edge, most often, since corners stand in the order of their rings; ever nearer to it.
                let at = dice.random_range(1..corners.len());
                let (a, b, share) = (corners[at - 1], corners[at], dice.random_range(0.0..1.0));
                let mut nudge = || 10_f64.powf(dice.random_range(-16.0..-2.0)) * dice.random_range(-1.0..1.0);
                Some(LngLat {
                    lng: a.x + share * (b.x - a.x) + nudge(),
                    lat: a.y + share * (b.y - a.y) + nudge(),
                })
            })
            .collect();
        for (found, point) in areas.locate_all(&points, Instants::One(NOW)).into_iter().zip(&points) {
            let p = coord(point.unwrap());
            let around = near.get(&(square(p.x), square(p.y))).map_or(&[][..], Vec::as_slice);
            let mut lies = around.iter().map(|&i| (i, areas.areas[i].shape.coordinate_position(&p)));
            // On an edge one of two neighbours owns the point; geo says of neither that it lies inside.
            match lies.find(|(_, lies)| *lies != CoordPos::Outside) {
                Some((_, CoordPos::OnBoundary)) => {}
                lies => assert_eq!(found.map(|i| i as usize), lies.map(|(i, _)| i), "{p:?}"),
            }
            held += usize::from(found.is_some());
        }
        tried += points.len();
    }
    assert!(held > tried / 2, "{held} of {tried} lie in an area");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Random cuts make a partition; overlapping larger areas lie above it; points stand on corners, edges
    /// and anywhere.
    #[test]
    fn locating_is_asking_every_area(
        cuts in prop::collection::btree_set(1..400u32, 1..6),
        lean in -0.02..0.02f64,
        over in prop::collection::vec((0..300u32, 0..300u32, 50..300u32), 0..4),
        points in prop::collection::vec((0..=400u32, 0..=400u32, any::<bool>()), 1..80),
    ) {
        let at = |v: u32| f64::from(v) / 8192.0;
        let bounds: Vec<u32> = std::iter::once(0).chain(cuts).chain([400]).collect();
        let mut features: Vec<String> = bounds
            .windows(2)
            .enumerate()
            .map(|(i, w)| {
                // Inner cuts lean, all the same way, so that no edge but the outer ones is upright.
                let top = |v: u32| if v == 0 || v == 400 { at(v) } else { at(v) + lean };
                let (a, b, n) = (at(w[0]), at(w[1]), at(400));
                let ring = format!("[[{a},0],[{b},0],[{},{n}],[{},{n}],[{a},0]]", top(w[1]), top(w[0]));
                area(&format!("g{i}"), "grid", "", &ring)
            })
            .collect();
        for (i, (x, y, size)) in over.iter().enumerate() {
            features.push(area(&format!("c{i}"), "county", "", &square(at(*x), at(*y), at(*size))));
        }
        let areas = Areas::from_geojson(&collection(&features)).unwrap();
        for (x, y, exact) in points {
            let off = if exact { 0.0 } else { 0.37 / 8192.0 };
            let p = LngLat { lng: at(x) + off, lat: at(y) - off };
            let owners: Vec<usize> = (0..areas.len())
                .filter(|&i| any_owns(&areas.areas[i].shape, coord(p)))
                .collect();
            let brute = owners.iter().copied().find(|&i| areas.areas[i].level == "grid").or(owners.first().copied());
            for _ in 0..2 {
                prop_assert_eq!(areas.locate(p, NOW).map(|i| i as usize), brute);
            }
        }
    }
}
