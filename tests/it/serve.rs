//! The doors of a running server: every route, what lands through each of them, and what is refused how.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float32Array, Float64Array, Int32Array, RecordBatch, TimestampMicrosecondArray,
};
use cityloom::server::ROUTES;
use parquet::arrow::ArrowWriter;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::server::city::{cell, incident, readings};
use crate::server::{City, Screen, Server, eventually, read};

const SPEED: &str = "traffic.speed";
const DASHBOARD: &str = include_str!("../../deploy/grafana/dashboards/cityloom.json");

#[tokio::test]
async fn every_route_answers_and_is_described() {
    let city = City::new();
    let server = Server::start(&city).await;
    let mut screen = Screen::following(&server, &["orders"]).await;
    server.land("police.incidents", incident(1, 0, "theft", 5)).await;
    screen.shows("an order", |screen| !screen.told("orders").is_empty()).await;
    let receipt = server.land(SPEED, readings(0, 0..1, 30.0)).await;

    for (method, path) in ROUTES {
        let path = path
            .replace("{submission}", receipt["submission"].as_str().unwrap())
            .replace("{department}", "traffic")
            .replace("{feed}", "speed")
            .replace("{name}", "map")
            .replace("{id}", "or-1");
        let request = server.request(method, &path);
        let request = if path.contains("or-1") { request.json(&json!({"by": "Li"})) } else { request };
        let status = request.send().await.unwrap().status();
        let answered = status != StatusCode::NOT_FOUND
            && status != StatusCode::METHOD_NOT_ALLOWED
            && !status.is_server_error();
        assert!(answered, "{method} {path}: {status}");
    }

    let document = server.json("/api/openapi.json").await;
    let mut described = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        described
            .extend(methods.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone())));
    }
    assert_eq!(described, ROUTES.map(|(method, path)| (method.to_owned(), path.to_owned())).into());
    let (status, _) = read(server.get("/api/nosuch").await).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    server.stop().await;
}

