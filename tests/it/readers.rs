//! Other people's programs read the tables: polars and `DuckDB` count the same rows as cityloom, also after files were
//! merged, the log was written down and shortened, and a submission was withdrawn.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use cityloom::app::{Workshop, WorkshopOptions};
use cityloom::ingest::Upload;
use cityloom::lake::{Table, Tending};
use serde_json::{Value, json};

use crate::binary::{root, run, tool};
use crate::server::City;
use crate::server::city::readings;

/// Whether this machine has the readers; else the reason for skipping is printed.
fn python() -> Option<PathBuf> {
    let python = tool("CITYLOOM_ORACLE_PYTHON")?;
    let has = Command::new(&python).args(["-c", "import deltalake, duckdb, polars"]).output();
    if has.is_ok_and(|ran| ran.status.success()) {
        return Some(python);
    }
    println!("skipped: {} has no deltalake, duckdb and polars", python.display());
    None
}

fn read_by_others(python: &Path, table: &Table) -> Value {
    let folder = table.url().to_file_path().unwrap();
    let mut command = Command::new(python);
    command.arg(root().join("tests/oracle/readers.py")).arg(OsStr::new(&folder));
    let ran = run(command);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let all: Value = serde_json::from_str(&ran.out).unwrap();
    all.as_object().unwrap().values().next().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_readers_count_the_same_rows_whatever_was_done_to_a_table() {
    let Some(python) = python() else { return };
    let city = City::new();
    let options = WorkshopOptions {
        city: city.root().into(),
        data: city.data().into(),
        areas: None,
        local_files: false,
        clock: Arc::new(cityloom::model::SystemClock),
        decoder: None,
    };
    let workshop = Workshop::open(&options).await.unwrap();
    let feed = workshop.lander.feed("traffic.speed").unwrap().clone();
    let (table, quarantine) = (&feed.table, &feed.quarantine);
    let mut submissions = Vec::new();
    let mut land = async |number: u32| {
        let path = city.aside(&format!("{number}.csv"));
        let bad = "2025-03-01T08:00:00Z,32.02,121.05,9,900\n";
        std::fs::write(&path, readings(0, number * 100..number * 100 + 7, 30.0) + bad).unwrap();
        let upload = Upload { path, name: "readings.csv".into(), progress: Arc::default() };
        submissions.push(workshop.lander.land_file("traffic.speed", upload).await.unwrap().submission);
    };
    let counted = |table: &Table| {
        let rows = table.state().rows;
        assert_eq!(
            read_by_others(&python, table),
            json!({ "polars": rows, "duckdb": rows }),
            "{}",
            table.name()
        );
        rows
    };
    let tending = Tending { settled_s: 0, fewest: 4, commits: 4 };
    let hours = |hours: i64| workshop.clock.now().plus_seconds(hours * 3_600);
    for number in 0..6 {
        land(number).await;
    }
    assert_eq!((counted(table), counted(quarantine)), (42, 6));
    for table in [table, quarantine] {
        assert_eq!(table.compact_as(hours(1), tending).await.unwrap().unwrap().files, 6);
        assert!(table.write_down(tending.commits).await.unwrap());
    }
    assert_eq!((counted(table), counted(quarantine)), (42, 6));
    for number in 6..12 {
        land(number).await;
    }
    assert!(table.write_down(tending.commits).await.unwrap());
    assert!(table.shorten(hours(2)).await.unwrap() > 6, "entries of the log went");
    assert!(table.sweep(hours(26)).await.unwrap() >= 6, "files that were merged went");
    assert_eq!(counted(table), 84);
    for submission in [&submissions[2], &submissions[8]] {
        workshop.lander.withdraw("traffic.speed", submission).await.unwrap();
    }
    assert_eq!((counted(table), counted(quarantine)), (70, 10));
}
