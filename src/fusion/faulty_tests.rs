//! Landing and refreshing over a store that fails, delays, loses answers and tears files: uploads that are sent until they are
//! acknowledged and live batches that go on from their cursor are in every result once, and nothing else is.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use serde_json::{Value, json};

use super::{Catalog, Engine, QueryFile, SessionConfig, Tick, print};
use crate::contract;
use crate::decode::Progress;
use crate::ingest::{Cursor, Lander, Rows, Upload, open_feeds};
use crate::lake::Lake;
use crate::lake::faulty::{Faulty, Mood};
use crate::model::{FeedName, ManualClock, Micros};
use crate::place::Areas;

const NOW: Micros = Micros(1_772_366_400_000_000);
const FEED: &str = "fire.calls";
const SOURCE: &str = "dispatch";
const ROUNDS: i64 = 60;
const ROWS: i64 = 5;

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
      - { name: uid, logicalType: integer, required: true, logicalTypeOptions: { minimum: 0 } }
";

const COUNT: &str = "-- ---\n-- table: counted\n-- ---\n\
    SELECT count(*) AS rows, count(DISTINCT uid) AS calls, sum(uid) AS sum FROM fire.calls\n";

async fn lander(lake: &Lake) -> Result<Lander, crate::ingest::Refusal> {
    let feed: FeedName = FEED.parse().unwrap();
    let contracts = [Arc::new(contract::parse(&feed, CONTRACT).unwrap())];
    let areas = Areas::from_geojson(include_str!("../../tests/tiny_city/areas.geojson")).unwrap();
    let feeds = open_feeds(lake, &contracts).await?;
    Ok(Lander::new(feeds, Arc::new(areas), Arc::new(ManualClock::at(NOW)), 1 << 20))
}

/// The numbers of a round: some of them good, one of an upload bad.
fn numbers(round: i64) -> Vec<String> {
    (round * ROWS..(round + 1) * ROWS).map(|number| number.to_string()).collect()
}

/// Sends a file until somebody says that it has landed.
async fn upload(lander: &Lander, folder: &Path, round: i64) -> u32 {
    let path = folder.join(format!("{round}.csv"));
    std::fs::write(&path, format!("uid\n{}\n-1\n", numbers(round).join("\n"))).unwrap();
    for attempt in 1..200 {
        let upload =
            Upload { path: path.clone(), name: "calls.csv".into(), progress: Arc::<Progress>::default() };
        if lander.land_file(FEED, upload).await.is_ok() {
            return attempt;
        }
    }
    panic!("round {round} never lands");
}

/// Brings a batch as a live source does: whoever heard nothing asks the log where the source stands.
async fn bring(lander: &Lander, round: i64) -> u32 {
    let column: ArrayRef = Arc::new(StringArray::from(numbers(round)));
    let batch = RecordBatch::try_from_iter([("uid", column)]).unwrap();
    let table = Arc::clone(&lander.feed(FEED).unwrap().table);
    for attempt in 1..200 {
        let cursor = Cursor { source: SOURCE.into(), state: Arc::new(json!(round)) };
        if lander.land_live(FEED, Rows::of(batch.clone()), SOURCE, Some(cursor)).await.is_ok() {
            return attempt;
        }
        while table.catch_up().await.is_err() {}
        if table.state().cursors.get(SOURCE).is_some_and(|at| **at == json!(round)) {
            return attempt;
        }
    }
    panic!("round {round} never lands");
}

async fn counted(engine: &Engine) -> Value {
    let changes = engine.refresh(Tick::All, NOW).await;
    let change = changes.into_iter().next().unwrap().unwrap();
    let whole = engine.recompute("counted", NOW).await.unwrap().unwrap();
    assert_eq!(print(&change.schema, &change.rows).unwrap(), print(&change.schema, &whole).unwrap());
    let row = arrow::compute::concat_batches(&change.schema, &change.rows).unwrap();
    let mut json = arrow::json::ArrayWriter::new(Vec::new());
    json.write(&row).unwrap();
    json.finish().unwrap();
    serde_json::from_slice::<Value>(&json.into_inner()).unwrap()[0].take()
}

fn engine(lander: &Lander) -> Engine {
    let feed = lander.feed(FEED).unwrap();
    let mut catalog =
        Catalog::new(SessionConfig { threads: 2, memory: 64 << 20, local_files: false }).unwrap();
    catalog.add_feed(&FEED.parse().unwrap(), &feed.table, &feed.quarantine).unwrap();
    Engine::new(catalog)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_over_a_bad_line_is_in_every_result_once() {
    let (folder, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Faulty::new(5, Mood::Stormy);
    let lake = store.lake(folder.path());
    let lander = loop {
        if let Ok(lander) = lander(&lake).await {
            break lander;
        }
    };
    let engine = engine(&lander);
    engine.filler().map(|filler| tokio::spawn(filler.run()));
    let query = QueryFile { file: "queries/counted.sql".into(), text: COUNT.into() };
    while !engine.load(std::slice::from_ref(&query), NOW).await.is_empty() {}
    let (mut tries, mut refreshed) = (0, 0);
    for round in 0..ROUNDS {
        tries += match round % 2 {
            0 => upload(&lander, files.path(), round).await,
            _ => bring(&lander, round).await,
        };
        let changes = engine.refresh(Tick::Moved, NOW).await;
        refreshed += changes.iter().filter(|change| change.is_ok()).count();
    }
    println!("{tries} tries for {ROUNDS} submissions, {refreshed} refreshes, {} faults", store.faults());
    assert!(i64::from(tries) > ROUNDS, "nothing ever failed");
    store.turns(Mood::Calm);
    let numbers = ROUNDS * ROWS;
    let all = json!({ "rows": numbers, "calls": numbers, "sum": numbers * (numbers - 1) / 2 });
    assert_eq!(counted(&engine).await, all);

    // Another process that trusts its disk reads the same.
    let sound = Lake::open(folder.path()).unwrap();
    let again = self::lander(&sound).await.unwrap();
    let feed = again.feed(FEED).unwrap();
    assert_eq!(
        (feed.table.state().rows as i64, feed.table.state().landings.len() as i64),
        (numbers, ROUNDS / 2)
    );
    assert_eq!(feed.table.state().cursors[SOURCE].as_ref(), &json!(ROUNDS - 1));
    let engine = self::engine(&again);
    engine.filler().map(|filler| tokio::spawn(filler.run()));
    assert_eq!(engine.load(std::slice::from_ref(&query), NOW).await, []);
    assert_eq!(counted(&engine).await, all);
}
