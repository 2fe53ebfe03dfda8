//! Rows of a layer as a query makes them: cells and numbers, still at full precision. Not here: what they
//! replace.

use arrow::array::{Array, Float64Array, Int64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use crate::model::Cell;

/// A result that makes no layer rows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowsError {
    /// The result lacks a column that the header promises.
    #[error("the result has no column `{0}`: select it, or take it out of the header")]
    NoColumn(String),
    /// The key column holds no cells.
    #[error("the key column `{column}` is {found}: a cell is an Int64, as h3_latlng_to_cell gives it")]
    NotCells {
        /// The key column.
        column: String,
        /// Its Arrow type.
        found: String,
    },
    /// A value column holds no numbers.
    #[error(
        "the column `{column}` is {found}: a layer shows numbers; cast it, or leave it out of the header's columns"
    )]
    NotNumbers {
        /// The value column.
        column: String,
        /// Its Arrow type.
        found: String,
    },
    /// Columns of different lengths.
    #[error("the column at position {column} has {found} values for {cells} cells")]
    Ragged {
        /// Position of the column.
        column: usize,
        /// Values in it.
        found: usize,
        /// Cells of the rows.
        cells: usize,
    },
}

/// Cells and, for each column of the layer's schema in order, their values; NaN is null.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LayerRows {
    cells: Vec<u64>,
    columns: Vec<Vec<f64>>,
    skipped: usize,
}

impl LayerRows {
    /// Rows of equally long columns. Where a cell stands twice, the later row counts.
    ///
    /// # Errors
    /// [`RowsError::Ragged`] where a column is not as long as `cells`.
    pub fn new(cells: Vec<u64>, columns: Vec<Vec<f64>>) -> Result<Self, RowsError> {
        match columns.iter().position(|values| values.len() != cells.len()) {
            Some(at) => {
                let found = columns.get(at).map_or(0, Vec::len);
                Err(RowsError::Ragged { column: at, found, cells: cells.len() })
            }
            None => Ok(Self { cells, columns, skipped: 0 }),
        }
    }

    /// The rows of a query's result: `key` is the Int64 cell, `columns` are any numbers or booleans, in the
    /// schema's order. Rows whose key is null or no cell lie nowhere on the map; they are left out and
    /// counted.
    ///
    /// # Errors
    /// [`RowsError`] where a column is missing or of a type that no layer can show.
    pub fn from_batches<S: AsRef<str>>(
        batches: &[RecordBatch],
        key: &str,
        columns: &[S],
    ) -> Result<Self, RowsError> {
        let mut rows = Self { columns: vec![Vec::new(); columns.len()], ..Self::default() };
        for batch in batches {
            rows.append(batch, key, columns)?;
        }
        Ok(rows)
    }

    fn append<S: AsRef<str>>(
        &mut self,
        batch: &RecordBatch,
        key: &str,
        columns: &[S],
    ) -> Result<(), RowsError> {
        let keys = cells_of(batch, key)?;
        let cell = |row: usize| keys.is_valid(row).then(|| Cell::from_i64(keys.value(row))).flatten();
        let kept: Vec<bool> = (0..keys.len()).map(|row| cell(row).is_some()).collect();
        self.skipped += kept.iter().filter(|kept| !**kept).count();
        self.cells.extend((0..keys.len()).filter_map(cell).map(|cell| u64::from(cell.0)));
        for (into, name) in self.columns.iter_mut().zip(columns) {
            let values = numbers_of(batch, name.as_ref())?;
            let all = values.iter().zip(&kept).filter(|(_, kept)| **kept);
            into.extend(all.map(|(value, _)| value.unwrap_or(f64::NAN)));
        }
        Ok(())
    }

    /// The cells, one a row.
    pub fn cells(&self) -> &[u64] {
        &self.cells
    }

    /// The columns in the schema's order.
    pub fn columns(&self) -> &[Vec<f64>] {
        &self.columns
    }

    /// Rows of the result that had no valid cell.
    pub fn skipped(&self) -> usize {
        self.skipped
    }
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a dyn Array, RowsError> {
    batch.column_by_name(name).map(AsRef::as_ref).ok_or_else(|| RowsError::NoColumn(name.to_owned()))
}

fn cells_of(batch: &RecordBatch, key: &str) -> Result<Int64Array, RowsError> {
    let array = column(batch, key)?;
    let refused = || RowsError::NotCells { column: key.to_owned(), found: array.data_type().to_string() };
    if !matches!(array.data_type(), DataType::Int64 | DataType::UInt64) {
        return Err(refused());
    }
    let cells = cast(array, &DataType::Int64).map_err(|_| refused())?;
    cells.as_any().downcast_ref::<Int64Array>().cloned().ok_or_else(refused)
}

fn numbers_of(batch: &RecordBatch, name: &str) -> Result<Float64Array, RowsError> {
    let array = column(batch, name)?;
    let refused = || RowsError::NotNumbers { column: name.to_owned(), found: array.data_type().to_string() };
    if !(array.data_type().is_numeric() || matches!(array.data_type(), DataType::Boolean | DataType::Null)) {
        return Err(refused());
    }
    let numbers = cast(array, &DataType::Float64).map_err(|_| refused())?;
    numbers.as_any().downcast_ref::<Float64Array>().cloned().ok_or_else(refused)
}
