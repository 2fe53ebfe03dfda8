//! Orders the rows of a merged file: slices of time, one to a row group, and by cell inside each, so that a reader of an hour
//! skips row groups and a reader of a few cells skips pages. What it buys is measured by `benches/layout.rs`.

use std::sync::Arc;

use arrow::array::{Array as _, RecordBatch};
use arrow::compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::error::ArrowError;

use super::encoding::ROW_GROUP_ROWS;

/// Inside a slice the rows are ordered by these, as far as the table has them.
const ORDER: [&str; 2] = ["_cell", "_event_time"];

/// A slice that takes so much memory is full.
const SLICE_BYTES: usize = 128 << 20;

/// Rows on their way into a merged file; holds no more than one row group.
#[derive(Debug, Default)]
pub(super) struct Arranger {
    held: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

impl Arranger {
    /// Takes rows in the order of their landing, which is nearly that of time, and gives the slices that are full.
    pub(super) fn push(&mut self, batch: RecordBatch) -> Result<Vec<RecordBatch>, ArrowError> {
        if order_of(&batch).is_empty() {
            return Ok(vec![batch]);
        }
        let mut full = Vec::new();
        let mut rest = batch;
        while self.rows + rest.num_rows() >= ROW_GROUP_ROWS {
            let fits = ROW_GROUP_ROWS - self.rows;
            self.held.push(rest.slice(0, fits));
            rest = rest.slice(fits, rest.num_rows() - fits);
            full.extend(self.flush()?);
        }
        if rest.num_rows() > 0 {
            self.rows += rest.num_rows();
            self.bytes += bytes(&rest)?;
            self.held.push(rest);
        }
        if self.bytes > SLICE_BYTES {
            full.extend(self.flush()?);
        }
        Ok(full)
    }

    /// Gives what is left.
    pub(super) fn flush(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        (self.rows, self.bytes) = (0, 0);
        let held = std::mem::take(&mut self.held);
        let Some(first) = held.first() else { return Ok(None) };
        let rows = concat_batches(&first.schema(), &held)?;
        take_record_batch(&rows, &lexsort_to_indices(&order_of(&rows), None)?).map(Some)
    }
}

fn order_of(rows: &RecordBatch) -> Vec<SortColumn> {
    let columns = ORDER.iter().filter_map(|name| rows.column_by_name(name));
    columns.map(|values| SortColumn { values: Arc::clone(values), options: None }).collect()
}

fn bytes(rows: &RecordBatch) -> Result<usize, ArrowError> {
    rows.columns().iter().map(|column| column.to_data().get_slice_memory_size()).sum()
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray as _, Int64Array, StringArray};
    use arrow::datatypes::Int64Type;

    use super::*;

    fn batch(rows: std::ops::Range<i64>) -> RecordBatch {
        let cells =
            rows.clone().map(|row| (row % 7 != 0).then_some((row * 7_919) % 101)).collect::<Int64Array>();
        RecordBatch::try_from_iter_with_nullable([
            ("row", Arc::new(Int64Array::from_iter_values(rows)) as ArrayRef, true),
            ("_cell", Arc::new(cells), true),
        ])
        .unwrap()
    }

    fn column<'a>(slice: &'a RecordBatch, name: &str) -> &'a Int64Array {
        slice.column_by_name(name).unwrap().as_primitive::<Int64Type>()
    }

    #[test]
    fn every_row_comes_out_once_in_slices_of_landing_each_ordered_by_cell() {
        let mut arranger = Arranger::default();
        let mut slices = Vec::new();
        let mut given = 0;
        for rows in [1, 400_000, 1_600_000, 124_284, 5] {
            slices.extend(arranger.push(batch(given..given + rows)).unwrap());
            given += rows;
            assert!(arranger.rows < ROW_GROUP_ROWS, "no more than a row group is held");
        }
        slices.extend(arranger.flush().unwrap());
        assert!(arranger.flush().unwrap().is_none());
        let mut from = 0;
        for slice in &slices {
            let mut rows: Vec<i64> = column(slice, "row").values().to_vec();
            rows.sort_unstable();
            let upto = from + slice.num_rows() as i64;
            assert_eq!(rows, (from..upto).collect::<Vec<_>>(), "a slice is a stretch of the landing");
            assert!(column(slice, "_cell").iter().is_sorted(), "ordered by cell, places unknown first");
            from = upto;
        }
        assert_eq!(from, given);
        assert_eq!(
            slices.iter().map(RecordBatch::num_rows).filter(|rows| *rows == ROW_GROUP_ROWS).count(),
            4
        );
    }

    #[test]
    fn a_table_without_cells_keeps_its_order_and_holds_nothing() {
        let rows = batch(0..10).project(&[0]).unwrap();
        let mut arranger = Arranger::default();
        assert_eq!(arranger.push(rows.clone()).unwrap(), [rows]);
        assert_eq!(arranger.flush().unwrap(), None);
    }

    #[test]
    fn long_rows_make_short_slices() {
        let text = Arc::new(StringArray::from_iter_values(std::iter::repeat_n("x".repeat(1 << 20), 100)));
        let cells = Arc::new(Int64Array::from_iter_values((0..100).rev()));
        let rows = RecordBatch::try_from_iter([("text", text as ArrayRef), ("_cell", cells)]).unwrap();
        let mut arranger = Arranger::default();
        assert!(arranger.push(rows.clone()).unwrap().is_empty());
        let slices = arranger.push(rows).unwrap();
        assert_eq!(slices.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [200]);
    }
}
