//! Numbers come in another unit than the contract's: converted and told, or refused, and never taken for what they are not.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use async_trait::async_trait;
use cityloom::app::{Workshop, WorkshopOptions};
use cityloom::connect::{Connector, Health, PollError, PollOutcome, Rows, Runner};
use parquet::arrow::ArrowWriter;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::server::{City, Server, eventually, read};

const FEED: &str = "traffic.speed";
const SUBMISSIONS: &str = "/api/feeds/traffic/speed/submissions";

async fn submit(server: &Server, query: &str, body: impl Into<reqwest::Body>) -> (StatusCode, Value) {
    let request = server.request("POST", &format!("{SUBMISSIONS}?{query}"));
    read(request.body(body).send().await.unwrap()).await
}

/// The speeds that landed, smallest first.
fn speeds(city: &City) -> String {
    let ran = city.cityloom(&["sql", "SELECT speed_kmh FROM traffic.speed ORDER BY 1", "--format", "csv"]);
    String::from_utf8(ran.stdout).unwrap().lines().skip(1).collect::<Vec<_>>().join(" ")
}

fn csv(header: &str, speeds: &[&str]) -> String {
    let row =
        |(at, speed): (usize, &&str)| format!("2025-03-01T08:00:0{at}Z,32.02,121.05,{},{speed}\n", at + 1);
    format!("ts,lat,lng,vehicle,{header}\n") + &speeds.iter().enumerate().map(row).collect::<String>()
}

#[tokio::test]
async fn a_file_in_another_unit_is_converted_and_told_and_its_rejects_stay_in_it() {
    let city = City::new();
    let server = Server::start(&city).await;
    let (status, receipt) = submit(&server, "name=a.csv", csv("speed_kmh [mi/h]", &["30", "200"])).await;
    assert_eq!((status, &receipt["reasons"]), (StatusCode::CREATED, &json!({"OUT_OF_RANGE": 1})));
    assert_eq!(receipt["units"], json!({"speed_kmh": {"from": "mi/h", "to": "km/h"}}));

    let id = receipt["submission"].as_str().unwrap();
    let rejects = format!("{SUBMISSIONS}/{id}/rejects");
    let shown = server.json(&format!("{rejects}?format=json")).await["rejected"][0].clone();
    assert_eq!(
        [&shown["column"], &shown["value"], &shown["values"]["speed_kmh [mi/h]"]],
        [&json!("speed_kmh"), &json!("200"), &json!("200")],
        "what was sent is shown"
    );
    let rejected = server.get(&rejects).await.text().await.unwrap();
    assert!(rejected.contains("speed_kmh [mi/h]"), "{rejected}");
    let mended = rejected.replace(",200,2,OUT", ",20,2,OUT");
    let (status, receipt) = submit(&server, &format!("name=b.csv&mends={id}"), mended).await;
    assert_eq!((status, &receipt["rows_landed"]), (StatusCode::CREATED, &json!(1)), "{receipt}");
    assert_eq!(receipt["units"]["speed_kmh"]["from"], "mi/h");

    let parquet = server.get(&format!("{rejects}?format=parquet")).await.bytes().await.unwrap();
    let (status, again) = submit(&server, &format!("name=b.parquet&mends={id}&dry_run=true"), parquet).await;
    assert_eq!((status, &again["reasons"]), (StatusCode::OK, &json!({"OUT_OF_RANGE": 1})), "{again}");
    assert_eq!(again["units"]["speed_kmh"]["from"], "mi/h");

    // The contract's own unit, however it is written, is nothing to tell.
    let (_, receipt) = submit(&server, "name=c.csv", csv("speed_kmh [kph]", &["90"])).await;
    assert_eq!(receipt["units"], json!({}));
    server.stop().await;
    assert_eq!(speeds(&city), "32.18688 48.28032 90.0");
}

#[tokio::test]
async fn a_unit_that_does_not_fit_refuses_the_file_and_says_how_to_mend_it() {
    let city = City::new();
    let server = Server::start(&city).await;
    for (header, code, column, told) in [
        ("speed_kmh [ug/m3]", "UNIT_MISMATCH", "speed_kmh", "`ug/m3` cannot become `km/h`"),
        ("speed_kmh [km/hh]", "UNIT_UNKNOWN", "speed_kmh", "did you mean `km/h`?"),
        ("speed_kmh [km/h],speed_kmh [m/s]", "FILE_UNREADABLE", "", "stands twice, in `km/h` and in `m/s`"),
    ] {
        let rows = csv(header, &["30"]).replace("30\n", if column.is_empty() { "30,8\n" } else { "30\n" });
        for query in ["name=a.csv", "name=a.csv&dry_run=true"] {
            let (status, refusal) = submit(&server, query, rows.clone()).await;
            assert_eq!(
                (status, &refusal["code"]),
                (StatusCode::UNPROCESSABLE_ENTITY, &json!(code)),
                "{refusal}"
            );
            let detail = refusal["detail"].as_str().unwrap();
            assert!(detail.contains(told), "{detail}");
            assert_eq!(refusal["violations"][0]["column"].as_str().unwrap_or_default(), column);
        }
    }
    // What the contract gives no unit cannot be said to be in one.
    let counted = csv("speed_kmh", &["30"]).replace("vehicle", "vehicle [1]");
    let (_, refusal) = submit(&server, "name=a.csv", counted).await;
    assert_eq!(refusal["code"], "UNIT_MISMATCH", "{refusal}");
    let named = csv("speed_kmh", &["30"]).replace("ts,", "ts [s],");
    let (_, refusal) = submit(&server, "name=a.csv", named).await;
    assert_eq!(refusal["code"], "COLUMN_MISSING", "a time has no unit: {refusal}");
    assert_eq!(server.rows(FEED).await, 0);
    server.stop().await;
}

