//! Live batches: seen at once, landed behind by one commit, there once after whatever kill, loss or neighbour.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use arrow::array::{ArrayRef, AsArray as _, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use futures::TryStreamExt as _;
use futures::future::join_all;
use serde_json::json;

use super::*;
use crate::lake::{Cursor, Lake, LandedTail, Position, TableName};

const NOW: Micros = Micros(1_772_352_000_000_000);
const TAIL: Tail = Tail { age_s: 60, bytes: 16 << 20, rows: 10_000 };

fn schema() -> SchemaRef {
    let cell = Field::new("_cell", DataType::Int64, true);
    Arc::new(Schema::new(vec![cell, Field::new("_submission", DataType::Utf8, true)]))
}

async fn open(folder: &Path) -> Arc<Table> {
    let name = TableName::Feed("traffic.speed".parse().unwrap());
    Lake::open(folder).unwrap().with_tail(TAIL).table(&name, schema()).await.unwrap()
}

fn log(folder: &Path) -> PathBuf {
    folder.join("lake/feeds/traffic/speed/_live")
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    wal::sizes(&log(folder)).unwrap().into_iter().map(|(path, _)| path).collect()
}

fn rows(submission: &str, cells: std::ops::Range<i64>) -> RecordBatch {
    let names: ArrayRef = Arc::new(cells.clone().map(|_| Some(submission)).collect::<StringArray>());
    let cells: ArrayRef = Arc::new(Int64Array::from_iter_values(cells));
    RecordBatch::try_new(schema(), vec![cells, names]).unwrap()
}

async fn batch(table: &Table, number: i64) -> Commit {
    let submission = format!("l{number}");
    let mut file = table.new_rows(&submission, 0);
    file.write(&rows(&submission, number * 10..number * 10 + 10)).await.unwrap();
    let cursor = Some(Cursor { source: "source".into(), state: Arc::new(json!(number)) });
    let landed_at = NOW.plus_seconds(number).0;
    let files = vec![file.finish().await.unwrap()];
    Commit { files, submission, landed_at, cursor, ..Commit::default() }
}

async fn take(table: &Table, number: i64) -> Result<(), Error> {
    table.commit(&batch(table, number).await).await.map(|landed| assert!(landed.is_ok()))
}

/// A submission of an officer: a file and a commit at once.
async fn land(table: &Table, submission: &str, cells: std::ops::Range<i64>) {
    let mut file = table.new_file(submission, 0);
    file.write(&rows(submission, cells)).await.unwrap();
    let files = vec![file.finish().await.unwrap()];
    let (sha256, submission) = (format!("content of {submission}"), submission.to_owned());
    table
        .commit(&Commit { files, sha256, submission, landed_at: NOW.0, ..Commit::default() })
        .await
        .unwrap()
        .unwrap();
}

/// Every cell with how often it is there, as a query reads the table.
pub(in crate::lake) async fn cells(table: &Table) -> BTreeMap<i64, usize> {
    let mut cells = BTreeMap::new();
    for file in table.state().entries() {
        let batches = match &file.hot {
            Some(rows) => vec![rows.clone()],
            None => table.read_file(&file.path, None).await.unwrap().try_collect().await.unwrap(),
        };
        for batch in batches {
            for cell in batch.column(0).as_primitive::<Int64Type>().values() {
                *cells.entry(*cell).or_default() += 1;
            }
        }
    }
    cells
}

pub(in crate::lake) fn once(cells: std::ops::Range<i64>) -> BTreeMap<i64, usize> {
    cells.map(|cell| (cell, 1)).collect()
}

