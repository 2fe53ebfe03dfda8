//! Rejected rows of a submission as their sender knows them: the original columns, and beside them what is wrong.
//!
//! What is added begins with `_`, as in the feeds' own tables, so that it never meets a column of the file. A file of
//! rejected rows that was mended can be sent as it is: columns that a contract does not know are left out.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use futures::stream::{BoxStream, StreamExt as _};
use serde::Serialize;
use serde_json::{Map, Value};

use super::quarantine::{Units, header_in_unit};
use super::{Feed, Refusal};
use crate::contract::{Code, Column, Contract};
use crate::decode::with_unit;

/// What is added to the original columns, and where quarantine has it.
const ADDED: [(&str, &str); 5] =
    [("_row", "row"), ("_code", "code"), ("_column", "column"), ("_value", "value"), ("_codes", "codes")];
/// The text of a line that was no row.
const LINE: &str = "_line";

/// A rejected row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RejectedRow {
    /// Its number in the file, from 1.
    pub row: i64,
    /// The first reason.
    pub code: String,
    /// The column's name in the contract; empty for the whole row.
    pub column: String,
    /// The offending value.
    pub value: Option<String>,
    /// All reasons, `CODE(column)` with commas.
    pub codes: String,
    /// The values by their headers; nothing where the line was no row.
    pub values: BTreeMap<String, String>,
    /// The line, where it was no row.
    pub line: Option<String>,
}

/// The rejected rows of a batch of quarantine, at most so many.
pub(super) fn rows(batch: &RecordBatch, most: usize) -> Vec<RejectedRow> {
    let text = |name: &str, row: usize| {
        let column = batch.column_by_name(name)?.as_string_opt::<i32>()?;
        column.is_valid(row).then(|| column.value(row).to_owned())
    };
    let numbers = batch.column_by_name("row").and_then(|rows| rows.as_primitive_opt::<Int64Type>());
    let rejected = |row: usize| {
        let (raw, code) = (text("raw", row).unwrap_or_default(), text("code", row).unwrap_or_default());
        let values = values(&code, &raw);
        RejectedRow {
            row: numbers.map_or(0, |numbers| numbers.value(row)),
            code,
            column: text("column", row).unwrap_or_default(),
            value: text("value", row),
            codes: text("codes", row).unwrap_or_default(),
            line: values.is_none().then_some(raw),
            values: values
                .unwrap_or_default()
                .into_iter()
                .map(|(header, value)| (header, shown(value)))
                .collect(),
        }
    };
    (0..batch.num_rows().min(most)).map(rejected).collect()
}

/// The source row that quarantine keeps as JSON; none where it is a line that was no row.
fn values(code: &str, raw: &str) -> Option<Map<String, Value>> {
    if code == Code::RowUnreadable.as_str() { None } else { serde_json::from_str(raw).ok() }
}

fn shown(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// The columns of a file of rejected rows of a submission that came in such units.
fn schema(contract: &Contract, units: &Units) -> SchemaRef {
    let original = |column: &Column| {
        let field = Field::new(header_in_unit(&column.header, units), DataType::Utf8, true);
        with_unit(field, units.get(&column.header).map(|unit| &unit.from))
    };
    let added = ADDED.iter().map(|(name, _)| *name).chain([LINE]).map(|name| {
        let kind = if name == "_row" { DataType::Int64 } else { DataType::Utf8 };
        Field::new(name, kind, true)
    });
    Arc::new(Schema::new(contract.columns.iter().map(original).chain(added).collect::<Vec<_>>()))
}

/// A batch of quarantine in the columns of [`schema`].
fn as_sent(contract: &Contract, units: &Units, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let mut originals: Vec<StringBuilder> = contract.columns.iter().map(|_| StringBuilder::new()).collect();
    let mut lines = StringBuilder::new();
    let texts = |name: &str| batch.column_by_name(name).and_then(|texts| texts.as_string_opt::<i32>());
    let (raws, codes) = (texts("raw"), texts("code"));
    for row in 0..batch.num_rows() {
        let text = |texts: Option<&StringArray>| {
            texts
                .filter(|texts| texts.is_valid(row))
                .map_or(String::new(), |texts| texts.value(row).to_owned())
        };
        let raw = text(raws);
        let mut values = values(&text(codes), &raw);
        for (builder, column) in originals.iter_mut().zip(&contract.columns) {
            let header = header_in_unit(&column.header, units);
            let value = values.as_mut().and_then(|values| values.get_mut(&header));
            builder.append_option(value.map(|value| shown(value.take())));
        }
        lines.append_option(values.is_none().then_some(raw));
    }
    let mut columns: Vec<ArrayRef> =
        originals.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef).collect();
    for (_, name) in ADDED {
        let column = batch.column_by_name(name).map(Arc::clone);
        columns.push(column.ok_or_else(|| ArrowError::SchemaError(format!("quarantine has no `{name}`")))?);
    }
    columns.push(Arc::new(lines.finish()));
    RecordBatch::try_new(schema(contract, units), columns)
}

