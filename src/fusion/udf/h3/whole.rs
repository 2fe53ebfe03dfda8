//! Functions that take a whole column at once, where that is many times as fast as row by row and gives the same.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, ListArray};
use arrow::buffer::{BooleanBuffer, NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field};
use h3o::Resolution;

use super::column::Column;
use super::value::{MAX_CELLS_PER_BATCH, MAX_CELLS_PER_ROW};
use crate::place::{self, NO_CELL};

/// The column that a function makes of its arguments; none where it has to go row by row.
pub(super) fn compute(function: &str, arguments: &[Column]) -> Option<ArrayRef> {
    match (function, arguments) {
        ("h3_latlng_to_cell", [lat, lng, resolution]) => {
            Some(cells(lat.floats()?, lng.floats()?, resolution.as_resolution()?))
        }
        ("h3_cell_to_parent", [cells, resolution]) => {
            Some(parents(cells.ints()?, resolution.as_resolution()?))
        }
        ("h3_cell_to_children", [cells, resolution]) => children(cells.ints()?, resolution.as_resolution()?),
        _ => None,
    }
}

fn cells(lat: &Float64Array, lng: &Float64Array, resolution: Resolution) -> ArrayRef {
    // A latitude beyond the poles is most often a swapped pair, so it is no place; NaN is none either.
    let within = |values: &Float64Array, most: f64| -> Vec<f64> {
        let kept = |v: &f64| if v.abs() <= most { *v } else { f64::NAN };
        values.values().iter().map(kept).collect()
    };
    let found = place::cells(&within(lng, 360.0), &within(lat, 90.0), resolution);
    column(found, NullBuffer::union(lat.nulls(), lng.nulls()).as_ref())
}

fn parents(cells: &Int64Array, resolution: Resolution) -> ArrayRef {
    column(place::parents(cells.values(), resolution), cells.nulls())
}

/// None where there would be too many: row by row is told which row asks for them.
fn children(cells: &Int64Array, resolution: Resolution) -> Option<ArrayRef> {
    // What stands below a null is no matter, but it would have descendants.
    let known: Vec<i64> = cells.iter().map(|cell| cell.unwrap_or(NO_CELL)).collect();
    let all = place::children(&known, resolution, MAX_CELLS_PER_ROW as usize, MAX_CELLS_PER_BATCH as usize)?;
    let there = BooleanBuffer::collect_bool(known.len(), |row| all.counts[row] > 0);
    let field = Arc::new(Field::new_list_field(DataType::Int64, true));
    let (offsets, values) = (OffsetBuffer::from_lengths(all.counts), Int64Array::new(all.cells.into(), None));
    ListArray::try_new(field, offsets, Arc::new(values), Some(NullBuffer::new(there)))
        .ok()
        .map(|lists| Arc::new(lists) as ArrayRef)
}

/// Null where the row had a null or there is no cell.
fn column(found: Vec<i64>, nulls: Option<&NullBuffer>) -> ArrayRef {
    let there = NullBuffer::new(BooleanBuffer::collect_bool(found.len(), |row| found[row] != NO_CELL));
    Arc::new(Int64Array::new(found.into(), NullBuffer::union(nulls, Some(&there))))
}