#[tokio::test]
async fn a_batch_is_seen_at_once_and_many_land_by_one_commit() {
    let folder = tempfile::tempdir().unwrap();
    let table = open(folder.path()).await;
    let before = table.state();
    for number in 0..5 {
        take(&table, number).await.unwrap();
        let state = table.state();
        assert_eq!(
            (state.rows as i64, state.cursors["source"].as_i64().unwrap()),
            (10 * (number + 1), number)
        );
        assert_ne!(state.position(), before.position());
    }
    let seen = table.state();
    assert_eq!(
        (seen.version, seen.files.len(), seen.tail.len(), seen.lsn),
        (before.version, 0, 5, before.lsn)
    );
    assert_eq!(cells(&table).await, once(0..50));
    assert_eq!(table.land_due(NOW.plus_seconds(59)).await.unwrap(), None, "the oldest is not a minute old");
    let landed = table.land_due(NOW.plus_seconds(60)).await.unwrap();
    assert_eq!(landed, Some(LandedTail { records: 5, rows: 50 }));
    let state = table.state();
    assert_eq!((state.version, state.files.len(), state.tail.len()), (before.version + 1, 1, 0));
    assert_eq!((state.rows, state.live, state.landed_at), (50, seen.live, seen.landed_at));
    assert_eq!(state.cursors["source"].as_i64(), Some(4));
    assert_eq!(segments(folder.path()), Vec::<PathBuf>::new(), "what has landed is in no log");
    assert_eq!(cells(&table).await, once(0..50));
    let since = state.since(seen.position()).unwrap();
    assert_eq!((since.appended.len(), since.partly.len()), (0, 0), "landing brings no rows");
}

#[tokio::test]
async fn who_has_seen_some_of_what_landed_is_given_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let table = open(folder.path()).await;
    let mut positions = vec![table.state().position()];
    for number in 0..4 {
        take(&table, number).await.unwrap();
        positions.push(table.state().position());
    }
    table.land_tail().await.unwrap().unwrap();
    for table in [table, open(folder.path()).await] {
        for (known, position) in positions.iter().enumerate() {
            let since = table.state().since(*position).unwrap();
            let mut numbers = Vec::new();
            for (file, rows) in &since.partly {
                numbers.push(table.rest_of(file, *rows).await.unwrap());
            }
            numbers.extend(since.appended);
            let found: Vec<i64> = numbers
                .iter()
                .filter_map(|file| file.hot.as_ref())
                .flat_map(|rows| rows.column(0).as_primitive::<Int64Type>().values().to_vec())
                .collect();
            let wanted: Vec<i64> = (known as i64 * 10..40).collect();
            let unread: u64 = numbers.iter().filter(|file| file.hot.is_none()).map(|file| file.rows).sum();
            assert_eq!((found.len() + unread as usize, unread % 40), (wanted.len(), 0));
            assert!(unread > 0 || found == wanted);
        }
        assert_eq!(table.state().since(Position { live: 5, ..positions[0] }), None, "nobody was there yet");
    }
}

#[tokio::test]
async fn killed_before_and_after_the_landing_every_batch_is_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let table = open(folder.path()).await;
    for number in 0..3 {
        take(&table, number).await.unwrap();
    }
    drop(table);
    // Killed between the log and the landing: who only reads sees it, too.
    let table = open(folder.path()).await;
    assert_eq!((cells(&table).await, table.state().recovered), (once(0..30), 3));
    assert_eq!(table.state().cursors["source"].as_i64(), Some(2));
    take(&table, 3).await.unwrap();
    let written: Vec<(PathBuf, Vec<u8>)> = segments(folder.path())
        .into_iter()
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    assert_eq!(written.len(), 2, "each process writes segments of its own");
    table.land_tail().await.unwrap().unwrap();
    drop(table);
    // Killed after the landing, before the segments are gone.
    for (path, bytes) in &written {
        std::fs::write(path, bytes).unwrap();
    }
    let table = open(folder.path()).await;
    assert_eq!((cells(&table).await, table.state().tail.len(), table.state().live), (once(0..40), 0, 4));
    take(&table, 4).await.unwrap();
    assert_eq!(cells(&table).await, once(0..50));
    table.land_tail().await.unwrap().unwrap();
    assert_eq!(segments(folder.path()), Vec::<PathBuf>::new());
    assert_eq!(cells(&*open(folder.path()).await).await, once(0..50));
}

