//! Real files of a real city, dirt and all: what lands, what is rejected and what the map holds, held against a
//! count that was made without this program.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::binary::{City, real_data, root, run, tool};

/// Feed, file, rows landed and quarantined, cells, and what its rows are measured by.
const FEEDS: [(&str, &str, u64, u64, usize, &str); 6] = [
    ("police.burglary", "public_safety_burglary.csv", 17_824, 2, 745, "1"),
    ("services.sanitation_311", "city_services_311_sanitation.csv", 17_846, 267, 734, "1"),
    ("health.food_inspections", "environment_health_food_inspections.csv", 7_607, 2, 649, "1"),
    ("transit.l_daily", "transit_cta_l_daily.csv", 51_560, 365, 117, "rides"),
    ("traffic.adt_2006", "traffic_adt_2006.csv", 1_279, 0, 565, "vehicles"),
    ("weather.daily", "weather_daily.csv", 365, 0, 0, "1"),
];

#[test]
fn a_real_city_lands_and_maps_exactly_as_counted_from_its_files() {
    let Some(files) = real_data("chicago_2013") else { return };
    let city = City::at(root().join("fixtures/cities/chicago"))
        .with_areas(files.join("boundary_community_areas.geojson"));
    let receipts: BTreeMap<&str, Value> =
        FEEDS.iter().map(|(feed, file, ..)| (*feed, city.land(feed, &files.join(file)))).collect();
    for (feed, _, landed, quarantined, ..) in FEEDS {
        let receipt = &receipts[feed];
        let counts = [&receipt["rows_read"], &receipt["rows_landed"], &receipt["rows_quarantined"]];
        assert_eq!(json!(counts), json!([landed + quarantined, landed, quarantined]), "{feed}: {receipt}");
        assert_eq!(receipt["duplicate_of"], Value::Null, "{feed}");
    }
    let found = measures(&city);
    for (feed, .., cells, _) in FEEDS.iter().filter(|(.., cells, _)| *cells > 0) {
        assert_eq!(found[*feed].0.len(), *cells, "cells of {feed}");
    }
    let map = city.sql(
        "SELECT count(*) AS cells, sum(CASE WHEN (burglaries IS NOT NULL)::INT + (complaints IS NOT NULL)::INT \
         + (inspections IS NOT NULL)::INT + (rides_per_day IS NOT NULL)::INT + (vehicles IS NOT NULL)::INT >= 3 \
         THEN 1 ELSE 0 END) AS three FROM map",
    );
    assert_eq!(map, [json!({"cells": 810, "three": 672})]);
    agrees_with_the_oracle(&city, &files, &found);
    landing_again_changes_nothing(&city, &files, &receipts);
    assert_eq!(measures(&city), found);
}

/// What a feed's rows come to by cell and by area; rows in no area stand under "".
type Measures = BTreeMap<String, (BTreeMap<String, i64>, BTreeMap<String, i64>)>;

fn measures(city: &City) -> Measures {
    let part = |(feed, _, _, _, cells, measure): &(&str, &str, u64, u64, usize, &str)| {
        let by = |name: &str, column: &str| {
            format!(
                "SELECT '{feed}' AS feed, '{name}' AS by, {column} AS key, CAST(sum({measure}) AS BIGINT) AS n FROM {feed} GROUP BY 3"
            )
        };
        (*cells > 0).then(|| {
            format!("{} UNION ALL {}", by("cell", "to_hex(_cell)"), by("area", "coalesce(_area, '')"))
        })
    };
    let mut found = Measures::new();
    for row in city.sql(&FEEDS.iter().filter_map(part).collect::<Vec<_>>().join(" UNION ALL ")) {
        let of = found.entry(row["feed"].as_str().unwrap().to_owned()).or_default();
        let counts = if row["by"] == "cell" { &mut of.0 } else { &mut of.1 };
        counts.insert(row["key"].as_str().unwrap().to_owned(), row["n"].as_i64().unwrap());
    }
    found
}

fn agrees_with_the_oracle(city: &City, files: &Path, found: &Measures) {
    let Some(python) = tool("CITYLOOM_ORACLE_PYTHON") else { return };
    let mut command = Command::new(python);
    command.arg(root().join("tests/oracle/chicago.py")).arg(files).arg("--cells");
    let ran = run(command);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let oracle: Value = serde_json::from_str(&ran.out).unwrap();
    for (feed, _, landed, quarantined, cells, _) in FEEDS {
        let said = &oracle[feed];
        assert_eq!(json!([said["landed"], said["quarantined"]]), json!([landed, quarantined]), "{feed}");
        assert_eq!(reasons(city, feed), counts(&said["code_sets"]), "{feed}");
        if cells > 0 {
            let (by_cell, mut by_area) = found[feed].clone();
            by_area.remove("");
            assert_eq!(by_cell, counts(&said["by_cell"]), "{feed} by cell");
            assert_eq!(by_area, counts(&said["by_area"]), "{feed} by area");
        }
    }
    assert_eq!(oracle["map"], json!({"cells": 810, "cells_with_three_or_more": 672}));
}

fn counts(object: &Value) -> BTreeMap<String, i64> {
    object.as_object().unwrap().iter().map(|(key, n)| (key.clone(), n.as_i64().unwrap())).collect()
}

/// Rejected rows by all their codes. The oracle names no column for rules of whole rows.
fn reasons(city: &City, feed: &str) -> BTreeMap<String, i64> {
    let table = feed.replace('.', "__");
    let rows = city.sql(&format!("SELECT codes, count(*) AS n FROM quarantine.{table} GROUP BY 1"));
    let named = |code: &str| match code.split_once('(') {
        Some((rule @ ("KEY_DUPLICATE" | "OUTSIDE_CITY"), _)) => rule.to_owned(),
        _ => code.to_owned(),
    };
    let codes =
        |row: &Value| row["codes"].as_str().unwrap().split(',').map(named).collect::<Vec<_>>().join(" ");
    rows.iter().map(|row| (codes(row), row["n"].as_i64().unwrap())).collect()
}

fn landing_again_changes_nothing(city: &City, files: &Path, receipts: &BTreeMap<&str, Value>) {
    for (feed, file, ..) in FEEDS {
        let (first, again) = (&receipts[feed], city.land(feed, &files.join(file)));
        assert_eq!(again["duplicate_of"], first["submission"], "{feed}");
        assert_eq!(
            json!([again["rows_landed"], again["rows_quarantined"], again["reasons"]]),
            json!([0, 0, {}]),
            "{feed}"
        );
        assert_eq!(again["rows_read"], first["rows_read"], "{feed}");
    }
    let counted = FEEDS.map(|(feed, _, landed, quarantined, ..)| {
        let table = feed.replace('.', "__");
        let rows = format!("(SELECT count(*) FROM {feed}) AS {table}");
        (format!("{rows}, (SELECT count(*) FROM quarantine.{table}) AS {table}_bad"), [landed, quarantined])
    });
    let statement = counted.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(", ");
    let row = city.sql(&format!("SELECT {statement}")).remove(0);
    let found: Vec<u64> = row.as_object().unwrap().values().map(|n| n.as_u64().unwrap()).collect();
    assert_eq!(found, counted.iter().flat_map(|(_, n)| *n).collect::<Vec<_>>());
}