#[tokio::test]
async fn a_sender_says_the_units_that_a_file_cannot() {
    let city = City::new();
    let server = Server::start(&city).await;
    let row = |vehicle: u8, speed: u8| {
        let place = json!({"ts": "2025-03-01T08:00:00Z", "lat": 32.02, "lng": 121.05});
        let mut row = place.as_object().unwrap().clone();
        row.extend([("vehicle".to_owned(), json!(vehicle)), ("speed_kmh".to_owned(), json!(speed))]);
        Value::Object(row)
    };
    let ndjson = format!("{}\n{}\n", row(1, 30), row(2, 200));
    let (status, receipt) = submit(&server, "name=a.ndjson&units=speed_kmh:mi/h", ndjson).await;
    assert_eq!((status, &receipt["reasons"]), (StatusCode::CREATED, &json!({"OUT_OF_RANGE": 1})));
    assert_eq!(receipt["units"], json!({"speed_kmh": {"from": "mi/h", "to": "km/h"}}));
    // The rejected rows say themselves in which unit they are.
    let id = receipt["submission"].as_str().unwrap();
    let rejected = server.get(&format!("{SUBMISSIONS}/{id}/rejects")).await.text().await.unwrap();
    assert!(rejected.contains("speed_kmh [mi/h]"), "{rejected}");

    let point = json!({"type": "Point", "coordinates": [121.05, 32.02]});
    let feature = json!({"type": "Feature", "geometry": point, "properties": row(3, 10)});
    let geojson = json!({"type": "FeatureCollection", "features": [feature]}).to_string();
    let (status, receipt) = submit(&server, "name=a.geojson&units=speed_kmh:m/s", geojson).await;
    assert_eq!((status, &receipt["rows_landed"]), (StatusCode::CREATED, &json!(1)), "{receipt}");

    // Who sends it knows better than a header that somebody copied.
    let copied = csv("speed_kmh [mi/h]", &["90"]);
    let (_, receipt) = submit(&server, "name=a.csv&units=speed_kmh:km/h", copied).await;
    assert_eq!((&receipt["rows_landed"], &receipt["units"]), (&json!(1), &json!({})), "{receipt}");

    for (units, status, code, told) in [
        ("speed_kmh", StatusCode::BAD_REQUEST, "MALFORMED", "no column with its unit"),
        ("speed:mi/h", StatusCode::UNPROCESSABLE_ENTITY, "UNIT_MISMATCH", "has no such column"),
        ("vehicle:km", StatusCode::UNPROCESSABLE_ENTITY, "UNIT_MISMATCH", "the contract says no unit"),
        ("speed_kmh:km/hh", StatusCode::UNPROCESSABLE_ENTITY, "UNIT_UNKNOWN", "did you mean `km/h`?"),
    ] {
        let rows = csv("speed_kmh", &["31"]);
        let (found, refusal) = submit(&server, &format!("name=b.csv&units={units}"), rows).await;
        assert_eq!((found, &refusal["code"]), (status, &json!(code)), "{refusal}");
        assert!(refusal["detail"].as_str().unwrap().contains(told), "{refusal}");
    }
    server.stop().await;
    assert_eq!(speeds(&city), "36.0 48.28032 90.0");

    let file = city.root().join("c.ndjson");
    std::fs::write(&file, row(9, 10).to_string()).unwrap();
    let ran = city.cityloom(&["land", FEED, file.to_str().unwrap(), "--units", "speed_kmh:kn"]);
    assert!(ran.status.success(), "{ran:?}");
    assert_eq!(speeds(&city), "18.52 36.0 48.28032 90.0");
}

fn parquet(unit: &str, speed: f64) -> Vec<u8> {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let number = |name: &str| Field::new(name, DataType::Float64, true);
    let unit = HashMap::from([("unit".to_owned(), unit.to_owned())]);
    let speed_field = number("speed_kmh").with_metadata(unit);
    let vehicle = Field::new("vehicle", DataType::Int64, true);
    let schema = Schema::new(vec![text("ts"), number("lat"), number("lng"), vehicle, speed_field]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec!["2025-03-01T08:00:00Z"])),
        Arc::new(Float64Array::from(vec![32.02])),
        Arc::new(Float64Array::from(vec![121.05])),
        Arc::new(Int64Array::from(vec![1])),
        Arc::new(Float64Array::from(vec![speed])),
    ];
    let batch = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

