//! Collects rows of live sources, which tell names and values, into batches of the columns that somebody wants.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayBuilder as _, ArrayRef, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema};
use serde::{Deserialize, Serialize};

use super::ndjson::{as_text, bounded};
use super::{BATCH_BYTES, BATCH_ROWS, Error, Limits, Record, Rows, Sink, Unreadable, cut, rows, units};

/// The names of columns that somebody wants, whether with a unit in brackets or without.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names(BTreeSet<String>);

impl<S: Into<String>> FromIterator<S> for Names {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }
}

impl Names {
    /// Whether a column of that name is wanted.
    pub fn want(&self, name: &str) -> bool {
        self.0.contains(name)
            || (name.ends_with(']') && self.0.iter().any(|header| units::is_called(name, header)))
    }

    /// These and one more.
    #[must_use]
    pub fn and(mut self, name: &str) -> Self {
        self.0.insert(name.to_owned());
        self
    }
}

/// Rows on their way into a batch.
pub(super) struct NamedBatch<'a, 'b> {
    names: &'a Names,
    limits: &'a Limits,
    /// Columns that are there, told or not.
    always: &'a [&'a str],
    /// Columns so far; those that were not told lately are shorter than there are rows.
    columns: BTreeMap<String, StringBuilder>,
    numbers: Vec<i64>,
    unreadable: Vec<Unreadable>,
    bytes: usize,
    number: i64,
    sink: &'a mut Sink<'b>,
}

impl<'a, 'b> NamedBatch<'a, 'b> {
    /// Of wanted columns; those of `always` are there, told or not.
    pub(super) fn new(
        names: &'a Names,
        always: &'a [&'a str],
        limits: &'a Limits,
        sink: &'a mut Sink<'b>,
    ) -> Self {
        let (columns, numbers, unreadable) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { names, limits, always, columns, numbers, unreadable, bytes: 0, number: 0, sink }
    }

    /// Appends a row, or hands it on as unreadable where it is larger than a row may be.
    pub(super) fn row(&mut self, record: &Record) -> Result<(), Error> {
        let wanted = |name: &str| self.always.contains(&name) || self.names.want(name);
        let values: Vec<(&String, Option<Cow<'_, str>>)> =
            record.iter().filter(|(name, _)| wanted(name)).map(|(name, it)| (name, as_text(it))).collect();
        if let Err(why) = bounded(record, self.limits).and_then(|()| self.fits(&values)) {
            return self.unreadable(&serde_json::to_vec(record).unwrap_or_default(), why);
        }
        let rows = self.numbers.len();
        for (name, value) in values {
            if !self.columns.contains_key(name) {
                self.columns.insert(name.clone(), StringBuilder::new());
            }
            if let (Some(column), Some(value)) = (self.columns.get_mut(name), value) {
                self.bytes += value.len() + size_of::<i32>();
                fill(column, rows);
                column.append_value(value);
            }
        }
        self.number += 1;
        self.numbers.push(self.number);
        // What nobody told is an offset in each column, too.
        let bytes = self.bytes + self.numbers.len() * self.columns.len() * size_of::<i32>();
        if self.numbers.len() >= BATCH_ROWS || bytes >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    fn fits(&self, values: &[(&String, Option<Cow<'_, str>>)]) -> Result<(), String> {
        let longest = self.limits.cell;
        let long =
            |value: &Option<Cow<'_, str>>| value.as_ref().is_some_and(|text| text.len() as u64 > longest);
        if let Some((name, _)) = values.iter().find(|(_, value)| long(value)) {
            return Err(format!("the value of `{name}` is longer than {longest} bytes"));
        }
        let more = values.iter().filter(|(name, _)| !self.columns.contains_key(*name)).count();
        let columns = (self.columns.len() + more) as u64;
        if columns > self.limits.columns { Err("the rows have too many names".into()) } else { Ok(()) }
    }

    /// Notes what is no row.
    pub(super) fn unreadable(&mut self, text: &[u8], why: impl Into<String>) -> Result<(), Error> {
        self.number += 1;
        let (number, text) = (self.number, cut(text));
        self.unreadable.push(Unreadable { number, text, why: why.into() });
        if self.unreadable.len() >= BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    /// Hands on what has been collected. Columns come anew with what comes next.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        if self.numbers.is_empty() && self.unreadable.is_empty() {
            return Ok(());
        }
        let count = self.numbers.len();
        let mut columns = std::mem::take(&mut self.columns);
        for name in self.always {
            columns.entry((*name).to_owned()).or_default();
        }
        let fields: Vec<Field> = columns.keys().map(|name| Field::new(name, DataType::Utf8, true)).collect();
        let texts = columns.into_values().map(|mut column| {
            fill(&mut column, count);
            Arc::new(column.finish()) as ArrayRef
        });
        let batch = rows::batch(&Arc::new(Schema::new(fields)), texts.collect(), count)
            .map_err(|error| Error::Unreadable { format: "text", why: error.to_string() })?;
        self.bytes = 0;
        let (numbers, unreadable) = (std::mem::take(&mut self.numbers), std::mem::take(&mut self.unreadable));
        (self.sink)(Rows { batch, numbers, unreadable })
    }
}

/// Null for each row that did not say it.
fn fill(column: &mut StringBuilder, rows: usize) {
    column.append_nulls(rows.saturating_sub(column.len()));
}
