//! The way of a data officer through the doors: check, submit, read the receipt, mend, withdraw.

use std::fs;

use arrow::array::AsArray as _;
use arrow::compute::concat_batches;
use cityloom::app::{Workshop, WorkshopOptions};
use cityloom::lake::Tending;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::city::{TOWNS, cell, readings};
use crate::server::{City, Screen, Server, eventually, read};

const SPEED: &str = "traffic.speed";
const SUBMISSIONS: &str = "/api/feeds/traffic/speed/submissions";
const HEADERS: &str = "ts,lat,lng,vehicle,speed_kmh\n";
/// Two good rows, one too fast, one without a time, one that is no row.
const MIXED: &str = "\
ts,lat,lng,vehicle,speed_kmh
2025-03-01T08:00:00Z,32.02,121.05,1,30
2025-03-01T08:00:01Z,32.02,121.05,2,900
,32.02,121.05,3,50
2025-03-01T08:00:03Z,32.02
2025-03-01T08:00:04Z,32.02,121.05,5,50
";

async fn submit(server: &Server, query: &str, body: impl Into<reqwest::Body>) -> (StatusCode, Value) {
    let request = server.request("POST", &format!("{SUBMISSIONS}?name=speeds.csv{query}"));
    read(request.body(body).send().await.unwrap()).await
}

async fn ask(server: &Server, method: &str, path: &str) -> (StatusCode, Value) {
    read(server.request(method, &format!("{SUBMISSIONS}{path}")).send().await.unwrap()).await
}

/// A receipt without the seconds: they are told to the sender only when all is done.
fn timeless(receipt: &Value) -> Value {
    let mut receipt = receipt.clone();
    receipt["seconds"].take();
    receipt
}

fn id_of(receipt: &Value) -> String {
    receipt["submission"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_feed_says_what_it_asks_for_and_gives_a_file_to_begin_with() {
    let city = City::new();
    let server = Server::start(&city).await;
    let feed = server.json("/api/feeds/traffic/speed").await;
    assert_eq!(
        [&feed["feed"], &feed["rows"], &feed["contract"]["key"]],
        [&json!(SPEED), &json!(0), &json!([])]
    );
    assert_eq!(feed["contract"]["event_time"], json!({"column": "ts", "future_s": 600, "late_s": null}));
    assert_eq!(
        feed["contract"]["place"],
        json!({"kind": "point", "columns": ["lng", "lat"], "crs": "WGS84", "outside_refused": false})
    );
    let columns = feed["contract"]["columns"].as_array().unwrap();
    let speed = columns.iter().find(|column| column["header"] == "speed_kmh").unwrap();
    assert_eq!(
        [&speed["type"], &speed["required"], &speed["minimum"], &speed["maximum"], &speed["unit"]],
        [&json!("number"), &json!(true), &json!(0.0), &json!(250.0), &json!("km/h")]
    );
    let (status, problem) = read(server.get("/api/feeds/traffic/sped").await).await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("FEED_UNKNOWN")));

    let sample = async || {
        let answer = server.get("/api/feeds/traffic/speed/sample").await;
        let saved = answer.headers()["content-disposition"].to_str().unwrap().to_owned();
        (saved, answer.text().await.unwrap())
    };
    let headers = (r#"attachment; filename="traffic-speed-sample.csv""#.to_owned(), HEADERS.to_owned());
    assert_eq!(sample().await, headers);
    city.write("fixtures/feeds/traffic__speed/good.csv", &readings(0, 0..2, 30.0));
    assert_eq!(sample().await.1, readings(0, 0..2, 30.0));
    server.stop().await;
}

#[tokio::test]
async fn a_dry_run_tells_what_a_landing_would_and_leaves_nothing() {
    let city = City::new();
    let server = Server::start(&city).await;
    let (status, trial) = submit(&server, "&dry_run=true", MIXED).await;
    assert_eq!((status, &trial["dry_run"]), (StatusCode::OK, &json!(true)));
    assert_eq!([&trial["rows_read"], &trial["rows_landed"]], [&json!(5), &json!(2)]);
    let rejected: Vec<Value> =
        trial["rejected"].as_array().unwrap().iter().map(|row| json!([row["row"], row["code"]])).collect();
    assert_eq!(
        rejected,
        [json!([2, "OUT_OF_RANGE"]), json!([3, "NULL_REQUIRED"]), json!([4, "ROW_UNREADABLE"])]
    );
    assert_eq!(server.rows(SPEED).await, 0);
    assert_eq!(server.json(SUBMISSIONS).await["total"], 0);
    assert_eq!(fs::read_dir(city.data().join("spool")).unwrap().count(), 0);

    let (status, problem) = submit(&server, "&dry_run=true", "ts,lat\n1,2\n").await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("COLUMN_MISSING")));
    let missing: Vec<&Value> =
        problem["violations"].as_array().unwrap().iter().map(|violation| &violation["column"]).collect();
    assert_eq!(missing, ["lng", "vehicle", "speed_kmh"]);
    let (status, problem) = submit(&server, "&dry_run=perhaps", MIXED).await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("MALFORMED")));

    let (status, receipt) = submit(&server, "", MIXED).await;
    assert_eq!((status, &receipt["reasons"]), (StatusCode::CREATED, &trial["reasons"]));
    let (_, known) = submit(&server, "&dry_run=true", MIXED).await;
    assert_eq!(known["duplicate_of"], receipt["submission"]);
    server.stop().await;
}

