//! Rows as readers hand them on, before anybody knows what they mean.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, BooleanArray, RecordBatch, RecordBatchOptions, StringArray,
    new_null_array,
};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use super::{cut, units};

/// Some rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// Their columns; text, or a file's own types. Of files they are the wanted ones, and one that the file lacks is all
    /// null; of live sources they are those that were told. Where it is said in which unit a column's numbers are, the
    /// field's metadata has it under [`crate::model::UNIT`].
    pub batch: RecordBatch,
    /// The rows' numbers where they came from, from 1.
    pub numbers: Vec<i64>,
    /// What is no row.
    pub unreadable: Vec<Unreadable>,
}

/// What stands where a row should and is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// Its number, counted with the rows.
    pub number: i64,
    /// What it says, cut.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

impl Rows {
    /// No rows and no columns.
    pub fn none() -> Self {
        let batch = RecordBatch::new_empty(Arc::new(Schema::empty()));
        Self { batch, numbers: Vec::new(), unreadable: Vec::new() }
    }

    /// The rows of a batch.
    pub fn of(batch: RecordBatch) -> Self {
        let numbers = (1..).take(batch.num_rows()).collect();
        Self { batch, numbers, unreadable: Vec::new() }
    }

    /// One thing that is no row.
    pub fn unreadable(text: &str, why: impl Into<String>) -> Self {
        let line = Unreadable { number: 1, text: cut(text.as_bytes()), why: why.into() };
        Self { unreadable: vec![line], ..Self::none() }
    }

    /// How many they are, readable or not.
    pub fn len(&self) -> usize {
        self.batch.num_rows() + self.unreadable.len()
    }

    /// Whether there are none, readable or not.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is a column of that header, or one that says its unit, as `speed [mi/h]`.
    pub fn has(&self, header: &str) -> bool {
        self.batch.schema_ref().fields().iter().any(|field| units::is_called(field.name(), header))
    }

    /// The texts of a column, by row; where there is no such column of texts, none for each.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = Option<&str>> {
        let column = self.batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
        (0..self.batch.num_rows())
            .map(move |row| column.filter(|texts| texts.is_valid(row)).map(|texts| texts.value(row)))
    }

    /// The rows that are to be kept, by their place, and what is unreadable and to be kept.
    ///
    /// # Errors
    /// Where there are not as many answers as rows.
    pub fn kept(
        mut self,
        rows: &[bool],
        unreadable: impl FnMut(&Unreadable) -> bool,
    ) -> Result<Self, ArrowError> {
        self.batch = filter_record_batch(&self.batch, &BooleanArray::from(rows.to_vec()))?;
        let mut kept = rows.iter();
        self.numbers.retain(|_| kept.next().is_some_and(|kept| *kept));
        self.unreadable.retain(unreadable);
        Ok(self)
    }

    /// The rows without the first so many, and nothing that is unreadable.
    #[must_use]
    pub fn after(&self, rows: usize) -> Self {
        let rows = rows.min(self.batch.num_rows());
        let batch = self.batch.slice(rows, self.batch.num_rows() - rows);
        Self { batch, numbers: self.numbers.iter().skip(rows).copied().collect(), unreadable: Vec::new() }
    }

    /// All of them, one after the other and numbered so, in columns of text that any of them has.
    ///
    /// # Errors
    /// Where a column holds other than texts.
    pub fn joined(mut parts: Vec<Self>) -> Result<Self, ArrowError> {
        if parts.len() == 1 {
            return Ok(parts.remove(0));
        }
        let names = parts.iter().flat_map(|part| part.batch.schema_ref().fields().iter().map(|it| it.name()));
        let names: BTreeSet<&String> = names.collect();
        let fields = names.into_iter().map(|name| Field::new(name, DataType::Utf8, true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let mut all = Self::none();
        let mut batches = Vec::with_capacity(parts.len());
        let mut before = 0;
        for part in &parts {
            let rows = part.batch.num_rows();
            let column = |field: &Arc<Field>| match part.batch.column_by_name(field.name()) {
                Some(column) => Arc::clone(column),
                None => new_null_array(&DataType::Utf8, rows),
            };
            let columns: Vec<ArrayRef> = schema.fields().iter().map(column).collect();
            batches.push(batch(&schema, columns, rows)?);
            all.numbers.extend(part.numbers.iter().map(|number| before + number));
            let line = |line: &Unreadable| Unreadable { number: before + line.number, ..line.clone() };
            all.unreadable.extend(part.unreadable.iter().map(line));
            before += i64::try_from(part.len()).unwrap_or(i64::MAX);
        }
        all.batch = concat_batches(&schema, &batches)?;
        Ok(all)
    }

    /// The rows with a column of texts more.
    ///
    /// # Errors
    /// Where there are not as many texts as rows.
    pub fn with(mut self, name: &str, texts: StringArray) -> Result<Self, ArrowError> {
        let rows = self.batch.num_rows();
        let mut fields: Vec<Arc<Field>> = self.batch.schema_ref().fields().to_vec();
        fields.push(Arc::new(Field::new(name, DataType::Utf8, true)));
        let mut columns = self.batch.columns().to_vec();
        columns.push(Arc::new(texts));
        self.batch = batch(&Arc::new(Schema::new(fields)), columns, rows)?;
        Ok(self)
    }
}

/// A batch, which may have rows without columns.
pub(super) fn batch(
    schema: &Arc<Schema>,
    columns: Vec<ArrayRef>,
    rows: usize,
) -> Result<RecordBatch, ArrowError> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}
