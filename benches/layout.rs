//! How a merged file should lie on the disk: bytes, and the time of what reads it, for the order of its rows, the size of its row
//! groups, its compression and its bloom filters. `cargo bench --bench layout -- 10000000`; one JSON object a layout.
#![expect(clippy::print_stdout, reason = "it is what a benchmark is for")]

use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Float32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::{SortColumn, lexsort_to_indices, take_record_batch};
use datafusion::execution::context::SessionContext;
use datafusion::prelude::{ParquetReadOptions, SessionConfig};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

type Outcome<T> = Result<T, Box<dyn Error>>;

const START: i64 = 1_772_352_000_000_000;
const CELLS: i64 = 20_000;
const SENSORS: i64 = 50_000;
/// Rows a second of event time: the history is five hours for every ten million rows.
const RATE: i64 = 550;
const FILE_ROWS: i64 = 1 << 20;
/// Rows of a row group.
const ROW_GROUP: usize = 1 << 19;
const ROUNDS: usize = 5;

/// How a file is laid out.
#[derive(Clone, Copy)]
struct Layout {
    name: &'static str,
    /// Rows of a slice that is ordered by cell; none: as they landed.
    by_cell: Option<i64>,
    group: usize,
    compression: fn() -> Outcome<Compression>,
    bloom: bool,
}

fn zstd(level: i32) -> Outcome<Compression> {
    Ok(Compression::ZSTD(ZstdLevel::try_new(level)?))
}

const LANDED: Layout =
    Layout { name: "as landed", by_cell: None, group: ROW_GROUP, compression: || zstd(1), bloom: false };
/// What cityloom's merges write.
const BY_CELL: Layout =
    Layout { name: "by cell in each row group", by_cell: Some(ROW_GROUP as i64), ..LANDED };
const LAYOUTS: [Layout; 9] = [
    LANDED,
    BY_CELL,
    Layout { name: "by cell in each file", by_cell: Some(FILE_ROWS), ..LANDED },
    Layout { name: "by cell, groups of 32 Ki", by_cell: Some(32_768), group: 32_768, ..LANDED },
    Layout { name: "by cell, groups of 128 Ki", by_cell: Some(131_072), group: 131_072, ..LANDED },
    Layout { name: "by cell, zstd 3", compression: || zstd(3), ..BY_CELL },
    Layout { name: "by cell, zstd 9", compression: || zstd(9), ..BY_CELL },
    Layout { name: "by cell, snappy", compression: || Ok(Compression::SNAPPY), ..BY_CELL },
    Layout { name: "by cell, bloom filter of the sensor", bloom: true, ..BY_CELL },
];

/// What reads it: a full recompute, a window, a few cells, one sensor.
const READS: [(&str, &str); 5] = [
    ("all_ms", "SELECT _cell, count(*), avg(speed), max(speed) FROM t GROUP BY 1"),
    (
        "hour_ms",
        "SELECT _cell, avg(speed) FROM t WHERE _event_time >= TIMESTAMP '2026-03-01T09:00:00Z' AND _event_time < TIMESTAMP '2026-03-01T10:00:00Z' GROUP BY 1",
    ),
    (
        "cells_ms",
        "SELECT _cell, avg(speed) FROM t WHERE _cell IN (1000100, 1000101, 1007000, 1015000) GROUP BY 1",
    ),
    (
        "hour_cells_ms",
        "SELECT _cell, avg(speed) FROM t WHERE _cell BETWEEN 1000100 AND 1000120 AND _event_time >= TIMESTAMP '2026-03-01T09:00:00Z' AND _event_time < TIMESTAMP '2026-03-01T10:00:00Z' GROUP BY 1",
    ),
    ("sensor_ms", "SELECT count(*), avg(speed) FROM t WHERE sensor = 'S031415'"),
];

