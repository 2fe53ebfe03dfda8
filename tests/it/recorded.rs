//! Sixty ticks of the demo city, as screens and scripts were told them when they were recorded: what is told today is the same,
//! but for what [`since`] says was renamed.
//!
//! The city is stepped (`demo --seed 7 --at 2026-03-02T07:30:00+08:00`), so a day can be had again: each step makes a second,
//! lands it and ticks. `CITYLOOM_RECORD=1` writes the recording anew; read what changed before it is committed.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use cityloom::app::{Demo, Positions, ServeOptions, Stepper, Steps, WorkshopOptions, serve};
use cityloom::model::Micros;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::server::Screen;

const TICKS: u64 = 60;
/// Every so many ticks, and after the last, all that can be read over HTTP is read.
const READ_EVERY: u64 = 20;
/// When the first orders are accepted, and when one of them is closed.
const ACCEPTED_AT: u64 = 42;
const CLOSED_AT: u64 = 52;
/// When an officer sends a file of which some rows are wrong.
const SENT_AT: u64 = 12;
const AT: &str = "2026-03-02T07:30:00+08:00";
const CHANNELS: [&str; 9] = [
    "layer/map",
    "layer/traffic",
    "layer/safety",
    "layer/environment",
    "alerts",
    "orders",
    "kpis",
    "feeds",
    "sys",
];
/// Sums are made in one order, and when live batches become files is no matter of how fast the machine is.
const OWN: &str = "\n[limits]\nquery_threads = 1\n[lake]\ntail_s = 3600\n";
const LOGS: [&str; 2] = ["alerts", "orders"];
/// Members that are another each time.
const RANDOM: [&str; 4] = ["e", "submission", "submission_id", "seconds"];
const READ: [&str; 10] = [
    "/api/session",
    "/api/feeds",
    "/api/feeds/traffic/speed",
    "/api/feeds/environment/air",
    "/api/layers",
    "/api/layers/traffic",
    "/api/layers/services",
    "/api/areas",
    "/api/alerts",
    "/api/orders",
];

struct City {
    stepper: Stepper,
    address: SocketAddr,
    shutdown: CancellationToken,
    served: JoinHandle<anyhow::Result<()>>,
}

impl City {
    /// The demo city on one thread of queries, so that sums are made in one order.
    async fn start(folder: &Path) -> Self {
        let root = folder.join("city");
        copy_city(&root);
        let (stepper, steps) = Steps::at(Micros::from_rfc3339(AT).unwrap());
        let workshop = WorkshopOptions {
            city: root,
            data: folder.join("data"),
            areas: None,
            local_files: false,
            clock: steps.clock(),
            decoder: Some(env!("CARGO_BIN_EXE_cityloom").into()),
        };
        let metrics = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder().handle();
        let demo = Demo { scale: 0.01, history_min: 3, seed: Some(7) };
        let listen = "127.0.0.1:0".parse().unwrap();
        let (demo, steps) = (Some(demo), Some(steps));
        let options = ServeOptions { workshop, listen, demo, steps, metrics, pages: |_| None };
        let shutdown = CancellationToken::new();
        let (tell, told) = oneshot::channel();
        let handle = tokio::runtime::Handle::current();
        let served = tokio::spawn(serve(options, handle, shutdown.clone(), |_, address| {
            tell.send(address).unwrap();
        }));
        let address = told.await.unwrap();
        Self { stepper, address, shutdown, served }
    }

    /// What people do before a tick: an officer sends a file, a unit takes orders and closes them.
    async fn act(&self, tick: u64) -> Vec<Value> {
        let step = match tick {
            SENT_AT => {
                let bad = include_str!("../../fixtures/feeds/environment__air/bad.csv");
                let path = "/api/feeds/environment/air/submissions?name=bad.csv";
                return vec![json!({ "tick": tick, "sent": self.send(path, "text/csv", bad.into()).await })];
            }
            ACCEPTED_AT => "accept",
            CLOSED_AT => "close",
            _ => return Vec::new(),
        };
        let mut answers = Vec::new();
        for order in ["or-1", "or-2", "or-999"] {
            let said = json!({ "by": "Zhang Wei", "note": "two cars out" }).to_string();
            let answer = self.send(&format!("/api/orders/{order}/{step}"), "application/json", said).await;
            answers.push(json!({ "tick": tick, "command": answer }));
        }
        answers
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.served.await.unwrap().unwrap();
    }

    async fn read(&self, path: &str) -> Value {
        let answer = reqwest::get(format!("http://{}{path}", self.address)).await.unwrap();
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        json!({ "status": status, "body": serde_json::from_str::<Value>(&text).unwrap_or(Value::String(text)) })
    }

    async fn send(&self, path: &str, kind: &str, body: String) -> Value {
        let request = reqwest::Client::new().post(format!("http://{}{path}", self.address));
        let answer = request.header("content-type", kind).body(body).send().await.unwrap();
        json!({ "status": answer.status().as_u16(), "body": answer.json::<Value>().await.unwrap() })
    }
}

/// The repository's city with queries on one thread.
fn copy_city(root: &Path) {
    let of = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    std::fs::create_dir_all(root).unwrap();
    for part in ["schemas", "queries", "fixtures"] {
        std::os::unix::fs::symlink(of.join(part), root.join(part)).unwrap();
    }
    let settings = std::fs::read_to_string(of.join("cityloom.toml")).unwrap();
    std::fs::write(root.join("cityloom.toml"), settings + OWN).unwrap();
}

