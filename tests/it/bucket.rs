//! A lake and a drop folder in a bucket: what holds on the disk holds there, over a line that loses answers, and with the
//! plug pulled at every write.

mod store;

use std::fs;
use std::process::{Command, Output, Stdio};

use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::bucket::store::{BUCKET, Line, SECRET, Store};
use crate::server::city::readings;
use crate::server::{City, Server, cityloom, eventually, read};

const SPEED: &str = "traffic.speed";
const BAD: &str = "2025-03-01T08:00:00Z,32.02,121.05,9,900\n";
const TENDED: &str = "tend_s = 1\nsettled_s = 1\nmerge_files = 2\ncheckpoint_commits = 4\nlook_s = 1\n";

fn settings(city: &City, more: &str) {
    let before = fs::read_to_string(city.root().join("cityloom.toml")).unwrap();
    city.write("cityloom.toml", &format!("{before}{more}"));
}

/// A city whose lake is in the store.
fn city(store: &Store, more: &str) -> City {
    let city = City::new();
    let reach = format!("s3 = {{ endpoint = \"{}\", allow_http = true }}\n", store.endpoint);
    settings(&city, &format!("[lake]\nroot = \"s3://{BUCKET}/lakes/one\"\n{reach}{more}"));
    city
}

fn command(city: &City, arguments: &[&str]) -> Command {
    let mut command = cityloom(city.root(), city.data());
    for name in ["AWS_ENDPOINT_URL", "AWS_REGION", "AWS_SESSION_TOKEN", "AWS_ALLOW_HTTP"] {
        command.env_remove(name);
    }
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", SECRET).args(arguments);
    command
}

