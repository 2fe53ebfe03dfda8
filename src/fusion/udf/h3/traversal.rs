//! Walking the grid: disks, rings, distances, paths, local coordinates.

use h3o::{CellIndex, CoordIJ, LocalIJ, max_grid_disk_size};

use super::column::Row;
use super::spec::{Answer, Arg, CELL, Form, K, Kind, Shape, Spec};
use super::value::{Value, allow};

const ORIGIN: Arg = Arg::new("origin", Kind::Index, "H3 cell, a BIGINT or hexadecimal text");
const OTHER: Arg = Arg::new("destination", Kind::Index, "H3 cell of the same resolution");
const I: Arg = Arg::new("i", Kind::Int, "steps along the first axis");
const J: Arg = Arg::new("j", Kind::Int, "steps along the second axis");

fn disk(row: &Row<'_>) -> Answer {
    let (cell, k) = (row.cell(0)?, row.k(1)?);
    allow(max_grid_disk_size(k))?;
    Ok(Value::list(cell.grid_disk::<Vec<_>>(k)))
}

fn disk_distances(row: &Row<'_>) -> Answer {
    let (cell, k) = (row.cell(0)?, row.k(1)?);
    allow(max_grid_disk_size(k))?;
    let mut rings = vec![Vec::new(); usize::try_from(k)? + 1];
    for (cell, distance) in cell.grid_disk_distances::<Vec<_>>(k) {
        if let Some(ring) = rings.get_mut(usize::try_from(distance)?) {
            ring.push(u64::from(cell));
        }
    }
    Ok(Value::Rings(rings))
}

/// Bounded like the disk, which it is cut from near a pentagon.
fn ring(row: &Row<'_>) -> Answer {
    let (cell, k) = (row.cell(0)?, row.k(1)?);
    allow(max_grid_disk_size(k))?;
    Ok(Value::list(cell.grid_ring::<Vec<_>>(k)))
}

fn path(row: &Row<'_>) -> Answer {
    let (from, to) = (row.cell(0)?, row.cell(1)?);
    allow(u64::try_from(from.grid_path_cells_size(to)?)?)?;
    Ok(Value::list(from.grid_path_cells(to)?.collect::<Result<Vec<_>, _>>()?))
}

fn to_local(row: &Row<'_>) -> Answer {
    let coord = row.cell(1)?.to_local_ij(row.cell(0)?)?.coord;
    Ok(Value::Ints(vec![coord.i.into(), coord.j.into()]))
}

fn from_local(row: &Row<'_>) -> Answer {
    let coord = CoordIJ::new(i32::try_from(row.int(1)?)?, i32::try_from(row.int(2)?)?);
    Ok(CellIndex::try_from(LocalIJ::new(row.cell(0)?, coord))?.into())
}

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec {
        name: "h3_grid_disk",
        aliases: &["h3_grid_disk_unsafe"],
        args: &[CELL, K],
        returns: Shape::Indexes(Form::AsGiven),
        about: "All cells within distance k, the cell itself included.",
        example: "h3_grid_disk('8928308280fffff', 1)",
        eval: disk,
    },
    Spec {
        name: "h3_grid_disk_distances",
        aliases: &["h3_grid_disk_distances_safe", "h3_grid_disk_distances_unsafe"],
        args: &[CELL, K],
        returns: Shape::Rings(Form::AsGiven),
        about: "All cells within distance k as a list of rings; ring 0 is the cell itself.",
        example: "h3_grid_disk_distances('8928308280fffff', 2)",
        eval: disk_distances,
    },
    Spec {
        name: "h3_grid_ring",
        aliases: &["h3_grid_ring_unsafe"],
        args: &[CELL, K],
        returns: Shape::Indexes(Form::AsGiven),
        about: "All cells at exactly distance k.",
        example: "h3_grid_ring('8928308280fffff', 1)",
        eval: ring,
    },
    Spec {
        name: "h3_grid_distance",
        aliases: &[],
        args: &[ORIGIN, OTHER],
        returns: Shape::Int,
        about: "Steps between two cells of one resolution; null where H3 finds no way past a pentagon.",
        example: "h3_grid_distance('85283473fffffff', '8528342bfffffff')",
        eval: |row| Ok(row.cell(0)?.grid_distance(row.cell(1)?)?.into()),
    },
    Spec {
        name: "h3_grid_path_cells",
        aliases: &[],
        args: &[ORIGIN, OTHER],
        returns: Shape::Indexes(Form::AsGiven),
        about: "The cells of a straight way between two cells, both included.",
        example: "h3_grid_path_cells('85283473fffffff', '8528342bfffffff')",
        eval: path,
    },
    Spec {
        name: "h3_are_neighbor_cells",
        aliases: &[],
        args: &[ORIGIN, OTHER],
        returns: Shape::Bool,
        about: "Whether two cells of one resolution share an edge.",
        example: "h3_are_neighbor_cells('85283473fffffff', '85283447fffffff')",
        eval: |row| Ok(row.cell(0)?.is_neighbor_with(row.cell(1)?)?.into()),
    },
    Spec {
        name: "h3_cell_to_local_ij",
        aliases: &[],
        args: &[ORIGIN, CELL],
        returns: Shape::Ints,
        about: "The cell's place as [i, j] in the grid around an origin.",
        example: "h3_cell_to_local_ij('85283473fffffff', '8528342bfffffff')",
        eval: to_local,
    },
    Spec {
        name: "h3_local_ij_to_cell",
        aliases: &[],
        args: &[ORIGIN, I, J],
        returns: Shape::Index(Form::AsGiven),
        about: "The cell at [i, j] in the grid around an origin.",
        example: "h3_local_ij_to_cell('85283473fffffff', 25, 13)",
        eval: from_local,
    },
];
