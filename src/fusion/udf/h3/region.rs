//! Areas: polygons to cells and cells to polygons, both as WKT.

use geo::{BoundingRect, Geometry, LineString, MultiPolygon};
use h3o::geom::{ContainmentMode, SolventBuilder, TilerBuilder};
use h3o::{CellIndex, LatLng, Resolution};
use wkt::TryFromWkt;

use super::column::Row;
use super::spec::{Answer, Arg, CELLS, Form, Kind, RESOLUTION, Shape, Spec, Stop, WKT};
use super::value::{MAX_CELLS_PER_ROW, Value, allow};

const MODE: Arg = Arg::new("containment", Kind::Containment, "'center', 'full' or 'overlap'");

/// A box can hold so many times the cells of the shape inside it, a slanted strip for instance.
const BOX_TO_SHAPE: u64 = 16;

/// Which cells of a polygon a containment word asks for.
pub(super) fn containment(word: &str) -> Option<ContainmentMode> {
    match word {
        "center" => Some(ContainmentMode::ContainsCentroid),
        "full" => Some(ContainmentMode::ContainsBoundary),
        "overlap" => Some(ContainmentMode::Covers),
        _ => None,
    }
}

/// The WKT of a ring or line without the geometry's name.
pub(super) fn ring(points: &[LatLng], closed: bool) -> String {
    let first = points.first().filter(|_| closed);
    coordinates(points.iter().chain(first).map(|at| (at.lng(), at.lat())))
}

fn coordinates(points: impl Iterator<Item = (f64, f64)>) -> String {
    let points = points.map(|(lng, lat)| format!("{lng} {lat}")).collect::<Vec<_>>();
    format!("({})", points.join(", "))
}

/// The polygons of a text. Other geometries have no inside and are nothing here, and they are turned away
/// before they are parsed: a collection may nest deeper than the stack.
fn polygons(text: &str) -> Option<MultiPolygon> {
    let name = text.trim_start().split(|c: char| !c.is_ascii_alphabetic()).next()?;
    if !name.eq_ignore_ascii_case("polygon") && !name.eq_ignore_ascii_case("multipolygon") {
        return None;
    }
    let area = match Geometry::<f64>::try_from_wkt_str(text).ok()? {
        Geometry::Polygon(polygon) => MultiPolygon::new(vec![polygon]),
        Geometry::MultiPolygon(polygons) => polygons,
        _ => return None,
    };
    let on_globe = area.bounding_rect().is_none_or(|bounds| {
        let (min, max) = (bounds.min(), bounds.max());
        min.x >= -180.0 && max.x <= 180.0 && min.y >= -90.0 && max.y <= 90.0
    });
    on_globe.then_some(area)
}

/// Sorted, so that equal areas give equal lists.
fn fill(text: &str, resolution: Resolution, mode: ContainmentMode) -> Answer {
    let mut area = polygons(text).ok_or(Stop::Null)?;
    area.0.retain(|polygon| !polygon.exterior().0.is_empty());
    if area.0.is_empty() {
        return Ok(Value::Indexes(Vec::new()));
    }
    allow(outline_cells(&area, resolution))?;
    let mut tiler = TilerBuilder::new(resolution).containment_mode(mode).build();
    tiler.add_batch(area)?;
    let estimate = tiler.coverage_size_hint() as u64;
    allow(estimate / BOX_TO_SHAPE).map_err(|_| Stop::TooMany(estimate))?;
    let limit = usize::try_from(MAX_CELLS_PER_ROW)? + 1;
    let mut cells = tiler.into_coverage().take(limit).collect::<Vec<_>>();
    allow(cells.len() as u64)?;
    cells.sort_unstable();
    cells.dedup();
    Ok(Value::list(cells))
}

/// About how many cells the outlines alone run through.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "lengths are positive, and one beyond u64 becomes its greatest value, which is refused"
)]
fn outline_cells(area: &MultiPolygon, resolution: Resolution) -> u64 {
    let length = |ring: &LineString| {
        let ends = |line: geo::Line| Some((at(line.start)?, at(line.end)?));
        ring.lines().filter_map(ends).map(|(from, to)| from.distance_m(to)).sum::<f64>()
    };
    let rings =
        area.iter().flat_map(|polygon| std::iter::once(polygon.exterior()).chain(polygon.interiors()));
    (rings.map(length).sum::<f64>() / resolution.edge_length_m()) as u64
}