#[tokio::test]
async fn parquet_says_its_units_beside_its_columns() {
    let city = City::new();
    let server = Server::start(&city).await;
    let (status, receipt) = submit(&server, "name=a.parquet", parquet("m/s", 10.0)).await;
    assert_eq!(
        (status, &receipt["units"]["speed_kmh"]),
        (StatusCode::CREATED, &json!({"from": "m/s", "to": "km/h"})),
        "{receipt}"
    );
    let (_, refusal) = submit(&server, "name=b.parquet", parquet("furlong/fortnight", 10.0)).await;
    assert_eq!(refusal["code"], "UNIT_UNKNOWN", "{refusal}");
    server.stop().await;
    assert_eq!(speeds(&city), "36.0");

    let file = city.aside("c.parquet");
    std::fs::write(&file, parquet("mph", 30.0)).unwrap();
    let landed = city.cityloom(&["land", FEED, file.to_str().unwrap()]);
    let told = String::from_utf8(landed.stdout).unwrap();
    assert!(told.contains("converted    speed_kmh: mph → km/h"), "{told}");
}

/// A source that tells one row.
struct Once(bool);

#[async_trait]
impl Connector for Once {
    async fn poll(&mut self, _: Option<&Value>) -> Result<PollOutcome, PollError> {
        if std::mem::replace(&mut self.0, true) {
            return Ok(PollOutcome::Unchanged);
        }
        let values = [
            ("ts", "2025-03-01T08:00:00Z"),
            ("lat", "32.02"),
            ("lng", "121.05"),
            ("vehicle", "1"),
            ("speed_kmh", "30"),
        ];
        let column = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
        let batch = RecordBatch::try_from_iter(values.map(|(name, text)| (name, column(text)))).unwrap();
        Ok(PollOutcome::Rows { rows: Rows::of(batch), cursor: json!(1) })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_source_is_read_in_the_units_that_its_settings_say() {
    let city = City::new();
    let (root, data) = (city.root().into(), city.data().into());
    let options = WorkshopOptions {
        city: root,
        data,
        areas: None,
        local_files: false,
        clock: Arc::new(cityloom::model::SystemClock),
        decoder: None,
    };
    let workshop = Workshop::open(&options).await.unwrap();
    for (header, unit, told) in [
        ("speed_kmh", "mi/h", None),
        ("speed", "mi/h", Some("no column of numbers `speed`")),
        ("speed_kmh", "NTU", Some("UNIT_MISMATCH: column `speed_kmh`")),
    ] {
        let units = BTreeMap::from([(header.to_owned(), unit.to_owned())]);
        let (name, connector) = (format!("{header} {unit}"), Box::new(Once(false)));
        let runner = Runner { name, feed: FEED.into(), units, every: Duration::from_mins(1), connector };
        let heard = Arc::new(Mutex::new(None));
        let hears = Arc::clone(&heard);
        let stop = CancellationToken::new();
        let run = runner.run(Arc::clone(&workshop.lander), stop.clone(), move |_, health| {
            hears.lock().unwrap().get_or_insert(health.clone());
        });
        let running = tokio::spawn(run);
        let health = eventually("an answer", async || heard.lock().unwrap().clone()).await;
        stop.cancel();
        running.await.unwrap();
        match (health, told) {
            (Health::Landed(receipt), None) => assert_eq!(receipt.units["speed_kmh"].from, "mi/h"),
            (Health::Failing { why, .. }, Some(told)) => assert!(why.contains(told), "{why}"),
            (health, _) => panic!("{unit}: {health:?}"),
        }
    }
    drop(workshop);
    assert_eq!(speeds(&city), "48.28032");
}

#[test]
fn a_unit_that_is_not_known_is_told_with_its_place() {
    let city = City::new();
    let file = "schemas/traffic/speed.odcs.yaml";
    let contract = std::fs::read_to_string(city.root().join(file)).unwrap();
    let broken = contract.replace("value: km/h", "value: km/hh");
    let line = broken.lines().position(|line| line.contains("km/hh")).unwrap() + 1;
    city.write(file, &broken);
    let told = String::from_utf8(city.cityloom(&["check"]).stdout).unwrap();
    assert!(told.contains(&format!("{file}:{line}:")), "{told}");
    assert!(told.contains("the unit `km/hh` is not known; did you mean `km/h`?"), "{told}");

    let city = City::new();
    let settings = std::fs::read_to_string(city.root().join("cityloom.toml")).unwrap();
    let connector = "[[connectors]]\nname = 'a'\nfeed = 'traffic.speed'\nunits = { speed_kmh = 'mi/hh' }\n\
                     http_poll = { url = 'http://127.0.0.1:1/x', every_s = 60 }\n";
    city.write("cityloom.toml", &(settings + connector));
    let told = String::from_utf8(city.cityloom(&["check"]).stdout).unwrap();
    assert!(told.contains("units: `speed_kmh`: the unit `mi/hh` is not known"), "{told}");
}
