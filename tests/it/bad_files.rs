//! Files that are not what they say, some of them made to bring down a reader: each is refused with a code and a
//! sentence, nothing of it lands, and no panic reaches the screen.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use cityloom::decode::MAX_ROW_BYTES;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;

use super::binary::{City, Ran, real_data, root, run, tiny_city};

/// Address space of a process that reads hostile files, in KiB.
const SPACE: u64 = 6_000_000;

/// Lands files in one process: an answer for each, in their order.
fn land_all(city: &City, feed: &str, files: &[PathBuf]) -> (Vec<Value>, Option<i32>) {
    let mut arguments: Vec<OsString> = ["land", feed, "--format", "json"].map(OsString::from).to_vec();
    arguments.extend(files.iter().map(|file| file.clone().into_os_string()));
    let ran = run(city.bounded_command(SPACE, &arguments));
    tells_no_inside(&ran);
    let answers = ran.json();
    assert_eq!(answers.len(), files.len(), "{ran:?}");
    (answers, ran.code)
}

/// Standard error may warn; it never shows where in the program something went wrong.
fn tells_no_inside(ran: &Ran) {
    assert!(ran.code.is_some(), "a signal ended it: {ran:?}");
    for word in ["panicked at", "RUST_BACKTRACE", "memory allocation of", ".rs:"] {
        assert!(!ran.err.contains(word), "{}", ran.err);
    }
}

/// A refusal with that code, and words enough to act on.
fn is_refused(answer: &Value, codes: &[&str]) {
    let refused = &answer["refused"];
    assert!(codes.iter().any(|code| refused["code"] == *code), "{answer}");
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains(' ') && !message.contains('\n'), "{message}");
    assert!(
        message.chars().count() <= 400,
        "a sentence, not {} characters: {message}",
        message.chars().count()
    );
}

fn nothing_landed(city: &City, feed: &str) {
    let table = feed.replace('.', "__");
    let counts = city.sql(&format!(
        "SELECT (SELECT count(*) FROM {feed}) AS a, (SELECT count(*) FROM quarantine.{table}) AS b"
    ));
    assert_eq!(counts, [serde_json::json!({"a": 0, "b": 0})]);
    let mut folders = vec![city.data.path().join("lake")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            assert!(
                path.extension().is_none_or(|extension| extension != "parquet"),
                "left behind: {}",
                path.display()
            );
            folders.extend(path.is_dir().then_some(path));
        }
    }
}

fn broken_parquet() -> Option<Vec<PathBuf>> {
    let folder = real_data("protocol/parquet_bad")?;
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "parquet")).collect();
    files.sort();
    assert_eq!(files.len(), 8);
    Some(files)
}

#[test]
fn parquet_files_known_to_break_readers_are_refused_by_the_demo_city() {
    let Some(files) = broken_parquet() else { return };
    let city = City::at(root());
    let (answers, code) = land_all(&city, "traffic.speed", &files);
    assert_eq!(code, Some(1));
    answers.iter().for_each(|answer| is_refused(answer, &["FILE_UNREADABLE", "COLUMN_MISSING"]));
    nothing_landed(&city, "traffic.speed");
}

#[test]
fn each_of_them_alone_ends_the_program_with_the_code_of_a_refusal() {
    let Some(files) = broken_parquet() else { return };
    let city = City::at(tiny_city());
    for file in &files {
        let (answers, code) = land_all(&city, "traffic.speed", std::slice::from_ref(file));
        assert_eq!(code, Some(1), "{}", file.display());
        is_refused(&answers[0], &["FILE_UNREADABLE", "COLUMN_MISSING"]);
    }
    nothing_landed(&city, "traffic.speed");
}