fn at(coord: geo::Coord) -> Option<LatLng> {
    LatLng::new(coord.y, coord.x).ok()
}

fn fill_centres(row: &Row<'_>) -> Answer {
    fill(row.text(0)?, row.resolution(1)?, ContainmentMode::ContainsCentroid)
}

fn fill_by_mode(row: &Row<'_>) -> Answer {
    fill(row.text(0)?, row.resolution(1)?, containment(row.text(2)?).ok_or(Stop::Null)?)
}

/// Cells of several resolutions are dissolved as those of the finest.
fn outline(row: &Row<'_>) -> Answer {
    let mut cells = row.cells(0)?;
    cells.sort_unstable();
    cells.dedup();
    let Some(finest) = cells.iter().map(|cell| cell.resolution()).max() else {
        return Ok(Value::Text("MULTIPOLYGON EMPTY".to_owned()));
    };
    if cells.iter().any(|cell| cell.resolution() != finest) {
        let size = cells.iter().fold(0u64, |size, cell| size.saturating_add(cell.children_count(finest)));
        allow(size)?;
        cells = CellIndex::uncompact(cells, finest).collect();
        cells.sort_unstable();
        cells.dedup();
    }
    Ok(multi_polygon(&SolventBuilder::new().build().dissolve(cells)?).into())
}

fn multi_polygon(area: &MultiPolygon) -> String {
    let ring = |ring: &LineString| coordinates(ring.coords().map(|at| (at.x, at.y)));
    let polygon = |polygon: &geo::Polygon| {
        let rings = std::iter::once(polygon.exterior()).chain(polygon.interiors()).map(ring);
        format!("({})", rings.collect::<Vec<_>>().join(", "))
    };
    format!("MULTIPOLYGON ({})", area.iter().map(polygon).collect::<Vec<_>>().join(", "))
}

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec {
        name: "h3_polygon_wkt_to_cells",
        aliases: &[],
        args: &[WKT, RESOLUTION],
        returns: Shape::Indexes(Form::Int),
        about: "The cells whose centre lies in the area.",
        example: "h3_polygon_wkt_to_cells('POLYGON ((114.05 22.53, 114.06 22.53, 114.06 22.54, 114.05 22.53))', 9)",
        eval: fill_centres,
    },
    Spec {
        name: "h3_polygon_wkt_to_cells_string",
        aliases: &[],
        args: &[WKT, RESOLUTION],
        returns: Shape::Indexes(Form::Text),
        about: "The cells whose centre lies in the area, as hexadecimal text.",
        example: "h3_polygon_wkt_to_cells_string('POLYGON ((114.05 22.53, 114.06 22.53, 114.06 22.54, 114.05 22.53))', 9)",
        eval: fill_centres,
    },
    Spec {
        name: "h3_polygon_wkt_to_cells_experimental",
        aliases: &[],
        args: &[WKT, RESOLUTION, MODE],
        returns: Shape::Indexes(Form::Int),
        about: "The cells whose centre lies in the area, that lie fully in it or that overlap it.",
        example: "h3_polygon_wkt_to_cells_experimental('POLYGON ((114.05 22.53, 114.06 22.53, 114.06 22.54, 114.05 22.53))', 9, 'overlap')",
        eval: fill_by_mode,
    },
    Spec {
        name: "h3_polygon_wkt_to_cells_experimental_string",
        aliases: &[],
        args: &[WKT, RESOLUTION, MODE],
        returns: Shape::Indexes(Form::Text),
        about: "As h3_polygon_wkt_to_cells_experimental, the cells as hexadecimal text.",
        example: "h3_polygon_wkt_to_cells_experimental_string('POLYGON ((114.05 22.53, 114.06 22.53, 114.06 22.54, 114.05 22.53))', 9, 'full')",
        eval: fill_by_mode,
    },
    Spec {
        name: "h3_cells_to_multi_polygon_wkt",
        aliases: &[],
        args: &[CELLS],
        returns: Shape::Text,
        about: "The outline of all the cells together as a WKT multipolygon, longitude first.",
        example: "h3_cells_to_multi_polygon_wkt(h3_grid_disk('8928308280fffff', 1))",
        eval: outline,
    },
];
