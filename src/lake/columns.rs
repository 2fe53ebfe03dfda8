//! Rows of one contract in the columns of another. Pure.

use std::sync::Arc;

use arrow::array::{RecordBatch, new_null_array};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

/// Rows in those columns; those that they do not have are null.
pub(super) fn in_columns(rows: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let theirs = rows.schema();
    if theirs.fields().iter().map(|field| field.name()).eq(schema.fields().iter().map(|field| field.name())) {
        return Ok(rows);
    }
    let columns = schema.fields().iter().map(|field| match rows.column_by_name(field.name()) {
        Some(column) => Arc::clone(column),
        None => new_null_array(field.data_type(), rows.num_rows()),
    });
    RecordBatch::try_new(Arc::clone(schema), columns.collect())
}
