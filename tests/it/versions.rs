//! Contracts change: the number must say how much, files of earlier versions land in today's table, and the table grows.

use std::fs;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::server::city::{MAP, TRAFFIC};
use crate::server::{City, Server, eventually, read};

const FEED: &str = "traffic.speed";
const FILE: &str = "schemas/traffic/speed.odcs.yaml";
const FIRST: &str = "schemas/traffic/speed@1.0.0.odcs.yaml";
const SUBMISSIONS: &str = "/api/feeds/traffic/speed/submissions";

fn first(city: &City) -> String {
    fs::read_to_string(city.root().join(FILE)).unwrap()
}

/// The second version: the speed has another name, vehicles are gone, and there is a heading.
fn second(first: &str) -> String {
    let (head, tail) = first.split_once("      - name: vehicle\n").unwrap();
    let speed = tail.find("      - name: speed_kmh\n").unwrap();
    let renamed = tail[speed..].replace("- name: speed_kmh", "- name: speed").replace(
        "customProperties: [ { property: unit, value: km/h } ]",
        "customProperties: [ { property: unit, value: km/h }, { property: cityloomWas, value: speed_kmh } ]\n      \
         - name: heading\n        logicalType: number\n        physicalType: Float32\n        description: Degrees from north",
    );
    head.replace("version: 1.0.0", "version: 2.0.0") + &renamed
}

/// Puts the second version in force, with queries that know it.
fn goes_over(city: &City, first: &str) {
    city.write(FIRST, first);
    city.write(FILE, &second(first));
    for (file, query) in [("queries/traffic.sql", TRAFFIC), ("queries/map.sql", MAP)] {
        city.write(file, &query.replace("avg(speed_kmh)", "avg(speed)"));
    }
}

async fn submit(server: &Server, query: &str, body: &str) -> (StatusCode, Value) {
    let request = server.request("POST", &format!("{SUBMISSIONS}?{query}"));
    read(request.body(body.to_owned()).send().await.unwrap()).await
}

fn asked(city: &City, statement: &str) -> String {
    let ran = city.cityloom(&["sql", statement, "--format", "csv"]);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap().lines().skip(1).collect::<Vec<_>>().join(" ")
}

const OLD: &str = "ts,lat,lng,vehicle,speed_kmh\n2025-03-01T08:00:00Z,32.02,121.05,1,30\n";
const OLD_MIXED: &str = "\
ts,lat,lng,vehicle,speed_kmh
2025-03-01T08:00:01Z,32.02,121.05,1,31
2025-03-01T08:00:02Z,32.02,121.05,2,900
";
const OLD_NDJSON: &str = "\
{\"ts\": \"2025-03-01T08:00:03Z\", \"lat\": 32.02, \"lng\": 121.05, \"vehicle\": 1, \"speed_kmh\": 33}
";
const NEW: &str = "ts,lat,lng,speed,heading\n2025-03-01T08:00:04Z,32.02,121.05,34,90\n";
/// What is not required may be missing, and an empty column is no other version.
const NEW_EMPTY: &str = "ts,lat,lng,speed,heading\n2025-03-01T08:00:05Z,32.02,121.05,35,\n";

#[tokio::test]
async fn files_of_an_earlier_version_land_in_todays_table_and_the_receipt_says_so() {
    let city = City::new();
    let yaml = first(&city);
    let server = Server::start(&city).await;
    let (status, receipt) = submit(&server, "name=a.csv", OLD).await;
    assert_eq!((status, &receipt["contract_version"]), (StatusCode::CREATED, &json!("1.0.0")));
    server.stop().await;

    goes_over(&city, &yaml);
    let checked = city.cityloom(&["check"]);
    let told = String::from_utf8(checked.stdout).unwrap();
    assert!(told.ends_with("all sound\n"), "{told}");
    let planned = String::from_utf8(city.cityloom(&["plan", "--no-sample"]).stdout).unwrap();
    assert!(planned.contains("traffic.speed  contract 1.0.0 becomes 2.0.0"), "{planned}");
    assert!(planned.contains("  breaking   `speed_kmh` is called `speed` now\n"), "{planned}");
    assert!(planned.contains("  compatible `heading` is new\n"), "{planned}");
    let server = Server::start(&city).await;
    let under = async |name: &str, body: &str| {
        let (status, receipt) = submit(&server, &format!("name={name}"), body).await;
        assert_eq!(status, StatusCode::CREATED, "{receipt}");
        (receipt["contract_version"].clone(), receipt["left_out"].clone(), receipt)
    };
    let (version, left_out, receipt) = under("b.csv", OLD_MIXED).await;
    assert_eq!((version, left_out), (json!("1.0.0"), json!(["vehicle"])));
    assert_eq!(receipt["reasons"], json!({"OUT_OF_RANGE": 1}));
    let (version, ..) = under("c.ndjson", OLD_NDJSON).await;
    assert_eq!(version, "1.0.0", "what a JSON row has is known at its end");
    for (name, body) in [("d.csv", NEW), ("e.csv", NEW_EMPTY)] {
        let (version, left_out, _) = under(name, body).await;
        assert_eq!((version, left_out), (json!("2.0.0"), json!([])), "{name}");
    }

    // Rejected rows come back as they were sent, and land mended under the same version.
    let id = receipt["submission"].as_str().unwrap();
    let rejected = server.get(&format!("{SUBMISSIONS}/{id}/rejects")).await.text().await.unwrap();
    assert!(rejected.contains("ts,lat,lng,vehicle,speed_kmh,_row"), "{rejected}");
    let mended = rejected.replace(",900,2,OUT", ",32,2,OUT");
    let (_, receipt) = submit(&server, &format!("name=f.csv&mends={id}"), &mended).await;
    assert_eq!((&receipt["rows_landed"], &receipt["contract_version"]), (&json!(1), &json!("1.0.0")));

    let feed = server.json("/api/feeds/traffic/speed").await;
    assert_eq!(feed["contract"]["earlier"], json!([{"version": "1.0.0", "retired": false}]));
    let layer = eventually("the layer", async || {
        let layer = server.layer("traffic").await;
        layer.to_string().contains("33").then_some(layer)
    });
    layer.await;
    server.stop().await;
    // Rows of before know neither the new name nor the new column.
    let rows = "SELECT coalesce(CAST(speed AS VARCHAR), '-') || '/' || coalesce(CAST(heading AS VARCHAR), '-') \
                AS it FROM traffic.speed ORDER BY ts";
    assert_eq!(asked(&city, rows), "-/- 31.0/- 32.0/- 33.0/- 34.0/90.0 35.0/-");
    let server = Server::start(&city).await;
    assert_eq!(server.rows(FEED).await, 6);
    server.stop().await;
}