/// A city with a feed that wants the very columns of the broken files, so that their broken pages are read.
fn city_that_wants(columns: &[&str], folder: &Path) -> City {
    let copy = |below: &str| {
        let to = folder.join(below);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(tiny_city().join(below), to).unwrap();
    };
    ["cityloom.toml", "areas.geojson", "queries/traffic.sql", "schemas/traffic/speed.odcs.yaml"]
        .into_iter()
        .for_each(copy);
    let column = |name: &&str| format!("      - {{ name: {name}, logicalType: string }}\n");
    let contract = format!(
        "apiVersion: v3.1.0\nkind: DataContract\nid: any\nversion: 1.0.0\nstatus: active\nschema:\n  - name: any\n    properties:\n{}",
        columns.iter().map(column).collect::<String>()
    );
    std::fs::create_dir_all(folder.join("schemas/hostile")).unwrap();
    std::fs::write(folder.join("schemas/hostile/any.odcs.yaml"), contract).unwrap();
    City::at(folder)
}

#[test]
fn broken_pages_are_refused_where_their_columns_are_wanted() {
    let Some(files) = broken_parquet() else { return };
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let columns = [
        "min_fl",
        "x",
        "flba_field",
        "nation_key",
        "name",
        "region_key",
        "comment_col",
        "outer",
        "int64",
        "boolean",
        "string",
        "list_string",
    ];
    let city = city_that_wants(&columns, folder.path());
    let (answers, code) = land_all(&city, "hostile.any", &files);
    assert_eq!(code, Some(1));
    for (file, answer) in files.iter().zip(&answers) {
        match file.file_stem().and_then(|stem| stem.to_str()) {
            // A bit width of nought is odd, not wrong: all its values are the dictionary's first.
            Some("ARROW-GH-43605") => assert_eq!(answer["rows_landed"], 21_186, "{answer}"),
            _ => is_refused(answer, &["FILE_UNREADABLE"]),
        }
    }
}

#[test]
fn sql_over_a_broken_file_is_an_error_and_no_crash() {
    let Some(files) = broken_parquet() else { return };
    let city = City::at(tiny_city());
    for file in &files {
        // The count may stand in the file's own footer, which is whole in most of them; the values are not.
        for (wanted, codes) in [("count(*)", &[Some(0), Some(2)][..]), ("*", &[Some(2)])] {
            let ran =
                run(city
                    .bounded_command(SPACE, &["sql", &format!("SELECT {wanted} FROM '{}'", file.display())]));
            tells_no_inside(&ran);
            let sound = file.ends_with("ARROW-GH-43605.parquet");
            assert!(
                codes.contains(&ran.code) || (sound && ran.code == Some(0)),
                "{}: {ran:?}",
                file.display()
            );
            assert_eq!(ran.code == Some(2), ran.err.starts_with("error: "), "{ran:?}");
        }
    }
}

/// Rows of the one feed of the tiny city.
fn speeds(rows: usize) -> String {
    let row = |i: usize| format!("2026-03-01T08:00:00Z,120.{:03},32.1,{},{}\n", i % 900, i + 1, i % 200);
    "ts,lng,lat,vehicle,speed_kmh\n".to_owned() + &(0..rows).map(row).collect::<String>()
}

#[test]
fn a_parquet_file_with_any_byte_changed_is_landed_or_refused_but_never_crashes() {
    let city = City::at(tiny_city());
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let csv = folder.path().join("speeds.csv");
    std::fs::write(&csv, speeds(500)).unwrap();
    city.land("traffic.speed", &csv);
    let lake = city.data.path().join("lake/feeds/traffic/speed");
    let landed = std::fs::read_dir(lake).unwrap().map(|entry| entry.unwrap().path());
    let whole = std::fs::read(landed.filter(|path| path.extension().is_some()).max().unwrap()).unwrap();
    let mut dice = StdRng::seed_from_u64(47);
    let files: Vec<PathBuf> = (0..150)
        .map(|number| {
            let mut bytes = whole.clone();
            for _ in 0..=(number % 4) {
                // Headers and the footer matter most, and the footer is the file's end.
                let from = if number % 2 == 0 { bytes.len() * 2 / 3 } else { 0 };
                let at = dice.random_range(from..bytes.len() - 8);
                bytes[at] = dice.random();
            }
            let path = folder.path().join(format!("{number}.parquet"));
            std::fs::write(&path, bytes).unwrap();
            path
        })
        .collect();
    let (answers, _) = land_all(&city, "traffic.speed", &files);
    let refused: Vec<&Value> = answers.iter().filter(|answer| !answer["refused"].is_null()).collect();
    refused.iter().for_each(|answer| is_refused(answer, &["FILE_UNREADABLE", "COLUMN_MISSING"]));
    assert!(refused.len() > 20, "only {} of {} were noticed", refused.len(), files.len());
    let taken: u64 = answers.iter().filter_map(|answer| answer["rows_landed"].as_u64()).sum();
    let rows = city.sql("SELECT count(*) AS n FROM traffic.speed");
    assert_eq!(rows[0]["n"], 500 + taken, "what is refused leaves no row");
}

