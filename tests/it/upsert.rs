//! A feed whose contract says `latest`: a key may come again, queries read its newest row, the history holds all of them.

use std::fs;

use serde_json::Value;

use crate::server::city::{TOWNS, cell};
use crate::server::{City, Server, eventually};

const FEED: &str = "police.incidents";
const CONTRACT: &str = "schemas/police/incidents.odcs.yaml";

fn city(upsert: &str) -> City {
    let city = City::new();
    city.promise(FEED, "cityloomUpsert", upsert);
    city
}

/// Incidents as `(number, minute, town, severity)`.
fn rows(incidents: &[(u32, u32, usize, u8)]) -> String {
    let line = |&(number, minute, town, severity): &(u32, u32, usize, u8)| {
        let (_, lng, lat) = TOWNS[town];
        format!("{number},2025-03-01T08:{minute:02}:00Z,{lat},{lng},noise,{severity}\n")
    };
    "event_id,ts,lat,lng,kind,severity\n".to_owned() + &incidents.iter().map(line).collect::<String>()
}

/// How many incidents the map shows in a town.
fn shown(map: &Value, town: usize) -> String {
    let rows = map["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["cell"] == cell(town).as_str());
    row.and_then(|row| row["incidents"].as_f64()).unwrap_or(0.0).to_string()
}

#[tokio::test]
async fn the_newest_row_of_a_key_counts_on_the_map_and_the_history_keeps_all() {
    let city = city("latest");
    let server = Server::start(&city).await;
    let map = async |expected: [&str; 4]| {
        eventually("the map follows", async || {
            let map = server.layer("map").await;
            let towns = [0, 1, 2, 3].map(|town| shown(&map, town));
            (towns == expected).then_some(())
        })
        .await;
    };
    // In one file the later row of a key counts, wherever it stands.
    server.land(FEED, rows(&[(1, 5, 1, 2), (1, 0, 0, 1), (2, 0, 0, 1), (3, 0, 2, 1)])).await;
    map(["1", "1", "1", "0"]).await;
    // One moved, one came too late to matter; of two of one time that counts which came later.
    server.land(FEED, rows(&[(2, 9, 3, 1), (1, 4, 2, 3), (3, 0, 1, 2)])).await;
    map(["0", "2", "0", "1"]).await;
    let sql = |statement: &str| {
        let told = city.cityloom(&["sql", statement, "--format", "csv"]);
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        String::from_utf8(told.stdout).unwrap()
    };
    let newest = "event_id,severity,_row\n1,2,1\n2,1,1\n3,2,3\n";
    assert_eq!(sql("SELECT event_id, severity, _row FROM police.incidents ORDER BY 1"), newest);
    assert_eq!(sql("SELECT count(*) AS n FROM history.police__incidents"), "n\n7\n");
    assert_eq!(sql("SELECT * FROM quarantine.police__incidents LIMIT 1").lines().count(), 1);
    assert_eq!(server.rows(FEED).await, 7, "what landed stays");
    server.stop().await;
    let told = city.cityloom(&["explain", "map"]);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.starts_with("map  I  "), "it is kept up to date: {told}");
}

#[test]
fn upserts_need_a_key_and_a_known_word() {
    let told = |city: &City| {
        let checked = city.cityloom(&["check"]);
        assert_eq!(checked.status.code(), Some(1));
        String::from_utf8(checked.stdout).unwrap()
    };
    let newest = city("newest");
    assert!(told(&newest).contains("cityloomUpsert knows only `latest`"));
    let keyless = city("latest");
    let contract = fs::read_to_string(keyless.root().join(CONTRACT)).unwrap();
    let without = contract.replace("        primaryKey: true\n        primaryKeyPosition: 1\n", "");
    assert_ne!(contract, without);
    keyless.write(CONTRACT, &without);
    assert!(told(&keyless).contains("say which columns are the `primaryKey`"));
}
