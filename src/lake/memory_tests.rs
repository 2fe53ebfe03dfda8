//! However many commits a table sees, its log stays short, and nothing that was ever landed is forgotten.

use std::path::Path as FsPath;

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::*;
use crate::lake::{Commit, Cursor, Lake, TableName};
use crate::model::{Clock as _, SystemClock};

/// A tenth of what the running city waits for.
const AFTER: u64 = 50;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("_cell", DataType::Int64, true)]))
}

async fn open(folder: &FsPath) -> Result<Arc<Table>, Error> {
    let name = TableName::Feed("traffic.speed".parse().unwrap());
    Lake::open(folder).unwrap().table(&name, schema()).await
}

async fn land(table: &Table, number: u64, at: Micros) -> bool {
    let mut file = table.new_file(&format!("s{number}"), 0);
    let cells = Int64Array::from_iter_values([1, 2, 3]);
    file.write(&RecordBatch::try_new(schema(), vec![Arc::new(cells)]).unwrap()).await.unwrap();
    let files = vec![file.finish().await.unwrap()];
    let commit = Commit {
        files,
        sha256: format!("content {number}"),
        submission: format!("s{number}"),
        landed_at: at.0,
        cursor: Some(Cursor { source: "poll".into(), state: Arc::new(number.into()) }),
        receipt: serde_json::json!({ "number": number }),
    };
    let landed = table.commit(&commit).await.unwrap();
    if landed.is_err() {
        table.discard(&commit.files).await;
    }
    landed.is_ok()
}

/// Files below the table's folder, and bytes of its log.
fn held(folder: &FsPath) -> (usize, u64) {
    let table = folder.join("lake/feeds/traffic/speed");
    let entries = |folder: &str| std::fs::read_dir(table.join(folder)).unwrap().map(Result::unwrap);
    let files = [".", "_delta_log", FOLDER].into_iter().map(|folder| entries(folder).count()).sum();
    (files, entries("_delta_log").map(|entry| entry.metadata().unwrap().len()).sum())
}

/// The delta library, which knows nothing of ours.
async fn files_for_others(table: &Table) -> usize {
    let opened = deltalake_core::open_table(table.url().clone()).await.unwrap();
    assert_eq!(opened.version(), Some(table.state().version));
    opened.get_file_uris().unwrap().count()
}

/// Commits as they come all day, tended as by the city, with every file looked at two hours after it was written.
async fn some_hours(table: &Table, numbers: std::ops::Range<u64>) {
    let later = SystemClock.now().plus_seconds(2 * 3_600);
    for number in numbers {
        assert!(land(table, number, later.plus_seconds(-3_700)).await, "{number} is new");
        if number % 25 == 24 {
            table.compact(later.plus_seconds(-600)).await.unwrap();
            table.write_down(AFTER).await.unwrap();
            table.shorten(later).await.unwrap();
            table.sweep(later.plus_seconds(3_600)).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_stays_short_and_remembers_every_landing_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let table = open(folder.path()).await.unwrap();
    some_hours(&table, 0..150).await;
    let (files, bytes) = held(folder.path());
    assert!(files < 250, "{files} files after 150 commits");
    some_hours(&table, 150..450).await;
    let (files_later, bytes_later) = held(folder.path());
    assert!(files_later <= files + 25, "{files} files became {files_later}");
    assert!(bytes_later < bytes * 3 / 2, "{bytes} bytes of log became {bytes_later}");

    assert!(land(&table, 450, SystemClock.now()).await);
    table.withdraw("s450", SystemClock.now()).await.unwrap();
    let before = table.state();
    let again = open(folder.path()).await.unwrap();
    let after = again.state();
    assert_eq!((after.version, after.lsn, after.rows), (before.version, before.lsn, 450 * 3));
    assert_eq!(
        (after.landings.as_ref(), after.cursors.get("poll")),
        (before.landings.as_ref(), before.cursors.get("poll"))
    );
    assert_eq!((after.landings.len(), after.withdrawn.len()), (450, 1));
    let versions = |state: &TableState| -> Vec<(String, Option<(u64, u64)>)> {
        state.files.iter().map(|file| (file.path.clone(), file.versions)).collect()
    };
    assert_eq!(versions(&after), versions(&before), "who is kept up to date sees the same");
    assert_eq!(files_for_others(&again).await, after.files.len(), "other readers see the same files");
    for number in [0, 1, 225, 449] {
        assert!(!land(&again, number, SystemClock.now()).await, "{number} has landed");
    }
    assert!(land(&again, 450, SystemClock.now()).await, "what was withdrawn may come again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_memory_that_cannot_be_read_is_passed_over_and_none_at_all_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let table = open(folder.path()).await.unwrap();
    some_hours(&table, 0..200).await;
    let memories = folder.path().join("lake/feeds/traffic/speed").join(FOLDER);
    let mut names: Vec<_> =
        std::fs::read_dir(&memories).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert_eq!(names.len(), KEPT);
    std::fs::write(names.last().unwrap(), b"torn").unwrap();
    let again = open(folder.path()).await.unwrap();
    assert_eq!((again.state().version, again.state().landings.len()), (table.state().version, 200));
    std::fs::remove_dir_all(memories).unwrap();
    let error = open(folder.path()).await.unwrap_err();
    assert!(matches!(error, Error::MemoryLost { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_slept_while_the_log_was_cleaned_up_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (table, sleeper) = (open(folder.path()).await.unwrap(), open(folder.path()).await.unwrap());
    some_hours(&table, 0..200).await;
    *sleeper.synced.lock().unwrap() = None;
    assert!(!land(&sleeper, 3, SystemClock.now()).await, "the other process landed it");
    assert!(land(&sleeper, 200, SystemClock.now()).await);
    assert!(table.catch_up().await.unwrap());
    assert_eq!((table.state().rows, table.state().landings.len()), (201 * 3, 201));
}

#[tokio::test]
async fn what_killed_writers_left_is_swept_out() {
    let folder = tempfile::tempdir().unwrap();
    let table = open(folder.path()).await.unwrap();
    assert!(land(&table, 0, SystemClock.now()).await);
    let at = folder.path().join("lake/feeds/traffic/speed");
    let left = [at.join("s1-0.parquet#4294967297"), at.join("_delta_log/00000000000000000002.json#7")];
    left.iter().for_each(|path| std::fs::write(path, b"half").unwrap());
    assert_eq!(table.sweep(SystemClock.now()).await.unwrap(), 0, "a writer may be at it");
    assert_eq!(table.sweep(SystemClock.now().plus_seconds(25 * 3_600)).await.unwrap(), 2);
    assert!(left.iter().all(|path| !path.exists()));
    assert_eq!(open(folder.path()).await.unwrap().state().rows, 3);
}
