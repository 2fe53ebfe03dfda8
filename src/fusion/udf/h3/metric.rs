//! Sizes: areas, lengths and distances in the units of SQL's callers.

use super::column::Row;
use super::index::place;
use super::spec::{AREA, Answer, Arg, CELL, Kind, LENGTH, RESOLUTION, Shape, Spec};
use super::value::count;

const LAT_1: Arg = Arg::new("lat1", Kind::Float, "degrees north, -90 to 90");
const LNG_1: Arg = Arg::new("lng1", Kind::Float, "degrees east, -360 to 360");
const LAT_2: Arg = Arg::new("lat2", Kind::Float, "degrees north, -90 to 90");
const LNG_2: Arg = Arg::new("lng2", Kind::Float, "degrees east, -360 to 360");

fn cell_area(row: &Row<'_>) -> Answer {
    let cell = row.cell(0)?;
    Ok(row.area(1)?.pick(cell.area_km2(), cell.area_m2(), cell.area_rads2()).into())
}

fn mean_area(row: &Row<'_>) -> Answer {
    let resolution = row.resolution(0)?;
    Ok(row.area(1)?.pick(resolution.area_km2(), resolution.area_m2(), resolution.area_rads2()).into())
}

fn mean_edge(row: &Row<'_>) -> Answer {
    let resolution = row.resolution(0)?;
    let (km, m, rads) =
        (resolution.edge_length_km(), resolution.edge_length_m(), resolution.edge_length_rads());
    Ok(row.length(1)?.pick(km, m, rads).into())
}

fn distance(row: &Row<'_>) -> Answer {
    let (from, to) = (place(row, 0, 1)?, place(row, 2, 3)?);
    Ok(row.length(4)?.pick(from.distance_km(to), from.distance_m(to), from.distance_rads(to)).into())
}

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec {
        name: "h3_cell_area",
        aliases: &[],
        args: &[CELL, AREA],
        returns: Shape::Float,
        about: "The cell's own area.",
        example: "h3_cell_area('8928308280fffff', 'm^2')",
        eval: cell_area,
    },
    Spec {
        name: "h3_get_hexagon_area_avg",
        aliases: &[],
        args: &[RESOLUTION, AREA],
        returns: Shape::Float,
        about: "The mean area of a resolution's hexagons.",
        example: "h3_get_hexagon_area_avg(9, 'm^2')",
        eval: mean_area,
    },
    Spec {
        name: "h3_get_hexagon_edge_length_avg",
        aliases: &[],
        args: &[RESOLUTION, LENGTH],
        returns: Shape::Float,
        about: "The mean length of the edges of a resolution's hexagons.",
        example: "h3_get_hexagon_edge_length_avg(9, 'm')",
        eval: mean_edge,
    },
    Spec {
        name: "h3_great_circle_distance",
        aliases: &[],
        args: &[LAT_1, LNG_1, LAT_2, LNG_2, LENGTH],
        returns: Shape::Float,
        about: "The shortest way between two places over the sphere.",
        example: "h3_great_circle_distance(22.5431, 114.0579, 22.2793, 114.1628, 'km')",
        eval: distance,
    },
    Spec {
        name: "h3_get_num_cells",
        aliases: &[],
        args: &[RESOLUTION],
        returns: Shape::Int,
        about: "How many cells a resolution has.",
        example: "h3_get_num_cells(9)",
        eval: |row| Ok(count(row.resolution(0)?.cell_count())),
    },
];
