//! How each column of a file is written: where values repeat, by a dictionary; where they hardly do, in the way that suits
//! their type, because a dictionary that holds every value once costs time and room and saves nothing.

use std::collections::HashSet;

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;

/// Rows of a row group: small enough to prune an hour by, large enough for a cell's rows to lie side by side in a merged file,
/// which halves its bytes and makes reading a few cells three times as fast as groups of a quarter (`benches/layout.rs`).
pub(super) const ROW_GROUP_ROWS: usize = 524_288;
/// A row group that takes so many bytes is full, because a writer holds it until it is.
const ROW_GROUP_BYTES: usize = 128 << 20;
/// Rows that are looked at before the first is written.
const SAMPLE: usize = 4_096;

/// A file's properties, as its first rows suggest them.
pub(super) fn properties(first: &RecordBatch) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        .set_created_by(concat!("cityloom ", env!("CARGO_PKG_VERSION")).into());
    for (field, column) in first.schema().fields().iter().zip(first.columns()) {
        if repeats(column) {
            continue;
        }
        let path = ColumnPath::from(field.name().as_str());
        properties = properties
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, without_dictionary(field.data_type()));
    }
    properties.build()
}

/// Whether at least every second value of the first rows has come before.
fn repeats(column: &dyn Array) -> bool {
    let rows = column.len().min(SAMPLE);
    let distinct = match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().iter().take(rows).collect::<HashSet<_>>().len(),
        kind => {
            let data = column.to_data();
            let width = kind.primitive_width().unwrap_or_default();
            let bytes = data.buffers().first().and_then(|values| values.get(data.offset() * width..));
            match bytes {
                Some(bytes) if width > 0 => {
                    bytes.chunks_exact(width).take(rows).collect::<HashSet<_>>().len()
                }
                _ => 0,
            }
        }
    };
    distinct * 2 <= rows
}

/// Neighbours' differences for whole numbers and times, equal bytes side by side for fractions.
fn without_dictionary(kind: &DataType) -> Encoding {
    match kind {
        DataType::Float32 | DataType::Float64 => Encoding::BYTE_STREAM_SPLIT,
        DataType::Int32 | DataType::Int64 | DataType::Date32 | DataType::Timestamp(..) => {
            Encoding::DELTA_BINARY_PACKED
        }
        _ => Encoding::PLAIN,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
    use bytes::Bytes;
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    /// Columns that repeat and columns that do not, of every type that a contract knows.
    fn batch(rows: i64) -> RecordBatch {
        let whole = |of: fn(i64) -> i64| Int64Array::from_iter_values((0..rows).map(of));
        let text = |of: fn(i64) -> String| StringArray::from_iter_values((0..rows).map(of));
        RecordBatch::try_from_iter([
            ("row", Arc::new(whole(|i| i)) as ArrayRef),
            ("same", Arc::new(whole(|_| 7))),
            ("nulls", Arc::new((0..rows).map(|i| (i % 3 == 0).then_some(i)).collect::<Int64Array>())),
            ("fraction", Arc::new(Float64Array::from_iter_values((0..rows).map(|i| (i as f64).sin())))),
            ("level", Arc::new(Float64Array::from_iter_values((0..rows).map(|i| (i % 9) as f64)))),
            ("id", Arc::new(text(|i| format!("{i:x}")))),
            ("kind", Arc::new(text(|i| format!("k{}", i % 3)))),
            ("flag", Arc::new((0..rows).map(|i| Some(i % 2 == 0)).collect::<BooleanArray>())),
        ])
        .unwrap()
    }

    #[test]
    fn only_columns_that_repeat_have_a_dictionary_and_every_value_comes_back() {
        let batch = batch(10_000);
        let mut file = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties(&batch))).unwrap();
        writer.write(&batch).unwrap();
        let written = writer.close().unwrap();
        let columns = written.row_group(0).columns();
        let with: Vec<String> = columns
            .iter()
            .filter(|column| column.dictionary_page_offset().is_some())
            .map(|column| column.column_path().string())
            .collect();
        assert_eq!(with, ["same", "nulls", "level", "kind"]);
        assert!(written.row_group(0).column(0).compressed_size() < 1_000, "row numbers take next to nothing");
        let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(file)).unwrap();
        let back: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
        assert_eq!(arrow::compute::concat_batches(&batch.schema(), &back).unwrap(), batch);
    }

    #[test]
    fn a_slice_is_looked_at_where_it_lies() {
        let varied = Int64Array::from_iter_values((0..100).chain(std::iter::repeat_n(5, 100)));
        assert!(!repeats(&varied.slice(0, 100)) && repeats(&varied.slice(100, 100)));
        assert!(repeats(&varied.slice(0, 0)));
    }
}
