//! Where the rows of a submission fell: landed rows counted by cell, rejected ones as points where they have a place.

use std::collections::BTreeMap;

use arrow::array::{Array as _, AsArray as _};
use arrow::datatypes::Int64Type;
use futures::StreamExt as _;
use serde::Serialize;

use super::{Feed, Refusal, RejectedRow};
use crate::contract::{Contract, Place};
use crate::model::{Cell, Resolution};
use crate::place::{self, Crs};

/// Cells in an answer. Where rows fell into more, cells that are coarser hold them: no row is left out.
const MOST_CELLS: usize = 2_000;
/// Cells that are counted before they are made coarser.
const COUNTED_CELLS: usize = 65_536;
/// So many of the first rejected rows are looked at for a place.
const MOST_MARKS: usize = 500;

/// Where the rows of a submission fell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Footprint {
    /// The submission.
    pub submission: String,
    /// Resolution of the cells; none where no row has a place.
    pub resolution: Option<u8>,
    /// Landed rows with a place.
    pub rows_placed: u64,
    /// Landed rows without one.
    pub rows_nowhere: u64,
    /// Each cell with its rows, in the order of the cells.
    pub cells: Vec<CellRows>,
    /// The first rejected rows that have a place all the same.
    pub rejected: Vec<Mark>,
}

/// A cell and its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CellRows {
    /// The cell, as text.
    pub cell: String,
    /// Landed rows in it.
    pub rows: u64,
}

/// A rejected row and where it says that it lies.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mark {
    /// Its number in the file, from 1.
    pub row: i64,
    /// The first reason.
    pub code: String,
    /// Degrees east.
    pub lng: f64,
    /// Degrees north.
    pub lat: f64,
}

/// Rows by cell, in no more cells than are allowed.
#[derive(Debug, Default)]
struct Counts {
    rows: BTreeMap<i64, u64>,
    /// What the cells were made, once there were too many; until then they are as they landed.
    resolution: Option<Resolution>,
}

impl Counts {
    fn add(&mut self, cell: i64) {
        let cell = self.resolution.map_or(cell, |resolution| parent(cell, resolution));
        *self.rows.entry(cell).or_default() += 1;
        self.fit(COUNTED_CELLS);
    }

    /// Makes the cells coarser until there are at most `most`.
    fn fit(&mut self, most: usize) {
        while self.rows.len() > most {
            let Some(coarser) = self.finest().and_then(Resolution::pred) else { return };
            self.resolution = Some(coarser);
            let mut rows = BTreeMap::new();
            for (cell, count) in &self.rows {
                *rows.entry(parent(*cell, coarser)).or_default() += count;
            }
            self.rows = rows;
        }
    }

    /// The resolution of the cells. All have the same: a feed's contract says which.
    fn finest(&self) -> Option<Resolution> {
        let cells = self.rows.keys().filter_map(|cell| Cell::from_i64(*cell));
        cells.map(|cell| cell.0.resolution()).max()
    }
}

fn parent(cell: i64, resolution: Resolution) -> i64 {
    place::parents(&[cell], resolution)
        .first()
        .copied()
        .filter(|cell| *cell != place::NO_CELL)
        .unwrap_or(cell)
}

impl Feed {
    /// Where the rows of a submission fell, whatever files they are in by now.
    ///
    /// # Errors
    /// Where the tables cannot be read.
    pub async fn footprint(&self, submission: &str) -> Result<Footprint, Refusal> {
        let mut counts = Counts::default();
        let (mut placed, mut nowhere) = (0_u64, 0_u64);
        let mut batches = self.table.rows_of(submission);
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            let cells = batch.column_by_name("_cell").and_then(|cells| cells.as_primitive_opt::<Int64Type>());
            let here = cells.map_or(0, |cells| cells.len() - cells.null_count());
            placed += here as u64;
            nowhere += (batch.num_rows() - here) as u64;
            cells.into_iter().flatten().flatten().for_each(|cell| counts.add(cell));
        }
        counts.fit(MOST_CELLS);
        let rejected = self.first_rejects(submission, MOST_MARKS).await?;
        let cells = counts.rows.iter().filter_map(|(cell, rows)| {
            Some(CellRows { cell: Cell::from_i64(*cell)?.to_string(), rows: *rows })
        });
        Ok(Footprint {
            submission: submission.to_owned(),
            resolution: counts.finest().map(u8::from),
            rows_placed: placed,
            rows_nowhere: nowhere,
            cells: cells.collect(),
            rejected: marks(&self.landed_under(submission).contract, &rejected),
        })
    }
}

/// The rejected rows whose coordinates can be read and are on the globe.
fn marks(contract: &Contract, rejected: &[RejectedRow]) -> Vec<Mark> {
    let Place::Point { x, y, crs, .. } = &contract.place else { return Vec::new() };
    let Ok(crs) = Crs::parse(crs) else { return Vec::new() };
    let of = |row: &RejectedRow, column: usize| -> Option<f64> {
        row.values.get(&contract.columns.get(column)?.header)?.trim().parse().ok()
    };
    let mark = |row: &RejectedRow| {
        let point = crs.to_wgs84(of(row, *x)?, of(row, *y)?).filter(|point| point.is_valid())?;
        Some(Mark { row: row.row, code: row.code.clone(), lng: point.lng, lat: point.lat })
    };
    rejected.iter().filter_map(mark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LngLat;

    #[test]
    fn too_many_cells_become_coarser_ones_and_no_row_is_lost() {
        let mut counts = Counts::default();
        let step = |i: u32| f64::from(i) * 0.02;
        let all = (0..100)
            .flat_map(|i| (0..100).map(move |j| LngLat { lng: 121.0 + step(i), lat: 31.0 + step(j) }));
        all.filter_map(|point| point.cell(Resolution::Eight)).for_each(|cell| counts.add(cell.to_i64()));
        assert_eq!(counts.finest(), Some(Resolution::Eight));
        counts.fit(MOST_CELLS);
        assert!(counts.rows.len() <= MOST_CELLS && counts.rows.len() > 1);
        assert_eq!(counts.rows.values().sum::<u64>(), 10_000);
        assert!(counts.finest().is_some_and(|now| now < Resolution::Eight));
        // What comes afterwards is counted as coarsely.
        let (cells, late) =
            (counts.rows.len(), LngLat { lng: 121.5, lat: 31.5 }.cell(Resolution::Eight).unwrap());
        counts.add(late.to_i64());
        assert_eq!((counts.rows.len(), counts.rows.values().sum::<u64>()), (cells, 10_001));
    }
}
