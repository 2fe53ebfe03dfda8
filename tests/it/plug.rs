//! The plug is pulled again and again: while officers upload, connectors run, logs are shortened and files merged, the
//! server is killed at a random moment. After each kill every acknowledged row is there exactly once, and what was under
//! way is there whole or not at all; results equal the recompute.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::server::city::TOWNS;
use crate::server::{City, Server, eventually};

const OFFICERS: u32 = 5;
const SOURCES: i64 = 3;
/// How far the numbers of one officer, or one source, are from the next one's.
const APART: u32 = 10_000_000;
/// The lake is tended so eagerly that lives of seconds see it all.
const TENDED: &str =
    "[lake]\ntend_s = 1\nsettled_s = 1\nmerge_files = 4\ncheckpoint_commits = 8\nstates_s = 1\ntail_s = 1\n";

const CONTRACT: &str = "\
apiVersion: v3.1.0
kind: DataContract
id: fire.calls
name: Calls
version: 1.0.0
status: active
domain: fire
schema:
  - name: calls
    physicalType: table
    properties:
      - { name: uid, logicalType: integer, required: true }
";

/// A file that an officer sends until somebody says that it has landed.
struct File {
    first: u32,
    rows: u32,
    acknowledged: bool,
}

impl File {
    fn text(&self) -> String {
        let row = |vehicle: u32| {
            let (_, lng, lat) = TOWNS[vehicle as usize % TOWNS.len()];
            format!("2025-03-01T08:00:00Z,{lat},{lng},{vehicle},{}\n", vehicle % 120)
        };
        let rows: String = (self.first..self.first + self.rows).map(row).collect();
        format!("ts,lat,lng,vehicle,speed_kmh\n{rows}")
    }
}

struct Officer {
    next: u32,
    files: Vec<File>,
    dice: StdRng,
}

impl Officer {
    fn new(number: u32) -> Self {
        let dice = StdRng::seed_from_u64(u64::from(number));
        Self { next: number * APART + 1, files: Vec::new(), dice }
    }

    /// Sends what nobody has acknowledged, then more and more, until the server is gone.
    async fn send(&mut self, url: &str) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        loop {
            let waiting = self.files.iter().position(|file| !file.acknowledged);
            let at = waiting.unwrap_or_else(|| {
                let rows = self.dice.random_range(1..400);
                self.files.push(File { first: self.next, rows, acknowledged: false });
                self.next += rows;
                self.files.len() - 1
            });
            let request = client.post(url).header("content-type", "text/csv").body(self.files[at].text());
            let Ok(answer) = request.send().await else { return };
            let status = answer.status();
            // An answer that breaks off in the middle is none.
            let Ok(receipt) = answer.json::<Value>().await else { return };
            if status.is_success() {
                assert_eq!(receipt["rows_quarantined"], 0, "{receipt}");
                self.files[at].acknowledged = true;
            } else {
                assert!(status.is_server_error() || status == 429, "{status}: {receipt}");
            }
        }
    }
}

/// What each source has ever shown: it shows one more each time, until it is told to rest.
#[derive(Clone, Default)]
struct Sources(Arc<Mutex<(BTreeMap<i64, i64>, bool)>>);

async fn shown(State(sources): State<Sources>, Path(source): Path<i64>) -> String {
    let mut state = sources.0.lock().unwrap();
    let resting = state.1;
    let count = state.0.entry(source).or_default();
    *count += i64::from(!resting);
    json!({ "rows": uids(source, *count).map(|uid| json!({ "uid": uid })).collect::<Vec<_>>() }).to_string()
}

fn uids(source: i64, count: i64) -> impl Iterator<Item = i64> {
    let first = source * i64::from(APART);
    first..first + count
}

impl Sources {
    async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new().route("/calls/{source}", get(shown)).with_state(self.clone());
        tokio::spawn(axum::serve(listener, routes).into_future());
        format!("http://{address}/calls")
    }

    fn rest(&self) {
        self.0.lock().unwrap().1 = true;
    }

    fn all(&self) -> BTreeSet<i64> {
        let state = self.0.lock().unwrap();
        state.0.iter().flat_map(|(source, count)| uids(*source, *count)).collect()
    }
}

