//! A store that fails, answers late, loses its answers and leaves half files behind: every submission that is sent until
//! it is acknowledged is there once, and the table can be read throughout.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use futures::TryStreamExt as _;

use super::*;
use crate::lake::faulty::{Faulty, Mood};
use crate::lake::{Lake, Tail, Tending};
use crate::model::Micros;

const NOW: Micros = Micros(1_772_352_000_000_000);
const SUBMISSIONS: i64 = 120;
const ROWS: i64 = 3;

fn schema() -> SchemaRef {
    let cell = Field::new("_cell", DataType::Int64, true);
    Arc::new(Schema::new(vec![cell, Field::new("_submission", DataType::Utf8, true)]))
}

fn name() -> TableName {
    TableName::Feed("traffic.speed".parse().unwrap())
}

/// One try: the file is written anew, as by a sender who heard nothing.
async fn land(table: &Table, number: i64, attempt: u32) -> Result<(), Error> {
    let submission = format!("s{number}-{attempt}");
    let mut file = table.new_file(&submission, 0);
    let cells: ArrayRef = Arc::new(Int64Array::from_iter_values(number * ROWS..(number + 1) * ROWS));
    let names: ArrayRef = Arc::new((0..ROWS).map(|_| Some(submission.as_str())).collect::<StringArray>());
    file.write(&RecordBatch::try_new(schema(), vec![cells, names]).unwrap()).await?;
    let commit = Commit {
        files: vec![file.finish().await?],
        sha256: format!("content {number}"),
        submission,
        landed_at: NOW.0,
        ..Commit::default()
    };
    if table.commit(&commit).await?.is_err() {
        table.discard(&commit.files).await;
    }
    Ok(())
}

/// A live batch, given again until it is taken.
async fn live(table: &Table, number: i64) {
    let submission = format!("l{number}");
    let mut rows = table.new_rows(&submission, 0);
    let cells: ArrayRef = Arc::new(Int64Array::from_iter_values(number * ROWS..(number + 1) * ROWS));
    let names: ArrayRef = Arc::new((0..ROWS).map(|_| Some(submission.as_str())).collect::<StringArray>());
    rows.write(&RecordBatch::try_new(schema(), vec![cells, names]).unwrap()).await.unwrap();
    let files = vec![rows.finish().await.unwrap()];
    let commit = Commit { files, submission, landed_at: NOW.0, ..Commit::default() };
    while table.commit(&commit).await.is_err() {}
}

async fn cells(table: &Table) -> Vec<i64> {
    let mut cells = Vec::new();
    for file in &table.state().files {
        let batches: Vec<RecordBatch> =
            table.read_file(&file.path, Some(&["_cell"])).await.unwrap().try_collect().await.unwrap();
        for batch in &batches {
            let column = batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap();
            cells.extend(column.values());
        }
    }
    cells.sort_unstable();
    cells
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fails_delays_and_tears_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let sound = Lake::open(folder.path()).unwrap().table(&name(), schema()).await.unwrap();
    let store = Faulty::new(26, Mood::Stormy);
    let tail = Tail { age_s: 60, bytes: 1 << 20, rows: 1_000 };
    let lake = store.lake(folder.path()).with_tail(tail);
    let table = loop {
        if let Ok(table) = lake.table(&name(), schema()).await {
            break table;
        }
    };
    let tending = Tending { settled_s: 0, fewest: 8, commits: 16 };
    let later = NOW.plus_seconds(60);
    let (mut tries, mut merged) = (0, 0);
    for number in 0..SUBMISSIONS {
        let mut attempt = 0;
        while land(&table, number, attempt).await.is_err() {
            attempt += 1;
            assert!(attempt < 100, "{number} never lands");
        }
        tries += attempt + 1;
        live(&table, SUBMISSIONS + number).await;
        if number % 5 == 4 {
            let _landed = table.land_tail().await;
        }
        if number % 10 == 9 {
            // What fails leaves the table as it was; the next look does it.
            for _look in 0..100 {
                match table.compact_as(later, tending).await {
                    Ok(None) => break,
                    Ok(Some(_)) => merged += 1,
                    Err(_) => {}
                }
            }
            let _written = table.write_down(tending.commits).await;
        }
    }
    assert!(u64::from(tries) > SUBMISSIONS as u64, "nothing ever failed");
    assert!(merged > 0, "nothing was merged");
    println!("{tries} tries for {SUBMISSIONS} submissions, {} faults", store.faults());

    while table.land_tail().await.is_err() {}
    let all: Vec<i64> = (0..2 * SUBMISSIONS * ROWS).collect();
    sound.catch_up().await.unwrap();
    assert_eq!(cells(&sound).await, all);
    let again = Lake::open(folder.path()).unwrap().table(&name(), schema()).await.unwrap();
    assert_eq!((cells(&again).await, again.state().landings.len() as i64), (all, SUBMISSIONS));
    assert_eq!(again.state().files.len(), sound.state().files.len());
}

#[tokio::test]
async fn a_full_disk_takes_nothing_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Faulty::new(1, Mood::Calm);
    let table = store.lake(folder.path()).table(&name(), schema()).await.unwrap();
    land(&table, 0, 0).await.unwrap();
    store.turns(Mood::Full);
    for attempt in 0..3 {
        let refused = land(&table, 1, attempt).await.unwrap_err();
        assert!(refused.is_full(), "{refused}");
    }
    assert_eq!(cells(&table).await, [0, 1, 2], "what was acknowledged can be read");
    store.turns(Mood::Calm);
    assert_eq!(table.state().landings.len(), 1, "nothing half came with the room");
    land(&table, 1, 9).await.unwrap();
    let again = Lake::open(folder.path()).unwrap().table(&name(), schema()).await.unwrap();
    assert_eq!((cells(&again).await, again.state().landings.len()), ((0..6).collect(), 2));
}
