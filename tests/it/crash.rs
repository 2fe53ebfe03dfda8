//! Killed at any moment, a landing has happened whole or not at all, and doing it again ends in exactly one copy.

use std::fmt::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use super::binary::{City, tiny_city};

const ROUNDS: u64 = 15;
const ROWS: u64 = 200_000;
/// Every thousandth row is faster than the contract allows.
const BAD: u64 = ROWS / 1_000;
const SIGKILL: i32 = 9;

/// A file whose rows know their round: `vehicle` counts on from `round` million.
fn write_file(folder: &Path, round: u64) -> PathBuf {
    let mut text = String::with_capacity(12 << 20);
    text.push_str("ts,lng,lat,vehicle,speed_kmh\n");
    for row in 0..ROWS {
        let speed = if row % 1_000 == 7 { 999 } else { row % 120 };
        let (minute, second) = (row / 60 % 60, row % 60);
        let (lng, lat) = (row % 997, row % 587);
        let vehicle = round * 1_000_000 + row + 1;
        writeln!(text, "2026-03-01T08:{minute:02}:{second:02}Z,120.{lng:03},32.{lat:03},{vehicle},{speed}")
            .unwrap();
    }
    let path = folder.join(format!("round_{round}.csv"));
    std::fs::write(&path, text).unwrap();
    path
}

/// When a landing is killed.
enum Moment {
    /// So long after its start.
    After(Duration),
    /// As soon as this folder of the data folder holds one more file: between two steps of the commit.
    Grown(&'static str),
}

/// Starts a landing and kills it; true where the kill met it alive.
fn kill_landing(city: &City, file: &Path, moment: &Moment) -> bool {
    let files = |folder: &str| std::fs::read_dir(city.data.path().join(folder)).map_or(0, Iterator::count);
    let before = if let Moment::Grown(folder) = moment { files(folder) } else { 0 };
    let mut command = city.command(&["land", "traffic.speed"]);
    let mut child = command.arg(file).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    match moment {
        Moment::After(delay) => std::thread::sleep(*delay),
        Moment::Grown(folder) => {
            while files(folder) <= before && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
    }
    child.kill().unwrap();
    child.wait().unwrap().signal() == Some(SIGKILL)
}

/// What the lake holds of a round: rows, different row numbers, submissions.
fn held(city: &City, round: u64) -> Value {
    let (from, to) = (round * 1_000_000, (round + 1) * 1_000_000);
    let row = city.sql(&format!(
        "SELECT count(*) AS rows, count(DISTINCT _row) AS numbers, count(DISTINCT _submission) AS submissions \
         FROM traffic.speed WHERE vehicle > {from} AND vehicle < {to}"
    ));
    json!([row[0]["rows"], row[0]["numbers"], row[0]["submissions"]])
}

#[test]
fn a_landing_killed_at_any_moment_and_done_again_lands_every_row_once() {
    let city = City::at(tiny_city());
    let files = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let whole = json!([ROWS - BAD, ROWS - BAD, 1]);
    let first = write_file(files.path(), 0);
    let started = Instant::now();
    let mut submissions = vec![submission(&city.land("traffic.speed", &first))];
    let longest = started.elapsed();
    let mut dice = StdRng::seed_from_u64(2026);
    let mut met = 0;
    for round in 1..=ROUNDS {
        let file = write_file(files.path(), round);
        let moment = match round % 5 {
            0 => Moment::Grown("lake/quarantine/traffic__speed/_delta_log"),
            1 => Moment::Grown("lake/feeds/traffic/speed"),
            _ => Moment::After(longest.mul_f64(dice.random_range(0.02..1.0))),
        };
        met += u64::from(kill_landing(&city, &file, &moment));
        let after_kill = held(&city, round);
        assert!(
            after_kill == json!([0, 0, 0]) || after_kill == whole,
            "round {round}, half a file: {after_kill}"
        );
        let receipt = city.land("traffic.speed", &file);
        // Where the kill came between commit and answer, the answer is the first receipt's submission.
        assert_eq!(receipt["duplicate_of"].is_null(), after_kill != whole, "round {round}: {receipt}");
        let landed = if receipt["duplicate_of"].is_null() { ROWS - BAD } else { 0 };
        assert_eq!(
            json!([receipt["rows_read"], receipt["rows_landed"]]),
            json!([ROWS, landed]),
            "round {round}"
        );
        assert_eq!(held(&city, round), whole, "round {round}");
        submissions.push(submission(&receipt));
        std::fs::remove_file(file).unwrap();
    }
    assert!(met > 0, "no kill met a landing alive");
    println!("{met} of {ROUNDS} kills met a landing alive");
    whole_lake_is_consistent(&city, &submissions);
}

fn submission(receipt: &Value) -> String {
    let landed =
        if receipt["duplicate_of"].is_null() { &receipt["submission"] } else { &receipt["duplicate_of"] };
    landed.as_str().unwrap().to_owned()
}

/// Rejected rows of killed landings may lie in quarantine under submissions that never landed; those of landed
/// submissions are there once.
fn whole_lake_is_consistent(city: &City, submissions: &[String]) {
    let by_submission =
        "SELECT _submission AS submission, count(*) AS rows FROM traffic.speed GROUP BY 1 ORDER BY 1";
    let mut expected: Vec<&String> = submissions.iter().collect();
    expected.sort();
    let landed: Vec<Value> =
        expected.iter().map(|submission| json!({"submission": submission, "rows": ROWS - BAD})).collect();
    assert_eq!(city.sql(by_submission), landed);
    let rejected = "SELECT submission, count(*) AS rows, count(DISTINCT row) AS numbers FROM quarantine.traffic__speed \
                    WHERE submission IN (SELECT DISTINCT _submission FROM traffic.speed) GROUP BY 1 ORDER BY 1";
    let quarantined: Vec<Value> = expected
        .iter()
        .map(|submission| json!({"submission": submission, "rows": BAD, "numbers": BAD}))
        .collect();
    assert_eq!(city.sql(rejected), quarantined);
}