fn city(sources: &str, lake: &str) -> City {
    let city = City::new();
    let mut settings = std::fs::read_to_string(city.root().join("cityloom.toml")).unwrap() + lake;
    for source in 0..SOURCES {
        write!(
            settings,
            "[[connectors]]\nname = \"calls {source}\"\nfeed = \"fire.calls\"\n[connectors.http_poll]\n\
             url = \"{sources}/{source}\"\nevery_s = 1\nrows = \"/rows\"\n"
        )
        .unwrap();
    }
    city.write("cityloom.toml", &settings);
    city.write("schemas/fire/calls.odcs.yaml", CONTRACT);
    city
}

fn sql(city: &City, statement: &str) -> Vec<Value> {
    let ran = city.cityloom(&["sql", statement, "--format", "json"]);
    assert!(ran.status.success(), "{statement}: {}", String::from_utf8_lossy(&ran.stderr));
    let out = String::from_utf8(ran.stdout).unwrap();
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// How often each number is in a feed.
fn held(city: &City, column: &str, feed: &str) -> BTreeMap<i64, i64> {
    let rows = sql(city, &format!("SELECT {column} AS number, count(*) AS times FROM {feed} GROUP BY 1"));
    rows.iter().map(|row| (row["number"].as_i64().unwrap(), row["times"].as_i64().unwrap())).collect()
}

/// Every acknowledged row once, every other file whole or not at all, nothing else. Rows, and files not acknowledged that landed.
fn files_are_whole(city: &City, officers: &[Officer], life: u64) -> (usize, usize) {
    let held = held(city, "vehicle", "traffic.speed");
    let (mut rows, mut unsaid) = (0, 0);
    for file in officers.iter().flat_map(|officer| &officer.files) {
        let times: BTreeSet<i64> = (file.first..file.first + file.rows)
            .map(|vehicle| held.get(&i64::from(vehicle)).copied().unwrap_or(0))
            .collect();
        let there = times == BTreeSet::from([1]);
        let absent = times == BTreeSet::from([0]);
        assert!(
            there || (absent && !file.acknowledged),
            "life {life}: {} rows from {} on, acknowledged: {}, are there {times:?} times",
            file.rows,
            file.first,
            file.acknowledged
        );
        rows += if there { file.rows as usize } else { 0 };
        unsaid += usize::from(there && !file.acknowledged);
    }
    assert_eq!(held.len(), rows, "life {life}: rows that nobody sent");
    (rows, unsaid)
}

/// What the wall shows equals what the rows say.
async fn layer_equals_recompute(server: &Server, recomputed: &[Value]) {
    let by_cell = |rows: &[Value]| -> BTreeMap<String, f64> {
        let speed = |row: &Value| row["speed_kmh"].as_f64().unwrap();
        rows.iter().map(|row| (row["cell"].as_str().unwrap().to_owned(), speed(row))).collect()
    };
    let wanted = by_cell(recomputed);
    eventually("the layer as it is recomputed", async || {
        let layer = server.layer("traffic").await;
        let shown = by_cell(layer["rows"].as_array().unwrap());
        let equal = shown.len() == wanted.len()
            && wanted.iter().all(|(cell, speed)| shown.get(cell).is_some_and(|it| (it - speed).abs() < 0.01));
        equal.then_some(())
    })
    .await;
}

fn recomputed(city: &City) -> Vec<Value> {
    sql(
        city,
        "SELECT h3_cell_to_string(h3_cell_to_parent(_cell, 8)) AS cell, avg(speed_kmh) AS speed_kmh FROM traffic.speed GROUP BY 1",
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plug_may_be_pulled_at_any_moment() {
    let kills: u64 = std::env::var("CITYLOOM_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(15);
    let sources = Sources::default();
    let city = city(&sources.serve().await, TENDED);
    let mut officers: Vec<Officer> = (0..OFFICERS).map(Officer::new).collect();
    let mut dice = StdRng::seed_from_u64(2026);
    let mut unsaid = 0;
    for life in 1..=kills {
        let results = recomputed(&city);
        let server = Server::start(&city).await;
        layer_equals_recompute(&server, &results).await;
        let url = server.url("/api/feeds/traffic/speed/submissions");
        let sending = officers.into_iter().map(|mut officer| {
            let url = url.clone();
            tokio::spawn(async move {
                officer.send(&url).await;
                officer
            })
        });
        let sending: Vec<_> = sending.collect();
        tokio::time::sleep(Duration::from_millis(dice.random_range(50..3_000))).await;
        server.kill();
        officers = Vec::new();
        for sent in sending {
            officers.push(sent.await.unwrap());
        }
        unsaid += files_are_whole(&city, &officers, life).1;
        let calls = held(&city, "uid", "fire.calls");
        assert!(calls.values().all(|times| *times == 1), "life {life}: a call landed twice: {calls:?}");
        assert!(calls.keys().all(|uid| sources.all().contains(uid)), "life {life}: nobody told such a call");
    }

    // The last life ends well: all that sources have told arrives, all files are acknowledged.
    sources.rest();
    let server = Server::start(&city).await;
    for file in officers.iter_mut().flat_map(|officer| &mut officer.files).filter(|file| !file.acknowledged) {
        let (status, receipt) = server.submit("traffic.speed", "text/csv", file.text()).await;
        assert!(status.is_success(), "{receipt}");
        file.acknowledged = true;
    }
    let told = sources.all();
    eventually("all calls", async || (server.rows("fire.calls").await == told.len() as u64).then_some(()))
        .await;
    let (rows, _) = files_are_whole(&city, &officers, kills + 1);
    assert_eq!(held(&city, "uid", "fire.calls").into_keys().collect::<BTreeSet<_>>(), told);
    layer_equals_recompute(&server, &recomputed(&city)).await;
    server.stop().await;
    assert!(rows > 0 && !told.is_empty());
    let table = city.data().join("lake/feeds/traffic/speed");
    let names = |folder: &std::path::Path| -> Vec<String> {
        std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    assert!(names(&table).iter().any(|name| name.starts_with("merged-")), "no files were merged");
    assert!(names(&table.join("_cityloom")).len() > 1, "the log was not written down");
    assert!(!names(&city.data().join("state")).is_empty(), "no state was written down");
    println!(
        "{kills} kills: {rows} rows of officers and {} of sources, each once; {unsaid} files landed unacknowledged",
        told.len()
    );
}

/// The segments of the calls' log of live batches.
fn segments(city: &City) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(city.data().join("lake/feeds/fire/calls/_live")) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "log")).collect()
}

fn parquet_files(city: &City) -> usize {
    let entries = std::fs::read_dir(city.data().join("lake/feeds/fire/calls")).unwrap();
    entries
        .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|it| it == "parquet"))
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_batches_outlive_the_plug_before_and_after_they_land() {
    let sources = Sources::default();
    let city = city(&sources.serve().await, "[lake]\ntail_s = 3600\nstates_s = 1\n");
    let arrived = async |server: &Server| {
        eventually("a call of each source", async || (server.rows("fire.calls").await >= 6).then_some(()))
            .await;
    };
    let server = Server::start(&city).await;
    arrived(&server).await;
    server.kill();
    assert_eq!(parquet_files(&city), 0, "nothing has landed yet");
    let before = held(&city, "uid", "fire.calls");
    assert!(
        before.len() >= 6 && before.values().all(|times| *times == 1),
        "another process reads the log: {before:?}"
    );

    // The next life begins with them, and goes on where each source stood.
    sources.rest();
    let server = Server::start(&city).await;
    let told = sources.all();
    eventually("all calls", async || (server.rows("fire.calls").await == told.len() as u64).then_some(()))
        .await;
    let metrics = server.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("cityloom_live_tail_rows{feed=\"fire.calls\"}"), "{metrics}");
    let written: Vec<_> =
        segments(&city).into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
    assert!(!written.is_empty());
    server.stop().await;
    assert_eq!((parquet_files(&city), segments(&city).len()), (1, 0), "at the end all of them land");

    // Killed after the landing, before the segments were gone.
    for (path, bytes) in &written {
        std::fs::write(path, bytes).unwrap();
    }
    let once: BTreeMap<i64, i64> = told.iter().map(|uid| (*uid, 1)).collect();
    assert_eq!(held(&city, "uid", "fire.calls"), once);
    let server = Server::start(&city).await;
    assert_eq!(server.rows("fire.calls").await, told.len() as u64);
    server.stop().await;
    assert_eq!(held(&city, "uid", "fire.calls"), once);
}