#[tokio::test]
async fn a_sender_may_name_the_version_and_a_retired_one_takes_nothing() {
    let city = City::new();
    let yaml = first(&city);
    goes_over(&city, &yaml);
    let server = Server::start(&city).await;
    for (query, body, code) in [
        ("name=a.csv&contract=1.0.0", NEW, "COLUMN_MISSING"),
        ("name=a.csv&contract=2.0.0", OLD, "COLUMN_MISSING"),
        ("name=a.csv&contract=1.5.0", NEW, "CONTRACT_UNKNOWN"),
        ("name=a.csv&contract=1.5.0&dry_run=true", NEW, "CONTRACT_UNKNOWN"),
    ] {
        let (status, refusal) = submit(&server, query, body).await;
        assert_eq!(
            (status, &refusal["code"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!(code)),
            "{query}: {refusal}"
        );
    }
    let (_, trial) = submit(&server, "name=a.csv&contract=1.0.0&dry_run=true", OLD).await;
    assert_eq!((&trial["rows_landed"], &trial["contract_version"]), (&json!(1), &json!("1.0.0")));
    server.stop().await;

    let old = city.aside("old.csv");
    fs::write(&old, OLD).unwrap();
    let file = old.to_str().unwrap();
    let landed = city.cityloom(&["land", FEED, file, "--contract", "1.0.0"]);
    let told = String::from_utf8(landed.stdout).unwrap();
    assert!(told.contains("(contract 1.0.0)") && told.contains("left out     vehicle"), "{told}");

    city.write(FIRST, &yaml.replace("status: active", "status: retired"));
    fs::write(&old, OLD_MIXED).unwrap();
    let refused = city.cityloom(&["land", FEED, file, "--contract", "1.0.0"]);
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("CONTRACT_RETIRED") && told.contains("files are taken under: 2.0.0"), "{told}");
    let refused = city.cityloom(&["land", FEED, file]);
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("COLUMN_MISSING") && told.contains("`speed`"), "{told}");
}

#[test]
fn a_version_that_does_not_say_what_changed_is_told_with_its_place() {
    let tight = |version: &str, yaml: &str| {
        yaml.replace("version: 1.0.0", &format!("version: {version}")).replace("maximum: 250", "maximum: 200")
    };
    let told = |city: &City| String::from_utf8(city.cityloom(&["check"]).stdout).unwrap();
    let city = City::new();
    let yaml = first(&city);
    city.write(FIRST, &yaml);
    city.write(FILE, &tight("1.1.0", &yaml));
    let said = told(&city);
    assert!(
        said.contains(&format!("{FILE}:5:10: CF013: 1.1.0 is no version for a breaking change of 1.0.0")),
        "{said}"
    );
    assert!(said.contains("(`speed_kmh`: its largest value is tighter): call it 2.0.0"), "{said}");
    city.write(FILE, &tight("2.0.0", &yaml));
    assert!(told(&city).ends_with("all sound\n"), "{}", told(&city));

    city.write(FILE, &yaml.replace("maximum: 250", "maximum: 300").replace("1.0.0", "1.0.1"));
    assert!(told(&city).contains("no version for a compatible change of 1.0.0"), "{}", told(&city));
    city.write(FILE, &yaml.replace("version: 1.0.0", "version: '1.0'"));
    assert!(told(&city).contains("version `1.0` is not like 1.2.0"), "{}", told(&city));
    city.write(FILE, &yaml);
    assert!(
        told(&city).contains(&format!("{FIRST}:5:10: CF013: version 1.0.0 is not earlier than")),
        "{}",
        told(&city)
    );
    city.write(FIRST, &yaml.replace("version: 1.0.0", "version: 0.9.0"));
    assert!(told(&city).contains("version 0.9.0 is not the one of the file's name"), "{}", told(&city));
    city.remove(FILE);
    assert!(told(&city).contains("there is no version in force"), "{}", told(&city));
}

#[test]
fn a_table_whose_column_has_another_type_is_not_opened_and_says_what_to_do() {
    let city = City::new();
    let file = city.aside("old.csv");
    fs::write(&file, OLD).unwrap();
    assert!(city.cityloom(&["land", FEED, file.to_str().unwrap()]).status.success());
    let whole = first(&city).replace("physicalType: Int32", "physicalType: Int64");
    city.write(FILE, &whole);
    let refused = city.cityloom(&["sql", "SELECT 1"]);
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && told.contains("column `vehicle` is integer in the lake"), "{told}");
    assert!(told.contains("give the changed column a new name"), "{told}");
}