#[tokio::test]
async fn a_torn_record_is_cut_and_a_lost_segment_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..3 {
        let table = open(folder.path()).await;
        take(&table, number).await.unwrap();
    }
    let parts = segments(folder.path());
    assert_eq!(parts.len(), 3);
    let last = std::fs::read(&parts[2]).unwrap();
    std::fs::write(&parts[2], &last[..last.len() - 1]).unwrap();
    let table = open(folder.path()).await;
    assert_eq!((cells(&table).await, table.state().recovered), (once(0..20), 2));
    take(&table, 2).await.unwrap();
    assert_eq!(cells(&*open(folder.path()).await).await, once(0..30), "the torn segment is passed over");
    drop(table);
    // Acknowledged records are gone: what came after them counts, and nobody may go on from among them.
    std::fs::remove_file(&parts[1]).unwrap();
    let table = open(folder.path()).await;
    let kept: BTreeMap<i64, usize> = (0..10).chain(20..30).map(|cell| (cell, 1)).collect();
    assert_eq!((cells(&table).await, table.state().recovered, table.state().live), (kept.clone(), 1, 3));
    take(&table, 3).await.unwrap();
    table.land_tail().await.unwrap().unwrap();
    assert_eq!(cells(&*open(folder.path()).await).await.len(), kept.len() + 10);
}

#[tokio::test]
async fn two_processes_share_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let (server, other) = (open(folder.path()).await, open(folder.path()).await);
    take(&server, 0).await.unwrap();
    land(&other, "file", 100..110).await;
    assert_eq!(cells(&other).await.len(), 10);
    other.catch_up().await.unwrap();
    assert_eq!(cells(&other).await.len(), 20, "it reads the log of the first");
    take(&server, 1).await.unwrap();
    other.catch_up().await.unwrap();
    assert_eq!(cells(&other).await.len(), 30);
    assert_eq!(other.land_tail().await.unwrap(), None, "the tail is the first one's to land");
    // Its own live batches are commits, because the log is another's.
    let mut batch = batch(&other, 20).await;
    batch.cursor = None;
    other.commit(&batch).await.unwrap().unwrap();
    assert_eq!(server.land_tail().await.unwrap().unwrap().rows, 20);
    server.catch_up().await.unwrap();
    other.catch_up().await.unwrap();
    let all: BTreeMap<i64, usize> = (0..20).chain(100..110).chain(200..210).map(|cell| (cell, 1)).collect();
    assert_eq!((cells(&server).await, cells(&other).await), (all.clone(), all));
    assert_eq!((server.state().lsn, server.state().live), (3, 2));
    assert_eq!(server.withdraw("l1", NOW).await.unwrap(), 10);
}

#[tokio::test]
async fn nothing_is_acknowledged_after_a_failure_until_the_tail_has_landed() {
    let folder = tempfile::tempdir().unwrap();
    let table = open(folder.path()).await;
    take(&table, 0).await.unwrap();
    // The next segment finds no folder to be in.
    table.rotate().unwrap();
    let (log, aside) = (log(folder.path()), folder.path().join("aside"));
    std::fs::rename(&log, &aside).unwrap();
    let told = take(&table, 1).await.unwrap_err().to_string();
    assert!(told.contains("`_live`") && told.contains("nothing is taken until"), "{told}");
    std::fs::rename(&aside, &log).unwrap();
    assert!(take(&table, 1).await.is_err(), "whether the last one is there nobody knows");
    assert_eq!(cells(&table).await, once(0..10));
    assert_eq!(
        table.land_due(NOW).await.unwrap(),
        Some(LandedTail { records: 1, rows: 10 }),
        "it is due at once"
    );
    assert_eq!(table.state().live, 2, "the record of nobody counts as landed");
    take(&table, 1).await.unwrap();
    assert_eq!((cells(&table).await, cells(&*open(folder.path()).await).await), (once(0..20), once(0..20)));
}

