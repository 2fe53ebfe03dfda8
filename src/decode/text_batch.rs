//! Collects text rows into batches of bounded rows and bytes.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

use super::units::with_unit;
use super::{BATCH_BYTES, BATCH_ROWS, Error, Request, Rows, Sink, Unreadable, cut};

/// Rows on their way into a batch.
pub(super) struct TextBatch<'a, 'b> {
    schema: SchemaRef,
    columns: Vec<StringBuilder>,
    numbers: Vec<i64>,
    unreadable: Vec<Unreadable>,
    bytes: usize,
    longest: usize,
    sink: &'a mut Sink<'b>,
}

impl<'a, 'b> TextBatch<'a, 'b> {
    pub(super) fn new(request: &Request, sink: &'a mut Sink<'b>) -> Self {
        let headers = &request.headers;
        let longest = usize::try_from(request.limits.cell).unwrap_or(usize::MAX);
        let fields: Vec<Field> =
            headers.iter().map(|header| Field::new(header, DataType::Utf8, true)).collect();
        let columns = headers.iter().map(|_| StringBuilder::new()).collect();
        let schema = Arc::new(Schema::new(fields));
        Self { schema, columns, numbers: Vec::new(), unreadable: Vec::new(), bytes: 0, longest, sink }
    }

    /// The same with the units that the file's headers name.
    pub(super) fn in_units(&mut self, units: &[Option<String>]) {
        let named = self.schema.fields().iter().zip(units);
        let fields = named.map(|(field, unit)| with_unit(field.as_ref().clone(), unit.as_ref()));
        self.schema = Arc::new(Schema::new(fields.collect::<Vec<Field>>()));
    }

    /// Appends a row: a value or null for each header.
    pub(super) fn row<'v>(
        &mut self,
        number: i64,
        values: impl Iterator<Item = Option<&'v str>> + Clone,
    ) -> Result<(), Error> {
        let too_long = values.clone().position(|value| value.is_some_and(|text| text.len() > self.longest));
        if let Some(index) = too_long {
            let header =
                self.schema.fields().get(index).map_or_else(String::new, |field| field.name().clone());
            let text = values.flatten().map(|value| cut(value.as_bytes())).collect::<Vec<_>>().join(" ");
            let why = format!("the value of `{header}` is longer than {} bytes", self.longest);
            return self.unreadable(number, cut(text.as_bytes()), why);
        }
        for (column, value) in self.columns.iter_mut().zip(values) {
            // An empty value is an offset, too.
            self.bytes += value.map_or(0, str::len) + size_of::<i32>();
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
