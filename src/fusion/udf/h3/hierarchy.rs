//! Cells of other resolutions: parents, children, compact sets.

use h3o::CellIndex;

use super::column::Row;
use super::spec::{Answer, Arg, CELL, CELLS, Form, Kind, RESOLUTION, Shape, Spec, Stop};
use super::value::{Value, allow, count};

const POSITION: Arg = Arg::new("position", Kind::Int, "place among the children, from 0");
const PARENT: Arg = Arg::new("parent", Kind::Index, "H3 cell, a BIGINT or hexadecimal text");

fn children(row: &Row<'_>) -> Answer {
    let (cell, resolution) = (row.cell(0)?, row.resolution(1)?);
    if resolution < cell.resolution() {
        return Err(Stop::Null);
    }
    allow(cell.children_count(resolution))?;
    Ok(Value::list(cell.children(resolution)))
}

fn children_size(row: &Row<'_>) -> Answer {
    let (cell, resolution) = (row.cell(0)?, row.resolution(1)?);
    Ok(if resolution < cell.resolution() { Value::Null } else { count(cell.children_count(resolution)) })
}

/// Doubled cells are one cell of the set; cells of several resolutions are no set.
fn compact(row: &Row<'_>) -> Answer {
    let mut cells = row.cells(0)?;
    cells.sort_unstable();
    cells.dedup();
    CellIndex::compact(&mut cells)?;
    Ok(Value::list(cells))
}

fn uncompact(row: &Row<'_>) -> Answer {
    let (cells, resolution) = (row.cells(0)?, row.resolution(1)?);
    if cells.iter().any(|cell| cell.resolution() > resolution) {
        return Err(Stop::Null);
    }
    let size = cells.iter().fold(0u64, |size, cell| size.saturating_add(cell.children_count(resolution)));
    allow(size)?;
    Ok(Value::list(CellIndex::uncompact(cells, resolution)))
}

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec {
        name: "h3_cell_to_parent",
        aliases: &[],
        args: &[CELL, RESOLUTION],
        returns: Shape::Index(Form::AsGiven),
        about: "The cell's ancestor at a coarser resolution; null at a finer one.",
        example: "h3_cell_to_parent('8928308280fffff', 7)",
        eval: |row| Ok(row.cell(0)?.parent(row.resolution(1)?).into()),
    },
    Spec {
        name: "h3_cell_to_center_child",
        aliases: &[],
        args: &[CELL, RESOLUTION],
        returns: Shape::Index(Form::AsGiven),
        about: "The child in the cell's centre at a finer resolution; null at a coarser one.",
        example: "h3_cell_to_center_child('8928308280fffff', 10)",
        eval: |row| Ok(row.cell(0)?.center_child(row.resolution(1)?).into()),
    },
    Spec {
        name: "h3_cell_to_children",
        aliases: &[],
        args: &[CELL, RESOLUTION],
        returns: Shape::Indexes(Form::AsGiven),
        about: "All children of the cell at a finer resolution; null at a coarser one.",
        example: "h3_cell_to_children('8928308280fffff', 10)",
        eval: children,
    },
    Spec {
        name: "h3_cell_to_children_size",
        aliases: &[],
        args: &[CELL, RESOLUTION],
        returns: Shape::Int,
        about: "How many children the cell has at a finer resolution; null at a coarser one.",
        example: "h3_cell_to_children_size('8928308280fffff', 15)",
        eval: children_size,
    },
    Spec {
        name: "h3_cell_to_child_pos",
        aliases: &[],
        args: &[CELL, RESOLUTION],
        returns: Shape::Int,
        about: "The cell's place, from 0, among all children of its ancestor at the resolution.",
        example: "h3_cell_to_child_pos('8928308280fffff', 5)",
        eval: |row| Ok(row.cell(0)?.child_position(row.resolution(1)?).map_or(Value::Null, count)),
    },
    Spec {
        name: "h3_child_pos_to_cell",
        aliases: &[],
        args: &[POSITION, PARENT, RESOLUTION],
        returns: Shape::Index(Form::AsGiven),
        about: "The child at a place, from 0, among all children of a cell at the resolution.",
        example: "h3_child_pos_to_cell(5, '8528347bfffffff', 10)",
        eval: |row| {
            let position = u64::try_from(row.int(0)?)?;
            Ok(row.cell(1)?.child_at(position, row.resolution(2)?).into())
        },
    },
    Spec {
        name: "h3_compact_cells",
        aliases: &[],
        args: &[CELLS],
        returns: Shape::Indexes(Form::AsGiven),
        about: "The same area with the fewest cells: full sets of children become their parent.",
        example: "h3_compact_cells(h3_cell_to_children('8928308280fffff', 11))",
        eval: compact,
    },
    Spec {
        name: "h3_uncompact_cells",
        aliases: &[],
        args: &[CELLS, RESOLUTION],
        returns: Shape::Indexes(Form::AsGiven),
        about: "The same area with cells of one resolution; null if a cell is finer.",
        example: "h3_uncompact_cells(make_array('8928308280fffff'), 10)",
        eval: uncompact,
    },
];
