//! The types that a contract names, logical and physical.

use arrow::datatypes::DataType;

use super::instant_type;

/// The type of a `logicalType` that says no other.
pub(super) fn default_type(logical: &str) -> Option<DataType> {
    Some(match logical {
        "string" => DataType::Utf8,
        "integer" => DataType::Int64,
        "number" => DataType::Float64,
        "boolean" => DataType::Boolean,
        "date" => DataType::Date32,
        "timestamp" => instant_type(),
        _ => return None,
    })
}

/// The type that `physicalType` says.
pub(super) fn physical_type(text: &str) -> Option<DataType> {
    let squeezed: String = text.chars().filter(|c| !c.is_whitespace() && *c != '"').collect();
    Some(match squeezed.as_str() {
        "Boolean" => DataType::Boolean,
        "Int32" => DataType::Int32,
        "Int64" => DataType::Int64,
        "Float32" => DataType::Float32,
        "Float64" => DataType::Float64,
        "Utf8" => DataType::Utf8,
        "Date32" => DataType::Date32,
        "Timestamp(Microsecond,UTC)" => instant_type(),
        _ => return None,
    })
}

/// Whether values of a `logicalType` can be of that type.
pub(super) fn fits(logical: &str, data_type: &DataType) -> bool {
    match logical {
        "string" => *data_type == DataType::Utf8,
        "integer" => matches!(data_type, DataType::Int32 | DataType::Int64),
        "number" => matches!(data_type, DataType::Float32 | DataType::Float64),
        "boolean" => *data_type == DataType::Boolean,
        "date" => *data_type == DataType::Date32,
        _ => matches!(data_type, DataType::Timestamp(..)),
    }
}
