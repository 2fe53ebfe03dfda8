//! A batch against its contract: typed columns out, and every rejected row with its first reason and all others.
//!
//! Rules run column by column; only rows that break one cost more than the scan.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Schema};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::cast::{cast_column, convert_column};
use super::{Code, Column, Contract, Conversion, UnitError};
use crate::model::UNIT;

/// The longest value excerpt that quarantine keeps, in characters.
const EXCERPT: usize = 256;

/// One rule that one row breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Which rule.
    pub code: Code,
    /// The column's name in the contract; empty for the whole row.
    pub column: String,
    /// The offending value as text, at most 256 characters.
    pub value: Option<String>,
}

/// A checked batch.
#[derive(Debug)]
pub struct Checked {
    /// All rows in the contract's types; in rejected rows the offending values are null.
    pub batch: RecordBatch,
    /// The rejected rows by their index in the batch, each with its reasons in column order.
    pub rejects: BTreeMap<usize, Vec<Reject>>,
}

/// A column whose unit in the file cannot become the contract's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column `{header}`: {why}")]
pub struct ColumnUnit {
    /// Its header.
    pub header: String,
    /// Why not.
    pub why: UnitError,
}

/// How the numbers of a file become the contract's units; none where they stay as they are.
///
/// # Errors
/// The first column of which that cannot be said.
pub fn conversions(contract: &Contract, source: &Schema) -> Result<Vec<Option<Conversion>>, ColumnUnit> {
    let conversion = |(column, field): (&Column, &Arc<Field>)| {
        let Some(from) = field.metadata().get(UNIT) else { return Ok(None) };
        let between = match &column.unit {
            Some(to) => Conversion::between(from, to),
            None => Err(UnitError::Unstated { from: from.clone() }),
        };
        between.map_err(|why| ColumnUnit { header: column.header.clone(), why })
    };
    contract.columns.iter().zip(source.fields()).map(conversion).collect()
}

/// Holds `source` (the contract's columns in the contract's order, in the file's types) against `contract`, its numbers
/// brought into the contract's units as `units` says, column by column.
///
/// # Errors
/// A column whose type has no way to the contract's: the file as a whole is not what was promised.
pub fn check(
    contract: &Contract,
    source: &RecordBatch,
    units: &[Option<Conversion>],
) -> Result<Checked, ArrowError> {
    let mut rejects: BTreeMap<usize, Vec<Reject>> = BTreeMap::new();
    let mut columns = Vec::with_capacity(contract.columns.len());
    for (index, (column, array)) in contract.columns.iter().zip(source.columns()).enumerate() {
        let typed = match units.get(index).copied().flatten() {
            Some(conversion) => convert_column(column, array, conversion),
            None => cast_column(column, array),
        };
        let typed = typed.map_err(|_| {
            let (from, to) = (array.data_type(), &column.data_type);
            ArrowError::CastError(format!(
                "column `{}` is {from} in the file and cannot become {to}",
                column.header
            ))
        })?;
        for (row, code) in broken(column, array, &typed) {
            let value = excerpt(array, row);
            rejects.entry(row).or_default().push(Reject { code, column: column.name.clone(), value });
        }
        columns.push(typed);
    }
    let batch = RecordBatch::try_new(contract.schema(), columns)?;
    Ok(Checked { batch, rejects })
}

/// A value as quarantine shows it.
pub(super) fn excerpt(array: &ArrayRef, row: usize) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    let formatter = ArrayFormatter::try_new(array, &FormatOptions::default()).ok()?;
    let text = formatter.value(row).try_to_string().ok()?;
    Some(text.chars().take(EXCERPT).collect())
}

/// Every (row, rule) that the column breaks, at most one rule a row.
fn broken(column: &Column, source: &ArrayRef, typed: &ArrayRef) -> Vec<(usize, Code)> {
    let mut found = Vec::new();
    if typed.null_count() > 0 && (column.required || typed.null_count() > source.null_count()) {
        for row in (0..typed.len()).filter(|&row| typed.is_null(row)) {
            if !source.is_null(row) {
                found.push((row, Code::TypeMismatch));
            } else if column.required {
                found.push((row, Code::NullRequired));
            }
        }
    }
    if let Some(outside) = outside_range(column, typed) {
        found.extend(
            outside
                .values()
                .set_indices()
                .filter(|&row| outside.is_valid(row))
                .map(|row| (row, Code::OutOfRange)),
        );
    }
    if *typed.data_type() == DataType::Utf8 {
        found.extend(broken_text(column, typed.as_string()));
    }
    found
}

/// Which values lie outside the column's range; NaN lies outside every range.
fn outside_range(column: &Column, typed: &ArrayRef) -> Option<BooleanArray> {
    let range = column.range;
    if range == super::Range::default() || *typed.data_type() == DataType::Utf8 {
        return None;
    }
    let numbers = match typed.data_type() {
        DataType::Date32 => cast(&cast(typed, &DataType::Int32).ok()?, &DataType::Float64).ok()?,
        DataType::Timestamp(..) => cast(&cast(typed, &DataType::Int64).ok()?, &DataType::Float64).ok()?,
        _ => cast(typed, &DataType::Float64).ok()?,
    };
    let numbers: &Float64Array = numbers.as_primitive::<Float64Type>();
    let least = range.minimum.unwrap_or(f64::NEG_INFINITY);
    let most = range.maximum.unwrap_or(f64::INFINITY);
    let above = range.exclusive_minimum;
    let below = range.exclusive_maximum;
    Some(BooleanArray::from_unary(numbers, |value| {
        let inside = value >= least
            && value <= most
            && above.is_none_or(|bound| value > bound)
            && below.is_none_or(|bound| value < bound);
        !inside
    }))
}

