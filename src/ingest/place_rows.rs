//! Where the rows of a batch lie: `_cell` and `_area`, and the rows whose place is no place.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;

use crate::contract::{Code, Place};
use crate::model::{Cell, LngLat, Micros, Resolution};
use crate::place::{self, Areas, Crs, Instants};

/// The place columns of a batch, and which rows break which rule.
pub(super) struct Placed {
    pub(super) cell: Int64Array,
    pub(super) area: StringArray,
    pub(super) broken: Vec<(usize, Code)>,
}

/// Places rows of one feed.
#[derive(Debug)]
pub(super) struct Placer {
    place: Place,
    crs: Crs,
    areas: Arc<Areas>,
}

impl Placer {
    pub(super) fn new(place: Place, areas: Arc<Areas>) -> Self {
        let crs = match &place {
            Place::Point { crs, .. } => Crs::parse(crs).unwrap_or(Crs::Wgs84),
            _ => Crs::Wgs84,
        };
        Self { place, crs, areas }
    }

    pub(super) fn place(&self, batch: &RecordBatch, now: Micros) -> Result<Placed, ArrowError> {
        match &self.place {
            Place::Nowhere => Ok(Placed {
                cell: Int64Array::new_null(batch.num_rows()),
                area: StringArray::new_null(batch.num_rows()),
                broken: Vec::new(),
            }),
            Place::Point { x, y, resolution, quarantine_outside, .. } => {
                self.points(batch.column(*x), batch.column(*y), *resolution, *quarantine_outside, now)
            }
            Place::Area { column, resolution } => self.codes(batch.column(*column), *resolution, now),
            Place::Cell { column, resolution } => self.cells(batch.column(*column), *resolution, now),
        }
    }

    fn points(
        &self,
        x: &ArrayRef,
        y: &ArrayRef,
        resolution: Resolution,
        quarantine_outside: bool,
        now: Micros,
    ) -> Result<Placed, ArrowError> {
        let (x, y) = (cast(x, &DataType::Float64)?, cast(y, &DataType::Float64)?);
        let (x, y) = (x.as_primitive::<Float64Type>(), y.as_primitive::<Float64Type>());
        let mut broken = Vec::new();
        let points: Vec<Option<LngLat>> = (0..x.len())
            .map(|row| {
                if x.is_null(row) || y.is_null(row) {
                    return None;
                }
                let point = self.crs.to_wgs84(x.value(row), y.value(row)).filter(|point| point.is_valid());
                if point.is_none() {
                    broken.push((row, Code::PlaceInvalid));
                }
                point
            })
            .collect();
        let found = self.areas.locate_all(&points, Instants::One(now));
        if quarantine_outside {
            let outside = |(row, point): (usize, &Option<LngLat>)| {
                (point.is_some() && found[row].is_none()).then_some(row)
            };
            broken.extend(points.iter().enumerate().filter_map(outside).map(|row| (row, Code::OutsideCity)));
        }
        let nowhere = (f64::NAN, f64::NAN);
        let (lng, lat): (Vec<f64>, Vec<f64>) =
            points.iter().map(|point| point.map_or(nowhere, |p| (p.lng, p.lat))).unzip();
        let cell = column(place::cells(&lng, &lat, resolution));
        Ok(Placed { cell, area: self.areas.codes(found)?, broken })
    }

    fn codes(&self, codes: &ArrayRef, resolution: Resolution, now: Micros) -> Result<Placed, ArrowError> {
        let codes = cast(codes, &DataType::Utf8)?;
        let mut broken = Vec::new();
        let mut cells = Vec::with_capacity(codes.len());
        for (row, code) in codes.as_string::<i32>().iter().enumerate() {
            let area = code.and_then(|code| self.areas.find(code, now));
            if code.is_some() && area.is_none() {
                broken.push((row, Code::PlaceInvalid));
            }
            let point = area.and_then(|area| self.areas.inside().get(area as usize));
            cells.push(point.and_then(|point| point.cell(resolution)).map(Cell::to_i64));
        }
        Ok(Placed { cell: Int64Array::from(cells), area: codes.as_string::<i32>().clone(), broken })
    }

    fn cells(&self, cells: &ArrayRef, resolution: Resolution, now: Micros) -> Result<Placed, ArrowError> {
        let numbers = match cells.data_type() {
            DataType::Int64 => cells.as_primitive::<Int64Type>().clone(),
            _ => {
                let text = cast(cells, &DataType::Utf8)?;
                let parse = |text: &str| text.parse::<Cell>().map_or(-1, Cell::to_i64);
                text.as_string::<i32>().iter().map(|text| text.map(parse)).collect()
            }
        };
        let mut broken = Vec::new();
        let mut points = Vec::with_capacity(numbers.len());
        let mut placed = Vec::with_capacity(numbers.len());
        for (row, number) in numbers.iter().enumerate() {
            let cell = number.and_then(Cell::from_i64).and_then(|cell| at_resolution(cell, resolution));
            if number.is_some() && cell.is_none() {
                broken.push((row, Code::PlaceInvalid));
            }
            points.push(cell.map(|cell| {
                let centre = h3o::LatLng::from(cell.0);
                LngLat { lng: centre.lng(), lat: centre.lat() }
            }));
            placed.push(cell.map(Cell::to_i64));
        }
        let found = self.areas.locate_all(&points, Instants::One(now));
        Ok(Placed { cell: Int64Array::from(placed), area: self.areas.codes(found)?, broken })
    }
}

/// Cells as a column: rows without a place have none.
fn column(cells: Vec<i64>) -> Int64Array {
    let placed = BooleanBuffer::collect_bool(cells.len(), |row| cells[row] != place::NO_CELL);
    let nulls = Some(NullBuffer::new(placed)).filter(|nulls| nulls.null_count() > 0);
    Int64Array::new(cells.into(), nulls)
}

/// The cell itself or its parent; a cell coarser than asked for is no place at that resolution.
fn at_resolution(cell: Cell, resolution: Resolution) -> Option<Cell> {
    cell.0.parent(resolution).map(Cell)
}