#[tokio::test]
async fn those_who_wait_share_a_sync_and_a_full_tail_lands_first() {
    let folder = tempfile::tempdir().unwrap();
    let table = open(folder.path()).await;
    take(&table, 0).await.unwrap();
    let syncs = || locked(&table.live.log).writer.as_ref().unwrap().syncs;
    let before = syncs();
    let held = table.writing.lock().await;
    let taking = join_all((1..40).map(|number| take(&table, number)));
    let freeing = async {
        while locked(&table.live.waiting).len() < 39 {
            tokio::task::yield_now().await;
        }
        drop(held);
    };
    for taken in tokio::join!(taking, freeing).0 {
        taken.unwrap();
    }
    assert_eq!(syncs(), before + 1);
    assert_eq!(cells(&table).await, once(0..400));
    let numbers: Vec<i64> = table.state().tail.iter().map(|record| record.sequence).collect();
    assert_eq!(numbers, (1..=40).collect::<Vec<_>>());

    // Rows past the bound make a file of their own, behind what came before; its cursor is the newer one.
    let mut file = table.new_rows("large", 0);
    for part in 0..11 {
        file.write(&rows("large", 1_000 + part * 1_000..2_000 + part * 1_000)).await.unwrap();
    }
    let cursor = Some(Cursor { source: "source".into(), state: Arc::new(json!("large")) });
    let files = vec![file.finish().await.unwrap()];
    let large = Commit { files, submission: "large".into(), landed_at: NOW.0, cursor, ..Commit::default() };
    table.commit(&large).await.unwrap().unwrap();
    assert_eq!((table.state().files.len(), table.state().tail.len()), (2, 0));
    let again = open(folder.path()).await;
    assert_eq!((again.state().rows, again.state().cursors["source"].as_str()), (11_400, Some("large")));

    let small = Tail { rows: 25, ..TAIL };
    let folder = tempfile::tempdir().unwrap();
    let name = TableName::Feed("traffic.speed".parse().unwrap());
    let table = Lake::open(folder.path()).unwrap().with_tail(small).table(&name, schema()).await.unwrap();
    for number in 0..7 {
        take(&table, number).await.unwrap();
    }
    assert_eq!((table.state().files.len(), table.state().tail.len()), (2, 1));
    assert_eq!(cells(&table).await, once(0..70));
}

#[tokio::test]
async fn batches_of_before_a_new_contract_land_with_all_that_they_had() {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let cell = || Field::new("_cell", DataType::Int64, true);
    let opened = async |folder: &Path, fields: Vec<Field>| {
        let name = TableName::Feed("traffic.speed".parse().unwrap());
        let lake = Lake::open(folder).unwrap().with_tail(TAIL);
        lake.table(&name, Arc::new(Schema::new(fields))).await.unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let table = opened(folder.path(), vec![text("old"), cell(), text("_submission")]).await;
    for number in 0..2_i64 {
        let submission = format!("l{number}");
        let column = |value: &str| Arc::new(StringArray::from(vec![value])) as ArrayRef;
        let cells = Arc::new(Int64Array::from(vec![number])) as ArrayRef;
        let columns = vec![column(&format!("value {number}")), cells, column(&submission)];
        let mut file = table.new_rows(&submission, 0);
        file.write(&RecordBatch::try_new(Arc::clone(table.schema()), columns).unwrap()).await.unwrap();
        let files = vec![file.finish().await.unwrap()];
        table
            .commit(&Commit { files, submission, landed_at: NOW.0, ..Commit::default() })
            .await
            .unwrap()
            .unwrap();
    }
    let first = Position { live: 1, ..table.state().position() };
    drop(table);

    // Killed before they landed; the contract of the next start calls a column otherwise.
    let table = opened(folder.path(), vec![cell(), text("_submission"), text("new")]).await;
    assert_eq!(table.state().tail.len(), 2);
    for rows in table.state().tail.iter().filter_map(|record| record.rows.as_ref()?.hot.as_ref()) {
        assert_eq!((&rows.schema(), rows["new"].null_count()), (table.schema(), 1));
    }
    table.land_tail().await.unwrap().unwrap();
    let state = table.state();
    let [file] = state.files.as_slice() else { panic!("{:?}", state.files) };
    let batches: Vec<RecordBatch> =
        table.read_file(&file.path, None).await.unwrap().try_collect().await.unwrap();
    let old: Vec<_> =
        batches.iter().flat_map(|rows| rows["old"].as_string::<i32>().iter().flatten()).collect();
    assert_eq!(old, ["value 0", "value 1"]);
    let since = state.since(first).unwrap();
    let [(file, known)] = since.partly.as_slice() else { panic!("{since:?}") };
    let rest = table.rest_of(file, *known).await.unwrap().hot.clone().unwrap();
    assert_eq!(
        (&rest.schema(), rest["_cell"].as_primitive::<Int64Type>().values().to_vec()),
        (table.schema(), vec![1])
    );
}
