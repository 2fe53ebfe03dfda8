//! Writes one Parquet file of a table in bounded memory and keeps the statistics that let readers skip it.

use std::sync::Arc;

use arrow::array::{Array, AsArray, PrimitiveArray};
use arrow::compute::{max, min};
use arrow::datatypes::{ArrowPrimitiveType, Int64Type, SchemaRef, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use object_store::ObjectStore;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use parquet::arrow::AsyncArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};

use super::{Error, TableName};

/// Rows of a row group: small enough to prune by, large enough to compress.
const ROW_GROUP_ROWS: usize = 131_072;
/// A file of fewer rows stays in memory beside the disk, as the hot tail.
const HOT_ROWS: u64 = 65_536;

/// A Parquet file in the making.
pub struct FileWriter {
    table: TableName,
    path: String,
    inner: AsyncArrowWriter<BufWriter>,
    written: Written,
    hot: Option<Vec<RecordBatch>>,
    schema: SchemaRef,
}

impl std::fmt::Debug for FileWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileWriter")
            .field("path", &self.path)
            .field("rows", &self.written.rows)
            .finish_non_exhaustive()
    }
}

/// A finished file, durable but not yet committed.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// Path below the table's folder.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Rows.
    pub rows: u64,
    /// Smallest and largest `_event_time`.
    pub event_time: Option<(i64, i64)>,
    /// Smallest and largest `_cell`.
    pub cell: Option<(i64, i64)>,
    /// The rows, where they are few.
    pub hot: Option<RecordBatch>,
}

impl FileWriter {
    pub(super) fn new(
        table: TableName,
        store: Arc<dyn ObjectStore>,
        path: String,
        schema: SchemaRef,
    ) -> Result<Self, Error> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_created_by(concat!("cityloom ", env!("CARGO_PKG_VERSION")).into())
            .build();
        let sink = BufWriter::new(store, Path::from(path.as_str()));
        let inner = AsyncArrowWriter::try_new(sink, Arc::clone(&schema), Some(properties))
            .map_err(|source| Error::File { table: table.clone(), source })?;
        let written = Written { path: path.clone(), ..Written::default() };
        Ok(Self { table, path, inner, written, hot: Some(Vec::new()), schema })
    }

    /// Appends rows.
    ///
    /// # Errors
    /// Where the store refuses.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        self.inner.write(batch).await.map_err(|source| self.failed(source))?;
        self.written.rows += batch.num_rows() as u64;
        widen(&mut self.written.event_time, bounds::<TimestampMicrosecondType>(batch, "_event_time"));
        widen(&mut self.written.cell, bounds::<Int64Type>(batch, "_cell"));
        if self.written.rows > HOT_ROWS {
            self.hot = None;
        } else if let Some(hot) = &mut self.hot {
            hot.push(batch.clone());
        }
        Ok(())
    }

    /// Closes the file; when this returns it is durable.
    ///
    /// # Errors
    /// Where the store refuses; the file is then as good as never begun.
    pub async fn finish(mut self) -> Result<Written, Error> {
        self.inner.finish().await.map_err(|source| self.failed(source))?;
        self.written.size = self.inner.bytes_written() as u64;
        self.written.hot = self.hot.and_then(|hot| arrow::compute::concat_batches(&self.schema, &hot).ok());
        Ok(self.written)
    }

    fn failed(&self, source: parquet::errors::ParquetError) -> Error {
        Error::File { table: self.table.clone(), source }
    }
}

fn bounds<T: ArrowPrimitiveType<Native = i64>>(batch: &RecordBatch, column: &str) -> Option<(i64, i64)> {
    let array: &PrimitiveArray<T> = batch.column_by_name(column)?.as_primitive_opt::<T>()?;
    if array.null_count() == array.len() {
        return None;
    }
    Some((min(array)?, max(array)?))
}

fn widen(all: &mut Option<(i64, i64)>, more: Option<(i64, i64)>) {
    *all = match (*all, more) {
        (Some((least, most)), Some((low, high))) => Some((least.min(low), most.max(high))),
        (known, None) => known,
        (None, new) => new,
    };
}
