//! What a contract keeps from the lake is in neither the feed nor its quarantine.

use std::fs;

use serde_json::Value;

use crate::server::City;

fn city() -> City {
    let city = City::new();
    let file = "schemas/traffic/speed.odcs.yaml";
    let contract = fs::read_to_string(city.root().join(file)).unwrap();
    let veiled = |name: &str, how: &str| {
        format!(
            "      - {{ name: {name}, physicalName: {name}, logicalType: string, logicalTypeOptions: {{ maxLength: 12 }}, customProperties: [ {{ property: cityloomOnLanding, value: {how} }} ] }}\n"
        )
    };
    let columns = veiled("plate", "hash") + &veiled("phone", "drop");
    city.write(file, &contract.replacen("    properties:\n", &format!("    properties:\n{columns}"), 1));
    city
}

fn land(city: &City, name: &str, lines: &[&str]) -> Value {
    let file = city.aside(name);
    fs::write(&file, format!("ts,lat,lng,vehicle,speed_kmh,plate,phone\n{}\n", lines.join("\n"))).unwrap();
    let landed = city.cityloom(&["land", "traffic.speed", &file.display().to_string(), "--format", "json"]);
    serde_json::from_slice(&landed.stdout).unwrap_or_else(|error| panic!("{error}: {landed:?}"))
}

fn sql(city: &City, statement: &str) -> Vec<Value> {
    let ran = city.cityloom(&["sql", statement, "--format", "json"]);
    let out = String::from_utf8(ran.stdout).unwrap();
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn plates(city: &City) -> Vec<String> {
    let rows = sql(city, "SELECT vehicle, plate, phone FROM traffic.speed ORDER BY vehicle");
    assert!(rows.iter().all(|row| row["phone"].is_null()), "{rows:?}");
    rows.iter().map(|row| row["plate"].as_str().unwrap_or("none").to_owned()).collect()
}

#[test]
fn veiled_values_are_hashed_or_dropped_wherever_a_row_goes() {
    let city = city();
    let good = "2025-03-01T08:00:00Z,32.02,121.05";
    let rows = [
        format!("{good},1,30,SU-A12345,13800000001"),
        format!("{good},2,30,SU-B54321,13800000002"),
        format!("{good},3,30,,"),
        format!("{good},4,900,SU-A12345,13800000003"),
        format!("{good},5,30,SU-FAR-TOO-LONG,13800000004"),
        format!("{good},6,30,SU-C00001,13800000005,ragged"),
    ];
    let receipt = land(&city, "first.csv", &rows.each_ref().map(String::as_str));
    assert_eq!(
        (receipt["rows_landed"].as_u64(), receipt["rows_quarantined"].as_u64()),
        (Some(3), Some(3)),
        "{receipt}"
    );
    land(&city, "second.csv", &[&format!("{good},7,31,SU-A12345,13800000006")]);
    let landed = plates(&city);
    assert_eq!((landed[0].len(), landed[2].as_str()), (32, "none"));
    assert_eq!(landed[0], landed[3], "the same plate in two files");
    assert_ne!(landed[0], landed[1]);

    let quarantined = sql(&city, "SELECT * FROM quarantine.traffic__speed ORDER BY row");
    let told = format!("{quarantined:?}");
    assert_eq!(quarantined.len(), 3);
    assert!(told.contains(&landed[0]), "a mended row finds its hash: {told}");
    for secret in ["SU-", "1380000"] {
        assert!(!told.contains(secret), "{told}");
    }
    let key = fs::read(city.data().join("veil.key")).unwrap();
    assert_eq!(key.len(), 32);

    let other = self::city();
    land(&other, "first.csv", &[rows[0].as_str()]);
    assert_ne!(plates(&other)[0], landed[0], "another city, another key");
    fs::write(other.data().join("veil.key"), "short").unwrap();
    let refused = other.cityloom(&["sql", "SELECT 1"]);
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(2) && told.contains("put it back from a copy"), "{told}");
}

#[test]
fn a_veil_that_cannot_be_is_told() {
    let file = "schemas/traffic/speed.odcs.yaml";
    let wrong = |property: &str, how: &str, told: &str| {
        let city = City::new();
        let contract = fs::read_to_string(city.root().join(file)).unwrap();
        let column = contract.lines().find(|line| line.trim_start() == property).unwrap().to_owned();
        let veil = format!(
            "{column}\n        customProperties: [ {{ property: cityloomOnLanding, value: {how} }} ]"
        );
        city.write(file, &contract.replacen(&column, &veil, 1));
        let checked = city.cityloom(&["check"]);
        let said = String::from_utf8(checked.stdout).unwrap();
        assert!(checked.status.code() == Some(1) && said.contains(told), "{said}");
    };
    wrong("- name: ts", "drop", "`ts` says where or when");
    wrong("- name: vehicle", "hash", "only a string can be hashed");
    wrong("- name: vehicle", "mask", "is keep, hash or drop");
}
