//! Parquet: only the wanted columns, in small batches, with the file's own claims about Arrow types ignored.
//!
//! Text is read as views into the file's pages, so that a dictionary's one long value that is repeated a million times
//! is measured before it is copied once.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{Array as _, ArrayRef, AsArray as _};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::ipc::{self, root_as_message};
use arrow::record_batch::RecordBatch;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use parquet::arrow::ARROW_SCHEMA_META_KEY;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::FileMetaData;

use super::bounded_file::BoundedFile;
use super::units::{Units, in_units};
use super::{BATCH_BYTES, BATCH_ROWS, Bound, Error, Limits, Progress, Request, Rows, Sink};
use crate::model::UNIT;

/// Values of a batch, over all columns.
const BATCH_VALUES: usize = 1 << 20;

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
    let (mut reader, rows, units) = guarded(|| open(file, request))?;
    let mut number = 0_i64;
    while let Some(batch) = guarded(|| reader.next().transpose().map_err(unreadable))? {
        let batch = request.arrange(&in_units(batch, &units).map_err(unreadable)?)?;
        for part in parts(&batch, &request.limits)? {
            let batch = guarded(|| copied(&batch.slice(part.start, part.len())))?;
            let first = number + 1;
            number += i64::try_from(batch.num_rows()).unwrap_or(i64::MAX);
            sink(Rows { batch, numbers: (first..=number).collect(), unreadable: Vec::new() })?;
        }
        let share = u128::from(total) * u128::try_from(number).unwrap_or(0) / u128::from(rows.max(1));
        progress.bytes.store(u64::try_from(share).unwrap_or(total).min(total), Ordering::Relaxed);
    }
    Ok(())
}

/// Holds the footer against the bounds, then begins with the first wanted page.
fn open(file: File, request: &Request) -> Result<(ParquetRecordBatchReader, u64, Units), Error> {
    let limits = &request.limits;
    let file = BoundedFile(file);
    let options = || ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let footer = ArrowReaderMetadata::load(&file, options()).map_err(unreadable)?;
    let units = units(footer.metadata().file_metadata());
    let columns = footer.parquet_schema().root_schema().get_fields().len();
    limits.holds(Bound::Columns, columns as u64)?;
    limits.holds(Bound::RowGroups, footer.metadata().num_row_groups() as u64)?;
    let rows = u64::try_from(footer.metadata().file_metadata().num_rows()).unwrap_or(0);
    limits.holds(Bound::Rows, rows)?;

    let viewed: Vec<Field> = footer.schema().fields().iter().map(|field| viewed(field)).collect();
    let found: Vec<String> = viewed.iter().map(|field| field.name().clone()).collect();
    let roots: Vec<usize> = request.resolve(&found)?.indices.into_iter().flatten().collect();
    for field in roots.iter().filter_map(|&root| viewed.get(root)) {
        flat(field, limits)?;
    }
    // What the footer says may be a lie; then the memory is the bound.
    let schema = footer.parquet_schema();
    let wanted: Vec<bool> =
        (0..schema.num_columns()).map(|leaf| roots.contains(&schema.get_column_root_idx(leaf))).collect();
    for group in footer.metadata().row_groups() {
        let sizes = group.columns().iter().zip(&wanted).filter(|(_, wanted)| **wanted);
        let sizes = sizes.map(|(column, _)| u64::try_from(column.uncompressed_size()).unwrap_or(u64::MAX));
        limits.holds(Bound::RowGroup, sizes.fold(0, u64::saturating_add))?;
    }
    let mask = ProjectionMask::roots(footer.parquet_schema(), roots.iter().copied());
    let options = options().with_schema(Arc::new(Schema::new(viewed)));
    let footer = ArrowReaderMetadata::try_new(Arc::clone(footer.metadata()), options).map_err(unreadable)?;
    let size = (BATCH_VALUES / roots.len().max(1)).clamp(64, BATCH_ROWS);
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, footer);
    let reader = builder.with_projection(mask).with_batch_size(size).build().map_err(unreadable)?;
    Ok((reader, rows, units))
}