/// Rows `from` to `to` of a feed in which every sensor has its cell, and rows come a little out of order.
fn rows(from: i64, to: i64) -> Outcome<RecordBatch> {
    let part = |row: i64, step: f64| (row as f64 * step).fract();
    let sensor = |row: i64| (SENSORS as f64 * part(row, 0.754_877_666_2)) as i64;
    let columns: [(&str, ArrayRef); 5] = [
        (
            "sensor",
            Arc::new(StringArray::from_iter_values((from..to).map(|row| format!("S{:06}", sensor(row))))),
        ),
        (
            "speed",
            Arc::new(Float32Array::from_iter_values(
                (from..to).map(|row| (1_200.0 * part(row, 0.618_033_988_7)).round() as f32 / 10.0),
            )),
        ),
        (
            "_event_time",
            Arc::new(
                TimestampMicrosecondArray::from_iter_values(
                    (from..to).map(|row| START + (row - row * 7 % 1_000) * 1_000_000 / RATE),
                )
                .with_timezone("UTC"),
            ),
        ),
        (
            "_cell",
            Arc::new(Int64Array::from_iter_values(
                (from..to).map(|row| 1_000_000 + sensor(row) * CELLS / SENSORS),
            )),
        ),
        (
            "_area",
            Arc::new(StringArray::from_iter_values(
                (from..to).map(|row| format!("3206{:08}", sensor(row) * CELLS / SENSORS / 4)),
            )),
        ),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}

fn by_cell(rows: &RecordBatch) -> Outcome<RecordBatch> {
    let column = |name: &str| rows.column_by_name(name).cloned().ok_or("no such column");
    let by =
        ["_cell", "_event_time"].map(|name| column(name).map(|values| SortColumn { values, options: None }));
    let by = by.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(take_record_batch(rows, &lexsort_to_indices(&by, None)?)?)
}

fn write(folder: &Path, layout: Layout, rows_of_all: i64) -> Outcome<()> {
    for from in (0..rows_of_all).step_by(FILE_ROWS as usize) {
        let to = rows_of_all.min(from + FILE_ROWS);
        let time = ColumnPath::from("_event_time");
        let properties = WriterProperties::builder()
            .set_compression((layout.compression)()?)
            .set_max_row_group_row_count(Some(layout.group))
            .set_column_dictionary_enabled(time.clone(), false)
            .set_column_encoding(time, Encoding::DELTA_BINARY_PACKED)
            .set_column_bloom_filter_enabled(ColumnPath::from("sensor"), layout.bloom);
        let first = rows(from, from + 1)?;
        let file = File::create(folder.join(format!("{from:012}.parquet")))?;
        let mut writer = ArrowWriter::try_new(file, first.schema(), Some(properties.build()))?;
        let slice = layout.by_cell.unwrap_or(ROW_GROUP as i64);
        for start in (from..to).step_by(slice as usize) {
            let rows = rows(start, to.min(start + slice))?;
            writer.write(&if layout.by_cell.is_some() { by_cell(&rows)? } else { rows })?;
        }
        writer.close()?;
    }
    Ok(())
}

async fn best(context: &SessionContext, sql: &str) -> Outcome<(Duration, usize)> {
    let mut best = Duration::MAX;
    let mut found = 0;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        found = context.sql(sql).await?.collect().await?.iter().map(RecordBatch::num_rows).sum();
        best = best.min(started.elapsed());
    }
    Ok((best, found))
}

async fn measure(layout: Layout, rows: i64, pushdown: bool) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let started = Instant::now();
    write(folder.path(), layout, rows)?;
    let write_s = started.elapsed().as_secs_f64();
    let mut bytes = 0;
    for file in std::fs::read_dir(folder.path())? {
        bytes += file?.metadata()?.len();
    }
    let mut config = SessionConfig::new().with_target_partitions(2);
    config.options_mut().execution.parquet.pushdown_filters = pushdown;
    config.options_mut().execution.parquet.reorder_filters = pushdown;
    let context = SessionContext::new_with_config(config);
    let path = folder.path().to_str().ok_or("a path that is no text")?;
    context.register_parquet("t", path, ParquetReadOptions::default()).await?;
    let mut told = serde_json::json!({
        "layout": layout.name, "pushdown": pushdown, "rows": rows, "write_s": write_s, "bytes": bytes,
    });
    for (name, sql) in READS {
        let (time, found) = best(&context, sql).await?;
        if found == 0 {
            return Err(format!("{name} found nothing").into());
        }
        told[name] = ((time.as_secs_f64() * 1e5).round() / 1e2).into();
    }
    println!("{told}");
    Ok(())
}

fn main() -> Outcome<()> {
    let given = std::env::args().skip(1).find_map(|arg| arg.parse().ok());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    for layout in LAYOUTS {
        for pushdown in [false, true] {
            runtime.block_on(measure(layout, given.unwrap_or(10_000_000), pushdown))?;
        }
    }
    Ok(())
}
