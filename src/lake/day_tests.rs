//! A day of live batches, one a second in each feed: files, log and memory stay few while the lake is tended, and readers see
//! every row once. `make soak` runs the whole day in twenty feeds; a test run the first hours of it in two.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::live::tests::{cells, once};
use super::{Commit, Lake, Table, TableName, Tail, Tending};
use crate::model::Micros;

const START: Micros = Micros(1_772_352_000_000_000);
const TAIL: Tail = Tail { age_s: 60, bytes: 16 << 20, rows: 65_536 };

fn schema() -> SchemaRef {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("_cell", DataType::Int64, true),
        Field::new("_event_time", utc, true),
        Field::new("_submission", DataType::Utf8, true),
    ]))
}

async fn take(table: &Table, second: i64) {
    let submission = format!("l{second}");
    let now = START.plus_seconds(second).0;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![second])),
        Arc::new(TimestampMicrosecondArray::from(vec![now]).with_timezone("UTC")),
        Arc::new(StringArray::from(vec![submission.as_str()])),
    ];
    let mut rows = table.new_rows(&submission, 0);
    rows.write(&RecordBatch::try_new(schema(), columns).unwrap()).await.unwrap();
    let files = vec![rows.finish().await.unwrap()];
    table.commit(&Commit { files, submission, landed_at: now, ..Commit::default() }).await.unwrap().unwrap();
}

/// A feed and what was seen of its folder.
struct Feed {
    table: Arc<Table>,
    folder: PathBuf,
    dated: HashSet<PathBuf>,
    /// The most files that counted, that lay in the folder, entries of the log, its bytes, segments of live batches.
    most: [u64; 5],
}

impl Feed {
    /// Files are as old as the day says, not as the test's clock does.
    fn date(&mut self, now: Micros) {
        let at = UNIX_EPOCH + Duration::from_micros(u64::try_from(now.0).unwrap());
        for path in
            ["", "_delta_log", "_cityloom", "_live"].iter().flat_map(|below| list(&self.folder.join(below)))
        {
            if self.dated.insert(path.clone()) {
                File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
            }
        }
    }

    fn look(&mut self) {
        let log = list(&self.folder.join("_delta_log"));
        let bytes = log.iter().filter_map(|path| fs::metadata(path).ok()).map(|meta| meta.len()).sum();
        let now = [
            self.table.state().files.len() as u64,
            list(&self.folder).len() as u64,
            log.len() as u64,
            bytes,
            list(&self.folder.join("_live")).len() as u64,
        ];
        for (most, now) in self.most.iter_mut().zip(now) {
            *most = now.max(*most);
        }
    }

    async fn tend(&mut self, now: Micros, tending: Tending, sweeps: bool) {
        let table = Arc::clone(&self.table);
        table.land_due(now).await.unwrap();
        self.date(now);
        while table.compact_as(now, tending).await.unwrap().is_some() {}
        if table.write_down(tending.commits).await.unwrap() || sweeps {
            self.date(now);
            table.shorten(now).await.unwrap();
        }
        if sweeps {
            table.sweep(now).await.unwrap();
        }
        self.date(now);
        self.look();
    }
}

fn list(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
}

async fn open(lake: &Lake, folder: &Path, number: usize) -> Feed {
    let name = TableName::Feed(format!("live.f{number}").parse().unwrap());
    let table = lake.table(&name, schema()).await.unwrap();
    Feed {
        table,
        folder: folder.join(format!("lake/feeds/live/f{number}")),
        dated: HashSet::new(),
        most: [0; 5],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_of_seconds_leaves_few_files_and_a_short_log() {
    let whole = std::env::var_os("CITYLOOM_WHOLE_DAY").is_some();
    let (feeds, hours, tending) = if whole {
        (20, 24, Tending::default())
    } else {
        (2, 4, Tending { settled_s: 10 * 60, fewest: 16, commits: 48 })
    };
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::open(folder.path()).unwrap().with_tail(TAIL);
    let mut days = Vec::new();
    for number in 0..feeds {
        days.push(open(&lake, folder.path(), number).await);
    }
    let seconds = hours * 3_600;
    let lived = days.into_iter().map(|mut feed| {
        tokio::spawn(async move {
            for second in 0..seconds {
                take(&feed.table, second).await;
                if second % 60 == 59 {
                    feed.tend(START.plus_seconds(second), tending, second % 600 == 599).await;
                }
            }
            feed
        })
    });
    for lived in futures::future::join_all(lived).await {
        let feed = lived.unwrap();
        let [files, there, entries, bytes, segments] = feed.most;
        println!(
            "{}: at most {files} files, {there} in the folder, {entries} entries of {bytes} bytes, {segments} segments",
            feed.table.name()
        );
        // Small files: those that are too young to be merged, and one short of enough of them; each as long again in the folder.
        let small = tending.settled_s as u64 / 60 + tending.fewest as u64 + 2;
        let merged = hours as u64;
        assert!(files <= small + merged, "{files} files");
        assert!(there <= small + merged + 60 + tending.fewest as u64 + 10, "{there} files in the folder");
        // An hour of the log, and what was not written down twice.
        let kept = 3 * (tending.commits + 60) + 60;
        assert!(entries <= kept && bytes <= kept * 64 * 1024, "{entries} entries of {bytes} bytes");
        assert!(segments <= 4, "{segments} segments");
        assert_eq!(cells(&feed.table).await, once(0..seconds));
        let again = Lake::open(folder.path()).unwrap();
        let again = again.table(feed.table.name(), schema()).await.unwrap();
        let tail = feed.table.state().tail.len() as u64;
        assert_eq!(again.state().rows + tail, seconds as u64, "and after a restart that reads the log");
    }
}
