//! A store that fails, answers late, loses its answers and leaves half files behind: every submission that is sent until
//! it is acknowledged is there once, and the table can be read throughout.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use async_trait::async_trait;
use deltalake_core::logstore::logstore_with;
use futures::TryStreamExt as _;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result as StoreResult,
};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;
use crate::lake::durable_fs::DurableFs;
use crate::lake::{Lake, Tending};
use crate::model::Micros;

const NOW: Micros = Micros(1_772_352_000_000_000);
const SUBMISSIONS: i64 = 120;
const ROWS: i64 = 3;

/// The durable store, behind a line that cannot be trusted.
#[derive(Debug)]
struct Faulty {
    inner: DurableFs,
    dice: Mutex<StdRng>,
    faults: AtomicU64,
}

impl std::fmt::Display for Faulty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Faulty")
    }
}

impl Faulty {
    /// A number below ten, after a while.
    async fn throw(&self) -> u32 {
        let (wait, thrown) = {
            let mut dice = self.dice.lock().unwrap();
            (dice.random_range(0..3), dice.random_range(0..10))
        };
        tokio::time::sleep(Duration::from_millis(wait)).await;
        thrown
    }

    fn fault(&self) -> object_store::Error {
        self.faults.fetch_add(1, Ordering::Relaxed);
        object_store::Error::Generic { store: "Faulty", source: "the line broke".into() }
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> StoreResult<PutResult> {
        match self.throw().await {
            0 => Err(self.fault()),
            1 => {
                self.inner.put_opts(location, payload, options).await?;
                Err(self.fault())
            }
            // Commits come whole or not at all, in every store that can hold a table; files may be torn.
            2 if location.as_ref().ends_with(".parquet") => {
                let bytes = payload.iter().flat_map(|chunk| chunk.to_vec()).collect::<Vec<u8>>();
                let half = bytes[..bytes.len() / 2].to_vec();
                self.inner.put_opts(location, half.into(), options).await?;
                Err(self.fault())
            }
            _ => self.inner.put_opts(location, payload, options).await,
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> StoreResult<GetResult> {
        if self.throw().await == 0 { Err(self.fault()) } else { self.inner.get_opts(location, options).await }
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, StoreResult<Path>>,
    ) -> BoxStream<'static, StoreResult<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

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
    let dice = Mutex::new(StdRng::seed_from_u64(26));
    let store = Arc::new(Faulty { inner: DurableFs::default(), dice, faults: AtomicU64::new(0) });
    let log = logstore_with(Arc::clone(&store) as _, sound.url(), StorageConfig::default()).unwrap();
    let table = loop {
        let opened = Table::open_in(name(), sound.url().clone(), schema(), Arc::clone(&log)).await;
        if let Ok(table) = opened {
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
        if number % 10 == 9 {
            // What fails leaves the table as it was; the next look does it.
            merged += usize::from(matches!(table.compact_as(later, tending).await, Ok(Some(_))));
            let _written = table.write_down(tending.commits).await;
        }
    }
    assert!(u64::from(tries) > SUBMISSIONS as u64, "nothing ever failed");
    assert!(merged > 0, "nothing was merged");
    println!("{tries} tries for {SUBMISSIONS} submissions, {} faults", store.faults.load(Ordering::Relaxed));

    let all: Vec<i64> = (0..SUBMISSIONS * ROWS).collect();
    sound.catch_up().await.unwrap();
    assert_eq!(cells(&sound).await, all);
    let again = Lake::open(folder.path()).unwrap().table(&name(), schema()).await.unwrap();
    assert_eq!((cells(&again).await, again.state().landings.len() as i64), (all, SUBMISSIONS));
    assert_eq!(again.state().files.len(), sound.state().files.len());
}