/// Two readings as each format writes them.
fn bodies() -> [(&'static str, Vec<u8>); 4] {
    let csv = "ts,lat,lng,vehicle,speed_kmh\n2025-03-01T08:00:00Z,32.02,121.05,1,30\n2025-03-01T08:00:01Z,32.02,121.05,2,50\n";
    let json = |vehicle: u32| json!({"ts": "2025-03-01T08:00:00Z", "lat": 32.02, "lng": 121.05, "vehicle": vehicle, "speed_kmh": 40});
    let feature = |vehicle: u32| {
        let properties = json!({"ts": "2025-03-01T08:00:00Z", "vehicle": vehicle, "speed_kmh": 40});
        json!({"type": "Feature", "geometry": {"type": "Point", "coordinates": [121.05, 32.02]}, "properties": properties})
    };
    let features = json!({"type": "FeatureCollection", "features": [feature(5), feature(6)]});
    [
        ("text/csv", csv.into()),
        ("application/x-ndjson", format!("{}\n{}\n", json(3), json(4)).into_bytes()),
        ("application/geo+json", features.to_string().into_bytes()),
        ("application/vnd.apache.parquet", parquet()),
    ]
}

fn parquet() -> Vec<u8> {
    let ts = TimestampMicrosecondArray::from(vec![1_740_816_000_000_000, 1_740_816_001_000_000])
        .with_timezone("UTC");
    let columns: [(&str, ArrayRef); 5] = [
        ("ts", Arc::new(ts)),
        ("lat", Arc::new(Float64Array::from(vec![32.02, 32.02]))),
        ("lng", Arc::new(Float64Array::from(vec![121.05, 121.05]))),
        ("vehicle", Arc::new(Int32Array::from(vec![7, 8]))),
        ("speed_kmh", Arc::new(Float32Array::from(vec![40.0, 40.0]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

#[tokio::test]
async fn a_body_of_each_format_lands_once_with_a_right_receipt() {
    let city = City::new();
    let server = Server::start(&city).await;
    for (kind, body) in bodies() {
        let (status, receipt) = server.submit(SPEED, kind, body.clone()).await;
        assert_eq!(status, StatusCode::CREATED, "{kind}: {receipt}");
        assert_eq!(
            [&receipt["rows_read"], &receipt["rows_landed"], &receipt["rows_quarantined"], &receipt["bytes"]],
            [&json!(2), &json!(2), &json!(0), &json!(body.len())],
            "{kind}"
        );
        assert_eq!([&receipt["feed"], &receipt["duplicate_of"]], [&json!(SPEED), &Value::Null]);
        let (status, again) = server.submit(SPEED, kind, body).await;
        assert_eq!(
            (status, &again["duplicate_of"]),
            (StatusCode::OK, &receipt["submission"]),
            "{kind}: {again}"
        );
        assert_eq!(again["rows_landed"], 0);
    }
    assert_eq!(server.rows(SPEED).await, 8);

    let mixed = readings(0, 10..13, 35.0) + "2025-03-01T08:00:00Z,32.02,121.05,9,900\n,32.02,121.05,9,30\n";
    let (status, receipt) = server.submit(SPEED, "text/csv", mixed).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!([&receipt["rows_read"], &receipt["rows_landed"]], [&json!(5), &json!(3)]);
    assert_eq!(receipt["reasons"], json!({"NULL_REQUIRED": 1, "OUT_OF_RANGE": 1}));
    assert_eq!(server.rows(SPEED).await, 11);
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_with_a_reason_and_leaves_nothing() {
    let city = City::new();
    let server = Server::start(&city).await;
    let (status, problem) = server.submit("traffic.sped", "text/csv", "x\n").await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("FEED_UNKNOWN")));
    assert!(problem["detail"].as_str().unwrap().contains("traffic.speed"), "no suggestion: {problem}");

    let large = vec![b'x'; (1 << 20) + 1];
    let refused: [(&str, Vec<u8>, StatusCode, &str); 5] = [
        (
            "text/csv",
            b"ts,lat,lng,vehicle\n1,2,3,4\n".into(),
            StatusCode::UNPROCESSABLE_ENTITY,
            "COLUMN_MISSING",
        ),
        ("text/csv", Vec::new(), StatusCode::UNPROCESSABLE_ENTITY, "EMPTY_FILE"),
        ("application/geo+json", b"{\"type\":".into(), StatusCode::UNPROCESSABLE_ENTITY, "FILE_UNREADABLE"),
        ("text/plain", b"hello".into(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "FORMAT_UNKNOWN"),
        ("text/csv", large, StatusCode::PAYLOAD_TOO_LARGE, "FILE_TOO_LARGE"),
    ];
    for (kind, body, expected, code) in refused {
        let (status, problem) = server.submit(SPEED, kind, body).await;
        assert_eq!((status, &problem["code"]), (expected, &json!(code)), "{problem}");
    }

    let path = "/api/feeds/traffic/speed/submissions";
    let own = format!("http://{}", server.address());
    for (origin, expected) in
        [("http://elsewhere.example", StatusCode::FORBIDDEN), (&own, StatusCode::CREATED)]
    {
        let request =
            server.request("POST", path).header("origin", origin).header("content-type", "text/csv");
        let (status, answer) = read(request.body(readings(0, 0..1, 30.0)).send().await.unwrap()).await;
        assert_eq!(status, expected, "{answer}");
    }
    assert_eq!(server.rows(SPEED).await, 1);
    assert_eq!(fs::read_dir(city.data().join("spool")).unwrap().count(), 0, "a body was left behind");
    server.stop().await;
}

#[tokio::test]
async fn rows_that_land_are_on_the_screen_and_in_the_layer() {
    let city = City::new();
    let server = Server::start(&city).await;
    let channels = ["layer/map", "layer/traffic", "kpis", "feeds", "sys"];
    let mut screen = Screen::open(&server).await;
    for channel in channels {
        assert_eq!(screen.follow(channel, None).await["t"], "subscribed", "{channel}");
    }
    let there = cell(0);
    server.land(SPEED, readings(0, 0..2, 30.0)).await;
    let speed = |screen: &Screen| screen.values("layer/map", &cell(0)).map(|values| values[0].clone());
    screen.shows("the first rows", |screen| speed(screen) == Some(json!(30))).await;
    server.land(SPEED, readings(0, 2..4, 60.0)).await;
    let what = "a change of nothing but its cell";
    let frame = screen
        .until(what, |screen, frame| frame["ch"] == "layer/map" && speed(screen) == Some(json!(45)))
        .await;
    assert_eq!(frame["cells"], json!([[there, 45, null]]));

    server.land(SPEED, readings(3, 0..1, 20.0)).await;
    screen.shows("the KPI", |screen| screen.states["kpis"]["kpis"][0]["value"] == 5.0).await;
    screen
        .shows("the feed's health", |screen| {
            let feeds = screen.states.get("feeds").and_then(|body| body["feeds"].as_array());
            feeds
                .into_iter()
                .flatten()
                .any(|feed| feed["feed"] == SPEED && feed["rows"] == 5 && feed["stale"] == false)
        })
        .await;
    screen.shows("the other cell", |screen| screen.layers["layer/map"].len() == 2).await;
    let rows = server.layer("map").await["rows"].as_array().unwrap().clone();
    assert_eq!(rows.len(), 2);
    assert!(rows.contains(&json!({"cell": there, "speed_kmh": 45.0, "incidents": null})), "{rows:?}");
    let collection = server.json("/api/layers/map").await;
    assert_eq!(collection["features"].as_array().unwrap().len(), 2);
    let areas = server.json("/api/areas?level=county").await;
    assert_eq!(areas["features"].as_array().unwrap().len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn a_dropped_file_lands_and_is_put_away_with_its_answer() {
    let city = City::new();
    let mut server = Server::start(&city).await;
    server.claim("file refused");
    let folder = city.data().join("drop/traffic/speed");
    for (name, text) in [("good.csv", readings(1, 0..3, 25.0)), ("bad.csv", "ts,lat\n1,2\n".into())] {
        let aside = city.aside(name);
        fs::write(&aside, text).unwrap();
        fs::rename(aside, folder.join(name)).unwrap();
    }
    let answer = async |folder: std::path::PathBuf, name: &str| {
        eventually(name, async || {
            let receipt = fs::read(folder.join(format!("{name}.receipt.json"))).ok()?;
            folder.join(name).exists().then(|| serde_json::from_slice::<Value>(&receipt).unwrap())
        })
        .await
    };
    let receipt = answer(folder.join("landed"), "good.csv").await;
    assert_eq!([&receipt["rows_landed"], &receipt["file"]], [&json!(3), &json!("good.csv")]);
    let refusal = answer(folder.join("refused"), "bad.csv").await;
    assert_eq!(refusal["code"], "COLUMN_MISSING");
    assert!(!folder.join("good.csv").exists() && !folder.join("bad.csv").exists());
    assert_eq!(server.rows(SPEED).await, 3);
    server.stop().await;
}

#[tokio::test]
async fn what_another_process_lands_is_on_the_screen() {
    let city = City::new();
    let server = Server::start(&city).await;
    server.land(SPEED, readings(0, 0..1, 30.0)).await;
    let mut screen = Screen::open(&server).await;
    screen.follow("layer/map", None).await;
    fs::write(city.aside("more.csv"), readings(2, 0..2, 42.0)).unwrap();
    let file = city.aside("more.csv").display().to_string();
    let landed = city.cityloom(&["land", SPEED, &file, "--format", "json"]);
    assert!(landed.status.success(), "{}", String::from_utf8_lossy(&landed.stderr));
    let receipt: Value = serde_json::from_slice(&landed.stdout).unwrap();
    assert_eq!(receipt["rows_landed"], 2);
    screen
        .shows("the other process's rows", |screen| {
            screen.values("layer/map", &cell(2)).is_some_and(|v| v[0] == 42)
        })
        .await;
    // And what lands here afterwards is not in each other's way.
    server.land(SPEED, readings(2, 2..4, 62.0)).await;
    screen.shows("both", |screen| screen.values("layer/map", &cell(2)).is_some_and(|v| v[0] == 52)).await;
    server.stop().await;
}

#[tokio::test]
async fn health_metrics_and_headers_are_there() {
    let city = City::new();
    let server = Server::start(&city).await;
    let mut screen = Screen::following(&server, &["orders"]).await;
    server.land("police.incidents", incident(1, 0, "theft", 5)).await;
    screen.shows("an order", |screen| !screen.told("orders").is_empty()).await;

    let alive = server.get("/healthz").await;
    let header = |name: &str| {
        alive.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    assert!(header("content-security-policy").contains("default-src 'self'"));
    assert_eq!(
        (header("x-content-type-options"), header("referrer-policy")),
        ("nosniff".into(), "no-referrer".into())
    );
    assert_eq!(alive.text().await.unwrap(), "ok\n");
    assert_eq!(server.json("/readyz").await, json!({"ready": true, "feeds": 3}));

    let metrics = server.get("/metrics").await.text().await.unwrap();
    for line in [
        "cityloom_stream_sessions 1",
        "cityloom_lake_rows{feed=\"police.incidents\"} 1",
        "cityloom_alert_raised_total 1",
        "cityloom_dispatch_orders_total 1",
        "cityloom_fusion_refresh_seconds_bucket{query=\"map\"",
    ] {
        assert!(metrics.contains(line), "no {line} in\n{metrics}");
    }
    let shown: Vec<&str> = DASHBOARD.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    for name in shown.iter().filter(|word| word.starts_with("cityloom_")) {
        assert!(
            metrics.contains(&format!("# TYPE {}", name.trim_end_matches("_bucket"))),
            "the dashboard shows {name}, which is not there"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_stops_says_goodbye_and_ends_well() {
    let city = City::new();
    let server = Server::start(&city).await;
    let mut screen = Screen::open(&server).await;
    screen.follow("layer/map", None).await;
    server.terminate();
    screen.until_end().await;
    let bye = screen.bye.expect("no goodbye");
    assert_eq!((&bye["code"], &bye["why"]), (&json!(4503), &json!("restart")));
    server.stop().await;
}
