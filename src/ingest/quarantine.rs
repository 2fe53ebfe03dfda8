//! The table of rejected rows: code, column, value, file and row of each, and the row itself as JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringBuilder, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::{Map, Value};

use super::Converted;
use super::veil::Veil;
use crate::contract::{Reject, instant_type};

/// The columns of every quarantine table.
pub fn schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        text("code"),
        text("column"),
        text("value"),
        text("codes"),
        text("file"),
        Field::new("row", DataType::Int64, true),
        text("submission"),
        text("contract_version"),
        Field::new("rejected_at", instant_type(), true),
        text("raw"),
    ]))
}

/// Columns that came in another unit, by header.
pub(super) type Units = BTreeMap<String, Converted>;

/// So much is shown of a value, in bytes.
const SHOWN: usize = 1_024;

fn excerpt(value: &str) -> &str {
    value.get(..value.floor_char_boundary(SHOWN)).unwrap_or_default()
}

/// Collects rejected rows of one batch.
#[derive(Default)]
pub(super) struct Rejected {
    code: StringBuilder,
    column: StringBuilder,
    value: StringBuilder,
    codes: StringBuilder,
    rows: Vec<i64>,
    raw: StringBuilder,
}

impl Rejected {
    /// Adds a row with its reasons, the first of which counts.
    pub(super) fn push(&mut self, row: i64, reasons: &[Reject], raw: &str) {
        let Some(first) = reasons.first() else { return };
        self.code.append_value(first.code.as_str());
        self.column.append_value(&first.column);
        // The whole value stands in the row.
        self.value.append_option(first.value.as_deref().map(excerpt));
        let all: Vec<String> =
            reasons.iter().map(|reason| format!("{}({})", reason.code, reason.column)).collect();
        self.codes.append_value(all.join(","));
        self.rows.push(row);
        self.raw.append_value(raw);
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn finish(
        mut self,
        file: &str,
        submission: &str,
        version: &str,
        at: i64,
    ) -> Result<RecordBatch, ArrowError> {
        let rows = self.rows.len();
        let same = |text: &str| -> ArrayRef {
            let mut builder = StringBuilder::with_capacity(rows, rows * text.len());
            (0..rows).for_each(|_| builder.append_value(text));
            Arc::new(builder.finish())
        };
        RecordBatch::try_new(
            schema(),
            vec![
                Arc::new(self.code.finish()),
                Arc::new(self.column.finish()),
                Arc::new(self.value.finish()),
                Arc::new(self.codes.finish()),
                same(file),
                Arc::new(Int64Array::from(self.rows)),
                same(submission),
                same(version),
                Arc::new(TimestampMicrosecondArray::from_value(at, rows).with_timezone("UTC")),
                Arc::new(self.raw.finish()),
            ],
        )
    }
}

/// A header as it stands in a file whose numbers are in another unit than the contract's.
pub(super) fn header_in_unit(header: &str, units: &Units) -> String {
    units.get(header).map_or_else(|| header.to_owned(), |unit| format!("{header} [{}]", unit.from))
}

/// A source row as JSON, by its headers; values as text, nulls and what the veil holds back left out.
pub(super) fn raw_json(source: &RecordBatch, row: usize, veil: &Veil, units: &Units) -> String {
    let mut object = Map::new();
    for (field, column) in source.schema().fields().iter().zip(source.columns()) {
        if column.is_null(row) {
            continue;
        }
        let shown = ArrayFormatter::try_new(column, &FormatOptions::default())
            .and_then(|formatter| formatter.value(row).try_to_string());
        if let Some(text) = veil.source(field.name(), shown.unwrap_or_default()) {
            object.insert(header_in_unit(field.name(), units), Value::String(text));
        }
    }
    Value::Object(object).to_string()
}