async fn ran(city: &City, arguments: &[&str]) -> Output {
    let mut command = command(city, arguments);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

async fn serve(city: &City) -> Server {
    Server::run(command(city, &["serve", "--listen", "127.0.0.1:0"])).await
}

/// The keys below a prefix.
async fn keys(store: &Store, prefix: &str) -> Vec<String> {
    let listed: Vec<_> = store.client.list(Some(&Path::from(prefix))).try_collect().await.unwrap();
    listed.iter().map(|meta| meta.location.to_string()).collect()
}

/// Rows of the feed and different vehicles, as another process reads them.
async fn counted(city: &City) -> Value {
    let statement = "SELECT count(*) AS rows, count(DISTINCT vehicle) AS vehicles FROM traffic.speed";
    let ran = ran(city, &["sql", statement, "--format", "json"]).await;
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    let row: Value = serde_json::from_slice(&ran.stdout).unwrap();
    json!([row["rows"], row["vehicles"]])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lands_in_a_bucket_is_there_after_a_restart_and_tended_meanwhile() {
    let Some(store) = Store::start().await else { return };
    let city = city(&store, TENDED);
    let server = serve(&city).await;
    let mut first = Value::Null;
    for number in 0..6 {
        let body = readings(0, number * 100..number * 100 + 7, 30.0) + BAD;
        let (status, receipt) = server.submit(SPEED, "text/csv", body).await;
        assert_eq!((status, &receipt["rows_landed"]), (StatusCode::CREATED, &json!(7)), "{receipt}");
        first = if number == 0 { receipt } else { first };
    }
    assert_eq!(server.rows(SPEED).await, 42);
    eventually("a layer of the rows", async || {
        (!server.layer("traffic").await["rows"].as_array()?.is_empty()).then_some(())
    })
    .await;
    let rejects =
        format!("/api/feeds/traffic/speed/submissions/{}/rejects", first["submission"].as_str().unwrap());
    let rejects = server.get(&rejects).await.text().await.unwrap();
    assert!(rejects.contains("OUT_OF_RANGE"), "{rejects}");
    eventually("small files merged and the log written down", async || {
        let keys = keys(&store, "lakes/one/feeds/traffic/speed").await;
        let is = |part: &str| keys.iter().any(|key| key.contains(part));
        (is("/merged-") && is("/_cityloom/") && is(".checkpoint.parquet")).then_some(())
    })
    .await;
    assert!(!city.data().join("lake").exists(), "the lake is in the bucket alone");
    let said = server.log();
    server.stop().await;

    let server = serve(&city).await;
    assert_eq!(server.rows(SPEED).await, 42);
    let (status, again) = server.submit(SPEED, "text/csv", readings(0, 0..7, 30.0) + BAD).await;
    assert_eq!((status, &again["duplicate_of"]), (StatusCode::OK, &first["submission"]));
    let path = format!("/api/feeds/traffic/speed/submissions/{}", first["submission"].as_str().unwrap());
    assert_eq!(read(server.request("DELETE", &path).send().await.unwrap()).await.0, StatusCode::OK);
    assert_eq!(server.rows(SPEED).await, 35);
    assert_eq!(counted(&city).await, json!([35, 35]), "beside the server");
    let said = said + &server.log();
    assert!(!said.contains(SECRET), "{said}");
    assert!(keys(&store, "lakes/one/_cityloom_probe").await.is_empty());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_lost_and_conflicts_that_are_none_lose_and_double_nothing() {
    let Some(store) = Store::start().await else { return };
    let city = city(&store, "");
    let server = serve(&city).await;
    store.line(Line::Stormy);
    for number in 0..12 {
        let body = readings(0, number * 100..number * 100 + 7, 30.0) + BAD;
        let (status, receipt) = server.submit(SPEED, "text/csv", body).await;
        assert_eq!((status, &receipt["rows_landed"]), (StatusCode::CREATED, &json!(7)), "{receipt}");
        assert_eq!(receipt["duplicate_of"], Value::Null);
    }
    store.line(Line::Good);
    assert_eq!(server.rows(SPEED).await, 84);
    server.stop().await;
    assert_eq!(counted(&city).await, json!([84, 84]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_landing_killed_at_each_of_its_writes_and_done_again_lands_every_row_once() {
    let Some(store) = Store::start().await else { return };
    let city = city(&store, "");
    let file = |number: u32| {
        let path = city.aside(&format!("{number}.csv"));
        fs::write(&path, readings(0, number * 100..number * 100 + 7, 30.0) + BAD).unwrap();
        path.display().to_string()
    };
    let land = async |path: &str| {
        let ran = ran(&city, &["land", SPEED, path, "--format", "json"]).await;
        assert_eq!(ran.status.code(), Some(0), "{ran:?}");
        serde_json::from_slice::<Value>(&ran.stdout).unwrap()
    };
    land(&file(0)).await;
    let (mut landed, mut killed, mut kept) = (7, 0, 0);
    // The probe is written twice and deleted; then come two files and two commits, of rejected rows and of landed ones.
    for write in 1..=7 {
        for through in [false, true] {
            let path = file(1 + killed);
            store.line(Line::DeadAt { write, through });
            let mut command = command(&city, &["land", SPEED, &path]);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            store.writes(write).await;
            if through {
                // What got through is there: a kill earlier than that is the other case.
                eventually("the write to be through", async || store.settled().then_some(())).await;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            killed += 1;
            store.line(Line::Good);
            let seen = counted(&city).await;
            assert!(seen == json!([landed, landed]) || seen == json!([landed + 7, landed + 7]), "{seen}");
            kept += u32::from(seen != json!([landed, landed]));
            let receipt = land(&path).await;
            assert_eq!(receipt["duplicate_of"].is_null(), seen == json!([landed, landed]), "{receipt}");
            landed += 7;
            assert_eq!(counted(&city).await, json!([landed, landed]), "write {write}, through: {through}");
        }
    }
    assert_eq!(kept, 1, "the last write alone is the commit");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_without_conditional_writes_is_refused() {
    let Some(store) = Store::start().await else { return };
    let city = city(&store, "");
    store.line(Line::Careless);
    let ran = ran(&city, &["sql", "SELECT 1"]).await;
    let said = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(2), "{said}");
    assert!(
        said.contains("does not honour If-None-Match") && said.contains("s3://city-lake/lakes/one"),
        "{said}"
    );
    assert!(!said.contains(SECRET), "{said}");
    assert_eq!(keys(&store, "lakes").await, Vec::<String>::new(), "nothing was begun");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_that_are_dropped_land_once_and_are_put_away_with_their_receipts() {
    let Some(store) = Store::start().await else { return };
    let city = City::new();
    let reach = format!("s3 = {{ endpoint = \"{}\", allow_http = true }}\n", store.endpoint);
    settings(&city, &format!("[drop]\nfolder = \"s3://{BUCKET}/in\"\nlook_s = 1\n{reach}"));
    let put = async |name: &str, body: &str| {
        let path = Path::from(format!("in/traffic/speed/{name}"));
        store.client.put(&path, body.to_owned().into()).await.unwrap();
    };
    let got = async |name: &str| {
        let found = store.client.get(&Path::from(format!("in/traffic/speed/{name}"))).await.ok()?;
        Some(found.bytes().await.unwrap())
    };
    let (good, other) = (readings(0, 0..5, 30.0), readings(0, 10..13, 30.0));
    put("good.csv", &good).await;
    put("half.csv.part", "ts,lat").await;
    put("wrong.csv", "a,b\n1,2\n").await;
    let mut server = serve(&city).await;
    server.claim("file refused");
    let receipt = async |folder: &str, name: &str| {
        eventually(name, async || {
            let answer = got(&format!("{folder}/{name}.receipt.json")).await?;
            // It is put away once it is no longer where it was dropped.
            got(name).await.is_none().then_some(answer)
        })
        .await
    };
    let answer: Value = serde_json::from_slice(&receipt("landed", "good.csv").await).unwrap();
    assert_eq!(answer["rows_landed"], 5);
    assert_eq!(got("landed/good.csv").await.unwrap(), good.as_bytes());
    let answer: Value = serde_json::from_slice(&receipt("refused", "wrong.csv").await).unwrap();
    assert_eq!(answer["code"], "COLUMN_MISSING");
    put("marked.csv.done", "").await;
    put("marked.csv", &other).await;
    put("again.csv", &good).await;
    let answer: Value = serde_json::from_slice(&receipt("landed", "marked.csv").await).unwrap();
    assert_eq!(answer["rows_landed"], 3);
    eventually("the marker to go", async || got("marked.csv.done").await.is_none().then_some(())).await;
    let answer: Value = serde_json::from_slice(&receipt("landed", "again.csv").await).unwrap();
    assert_eq!((answer["rows_landed"].as_u64(), answer["duplicate_of"].is_string()), (Some(0), true));
    assert_eq!(server.rows(SPEED).await, 8);
    assert!(got("half.csv.part").await.is_some(), "half a file is left alone");
    assert_eq!(fs::read_dir(city.data().join("spool")).unwrap().count(), 0, "bytes were left behind");
    server.stop().await;
    // The plug was pulled between the commit and the putting away: it is there once more.
    put("good.csv", &good).await;
    let server = serve(&city).await;
    receipt("landed", "good.csv").await;
    assert_eq!(server.rows(SPEED).await, 8);
    server.stop().await;
}