#[tokio::test]
async fn rejected_rows_come_back_in_their_own_columns_and_land_when_mended() {
    let city = City::new();
    let server = Server::start(&city).await;
    let (_, first) = submit(&server, "", MIXED).await;
    let id = id_of(&first);
    let rejects = format!("{SUBMISSIONS}/{id}/rejects");

    let shown = server.json(&format!("{rejects}?format=json&limit=2")).await["rejected"].clone();
    assert_eq!(shown.as_array().unwrap().len(), 2);
    assert_eq!(
        [&shown[0]["row"], &shown[0]["column"], &shown[0]["value"], &shown[0]["values"]["vehicle"]],
        [&json!(2), &json!("speed_kmh"), &json!("900"), &json!("2")]
    );

    // As bytes: reading it as text would take the mark off its beginning.
    let csv = String::from_utf8(server.get(&rejects).await.bytes().await.unwrap().to_vec()).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "\u{feff}ts,lat,lng,vehicle,speed_kmh,_row,_code,_column,_value,_codes,_line");
    assert_eq!(
        lines[1],
        "2025-03-01T08:00:01Z,32.02,121.05,2,900,2,OUT_OF_RANGE,speed_kmh,900,OUT_OF_RANGE(speed_kmh),"
    );
    assert!(lines[3].starts_with(",,,,,4,ROW_UNREADABLE,") && lines.len() == 4, "{csv}");

    let parquet = server.get(&format!("{rejects}?format=parquet")).await.bytes().await.unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(parquet).unwrap().build().unwrap();
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    let rows = concat_batches(&batches[0].schema(), &batches).unwrap();
    let codes: Vec<_> = rows["_code"].as_string::<i32>().iter().flatten().map(str::to_owned).collect();
    assert_eq!(codes, ["OUT_OF_RANGE", "NULL_REQUIRED", "ROW_UNREADABLE"]);

    // Mended in place: the added columns stay and do no harm.
    let mended = csv.replace(",900,2,OUT", ",90,2,OUT").lines().take(2).collect::<Vec<_>>().join("\n");
    let (status, receipt) = submit(&server, &format!("&mends={id}"), mended).await;
    assert_eq!(
        (status, &receipt["rows_landed"], &receipt["mends"]),
        (StatusCode::CREATED, &json!(1), &json!(id)),
        "{receipt}"
    );
    let (_, told) = ask(&server, "GET", &format!("/{id}")).await;
    assert_eq!([&told["mended_by"], &told["rows_open"]], [&json!([receipt["submission"]]), &json!(2)]);
    let list = server.json(SUBMISSIONS).await;
    assert_eq!([&list["submissions"][0]["submission"], &list["total"]], [&receipt["submission"], &json!(2)]);
    assert_eq!(list["quality"], json!({"submissions": 1, "rows_read": 5, "rows_landed": 3}));
    assert_eq!(
        server.json(&format!("{SUBMISSIONS}?limit=1")).await["submissions"].as_array().unwrap().len(),
        1
    );
    let newest = list["submissions"][0]["landed_us"].as_i64().unwrap();
    let older = server.json(&format!("{SUBMISSIONS}?before={newest}")).await;
    assert_eq!(older["submissions"][0]["submission"], json!(id));
    assert_eq!(server.rows(SPEED).await, 3);

    let (status, problem) = submit(&server, "&mends=nobody", readings(1, 0..1, 5.0)).await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("SUBMISSION_UNKNOWN")));
    for path in ["/nobody", "/nobody/rejects"] {
        let (status, problem) = ask(&server, "GET", path).await;
        assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("SUBMISSION_UNKNOWN")));
    }
    let (status, _) = ask(&server, "GET", &format!("/{id}/rejects?format=xml")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    server.stop().await;
}

