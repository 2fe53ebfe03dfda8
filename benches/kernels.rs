//! The kernels that every landed row goes through: cells, areas, the contract's checks. `cargo bench`.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float32Array, Float64Array, Int32Array, RecordBatch, TimestampMicrosecondArray,
};
use cityloom::contract;
use cityloom::model::{AreaLevel, Cell, LngLat, Micros, Resolution};
use cityloom::place::{self, Area, AreaFields, Areas, Instants};
use divan::Bencher;
use divan::counter::ItemsCount;
use geo::{BoundingRect as _, Contains as _, Coord, Intersects as _};

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

/// As many all over the globe, most of them on another face than the one before.
fn points_of_the_world() -> Vec<LngLat> {
    let over = |p: LngLat| LngLat {
        lng: (p.lng - 120.6) * 360.0 - 180.0,
        lat: (4.0 * p.lat - 128.6).asin().to_degrees(),
    };
    points().into_iter().map(over).collect()
}

fn columns(points: &[LngLat]) -> (Vec<f64>, Vec<f64>) {
    points.iter().map(|p| (p.lng, p.lat)).unzip()
}

/// Longitude and latitude to a cell, over the demo city.
#[divan::bench(args = [0, 5, 9, 15])]
fn cells_city(bencher: Bencher<'_, '_>, resolution: u8) {
    fast(bencher, &points(), resolution);
}

/// The same, asked of h3o point by point.
#[divan::bench(args = [0, 5, 9, 15])]
fn cells_city_h3o(bencher: Bencher<'_, '_>, resolution: u8) {
    slow(bencher, &points(), resolution);
}

/// Longitude and latitude to a cell, all over the globe.
#[divan::bench(args = [0, 5, 9, 15])]
fn cells_world(bencher: Bencher<'_, '_>, resolution: u8) {
    fast(bencher, &points_of_the_world(), resolution);
}

/// The same, asked of h3o point by point.
#[divan::bench(args = [0, 5, 9, 15])]
fn cells_world_h3o(bencher: Bencher<'_, '_>, resolution: u8) {
    slow(bencher, &points_of_the_world(), resolution);
}

fn fast(bencher: Bencher<'_, '_>, points: &[LngLat], resolution: u8) {
    let (lng, lat) = columns(points);
    let Ok(resolution) = Resolution::try_from(resolution) else { return };
    bencher.counter(ItemsCount::new(ROWS)).bench(|| place::cells(&lng, &lat, resolution));
}

fn slow(bencher: Bencher<'_, '_>, points: &[LngLat], resolution: u8) {
    let Ok(resolution) = Resolution::try_from(resolution) else { return };
    let cell = |point: &LngLat| point.cell(resolution).map_or(place::NO_CELL, Cell::to_i64);
    bencher.counter(ItemsCount::new(ROWS)).bench(|| points.iter().map(cell).collect::<Vec<_>>());
}

/// Cells of resolution 9 to their ancestors at 6.
#[divan::bench]
fn parents(bencher: Bencher<'_, '_>) {
    let (lng, lat) = columns(&points());
    let cells = place::cells(&lng, &lat, Resolution::Nine);
    bencher.counter(ItemsCount::new(ROWS)).bench(|| place::parents(&cells, Resolution::Six));
}

/// The same, asked of h3o cell by cell.
#[divan::bench]
fn parents_h3o(bencher: Bencher<'_, '_>) {
    let (lng, lat) = columns(&points());
    let cells = place::cells(&lng, &lat, Resolution::Nine);
    let parent = |cell: &i64| {
        let parent = Cell::from_i64(*cell).and_then(|cell| cell.0.parent(Resolution::Six));
        parent.map_or(place::NO_CELL, |cell| Cell(cell).to_i64())
    };
    bencher.counter(ItemsCount::new(ROWS)).bench(|| cells.iter().map(parent).collect::<Vec<_>>());
}

/// Cells of resolution 7 to their descendants at 9, 49 each; counted by descendant.
#[divan::bench]
fn children(bencher: Bencher<'_, '_>) {
    let cells = cells_of_seven();
    bencher
        .counter(ItemsCount::new(49 * cells.len()))
        .bench(|| place::children(&cells, Resolution::Nine, 49, usize::MAX));
}

/// The same, asked of h3o cell by cell.
#[divan::bench]
fn children_h3o(bencher: Bencher<'_, '_>) {
    let cells = cells_of_seven();
    let children = |cell: &i64| {
        let cell = Cell::from_i64(*cell);
        cell.into_iter().flat_map(|cell| cell.0.children(Resolution::Nine)).map(|cell| Cell(cell).to_i64())
    };
    bencher
        .counter(ItemsCount::new(49 * cells.len()))
        .bench(|| cells.iter().flat_map(children).collect::<Vec<_>>());
}

fn cells_of_seven() -> Vec<i64> {
    let (lng, lat) = columns(&points()[..1_024]);
    place::cells(&lng, &lat, Resolution::Seven)
}

/// 13,649 grids, towns, counties and the city made ready to be asked: what every start waits for.
#[divan::bench(sample_count = 10)]
fn areas_made_ready(bencher: Bencher<'_, '_>) {
    let text = std::fs::read_to_string("fixtures/areas.geojson").unwrap_or_default();
    let Ok(areas) = Area::read_all(&text, &AreaFields::default()) else { return };
    bencher.with_inputs(|| areas.clone()).bench_values(Areas::new);
}

/// Points to grids, among 13,649 polygons.
#[divan::bench]
fn areas(bencher: Bencher<'_, '_>) {
    let text = std::fs::read_to_string("fixtures/areas.geojson").unwrap_or_default();
    let Ok(areas) = Areas::from_geojson(&text) else { return };
    let points: Vec<Option<LngLat>> = points().into_iter().map(Some).collect();
    bencher.counter(ItemsCount::new(ROWS)).bench(|| areas.locate_all(&points, Instants::One(NOW)));
}

/// The codes of those areas, too.
#[divan::bench]
fn area_codes(bencher: Bencher<'_, '_>) {
    let text = std::fs::read_to_string("fixtures/areas.geojson").unwrap_or_default();
    let Ok(areas) = Areas::from_geojson(&text) else { return };
    let points: Vec<Option<LngLat>> = points().into_iter().map(Some).collect();
    bencher
        .counter(ItemsCount::new(ROWS))
        .bench(|| areas.codes(areas.locate_all(&points, Instants::One(NOW))));
}

/// Points to grids by geo's exact test, asked of every grid whose envelope holds the point.
#[divan::bench(sample_count = 10)]
fn areas_geo(bencher: Bencher<'_, '_>) {
    let text = std::fs::read_to_string("fixtures/areas.geojson").unwrap_or_default();
    let Ok(areas) = Areas::from_geojson(&text) else { return };
    let grids: Vec<_> = areas
        .iter()
        .filter(|area| area.known_level() == Some(AreaLevel::Grid))
        .filter_map(|area| Some((area.shape.bounding_rect()?, area)))
        .collect();
    let points: Vec<Coord> = points()[..64].iter().map(|p| Coord { x: p.lng, y: p.lat }).collect();
    let grid = |point: &Coord| {
        let mut around = grids.iter().filter(|(envelope, _)| envelope.intersects(point));
        around.position(|(_, area)| area.shape.contains(point))
    };
    bencher.counter(ItemsCount::new(points.len())).bench(|| points.iter().map(grid).collect::<Vec<_>>());
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
        .bench(|| contract::check(&contract, &batch, &[]).map(|checked| checked.rejects.len()));
}