impl Feed {
    /// The columns of a file of a submission's rejected rows: the file's own, in its units, and what is wrong.
    pub fn rejects_schema(&self, submission: &str) -> SchemaRef {
        schema(&self.landed_under(submission).contract, &self.units_of(submission))
    }

    /// The units in which a submission came, where they are not the contract's.
    fn units_of(&self, submission: &str) -> Units {
        let state = self.table.state();
        let units = state.landing(submission).and_then(|landing| landing.receipt.get("units"));
        units.and_then(|units| serde_json::from_value(units.clone()).ok()).unwrap_or_default()
    }

    /// The rejected rows of a submission in the columns of [`Feed::rejects_schema`], batch by batch.
    pub fn rejects(&self, submission: &str) -> BoxStream<'static, Result<RecordBatch, Refusal>> {
        let (contract, units) = (self.landed_under(submission).contract, self.units_of(submission));
        let sent = move |batch: Result<RecordBatch, _>| {
            as_sent(&contract, &units, &batch?).map_err(|error| Refusal::Internal(error.to_string()))
        };
        self.quarantine.rows_of(submission).map(sent).boxed()
    }

    /// The first rejected rows of a submission.
    ///
    /// # Errors
    /// Where quarantine cannot be read.
    pub async fn first_rejects(&self, submission: &str, most: usize) -> Result<Vec<RejectedRow>, Refusal> {
        let mut batches = self.quarantine.rows_of(submission);
        let mut first = Vec::new();
        while first.len() < most
            && let Some(batch) = batches.next().await
        {
            first.extend(rows(&batch?, most - first.len()));
        }
        Ok(first)
    }
}

#[cfg(test)]
mod tests {
    use super::super::quarantine::Rejected;
    use super::*;
    use crate::contract::Reject;

    #[test]
    fn the_original_columns_come_back_with_what_is_wrong_beside_them() {
        let yaml = include_str!("../contract/testdata/air.odcs.yaml");
        let contract = crate::contract::parse(&"environment.air".parse().unwrap(), yaml).unwrap();
        let mut rejected = Rejected::default();
        let pm25 = Reject { code: Code::OutOfRange, column: "pm25".into(), value: Some("-1".into()) };
        rejected.push(7, &[pm25], r#"{"station_id":"AQ-001","pm25":"-1"}"#);
        let ragged = Reject { code: Code::RowUnreadable, column: String::new(), value: Some("why".into()) };
        rejected.push(9, &[ragged], "AQ-001;;");
        let batch = rejected.finish("a.csv", "s", "1.0.0", 1).unwrap();

        let sent = as_sent(&contract, &Units::default(), &batch).unwrap();
        let text = |name: &str| {
            let column = sent.column_by_name(name).unwrap().as_string::<i32>();
            column.iter().map(|value| value.unwrap_or("∅").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(text(&contract.columns[0].header), ["AQ-001", "∅"]);
        assert_eq!(text(&contract.columns[3].header), ["-1", "∅"]);
        assert_eq!(text("_codes"), ["OUT_OF_RANGE(pm25)", "ROW_UNREADABLE()"]);
        assert_eq!(text("_line"), ["∅", "AQ-001;;"]);

        let shown = rows(&batch, 5);
        assert_eq!((shown.len(), shown[0].row, shown[0].values["pm25"].as_str()), (2, 7, "-1"));
        assert_eq!((shown[1].line.as_deref(), shown[1].values.len()), (Some("AQ-001;;"), 0));
        assert_eq!(rows(&batch, 1).len(), 1);
    }
}