#[tokio::test]
async fn a_withdrawn_submission_leaves_every_layer_and_may_come_again() {
    let city = City::new();
    let server = Server::start(&city).await;
    let mut screen = Screen::open(&server).await;
    screen.follow("layer/map", None).await;
    let speed = |screen: &Screen| screen.values("layer/map", &cell(0)).map(|values| values[0].clone());
    server.land(SPEED, readings(0, 0..2, 30.0)).await;
    let (_, wrong) = submit(&server, "", readings(0, 2..4, 90.0) + ",1,1,1,1\n").await;
    screen.shows("both files", |screen| speed(screen) == Some(json!(60))).await;
    assert_eq!(wrong["rows_quarantined"], 1);

    let id = id_of(&wrong);
    let (status, told) = ask(&server, "DELETE", &format!("/{id}")).await;
    assert_eq!((status, &told["state"]), (StatusCode::OK, &json!("withdrawn")));
    assert_eq!(timeless(&told["receipt"]), timeless(&wrong));
    screen.shows("the first file alone", |screen| speed(screen) == Some(json!(30))).await;
    let feed = server.json("/api/feeds/traffic/speed").await;
    assert_eq!([&feed["rows"], &feed["quarantined"]], [&json!(2), &json!(0)]);

    let (status, again) = ask(&server, "DELETE", &format!("/{id}")).await;
    assert_eq!((status, &again["withdrawn_us"]), (StatusCode::OK, &told["withdrawn_us"]), "done twice");
    let (status, problem) = submit(&server, &format!("&mends={id}"), readings(1, 0..1, 5.0)).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("SUBMISSION_WITHDRAWN")));
    let (status, problem) = ask(&server, "DELETE", "/nobody").await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("SUBMISSION_UNKNOWN")));

    let (status, anew) = submit(&server, "", readings(0, 2..4, 90.0) + ",1,1,1,1\n").await;
    assert_eq!((status, &anew["duplicate_of"]), (StatusCode::CREATED, &Value::Null));
    screen.shows("both again", |screen| speed(screen) == Some(json!(60))).await;
    server.stop().await;

    // A city that starts again knows what was withdrawn.
    let server = Server::start(&city).await;
    let (_, told) = ask(&server, "GET", &format!("/{id}")).await;
    assert_eq!(told["state"], "withdrawn");
    assert_eq!(server.rows(SPEED).await, 4);
    server.stop().await;
}

#[tokio::test]
async fn keys_of_a_withdrawn_submission_are_free_again() {
    let city = City::new();
    let server = Server::start(&city).await;
    let incident = |severity: u8| crate::server::city::incident(7, 0, "theft", severity);
    let first = server.land("police.incidents", incident(5)).await;
    let (_, taken) = server.submit("police.incidents", "text/csv", incident(3)).await;
    assert_eq!(taken["reasons"], json!({"KEY_LANDED": 1}));
    let path = format!("/api/feeds/police/incidents/submissions/{}", id_of(&first));
    let (status, _) = read(server.request("DELETE", &path).send().await.unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    let receipt = server.land("police.incidents", incident(2)).await;
    assert_eq!(receipt["rows_landed"], 1);
    server.stop().await;
}

#[tokio::test]
async fn where_the_rows_fell_is_told_by_cell_before_and_after_files_were_merged() {
    let city = City::new();
    let server = Server::start(&city).await;
    // Three rows in the middle of one town, two in that of another; one too fast, one whose place is no number.
    let bad = "2025-03-01T08:00:00Z,32.02,121.05,91,900\n2025-03-01T08:00:00Z,here,121.05,92,30\n";
    let towns = readings(0, 0..3, 30.0) + readings(1, 3..5, 40.0).strip_prefix(HEADERS).unwrap();
    let (_, first) = submit(&server, "", towns + bad).await;
    let id = id_of(&first);
    let expected = {
        // The contract places rows at resolution 9.
        let cell = |town: usize| {
            let (_, lng, lat) = TOWNS[town];
            h3o::LatLng::new(lat, lng).unwrap().to_cell(h3o::Resolution::Nine).to_string()
        };
        let mut cells = [json!({"cell": cell(0), "rows": 3}), json!({"cell": cell(1), "rows": 2})];
        cells.sort_by_key(|it| it["cell"].as_str().unwrap().to_owned());
        json!({
            "submission": id, "resolution": 9, "rows_placed": 5, "rows_nowhere": 0, "cells": cells,
            "rejected": [{"row": 6, "code": "OUT_OF_RANGE", "lng": 121.05, "lat": 32.02}],
        })
    };
    let (status, told) = ask(&server, "GET", &format!("/{id}/cells")).await;
    assert_eq!((status, &told), (StatusCode::OK, &expected));
    let (status, problem) = ask(&server, "GET", "/none/cells").await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("SUBMISSION_UNKNOWN")));
    for number in 1..4 {
        submit(&server, "", readings(2, number * 10..number * 10 + 4, 50.0)).await;
    }
    server.stop().await;

    let options = WorkshopOptions {
        city: city.root().into(),
        data: city.data().into(),
        areas: None,
        local_files: false,
        clock: std::sync::Arc::new(cityloom::model::SystemClock),
        decoder: None,
    };
    let workshop = Workshop::open(&options).await.unwrap();
    let table = &workshop.lander.feed(SPEED).unwrap().table;
    let tending = Tending { settled_s: 0, fewest: 4, commits: 4 };
    let later = workshop.clock.now().plus_seconds(3_600);
    assert_eq!(table.compact_as(later, tending).await.unwrap().unwrap().files, 4);
    drop(workshop);

    let server = Server::start(&city).await;
    assert_eq!(ask(&server, "GET", &format!("/{id}/cells")).await.1, expected, "in a merged file");
    ask(&server, "DELETE", &format!("/{id}")).await;
    let (_, gone) = ask(&server, "GET", &format!("/{id}/cells")).await;
    assert_eq!(
        [&gone["rows_placed"], &gone["cells"], &gone["rejected"]],
        [&json!(0), &json!([]), &json!([])]
    );
    server.stop().await;
}