/// Steps the city and writes down what screens and scripts were told: a line for each tick, and one for each answer.
async fn record(folder: &Path) -> Vec<Value> {
    let city = City::start(folder).await;
    city.stepper.step().await.unwrap();
    let mut screen = Screen::open_at(&city.address.to_string()).await;
    screen.tape = Some(Vec::new());
    for channel in CHANNELS {
        screen.follow(channel, None).await;
    }
    let mut lines = Vec::new();
    for tick in 1..=TICKS {
        lines.extend(city.act(tick).await);
        let positions = city.stepper.step().await.unwrap();
        until_at(&mut screen, &positions).await;
        lines.push(json!({ "tick": tick, "told": told(&mut screen) }));
        if tick % READ_EVERY == 0 {
            for path in READ {
                lines.push(json!({ "tick": tick, "read": path, "answer": city.read(path).await }));
            }
        }
    }
    lines.push(json!({ "events": events(&city, &mut screen).await }));
    city.stop().await;
    lines.into_iter().map(plain).collect()
}

/// Reads on until the screen stands where the layers and states stood when the tick was over.
async fn until_at(screen: &mut Screen, positions: &Positions) {
    let is_log = |channel: &str| LOGS.contains(&channel);
    let followed = positions.iter().filter(|(name, _)| CHANNELS.contains(&name.as_str()) && !is_log(name));
    for (name, seq) in followed {
        let there = |screen: &Screen| screen.held.get(name).is_some_and(|held| held.seq >= *seq);
        screen.shows(name, there).await;
    }
}

/// The frames of layers and states since the last look, by channel; of a state only the last, as those before it may be
/// passed over.
fn told(screen: &mut Screen) -> Value {
    let mut by: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let (logs, others): (Vec<Value>, Vec<Value>) = screen
        .tape
        .take()
        .unwrap_or_default()
        .into_iter()
        .partition(|frame| frame["ch"].as_str().is_some_and(|ch| LOGS.contains(&ch)));
    for frame in others {
        let Some(channel) = frame["ch"].as_str().map(str::to_owned) else { continue };
        let frames = by.entry(channel).or_default();
        if frame["t"] == "state" {
            frames.retain(|before| before["t"] != "state");
        }
        frames.push(frame);
    }
    screen.tape = Some(logs);
    json!(by)
}

/// All frames of the logs: they are told behind the tick that brings them about, so no tick is theirs.
async fn events(city: &City, screen: &mut Screen) -> Value {
    let mut newest = Screen::open_at(&city.address.to_string()).await;
    for log in LOGS {
        let end = newest.follow(log, None).await["q"].as_u64();
        screen.shows(log, |screen| screen.held.get(log).map(|held| held.seq) >= end).await;
    }
    let frames = screen.tape.take().unwrap_or_default();
    let of =
        |log: &str| -> Vec<Value> { frames.iter().filter(|frame| frame["ch"] == log).cloned().collect() };
    json!(LOGS.map(of))
}

/// Without what differs from run to run: epochs, ids of submissions, where the data folder is.
fn plain(mut line: Value) -> Value {
    match &mut line {
        Value::Object(members) => {
            members.retain(|name, _| !RANDOM.contains(&name.as_str()));
            members.values_mut().for_each(|value| *value = plain(value.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| *value = plain(value.take())),
        _ => {}
    }
    line
}

fn recording() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/recorded/sixty_ticks.ndjson.gz")
}

fn write(lines: &[Value]) {
    let file = std::fs::File::create(recording()).unwrap();
    let mut packed = GzEncoder::new(file, Compression::best());
    lines.iter().for_each(|line| writeln!(packed, "{line}").unwrap());
    packed.finish().unwrap();
}

fn read() -> Vec<Value> {
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(recording()).unwrap()).read_to_string(&mut text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What has been renamed since the recording, applied to a line of it.
fn since(line: Value) -> Value {
    line
}

/// Where two values differ first, as a path into them.
fn difference(path: &str, old: &Value, new: &Value) -> Option<String> {
    match (old, new) {
        (Value::Object(a), Value::Object(b)) => {
            let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            names.into_iter().find_map(|name| {
                let (a, b) = (a.get(name).unwrap_or(&Value::Null), b.get(name).unwrap_or(&Value::Null));
                difference(&format!("{path}.{name}"), a, b)
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(at, (a, b))| difference(&format!("{path}[{at}]"), a, b))
        }
        _ => (old != new).then(|| format!("{path}: recorded {old:.300}, now {new:.300}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_ticks_are_told_as_they_were_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let lines = record(folder.path()).await;
    if std::env::var_os("CITYLOOM_RECORD").is_some() {
        write(&lines);
    }
    let recorded: Vec<Value> = read().into_iter().map(since).collect();
    assert_eq!(recorded.len(), lines.len());
    let differ: Vec<String> = recorded
        .iter()
        .zip(&lines)
        .filter_map(|(old, new)| difference(&format!("tick {} {}", old["tick"], old["read"]), old, new))
        .collect();
    assert!(differ.is_empty(), "{} lines differ:\n{}", differ.len(), differ.join("\n"));
}
