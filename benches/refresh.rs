//! A drop of 10,000 rows on a long history: from the committed drop to the new result, beside the full recompute.
//! `cargo bench --bench refresh -- 1000000 10000000`; `make bench` runs it beside the materialised views of chdb. One JSON
//! object a history: milliseconds, and sums of the last result, by which it is held against the peers'.
#![expect(clippy::print_stdout, reason = "it is what a benchmark is for")]

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Float32Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::util::display::array_value_to_string;
use cityloom::fusion::{Catalog, Engine, QueryFile, SessionConfig, Tick};
use cityloom::lake::{Commit, Lake, Table, TableName};
use cityloom::model::{FeedName, Micros};

type Outcome<T> = Result<T, Box<dyn Error>>;

const START: i64 = 1_772_352_000_000_000;
const CELLS: i64 = 20_000;
const DROP_ROWS: i64 = 10_000;
const DROPS: usize = 15;
const BATCH_ROWS: i64 = 65_536;
const FILE_ROWS: i64 = 1 << 20;
/// Rows of history a second of event time.
const RATE: i64 = 2_000;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("speed", DataType::Float32, true),
        Field::new("_event_time", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        Field::new("_cell", DataType::Int64, true),
    ]))
}

/// Rows `from` to `to` of an endless feed: the same in every run.
fn rows(from: i64, to: i64) -> Outcome<RecordBatch> {
    let part = |row: i64, step: f64| (row as f64 * step).fract();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Float32Array::from_iter_values(
            (from..to).map(|row| (120.0 * part(row, 0.618_033_988_7)) as f32),
        )),
        Arc::new(
            TimestampMicrosecondArray::from_iter_values((from..to).map(|row| START + row * 1_000_000 / RATE))
                .with_timezone("UTC"),
        ),
        Arc::new(Int64Array::from_iter_values(
            (from..to).map(|row| 1_000_000 + (CELLS as f64 * part(row, 0.754_877_666_2)) as i64),
        )),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}

async fn land(table: &Table, from: i64, to: i64) -> Outcome<()> {
    let mut file = table.new_file(&format!("rows-{from}"), 0);
    for start in (from..to).step_by(BATCH_ROWS as usize) {
        file.write(&rows(start, to.min(start + BATCH_ROWS))?).await?;
    }
    let sha256 = format!("rows-{from}");
    let commit = Commit { files: vec![file.finish().await?], sha256, landed_at: START, ..Commit::default() };
    table.commit(&commit).await?.map_err(|_| "landed before")?;
    Ok(())
}

async fn measure(history: i64) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let feed: FeedName = "traffic.speed".parse()?;
    let lake = Lake::open(folder.path())?;
    let table = lake.table(&TableName::Feed(feed.clone()), schema()).await?;
    let quarantine = lake.table(&TableName::Quarantine(feed.clone()), schema()).await?;
    for from in (0..history).step_by(FILE_ROWS as usize) {
        land(&table, from, history.min(from + FILE_ROWS)).await?;
    }
    let mut catalog = Catalog::new(SessionConfig { threads: 2, memory: 1 << 30, local_files: false })?;
    catalog.add_feed(&feed, &table, &quarantine)?;
    let engine = Engine::new(catalog);
    let text = "-- ---\n-- table: cells\n-- ---\nSELECT _cell AS cell, count(*) AS readings, avg(speed) AS speed, max(speed) AS top FROM traffic.speed GROUP BY 1\n";
    let file = QueryFile { file: "queries/cells.sql".into(), text: text.into() };
    let now = |row: i64| Micros(START + row * 1_000_000 / RATE);
    if let Some(problem) = engine.load(&[file], now(history)).await.first() {
        return Err(problem.to_string().into());
    }
    let started = Instant::now();
    refreshed(&engine, Tick::All, now(history)).await?;
    let backfill = started.elapsed();
    let started = Instant::now();
    engine.recompute("cells", now(history)).await?;
    let recompute = started.elapsed();
    let mut times = Vec::new();
    let mut end = history;
    for _ in 0..DROPS {
        land(&table, end, end + DROP_ROWS).await?;
        end += DROP_ROWS;
        let committed = Instant::now();
        refreshed(&engine, Tick::Moved, now(end)).await?;
        times.push(committed.elapsed());
    }
    times.sort();
    let ms = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    let sums = "SELECT count(*), sum(readings), sum(speed), sum(top) FROM cells";
    let (_, found) = engine.catalog().sql(sums, now(end)).await?;
    let found = found.first().ok_or("no sums")?;
    let number =
        |column: usize| -> Outcome<f64> { Ok(array_value_to_string(found.column(column), 0)?.parse()?) };
    println!(
        "{{\"history\": {history}, \"backfill_ms\": {:.1}, \"recompute_ms\": {:.1}, \"drop_ms\": {:.2}, \"slowest_ms\": {:.2}, \
         \"cells\": {}, \"rows\": {}, \"means\": {}, \"most\": {}}}",
        ms(backfill),
        ms(recompute),
        ms(times.get(DROPS / 2).copied().unwrap_or_default()),
        ms(times.last().copied().unwrap_or_default()),
        number(0)?,
        number(1)?,
        number(2)?,
        number(3)?,
    );
    Ok(())
}

async fn refreshed(engine: &Engine, tick: Tick, now: Micros) -> Outcome<()> {
    for change in engine.refresh(tick, now).await {
        change.map_err(|problem| problem.to_string())?;
    }
    Ok(())
}

fn main() -> Outcome<()> {
    let histories: Vec<i64> = std::env::args().filter_map(|history| history.parse().ok()).collect();
    let histories = if histories.is_empty() { vec![1_000_000, 10_000_000] } else { histories };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    for history in histories {
        runtime.block_on(measure(history))?;
    }
    Ok(())
}
