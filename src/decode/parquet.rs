//! Parquet: only the wanted columns, in small batches, with the file's own claims about Arrow types ignored.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

use super::{BATCH_ROWS, Error, Progress, Request, Rows, Sink};

fn unreadable(why: impl ToString) -> Error {
    let mut why = why.to_string();
    // The reader's errors are wrapped in each other, each time with the same words in front.
    while let Some(inner) = ["Parquet error: ", "Parquet argument error: ", "External: "]
        .iter()
        .find_map(|words| why.strip_prefix(words))
    {
        why = inner.to_owned();
    }
    Error::Unreadable { format: "Parquet", why }
}

fn guarded<T>(step: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    super::guard::guarded("Parquet", step)
}

pub(super) fn decode(
    file: File,
    request: &Request,
    progress: &Arc<Progress>,
    sink: &mut Sink<'_>,
) -> Result<(), Error> {
    let total = progress.total.load(Ordering::Relaxed);
    let (mut reader, rows) = guarded(|| {
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder =
            ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).map_err(unreadable)?;
        let rows = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
        let found: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
        let roots = request.resolve(&found)?.into_iter().flatten();
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
        let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(unreadable)?;
        Ok((reader, rows))
    })?;
    let mut number = 0_i64;
    while let Some(batch) = guarded(|| reader.next().transpose().map_err(unreadable))? {
        let first = number + 1;
        number += i64::try_from(batch.num_rows()).unwrap_or(i64::MAX);
        let batch = request.arrange(&batch)?;
        sink(Rows { batch, numbers: (first..=number).collect(), unreadable: Vec::new() })?;
        let share = u128::from(total) * u128::try_from(number).unwrap_or(0) / u128::from(rows.max(1));
        progress.bytes.store(u64::try_from(share).unwrap_or(total).min(total), Ordering::Relaxed);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readers_wrapping_is_not_told() {
        let refused = unreadable("External: Parquet argument error: Parquet error: bad page");
        assert_eq!(refused.to_string(), "the file cannot be read as Parquet: bad page");
    }
}
