//! The tests that a query's header asks of every result.

use std::collections::HashSet;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Float64Type, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};

use super::Query;
use super::header::DataTest;

/// A test that a result fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// What was asked, as in the header.
    pub test: String,
    /// What was found.
    pub found: String,
}

impl std::fmt::Display for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.test, self.found)
    }
}

/// Every test of `query` that `rows` fails.
pub(super) fn audit(query: &Query, schema: &SchemaRef, rows: &[RecordBatch]) -> Vec<Audit> {
    if query.tests().is_empty() {
        return Vec::new();
    }
    let Ok(rows) = concat_batches(schema, rows) else { return Vec::new() };
    query.tests().iter().flat_map(|test| failures(test, &rows)).collect()
}

fn failures(test: &DataTest, rows: &RecordBatch) -> Vec<Audit> {
    let column = |name: &str| rows.column_by_name(name);
    let absent = |test: String| Audit { test, found: "there is no such column".into() };
    match test {
        DataTest::NotNull(names) => names
            .iter()
            .filter_map(|name| {
                let test = format!("not_null({name})");
                match column(name).map(|array| array.null_count()) {
                    Some(0) => None,
                    Some(nulls) => Some(Audit { test, found: format!("{nulls} nulls") }),
                    None => Some(absent(test)),
                }
            })
            .collect(),
        DataTest::Unique(names) => {
            let test = format!("unique({})", names.join(", "));
            let columns: Option<Vec<ArrayRef>> = names.iter().map(|name| column(name).cloned()).collect();
            match columns.map(|columns| repeated(&columns)) {
                Some(0) => Vec::new(),
                Some(repeats) => vec![Audit { test, found: format!("{repeats} repeated rows") }],
                None => vec![absent(test)],
            }
        }
        DataTest::Range(ranges) => ranges
            .iter()
            .filter_map(|(name, [least, most])| {
                let test = format!("range({name}, {least}..{most})");
                let Some(array) = column(name) else { return Some(absent(test)) };
                let outside = outside(array, *least, *most);
                (outside > 0).then(|| Audit { test, found: format!("{outside} values outside") })
            })
            .collect(),
        DataTest::AcceptedValues(sets) => sets
            .iter()
            .filter_map(|(name, values)| {
                let test = format!("accepted_values({name})");
                let Some(array) = column(name).and_then(|array| cast(array, &DataType::Utf8).ok()) else {
                    return Some(absent(test));
                };
                let other = array
                    .as_string::<i32>()
                    .iter()
                    .flatten()
                    .filter(|v| !values.iter().any(|known| known == v))
                    .count();
                (other > 0).then(|| Audit { test, found: format!("{other} other values") })
            })
            .collect(),
    }
}

fn repeated(columns: &[ArrayRef]) -> usize {
    let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
    let Ok(rows) = RowConverter::new(fields).and_then(|converter| converter.convert_columns(columns)) else {
        return 0;
    };
    let mut seen = HashSet::new();
    rows.iter().filter(|row| !seen.insert(row.as_ref().to_vec())).count()
}

fn outside(array: &ArrayRef, least: f64, most: f64) -> usize {
    let Ok(numbers) = cast(array, &DataType::Float64) else { return array.len() };
    numbers.as_primitive::<Float64Type>().iter().flatten().filter(|v| !(least..=most).contains(v)).count()
}