#[tokio::test]
async fn a_sender_who_chose_the_id_can_follow_and_find_the_submission() {
    let city = City::new();
    let server = Server::start(&city).await;
    let id = uuid::Uuid::new_v4().to_string();
    let (mut half, body) = tokio::io::duplex(64);
    let sent = tokio::spawn({
        let request = server.request(Method::POST.as_str(), &format!("{SUBMISSIONS}?name=slow.csv&id={id}"));
        let stream = tokio_util::io::ReaderStream::new(body);
        async move { read(request.body(reqwest::Body::wrap_stream(stream)).send().await.unwrap()).await }
    });
    let text = readings(0, 0..3, 30.0);
    let (start, rest) = text.split_at(40);
    tokio::io::AsyncWriteExt::write_all(&mut half, start.as_bytes()).await.unwrap();
    let under_way = eventually("the submission under way", async || {
        let (status, told) = ask(&server, "GET", &format!("/{id}")).await;
        (status == StatusCode::OK && told["received"] == 40).then_some(told)
    })
    .await;
    assert_eq!([&under_way["state"], &under_way["file"]], [&json!("receiving"), &json!("slow.csv")]);
    let (status, problem) = submit(&server, &format!("&id={id}"), MIXED).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("SUBMISSION_TAKEN")));
    tokio::io::AsyncWriteExt::write_all(&mut half, rest.as_bytes()).await.unwrap();
    drop(half);
    let (status, receipt) = sent.await.unwrap();
    assert_eq!((status, id_of(&receipt)), (StatusCode::CREATED, id.clone()));
    let (_, told) = ask(&server, "GET", &format!("/{id}")).await;
    assert_eq!((&told["state"], timeless(&told["receipt"])), (&json!("landed"), timeless(&receipt)));
    let (status, problem) = submit(&server, &format!("&id={id}"), MIXED).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("SUBMISSION_TAKEN")));
    let (status, problem) = submit(&server, "&id=seven", MIXED).await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("MALFORMED")));
    server.stop().await;
}

/// Rows as an office's spreadsheet writes them.
const OFFICE: &str = "ts;lat;lng;vehicle;speed_kmh;备注\n\
    2025-03-01T08:00:00Z;32,02;121,05;1;30,5;南通\n2025-03-01T08:00:01Z;32,02;121,05;2;40;如皋\n";

#[tokio::test]
async fn files_are_read_as_offices_write_and_pack_them_and_the_receipt_says_how() {
    let city = City::new();
    let server = Server::start(&city).await;
    let (chinese, _, _) = encoding_rs::GB18030.encode(OFFICE);
    let packed = zstd::encode_all(chinese.as_ref(), 0).unwrap();
    let named = async |name: &str, body: Vec<u8>| {
        let request = server.request("POST", &format!("{SUBMISSIONS}?name={name}"));
        read(request.body(body).send().await.unwrap()).await
    };
    let (status, receipt) = named("speeds.csv.zst", packed).await;
    assert_eq!((status, &receipt["rows_landed"]), (StatusCode::CREATED, &json!(2)), "{receipt}");
    let csv = json!({
        "format": "csv", "packing": "zstd", "encoding": "gb18030", "byte_order_mark": false, "delimiter": ";",
        "decimal_comma": true,
    });
    assert_eq!(receipt["read_as"], csv);

    let long = format!("1,2,3,4,{}\n", "5".repeat(100_000));
    let flood = zstd::encode_all((HEADERS.to_owned() + &long.repeat(400)).as_bytes(), 0).unwrap();
    let (status, problem) = named("flood.csv.zst", flood).await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("RATIO_TOO_HIGH")));
    let (status, problem) = named("no.csv.gz", b"\x1f\x8b and no more".to_vec()).await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("FILE_UNREADABLE")));
    assert_eq!(server.rows(SPEED).await, 2);
    server.stop().await;
}
