//! Rows past their contract's retention leave a running city: its tables, its layers, its states; and the audit log says so.

use std::fs;

use chrono::{Duration, Utc};

use crate::server::city::TOWNS;
use crate::server::{City, Server, eventually};

const FEED: &str = "traffic.speed";
const CONTRACT: &str = "schemas/traffic/speed.odcs.yaml";

/// Readings of a town, so many hours old.
fn readings(town: usize, vehicles: std::ops::Range<u32>, hours: i64) -> String {
    let (_, lng, lat) = TOWNS[town];
    let at = (Utc::now() - Duration::hours(hours)).to_rfc3339();
    let line = |vehicle| format!("{at},{lat},{lng},{},30\n", vehicle + 1);
    "ts,lat,lng,vehicle,speed_kmh\n".to_owned() + &vehicles.map(line).collect::<String>()
}

fn retain(city: &City, days: u32) {
    let contract = fs::read_to_string(city.root().join(CONTRACT)).unwrap();
    let kept: Vec<&str> = contract.lines().filter(|line| !line.contains("property: retention")).collect();
    assert!(kept.contains(&"slaProperties:"), "{contract}");
    let retention = format!("{}\n  - {{ property: retention, value: {days}, unit: d }}\n", kept.join("\n"));
    city.write(CONTRACT, &retention);
}

/// How many cells the layer shows, and how many readings the feed holds.
async fn shown(server: &Server) -> (usize, u64) {
    (server.layer("traffic").await["rows"].as_array().unwrap().len(), server.rows(FEED).await)
}

#[tokio::test]
async fn rows_past_their_retention_leave_the_table_and_the_map_and_are_audited() {
    let city = City::new();
    let settings = fs::read_to_string(city.root().join("cityloom.toml")).unwrap();
    city.write("cityloom.toml", &format!("{settings}[lake]\ntend_s = 1\n"));
    retain(&city, 30);
    let server = Server::start(&city).await;
    let old = server.land(FEED, readings(0, 0..5, 10 * 24)).await;
    server.land(FEED, readings(1, 5..8, 1)).await;
    eventually("both towns are shown", async || (shown(&server).await == (2, 8)).then_some(())).await;
    server.stop().await;
    let audited =
        || fs::read_to_string(city.data().join("audit/journal-00000000000000000001.ndjson")).unwrap();
    assert!(!audited().contains("retire"), "ten days are no thirty");

    retain(&city, 2);
    let server = Server::start(&city).await;
    eventually("the old town has left", async || (shown(&server).await == (1, 3)).then_some(())).await;
    let line = eventually("it is audited", async || {
        audited().lines().find(|line| line.contains("\"retire\"")).map(str::to_owned)
    })
    .await;
    assert!(line.contains("5 rows in 1 files, older than 172800 s") && line.contains(FEED), "{line}");
    // What has gone does not come back by being sent again: it landed.
    let again = server.land(FEED, readings(0, 0..1, 1)).await;
    assert_ne!(again["submission"], old["submission"]);
    eventually("new rows of the town count", async || (shown(&server).await == (2, 4)).then_some(())).await;
    server.stop().await;
    let verified = city.cityloom(&["audit", "verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    let counted = city.cityloom(&["sql", "SELECT count(*) AS n FROM traffic.speed", "--format", "csv"]);
    assert_eq!(String::from_utf8(counted.stdout).unwrap(), "n\n4\n");
}