fn broken_text(column: &Column, text: &StringArray) -> Vec<(usize, Code)> {
    let (shortest, longest) = column.length;
    if shortest.is_none() && longest.is_none() && column.pattern.is_none() && column.allowed.is_none() {
        return Vec::new();
    }
    let rule = |value: &str| {
        let characters = || value.chars().count();
        if shortest.is_some_and(|least| characters() < least) {
            Some(Code::TooShort)
        } else if longest.is_some_and(|most| value.len() > most && characters() > most) {
            Some(Code::TooLong)
        } else if column.allowed.as_ref().is_some_and(|allowed| !allowed.contains(value)) {
            Some(Code::NotInSet)
        } else if column.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(value)) {
            Some(Code::Pattern)
        } else {
            None
        }
    };
    text.iter().enumerate().filter_map(|(row, value)| Some((row, rule(value?)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;
    use arrow::array::{Int64Array, TimestampNanosecondArray};

    fn contract() -> Contract {
        parse(&"environment.air".parse().unwrap(), include_str!("testdata/air.odcs.yaml")).unwrap()
    }

    /// Runs text rows through the contract and lists `row CODE(column)`.
    fn reasons(rows: &[[Option<&str>; 5]]) -> Vec<String> {
        let contract = contract();
        let fields: Vec<Field> =
            contract.columns.iter().map(|c| Field::new(&c.header, DataType::Utf8, true)).collect();
        let columns =
            (0..5).map(|i| Arc::new(rows.iter().map(|row| row[i]).collect::<StringArray>()) as ArrayRef);
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.collect()).unwrap();
        let checked = check(&contract, &batch, &[]).unwrap();
        checked
            .rejects
            .iter()
            .flat_map(|(row, all)| all.iter().map(move |r| format!("{row} {}({})", r.code, r.column)))
            .collect()
    }

    #[test]
    fn every_rule_has_its_code() {
        let good = [Some("AQ-001"), Some("2026-03-01T08:00:00Z"), Some("32.0"), Some(" 12.5 "), Some("ok")];
        assert_eq!(reasons(&[good]), Vec::<String>::new());
        for (column, value, expected) in [
            (0, Some("AQ-1"), "0 PATTERN(station_id)"),
            (0, Some("AQ-0001"), "0 TOO_LONG(station_id)"),
            (0, None, "0 NULL_REQUIRED(station_id)"),
            (1, Some("soon"), "0 TYPE_MISMATCH(ts)"),
            (2, Some("91"), "0 OUT_OF_RANGE(lat)"),
            (3, Some("1000.5"), "0 OUT_OF_RANGE(pm25)"),
            (3, Some("NaN"), "0 OUT_OF_RANGE(pm25)"),
            (3, Some("1e400"), "0 OUT_OF_RANGE(pm25)"),
            (3, Some("many"), "0 TYPE_MISMATCH(pm25)"),
            (4, Some("broken"), "0 NOT_IN_SET(status)"),
        ] {
            let mut row = good;
            row[column] = value;
            assert_eq!(reasons(&[row]), [expected]);
        }
        assert_eq!(reasons(&[[None, None, None, None, None]]).len(), 2, "only the key is required");
    }

    #[test]
    fn wider_types_are_narrowed_and_what_does_not_fit_is_told() {
        let mut contract = contract();
        contract.columns.truncate(2);
        contract.columns[0].data_type = DataType::Int32;
        contract.columns[0].pattern = None;
        let batch = RecordBatch::try_from_iter([
            ("station_id", Arc::new(Int64Array::from(vec![1, 1 << 40])) as ArrayRef),
            ("ts", Arc::new(TimestampNanosecondArray::from(vec![1_500, 2_000])) as ArrayRef),
        ])
        .unwrap();
        let checked = check(&contract, &batch, &[]).unwrap();
        assert_eq!(checked.rejects[&1][0].code, Code::TypeMismatch);
        assert_eq!(checked.rejects[&1][0].value.as_deref(), Some("1099511627776"));
        assert_eq!(checked.batch.schema(), contract.schema());
    }

    #[test]
    fn three_and_a_half_is_no_integer() {
        let mut contract = contract();
        contract.columns.truncate(1);
        contract.columns[0].data_type = DataType::Int64;
        let batch =
            RecordBatch::try_from_iter([("x", Arc::new(Float64Array::from(vec![3.0, 3.5])) as ArrayRef)])
                .unwrap();
        let checked = check(&contract, &batch, &[]).unwrap();
        assert_eq!(checked.rejects.keys().copied().collect::<Vec<_>>(), [1]);
    }
}
