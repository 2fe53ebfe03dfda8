//! Live batches of 100 rows in 20 feeds: through the log and the tail, and as commits of their own.
//! `cargo bench --bench live -- 2000 FOLDER` lands so many batches each way below the folder, or else where temporary files are
//! (which may be memory, where a sync costs nothing), checked and placed as a connector's are. One JSON object a way: batches a second, milliseconds until the acknowledgement and until a query finds the rows, bytes written for each
//! byte received.
#![expect(clippy::print_stdout, reason = "it is what a benchmark is for")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use cityloom::contract;
use cityloom::fusion::{Catalog, SessionConfig};
use cityloom::ingest::{Lander, open_feeds};
use cityloom::lake::{Lake, Tail};
use cityloom::model::{Clock, FeedName, SystemClock};
use cityloom::place::Areas;
use futures::StreamExt as _;

type Outcome<T> = Result<T, Box<dyn Error>>;

const FEEDS: usize = 20;
const ROWS: usize = 100;
/// Batches that land at once: sources run beside each other.
const AT_ONCE: usize = 20;
/// Every so many batches a query looks for the rows of one.
const LOOK_EVERY: usize = 20;

fn contract(number: usize) -> String {
    format!(
        "apiVersion: v3.1.0\nkind: DataContract\nid: live.f{number}\nname: Live\nversion: 1.0.0\nstatus: active\ndomain: live\n\
         schema:\n  - name: f{number}\n    physicalType: table\n    customProperties:\n\
         \x20     - {{ property: cityloomPlace, value: {{ kind: lnglat, lng: lng, lat: lat, crs: WGS84, resolution: 9, outside: keep }} }}\n\
         \x20   properties:\n\
         \x20     - {{ name: n, logicalType: integer, required: true }}\n\
         \x20     - {{ name: lng, logicalType: number, physicalType: Float64, required: true }}\n\
         \x20     - {{ name: lat, logicalType: number, physicalType: Float64, required: true }}\n"
    )
}

/// A batch as a connector gives it: text, to be checked.
fn batch(number: usize) -> Outcome<RecordBatch> {
    let text = |of: &dyn Fn(usize) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..ROWS).map(|row| of(number * ROWS + row))))
    };
    Ok(RecordBatch::try_from_iter([
        ("n", text(&|row| row.to_string())),
        ("lng", text(&|row| format!("{:.5}", 121.0 + (row as f64 * 0.618_034).fract() / 5.0))),
        ("lat", text(&|row| format!("{:.5}", 32.0 + (row as f64 * 0.754_878).fract() / 10.0))),
    ])?)
}

/// Bytes of values in a batch: what came in.
fn received(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(0)).sum()
}

/// Bytes that this process has written so far.
fn written() -> Outcome<u64> {
    let io = std::fs::read_to_string("/proc/self/io")?;
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: ")).ok_or("no wchar")?;
    Ok(line.parse()?)
}

