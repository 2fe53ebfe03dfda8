//! The kernels that every landed row goes through: cells, areas, the contract's checks. `cargo bench`.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float32Array, Float64Array, Int32Array, RecordBatch, TimestampMicrosecondArray,
};
use cityloom::contract;
use cityloom::model::{LngLat, Micros, Resolution};
use cityloom::place::{Areas, Instants};
use divan::Bencher;
use divan::counter::ItemsCount;

const ROWS: usize = 16_384;
const NOW: Micros = Micros(1_772_352_000_000_000);

fn main() {
    divan::main();
}

/// Points over the demo city, by a multiplicative sequence: the same in every run.
fn points() -> Vec<LngLat> {
    let part = |i: usize, step: f64| (i as f64 * step).fract();
    (0..ROWS)
        .map(|i| LngLat { lng: 120.6 + part(i, 0.618_033_988_7), lat: 31.9 + 0.5 * part(i, 0.754_877_666_2) })
        .collect()
}

/// Longitude and latitude to a cell of resolution 9.
#[divan::bench]
fn cells(bencher: Bencher<'_, '_>) {
    let points = points();
    bencher.counter(ItemsCount::new(ROWS)).bench(|| {
        points
            .iter()
            .filter_map(|point| point.cell(Resolution::Nine))
            .map(|cell| cell.to_i64())
            .fold(0, |a, b| a ^ b)
    });
}

/// Points to grids, among 13,649 polygons.
#[divan::bench]
fn areas(bencher: Bencher<'_, '_>) {
    let text = std::fs::read_to_string("fixtures/areas.geojson").unwrap_or_default();
    let Ok(areas) = Areas::from_geojson(&text) else { return };
    let points: Vec<Option<LngLat>> = points().into_iter().map(Some).collect();
    bencher.counter(ItemsCount::new(ROWS)).bench(|| areas.locate_all(&points, Instants::One(NOW)));
}

/// A batch of speeds against its contract.
#[divan::bench]
fn check(bencher: Bencher<'_, '_>) {
    let yaml = include_str!("../schemas/traffic/speed.odcs.yaml");
    let Ok(feed) = "traffic.speed".parse() else { return };
    let Ok(contract) = contract::parse(&feed, yaml) else { return };
    let points = points();
    let array = |name: &str| -> ArrayRef {
        match name {
            "ts" => Arc::new(TimestampMicrosecondArray::from_value(NOW.0, ROWS).with_timezone("UTC")),
            "lat" => Arc::new(points.iter().map(|p| Some(p.lat)).collect::<Float64Array>()),
            "lng" => Arc::new(points.iter().map(|p| Some(p.lng)).collect::<Float64Array>()),
            "vehicle" => Arc::new(Int32Array::from_iter_values(0..ROWS as i32)),
            _ => Arc::new(Float32Array::from_value(42.0, ROWS)),
        }
    };
    let columns = contract.columns.iter().map(|column| array(&column.name)).collect();
    let Ok(batch) = RecordBatch::try_new(contract.schema(), columns) else { return };
    bencher
        .counter(ItemsCount::new(ROWS))
        .bench(|| contract::check(&contract, &batch).map(|checked| checked.rejects.len()));
}