/// The units in the Arrow schema that writers put beside Parquet's own. Only names and texts are taken from it, and
/// those from a buffer that was verified: its types are what the reader is kept from believing.
fn units(footer: &FileMetaData) -> Units {
    let mut beside = footer.key_value_metadata().into_iter().flatten();
    let schema =
        beside.find(|entry| entry.key == ARROW_SCHEMA_META_KEY).and_then(|entry| entry.value.as_ref());
    let Some(bytes) = schema.and_then(|text| BASE64_STANDARD.decode(text).ok()) else { return Units::new() };
    let message = bytes.strip_prefix(&[0xff; 4]).unwrap_or(&bytes).get(4..).unwrap_or_default();
    let Ok(message) = root_as_message(message) else { return Units::new() };
    let fields = message.header_as_schema().and_then(|schema| schema.fields());
    let unit = |field: ipc::Field<'_>| {
        let mut said = field.custom_metadata().into_iter().flatten();
        let unit = said.find(|entry| entry.key() == Some(UNIT))?.value()?;
        Some((field.name()?.to_owned(), unit.to_owned()))
    };
    fields.into_iter().flatten().filter_map(unit).collect()
}

/// The field with text as views.
fn viewed(field: &Field) -> Field {
    let kind = match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        other => other.clone(),
    };
    field.clone().with_data_type(kind)
}

/// Whether the column is one value a row, of a width that is taken.
fn flat(field: &Field, limits: &Limits) -> Result<(), Error> {
    match field.data_type() {
        DataType::FixedSizeBinary(width) => limits.holds(Bound::Cell, u64::try_from(*width).unwrap_or(0)),
        kind if kind.is_nested() => {
            let why = format!("the column `{}` holds lists or groups; write one value a row", field.name());
            Err(Error::Unreadable { format: "Parquet", why })
        }
        _ => Ok(()),
    }
}

/// The lengths of a column's values, where they differ from number to number.
fn lengths(column: &ArrayRef) -> Option<Vec<u32>> {
    match column.data_type() {
        DataType::Utf8View => Some(column.as_string_view().lengths().collect()),
        DataType::BinaryView => Some(column.as_binary_view().lengths().collect()),
        DataType::FixedSizeBinary(width) => {
            Some(vec![u32::try_from(*width).unwrap_or(u32::MAX); column.len()])
        }
        _ => None,
    }
}

/// Runs of rows that can be copied: none has too much text, and no value is too long.
fn parts(batch: &RecordBatch, limits: &Limits) -> Result<Vec<Range<usize>>, Error> {
    let mut sizes = vec![0_usize; batch.num_rows()];
    for column in batch.columns() {
        for (row, length) in lengths(column).into_iter().flatten().enumerate() {
            limits.holds(Bound::Cell, u64::from(length))?;
            if let Some(size) = sizes.get_mut(row) {
                *size += length as usize;
            }
        }
    }
    let (mut parts, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (row, size) in sizes.iter().enumerate() {
        if bytes + size > BATCH_BYTES && row > start {
            parts.push(start..row);
            (start, bytes) = (row, 0);
        }
        bytes += size;
    }
    parts.push(start..batch.num_rows());
    Ok(parts)
}

/// The rows without views: text of their own.
fn copied(batch: &RecordBatch) -> Result<RecordBatch, Error> {
    let copy = |column: &ArrayRef| match column.data_type() {
        DataType::Utf8View => cast(column, &DataType::Utf8),
        DataType::BinaryView => cast(column, &DataType::Binary),
        _ => Ok(Arc::clone(column)),
    };
    let columns = batch.columns().iter().map(copy).collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    let field = |(field, column): (&Arc<Field>, &ArrayRef)| {
        field.as_ref().clone().with_data_type(column.data_type().clone())
    };
    let fields: Vec<Field> = batch.schema().fields().iter().zip(&columns).map(field).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(unreadable)
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
