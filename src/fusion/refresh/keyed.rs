//! Rows kept by key: found by the key's bytes, replaced in place, read as batches.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::compute::{filter_record_batch, interleave_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};

/// More chunks than this are put together.
const MOST_CHUNKS: usize = 64;

/// So many dead rows are not worth the trouble: a state has many small tables.
const DEAD: usize = 64;

/// A key's bytes.
pub(super) type Key = Box<[u8]>;

/// Makes keys of a batch's first columns.
#[derive(Debug)]
pub(super) struct Keys {
    columns: usize,
    converter: RowConverter,
}

impl Keys {
    pub(super) fn new(schema: &SchemaRef, columns: usize) -> Result<Self, ArrowError> {
        let fields =
            schema.fields().iter().take(columns).map(|field| SortField::new(field.data_type().clone()));
        Ok(Self { columns, converter: RowConverter::new(fields.collect())? })
    }

    /// The key of every row.
    pub(super) fn of(&self, rows: &RecordBatch) -> Result<Vec<Key>, ArrowError> {
        let columns: Vec<_> = rows.columns().iter().take(self.columns).cloned().collect();
        Ok(self.converter.convert_columns(&columns)?.iter().map(|row| row.as_ref().into()).collect())
    }
}

/// A row's place: its chunk and its number there.
type Place = (usize, usize);

/// One row a key.
#[derive(Debug, Clone)]
pub(super) struct Keyed {
    schema: SchemaRef,
    index: HashMap<Key, Place>,
    chunks: Vec<Chunk>,
    dead: usize,
}

#[derive(Debug, Clone)]
struct Chunk {
    rows: RecordBatch,
    /// Which rows still count; none while all do.
    alive: Option<Vec<bool>>,
}

impl Keyed {
    pub(super) fn new(schema: &SchemaRef) -> Self {
        Self { schema: Arc::clone(schema), index: HashMap::new(), chunks: Vec::new(), dead: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.index.keys()
    }

    /// Bytes of the rows and, roughly, of the index.
    pub(super) fn bytes(&self) -> usize {
        let rows: usize = self.chunks.iter().map(|chunk| chunk.rows.get_array_memory_size()).sum();
        let keys: usize = self.index.keys().map(|key| key.len()).sum();
        rows + keys + self.index.capacity() * (size_of::<Key>() + size_of::<Place>())
    }

    /// The rows of those of `keys` that are here.
    pub(super) fn gather<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a Key>,
    ) -> Result<Option<RecordBatch>, ArrowError> {
        let places: Vec<Place> = keys.into_iter().filter_map(|key| self.index.get(key).copied()).collect();
        if places.is_empty() {
            return Ok(None);
        }
        let chunks: Vec<&RecordBatch> = self.chunks.iter().map(|chunk| &chunk.rows).collect();
        interleave_record_batch(&chunks, &places).map(Some)
    }

    /// Puts rows in the place of those with the same keys; no two of them have one key.
    pub(super) fn upsert(&mut self, rows: RecordBatch, keys: Vec<Key>) -> Result<(), ArrowError> {
        let chunk = self.chunks.len();
        for (row, key) in keys.into_iter().enumerate() {
            if let Some(old) = self.index.insert(key, (chunk, row)) {
                self.bury(old);
            }
        }
        self.chunks.push(Chunk { rows, alive: None });
        self.tidy()
    }

    /// Takes keys out. Whether any was there.
    pub(super) fn remove<'a>(&mut self, keys: impl IntoIterator<Item = &'a Key>) -> Result<bool, ArrowError> {
        let before = self.index.len();
        for key in keys {
            if let Some(old) = self.index.remove(key) {
                self.bury(old);
            }
        }
        self.tidy()?;
        Ok(self.index.len() < before)
    }

    /// All rows.
    pub(super) fn rows(&self) -> Result<Vec<RecordBatch>, ArrowError> {
        let alive = |chunk: &Chunk| match &chunk.alive {
            None => Ok(chunk.rows.clone()),
            Some(alive) => filter_record_batch(&chunk.rows, &BooleanArray::from(alive.clone())),
        };
        self.chunks
            .iter()
            .map(alive)
            .filter(|rows| !matches!(rows, Ok(rows) if rows.num_rows() == 0))
            .collect()
    }

    fn bury(&mut self, (chunk, row): Place) {
        self.dead += 1;
        // A chunk is pushed after its keys are in: an older row of the same batch has none yet.
        if let Some(chunk) = self.chunks.get_mut(chunk) {
            let rows = chunk.rows.num_rows();
            if let Some(alive) = chunk.alive.get_or_insert_with(|| vec![true; rows]).get_mut(row) {
                *alive = false;
            }
        }
    }

    /// Puts chunks together where they are many or mostly dead.
    fn tidy(&mut self) -> Result<(), ArrowError> {
        if self.chunks.len() <= MOST_CHUNKS && self.dead <= self.index.len() / 2 + DEAD {
            return Ok(());
        }
        let mut live: Vec<(&mut Place, Place)> = self
            .index
            .values_mut()
            .map(|place| {
                let at = *place;
                (place, at)
            })
            .collect();
        live.sort_unstable_by_key(|(_, at)| *at);
        let chunks: Vec<&RecordBatch> = self.chunks.iter().map(|chunk| &chunk.rows).collect();
        let places: Vec<Place> = live.iter().map(|(_, at)| *at).collect();
        let rows = if places.is_empty() {
            RecordBatch::new_empty(Arc::clone(&self.schema))
        } else {
            interleave_record_batch(&chunks, &places)?
        };
        for (row, (place, _)) in live.into_iter().enumerate() {
            *place = (0, row);
        }
        self.chunks = vec![Chunk { rows, alive: None }];
        self.dead = 0;
        Ok(())
    }
}
