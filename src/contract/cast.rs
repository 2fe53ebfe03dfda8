//! One column of a file becomes the contract's type; what cannot be read becomes null, and `check.rs` says so.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringArray, StringBuilder};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Date32Type, Float64Type, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;

use super::{Column, Conversion, instant_type};

/// `source` in the type of `column`. Values that do not fit are null.
///
/// # Errors
/// Where the source's type has no way to the contract's at all (a struct for a number).
pub(super) fn cast_column(column: &Column, source: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match (source.data_type(), &column.data_type) {
        (from, to) if from == to => Ok(Arc::clone(source)),
        (DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View, to) if *to != DataType::Utf8 => {
            let text = cast(source, &DataType::Utf8)?;
            from_text(column, text.as_string())
        }
        (DataType::Dictionary(_, value), _) => cast_column(column, &cast(source, value)?),
        (from, DataType::Int32 | DataType::Int64) if from.is_floating() => whole_numbers(column, source),
        (DataType::Date32 | DataType::Date64, DataType::Timestamp(..)) => {
            let local = safe(source, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
            in_zone(column, &local)
        }
        (DataType::Timestamp(_, None), DataType::Timestamp(..)) => {
            in_zone(column, &safe(source, &DataType::Timestamp(TimeUnit::Microsecond, None))?)
        }
        (_, to) => finite(to, safe(source, to)?, source),
    }
}

/// `source` in the type and in the unit of `column`. Values that do not fit are null.
///
/// # Errors
/// As [`cast_column`].
pub(super) fn convert_column(
    column: &Column,
    source: &ArrayRef,
    conversion: Conversion,
) -> Result<ArrayRef, ArrowError> {
    let wide = cast_column(&Column { data_type: DataType::Float64, ..column.clone() }, source)?;
    let converted: Float64Array = wide.as_primitive::<Float64Type>().unary(|value| conversion.of(value));
    cast_column(column, &(Arc::new(converted) as ArrayRef))
}

fn safe(source: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    cast_with_options(source, to, &CastOptions { safe: true, ..CastOptions::default() })
}

/// Local times without an offset are times of the column's zone.
fn in_zone(column: &Column, local: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let zoned =
        safe(local, &DataType::Timestamp(TimeUnit::Microsecond, Some(column.timezone.name().into())))?;
    safe(&zoned, &instant_type())
}

/// 3.7 is not an integer: it becomes null instead of 3.
fn whole_numbers(column: &Column, source: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let wide = cast(source, &DataType::Float64)?;
    let whole: Float64Array =
        wide.as_primitive::<Float64Type>().iter().map(|value| value.filter(|v| v.fract() == 0.0)).collect();
    safe(&(Arc::new(whole) as ArrayRef), &column.data_type)
}

/// A finite Float64 too large for a Float32 is null, not infinity.
fn finite(to: &DataType, narrowed: ArrayRef, source: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    if *to != DataType::Float32 || *source.data_type() != DataType::Float64 {
        return Ok(narrowed);
    }
    let wide = source.as_primitive::<Float64Type>();
    let fitting: Float64Array =
        wide.iter().map(|v| v.filter(|v| !v.is_finite() || v.abs() <= f64::from(f32::MAX))).collect();
    cast(&fitting, to)
}

fn from_text(column: &Column, text: &StringArray) -> Result<ArrayRef, ArrowError> {
    Ok(match &column.data_type {
        DataType::Date32 => Arc::new(
            text.iter()
                .map(|value| column.format.date(value?.trim()))
                .collect::<arrow::array::PrimitiveArray<Date32Type>>(),
        ),
        DataType::Timestamp(..) => Arc::new(
            text.iter()
                .map(|value| column.format.instant(value?.trim(), column.timezone))
                .collect::<arrow::array::PrimitiveArray<TimestampMicrosecondType>>()
                .with_timezone("UTC"),
        ),
        to => safe(&trimmed(text), to)?,
    })
}

/// Blanks around a number are no part of it; most columns have none and are passed on as they are.
fn trimmed(text: &StringArray) -> ArrayRef {
    let padded = |value: &str| value.starts_with(char::is_whitespace) || value.ends_with(char::is_whitespace);
    if !text.iter().flatten().any(padded) {
        return Arc::new(text.clone());
    }
    let mut builder = StringBuilder::with_capacity(text.len(), text.value_data().len());
    text.iter().for_each(|value| builder.append_option(value.map(str::trim)));
    Arc::new(builder.finish())
}
