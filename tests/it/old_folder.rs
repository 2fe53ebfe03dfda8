//! A data folder written by an earlier version opens in this one: lake, live records, states, alerts and orders, audit, keys.
//!
//! `tests/old_folders/<version>` is what a server left that was killed. `CITYLOOM_RECORD_FOLDER=<version>` writes another one; those
//! that are there stay as they are, as they are what somebody's city has on its disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::record_batch::RecordBatch;
use cityloom::app::{Workshop, WorkshopOptions};
use cityloom::model::SystemClock;
use reqwest::StatusCode;
use serde_json::json;

use crate::server::city::{incident, readings};
use crate::server::{City, Screen, Server};

const SPEED: &str = "traffic.speed";
const INCIDENTS: &str = "police.incidents";

fn folders() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/old_folders")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}

/// Lives a little: files land, rows are rejected, an alert becomes an order that is accepted; the server stops, starts anew and is
/// killed; a live batch is in the log and in no file.
async fn leave_a_folder(city: &City) {
    let server = Server::start(city).await;
    let mut screen = Screen::following(&server, &["alerts", "orders"]).await;
    server.land(SPEED, readings(0, 0..20, 30.0)).await;
    let (status, receipt) = server.submit(SPEED, "text/csv", readings(1, 0..3, 999.0)).await;
    assert_eq!((status, &receipt["rows_quarantined"]), (StatusCode::CREATED, &json!(3)));
    server.land(INCIDENTS, incident(1, 0, "theft", 5)).await;
    screen.shows("the order", |screen| !screen.told("orders").is_empty()).await;
    let (status, _) = server.step("or-1", "accept", json!({"by": "Li", "note": "on my way"})).await;
    assert_eq!(status, StatusCode::OK);
    server.stop().await;
    let server = Server::start(city).await;
    server.land(SPEED, readings(2, 20..30, 50.0)).await;
    server.kill();
    land_live(city).await;
}

async fn land_live(city: &City) {
    let options = WorkshopOptions {
        city: city.root().into(),
        data: city.data().into(),
        areas: None,
        local_files: false,
        clock: Arc::new(SystemClock),
        decoder: None,
    };
    let workshop = Workshop::open(&options).await.unwrap();
    let values = [
        ("ts", "2025-03-01T09:00:00Z"),
        ("lat", "32.025"),
        ("lng", "121.05"),
        ("vehicle", "77"),
        ("speed_kmh", "60"),
    ];
    let column = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
    let batch = RecordBatch::try_from_iter(values.map(|(name, text)| (name, column(text)))).unwrap();
    let receipt = workshop.lander.land_batch(SPEED, batch, "a live source").await.unwrap();
    assert_eq!(receipt.rows_landed, 1);
}

fn sql(city: &City, statement: &str) -> String {
    let output = city.cityloom(&["sql", statement, "--format", "csv"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().skip(1).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_earlier_version_left_opens_whole() {
    if let Some(version) = std::env::var_os("CITYLOOM_RECORD_FOLDER") {
        let city = City::new();
        leave_a_folder(&city).await;
        copy(city.data(), &folders().join(version));
    }
    let mut versions: Vec<PathBuf> =
        fs::read_dir(folders()).unwrap().map(|entry| entry.unwrap().path()).collect();
    versions.sort();
    assert!(!versions.is_empty());
    for version in versions {
        opens_whole(&version).await;
    }
}

async fn opens_whole(left: &Path) {
    let city = City::new();
    copy(left, city.data());
    let count = format!("SELECT count(*), sum(speed_kmh), count(DISTINCT vehicle) FROM {SPEED}");
    assert_eq!(sql(&city, &count), "31,1160.0,31", "{}", left.display());
    assert_eq!(sql(&city, "SELECT count(*), max(code) FROM quarantine.traffic__speed"), "3,OUT_OF_RANGE");

    let mut server = Server::start(&city).await;
    // Nothing has come in since the folder was left, and the city says so.
    server.claim("no signal: the feed is quiet");
    let mut screen = Screen::following(&server, &["alerts", "orders"]).await;
    let orders = server.json("/api/orders").await;
    let of_before = |order: &&serde_json::Value| order["id"] == "or-1";
    let order = orders["orders"].as_array().unwrap().iter().find(of_before).unwrap();
    assert_eq!(
        [&order["id"], &order["state"], &order["by"], &order["note"], &order["unit"]],
        ["or-1", "accepted", "Li", "on my way", "police-990101"],
        "{order}"
    );
    let alerts = server.json("/api/alerts").await;
    let grave = |alert: &&serde_json::Value| alert["query"] == "alert_grave";
    let alert = alerts["alerts"].as_array().unwrap().iter().find(grave).unwrap();
    assert_eq!([&alert["id"], &alert["state"], &alert["order"]], ["al-1", "open", "or-1"], "{alert}");
    // What had landed has landed: the file gets its first receipt, the key is known.
    let (status, again) = server.submit(SPEED, "text/csv", readings(0, 0..20, 30.0)).await;
    assert_eq!((status, again["duplicate_of"].is_string()), (StatusCode::OK, true), "{again}");
    let other = incident(1, 1, "fire", 3);
    let (_, known) = server.submit(INCIDENTS, "text/csv", other).await;
    assert_eq!(known["reasons"], json!({"KEY_LANDED": 1}), "{known}");
    // And it goes on: the order is closed, new rows move the picture.
    let (status, _) = server.step("or-1", "close", json!({"by": "Li", "note": "done"})).await;
    assert_eq!(status, StatusCode::OK);
    screen.shows("closed", |screen| screen.told("orders").iter().any(|(kind, _)| *kind == "closed")).await;
    server.land(SPEED, readings(3, 40..41, 70.0)).await;
    server.stop().await;
    assert_eq!(sql(&city, &count), "32,1230.0,32");
    let verified = city.cityloom(&["audit", "verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

#[test]
fn a_folder_of_a_later_version_is_refused_with_words() {
    let city = City::new();
    assert!(city.cityloom(&["sql", "SELECT 1"]).status.success());
    fs::write(city.data().join("format.json"), r#"{"format":99,"written_by":"9.9.9"}"#).unwrap();
    for command in
        [vec!["sql", "SELECT 1"], vec!["serve", "--listen", "127.0.0.1:0"], vec!["audit", "verify"]]
    {
        let output = city.cityloom(&command);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{command:?}: {said}");
        assert!(said.contains("format 99") && said.contains("cityloom 9.9.9"), "{said}");
    }
}
