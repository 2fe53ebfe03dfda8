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

use super::encoding::properties;
use super::live::Tail;
use super::{Error, TableName};

/// A file of fewer rows stays in memory beside the disk, as the hot tail.
const HOT_ROWS: u64 = 65_536;
/// And of fewer bytes: rejected rows may each be as long as a row can be.
const HOT_BYTES: usize = 32 << 20;
/// A row group that takes so much memory is written before it is full.
const GROUP_BYTES: usize = 128 << 20;

/// A Parquet file in the making.
pub struct FileWriter {
    table: TableName,
    path: String,
    store: Arc<dyn ObjectStore>,
    /// None until the first rows show how to write the rest.
    inner: Option<AsyncArrowWriter<BufWriter>>,
    written: Written,
    hot: Option<Vec<RecordBatch>>,
    hot_bytes: usize,
    /// Rows stay in memory alone until they are more than this.
    held: Option<Tail>,
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
    /// Whether they are nowhere else: there is no such file.
    pub held: bool,
}

impl FileWriter {
    pub(super) fn new(
        table: TableName,
        store: Arc<dyn ObjectStore>,
        path: String,
        schema: SchemaRef,
    ) -> Self {
        let written = Written { path: path.clone(), ..Written::default() };
        Self {
            table,
            path,
            store,
            inner: None,
            written,
            hot: Some(Vec::new()),
            hot_bytes: 0,
            held: None,
            schema,
        }
    }

    /// The same, but rows within those bounds stay in memory and make no file.
    pub(super) fn held_within(self, bounds: Tail) -> Self {
        Self { held: Some(bounds), ..self }
    }

    /// The columns that its rows have.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn open(&self, first: &RecordBatch) -> Result<AsyncArrowWriter<BufWriter>, Error> {
        let sink = BufWriter::new(Arc::clone(&self.store), Path::from(self.path.as_str()));
        AsyncArrowWriter::try_new(sink, Arc::clone(&self.schema), Some(properties(first)))
            .map_err(|source| self.failed(source))
    }

    /// Appends rows.
    ///
    /// # Errors
    /// Where the store refuses, or the schema cannot be written as Parquet.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        if let Some(bounds) = self.held {
            let rows = self.written.rows + batch.num_rows() as u64;
            let bytes = self.hot_bytes + batch.get_array_memory_size();
            if rows <= bounds.rows.min(HOT_ROWS) && bytes <= bounds.bytes.min(HOT_BYTES) {
                self.keep(batch);
                return Ok(());
            }
            self.held = None;
            for held in self.hot.clone().unwrap_or_default() {
                self.put(&held).await?;
            }
        }
        self.put(batch).await?;
        self.keep(batch);
        Ok(())
    }

    async fn put(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let mut inner = match self.inner.take() {
            Some(inner) => inner,
            None => self.open(batch)?,
        };
        inner.write(batch).await.map_err(|source| self.failed(source))?;
        if inner.in_progress_size() > GROUP_BYTES {
            inner.flush().await.map_err(|source| self.failed(source))?;
        }
        self.inner = Some(inner);
        Ok(())
    }

    fn keep(&mut self, batch: &RecordBatch) {
        self.hot_bytes += batch.get_array_memory_size();
        self.written.rows += batch.num_rows() as u64;
        widen(&mut self.written.event_time, bounds::<TimestampMicrosecondType>(batch, "_event_time"));
        widen(&mut self.written.cell, bounds::<Int64Type>(batch, "_cell"));
        if self.written.rows > HOT_ROWS || self.hot_bytes > HOT_BYTES {
            self.hot = None;
        } else if let Some(hot) = &mut self.hot {
            hot.push(batch.clone());
        }
    }

    /// Closes the file; when this returns it is durable.
    ///
    /// # Errors
    /// Where the store refuses; the file is then as good as never begun.
    pub async fn finish(mut self) -> Result<Written, Error> {
        if self.held.is_some() {
            self.written.held = true;
            let rows = arrow::compute::concat_batches(&self.schema, &self.hot.take().unwrap_or_default())
                .map_err(|error| self.failed(error.into()))?;
            return Ok(Written { hot: Some(rows), ..self.written });
        }
        let mut inner = match self.inner.take() {
            Some(inner) => inner,
            None => self.open(&RecordBatch::new_empty(Arc::clone(&self.schema)))?,
        };
        inner.finish().await.map_err(|source| self.failed(source))?;
        self.written.size = inner.bytes_written() as u64;
        self.written.hot = self.hot.and_then(|hot| arrow::compute::concat_batches(&self.schema, &hot).ok());
        Ok(self.written)
    }

    fn failed(&self, source: parquet::errors::ParquetError) -> Error {
        Error::File { table: self.table.clone(), source }
    }
}

/// Rows that are in memory alone, with their bounds.
pub(super) fn bounds_of(rows: RecordBatch) -> Written {
    Written {
        rows: rows.num_rows() as u64,
        event_time: bounds::<TimestampMicrosecondType>(&rows, "_event_time"),
        cell: bounds::<Int64Type>(&rows, "_cell"),
        hot: Some(rows),
        held: true,
        ..Written::default()
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
