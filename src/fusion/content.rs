//! What a table holds, as one number: the same rows in any order give the same, so a checkpoint can tell whether the
//! tables beside its feeds are still those that it was made with.

use std::sync::Arc;

use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};
use datafusion::catalog::TableProvider;
use datafusion::common::Result;
use datafusion::execution::SessionState;
use datafusion::physical_plan::collect;
use xxhash_rust::xxh3::xxh3_128;

/// The fingerprint of a table's rows; none where rows of its types have no bytes to compare.
pub(super) async fn fingerprint(
    table: &Arc<dyn TableProvider>,
    session: &SessionState,
) -> Result<Option<String>> {
    let plan = table.scan(session, None, &[], None).await?;
    let rows = collect(plan, session.task_ctx()).await?;
    Ok(of_rows(&table.schema(), &rows).map(|sum| format!("{sum:032x}")))
}

fn of_rows(schema: &Schema, rows: &[RecordBatch]) -> Option<u128> {
    let fields = schema.fields().iter().map(|field| SortField::new(field.data_type().clone())).collect();
    let converter = RowConverter::new(fields).ok()?;
    let mut sum = xxh3_128(format!("{:?}", schema.fields()).as_bytes());
    for batch in rows {
        for row in &converter.convert_columns(batch.columns()).ok()? {
            sum = sum.wrapping_add(xxh3_128(row.as_ref()));
        }
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    fn rows(numbers: &[i64], texts: &[&str]) -> RecordBatch {
        let columns: [(&str, ArrayRef); 2] = [
            ("n", Arc::new(Int64Array::from(numbers.to_vec()))),
            ("s", Arc::new(StringArray::from(texts.to_vec()))),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    #[test]
    fn order_and_batches_do_not_matter_and_every_row_does() {
        let one = rows(&[1, 2, 2], &["a", "b", "b"]);
        let sum = |batches: &[RecordBatch]| of_rows(&one.schema(), batches).unwrap();
        assert_eq!(sum(std::slice::from_ref(&one)), sum(&[rows(&[2], &["b"]), rows(&[2, 1], &["b", "a"])]));
        assert_ne!(sum(std::slice::from_ref(&one)), sum(&[rows(&[1, 2], &["a", "b"])]));
        assert_ne!(sum(std::slice::from_ref(&one)), sum(&[rows(&[1, 2, 2], &["b", "a", "b"])]));
        assert_ne!(sum(&[]), sum(&[rows(&[0], &[""])]));
    }
}