fn percentile(times: &mut [Duration], share: f64) -> f64 {
    times.sort();
    let at = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
    times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

/// Twenty feeds, for rows to land in and for queries.
async fn open(tail: Tail, folder: &Path) -> Outcome<(Lander, Catalog)> {
    let lake = Lake::open(folder)?.with_tail(tail);
    let mut contracts = Vec::new();
    for number in 0..FEEDS {
        let feed: FeedName = name(number).parse()?;
        let read = contract::parse(&feed, &contract(number)).map_err(|errors| format!("{errors:?}"))?;
        contracts.push(Arc::new(read));
    }
    let areas = Arc::new(Areas::new(Vec::new())?);
    let feeds = open_feeds(&lake, &contracts).await?;
    let lander = Lander::new(feeds, areas, Arc::new(SystemClock), 1 << 30);
    let mut catalog = Catalog::new(SessionConfig { threads: 2, memory: 1 << 30, local_files: false })?;
    for (name, feed) in lander.feeds() {
        catalog.add_feed(name, &feed.table, &feed.quarantine)?;
    }
    Ok((lander, catalog))
}

fn name(number: usize) -> String {
    format!("live.f{}", number % FEEDS)
}

/// Lands a batch and, where it is asked for, looks for it: how long until it was acknowledged, and until it was found.
async fn land(
    lander: &Lander,
    catalog: &Catalog,
    feed: &str,
    batch: RecordBatch,
    looks: bool,
) -> Outcome<(Duration, Option<Duration>)> {
    let came = Instant::now();
    let receipt = lander.land_batch(feed, batch, "bench").await?;
    let acknowledged = came.elapsed();
    if !looks {
        return Ok((acknowledged, None));
    }
    let statement = format!("SELECT count(*) AS n FROM {feed} WHERE _submission = '{}'", receipt.submission);
    let (_, rows) = catalog.sql(&statement, SystemClock.now()).await?;
    let count = rows.first().and_then(|rows| rows.column(0).as_any().downcast_ref::<Int64Array>());
    if count.is_none_or(|count| count.value(0) != ROWS as i64) {
        return Err(format!("{feed}: an acknowledged batch is not found").into());
    }
    Ok((acknowledged, Some(came.elapsed())))
}

async fn measure(way: &str, tail: Tail, batches: usize, folder: &Path) -> Outcome<()> {
    let (lander, catalog) = open(tail, folder).await?;
    let given: Vec<RecordBatch> = (0..batches).map(batch).collect::<Outcome<_>>()?;
    let bytes: usize = given.iter().map(received).sum();
    let before = written()?;
    let started = Instant::now();
    let landing = futures::stream::iter(given.into_iter().enumerate()).map(|(number, batch)| {
        let (lander, catalog) = (&lander, &catalog);
        async move { land(lander, catalog, &name(number), batch, number % LOOK_EVERY == 0).await }
    });
    let done: Vec<Outcome<(Duration, Option<Duration>)>> = landing.buffer_unordered(AT_ONCE).collect().await;
    let seconds = started.elapsed().as_secs_f64();
    let (mut acknowledged, mut found) = (Vec::new(), Vec::new());
    for times in done {
        let (one, other) = times?;
        acknowledged.push(one);
        found.extend(other);
    }
    let landing = Instant::now();
    for feed in lander.feeds().values() {
        feed.table.land_tail().await?;
    }
    let behind = landing.elapsed().as_secs_f64() * 1e3;
    let bytes_written = written()? - before;
    println!(
        "{{\"way\": \"{way}\", \"batches\": {batches}, \"feeds\": {FEEDS}, \"rows\": {ROWS}, \"commits_per_s\": {:.0}, \
         \"ack_p50_ms\": {:.2}, \"ack_p99_ms\": {:.2}, \"queryable_p50_ms\": {:.2}, \"queryable_p99_ms\": {:.2}, \
         \"landing_ms\": {behind:.0}, \"written_per_received\": {:.2}}}",
        batches as f64 / seconds,
        percentile(&mut acknowledged, 0.5),
        percentile(&mut acknowledged, 0.99),
        percentile(&mut found, 0.5),
        percentile(&mut found, 0.99),
        bytes_written as f64 / bytes.max(1) as f64,
    );
    Ok(())
}

fn main() -> Outcome<()> {
    let given: Vec<String> = std::env::args().skip(1).filter(|given| !given.starts_with("--")).collect();
    let batches = given.first().map_or(Ok(2_000), |count| count.parse())?;
    let below = given.get(1).map_or_else(std::env::temp_dir, Into::into);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    for (way, age_s) in [("tail", 60), ("commit", 0)] {
        let folder = tempfile::tempdir_in(&below)?;
        let tail = Tail { age_s, bytes: 16 << 20, rows: 65_536 };
        runtime.block_on(measure(way, tail, batches, folder.path()))?;
    }
    Ok(())
}
