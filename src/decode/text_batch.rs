//! Collects text rows into batches of bounded rows and bytes.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

use super::{BATCH_BYTES, BATCH_ROWS, Error, Rows, Sink, Unreadable};

/// Rows on their way into a batch.
pub(super) struct TextBatch<'a, 'b> {
    schema: SchemaRef,
    columns: Vec<StringBuilder>,
    numbers: Vec<i64>,
    unreadable: Vec<Unreadable>,
    bytes: usize,
    sink: &'a mut Sink<'b>,
}

impl<'a, 'b> TextBatch<'a, 'b> {
    pub(super) fn new(headers: &[String], sink: &'a mut Sink<'b>) -> Self {
        let fields: Vec<Field> =
            headers.iter().map(|header| Field::new(header, DataType::Utf8, true)).collect();
        let columns = headers.iter().map(|_| StringBuilder::new()).collect();
        let schema = Arc::new(Schema::new(fields));
        Self { schema, columns, numbers: Vec::new(), unreadable: Vec::new(), bytes: 0, sink }
    }

    /// Appends a row: a value or null for each header.
    pub(super) fn row<'v>(
        &mut self,
        number: i64,
        values: impl Iterator<Item = Option<&'v str>>,
    ) -> Result<(), Error> {
        for (column, value) in self.columns.iter_mut().zip(values) {
            self.bytes += value.map_or(0, str::len);
            column.append_option(value);
        }
        self.numbers.push(number);
        if self.numbers.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    /// Notes a line that is no row.
    pub(super) fn unreadable(
        &mut self,
        number: i64,
        text: String,
        why: impl Into<String>,
    ) -> Result<(), Error> {
        self.bytes += text.len();
        self.unreadable.push(Unreadable { number, text, why: why.into() });
        if self.unreadable.len() >= BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    /// Hands on what has been collected.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        if self.numbers.is_empty() && self.unreadable.is_empty() {
            return Ok(());
        }
        let columns: Vec<ArrayRef> =
            self.columns.iter_mut().map(|c| Arc::new(c.finish()) as ArrayRef).collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|error| Error::Unreadable { format: "text", why: error.to_string() })?;
        self.bytes = 0;
        let (numbers, unreadable) = (std::mem::take(&mut self.numbers), std::mem::take(&mut self.unreadable));
        (self.sink)(Rows { batch, numbers, unreadable })
    }
}