#[test]
fn hand_made_horrors_are_refused_or_told_row_by_row() {
    let city = City::at(tiny_city());
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = |name: &str, parts: &[&[u8]]| {
        let path = folder.path().join(name);
        let mut file = std::fs::File::create(&path).unwrap();
        parts.iter().for_each(|part| file.write_all(part).unwrap());
        path
    };
    let head: &[u8] = b"ts,lng,lat,vehicle,speed_kmh\n";
    let open = b"x".repeat(3 << 20);
    let feature = r#"{"type":"Feature","geometry":{"type":"Point","coordinates":[120.1,32.1]},"properties":{"ts":"2026-03-01T08:00:00Z","vehicle":1}}"#;
    let cut = format!("{{\"type\":\"FeatureCollection\",\"features\":[{feature},{}", &feature[..60]);
    let png: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";
    let refused = [
        (file("nothing.csv", &[]), "EMPTY_FILE"),
        (file("nothing.parquet", &[]), "EMPTY_FILE"),
        (file("nothing.ndjson", &[]), "EMPTY_FILE"),
        (file("nothing.geojson", &[]), "EMPTY_FILE"),
        (file("picture.parquet", &[png]), "FILE_UNREADABLE"),
        (file("picture.png", &[png]), "FORMAT_UNKNOWN"),
        (file("open_quote.csv", &[head, b"2026-03-01T08:00:00Z,120.1,32.1,1,\"", &open]), "FILE_UNREADABLE"),
        (file("cut.geojson", &[cut.as_bytes()]), "FILE_UNREADABLE"),
    ];
    let paths: Vec<PathBuf> = refused.iter().map(|(path, _)| path.clone()).collect();
    let (answers, code) = land_all(&city, "traffic.speed", &paths);
    assert_eq!(code, Some(1));
    for ((_, expected), answer) in refused.iter().zip(&answers) {
        is_refused(answer, &[expected]);
    }
    nothing_landed(&city, "traffic.speed");

    const { assert!(MAX_ROW_BYTES > 100_000, "the brackets below are one row") };
    let brackets = "[".repeat(100_000);
    let good = r#"{"ts":"2026-03-01T08:00:00Z","lng":120.1,"lat":32.1,"vehicle":1}"#;
    let told = [
        file(
            "nul.csv",
            &[head, b"2026-03-01T08:00:00Z,120.1,32.1,\0,1\n\0\0\0\n2026-03-01T08:00:00Z,120.1,32.1,2,\n"],
        ),
        file(
            "deep.ndjson",
            &[brackets.as_bytes(), b"\n", good.as_bytes(), b"\n", b"{\"ts\":", brackets.as_bytes(), b"\n"],
        ),
    ];
    let (answers, code) = land_all(&city, "traffic.speed", &told);
    assert_eq!(code, Some(0));
    let counts =
        |answer: &Value| serde_json::json!([answer["rows_read"], answer["rows_landed"], answer["reasons"]]);
    assert_eq!(counts(&answers[0]), serde_json::json!([3, 1, {"ROW_UNREADABLE": 1, "TYPE_MISMATCH": 1}]));
    assert_eq!(counts(&answers[1]), serde_json::json!([3, 1, {"ROW_UNREADABLE": 2}]));
}
