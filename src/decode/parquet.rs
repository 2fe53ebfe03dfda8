//! Parquet: only the wanted columns, in small batches, with the file's own claims about Arrow types ignored.

use std::cell::Cell;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Once};

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

thread_local! {
    /// Whether this thread is inside the reader.
    static READING: Cell<bool> = const { Cell::new(false) };
}

/// Runs a step of the reader. Corrupt files make it panic now and then; that is the file's fault, a refusal like any
/// other, and not printed. Panics anywhere else are printed and end what they end, as before.
fn guarded<T>(step: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    static HUSH: Once = Once::new();
    HUSH.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !READING.get() {
                print(panic);
            }
        }));
    });
    READING.set(true);
    let done = catch_unwind(AssertUnwindSafe(step));
    READING.set(false);
    done.unwrap_or_else(|_| Err(unreadable("it is corrupt: the reader could not make sense of it")))
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
    fn a_panic_of_the_reader_is_a_refusal_and_the_next_step_runs() {
        let refused = guarded::<()>(|| panic!("as a reader does")).unwrap_err();
        assert!(refused.to_string().contains("it is corrupt"), "{refused}");
        assert_eq!(guarded(|| Ok(READING.get())), Ok(true));
        assert!(!READING.get());
    }

    #[test]
    fn the_readers_wrapping_is_not_told() {
        let refused = unreadable("External: Parquet argument error: Parquet error: bad page");
        assert_eq!(refused.to_string(), "the file cannot be read as Parquet: bad page");
    }
}
