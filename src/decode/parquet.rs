//! Parquet: only the wanted columns, in small batches, with the file's own claims about Arrow types ignored.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

use super::{BATCH_ROWS, Error, Progress, Request, Rows, Sink};

fn unreadable(why: impl ToString) -> Error {
    Error::Unreadable { format: "Parquet", why: why.to_string() }
}

/// Corrupt files make the reader panic now and then; that is the file's fault and a refusal like any other.
pub(super) fn decode(
    file: File,
    request: &Request,
    progress: &Arc<Progress>,
    sink: &mut Sink<'_>,
) -> Result<(), Error> {
    catch_unwind(AssertUnwindSafe(|| read(file, request, progress, sink)))
        .unwrap_or_else(|_| Err(unreadable("it is corrupt: the reader could not make sense of it")))
}

fn read(file: File, request: &Request, progress: &Arc<Progress>, sink: &mut Sink<'_>) -> Result<(), Error> {
    let total = progress.total.load(Ordering::Relaxed);
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).map_err(unreadable)?;
    let rows = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
    let found: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
    let wanted = request.resolve(&found)?;
    let roots = wanted.iter().flatten().copied();
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
    let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(unreadable)?;
    let mut number = 0_i64;
    for batch in reader {
        let batch = batch.map_err(unreadable)?;
        let first = number + 1;
        number += i64::try_from(batch.num_rows()).unwrap_or(i64::MAX);
        let batch = request.arrange(&batch)?;
        sink(Rows { batch, numbers: (first..=number).collect(), unreadable: Vec::new() })?;
        let share = total * u64::try_from(number).unwrap_or(0) / rows.max(1);
        progress.bytes.store(share, Ordering::Relaxed);
    }
    Ok(())
}
