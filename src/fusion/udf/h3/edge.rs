//! Directed edges: from one cell over the border into its neighbour.

use h3o::DirectedEdgeIndex;

use super::column::Row;
use super::region::ring;
use super::spec::{Answer, Arg, CELL, EDGE, Form, Kind, LENGTH, Shape, Spec, Stop};
use super::value::Value;

const ORIGIN: Arg = Arg::new("origin", Kind::Index, "H3 cell, a BIGINT or hexadecimal text");
const DESTINATION: Arg = Arg::new("destination", Kind::Index, "a neighbour of the origin");

fn edge(row: &Row<'_>) -> Result<DirectedEdgeIndex, Stop> {
    row.index(0)
}

fn length(row: &Row<'_>) -> Answer {
    let edge = edge(row)?;
    Ok(row.length(1)?.pick(edge.length_km(), edge.length_m(), edge.length_rads()).into())
}

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec {
        name: "h3_cells_to_directed_edge",
        aliases: &[],
        args: &[ORIGIN, DESTINATION],
        returns: Shape::Index(Form::AsGiven),
        about: "The edge from a cell to its neighbour; null where they are not neighbours.",
        example: "h3_cells_to_directed_edge('85283473fffffff', '85283447fffffff')",
        eval: |row| Ok(row.cell(0)?.edge(row.cell(1)?).into()),
    },
    Spec {
        name: "h3_origin_to_directed_edges",
        aliases: &[],
        args: &[CELL],
        returns: Shape::Indexes(Form::AsGiven),
        about: "All edges out of the cell.",
        example: "h3_origin_to_directed_edges('85283473fffffff')",
        eval: |row| Ok(Value::list(row.cell(0)?.edges())),
    },
    Spec {
        name: "h3_get_directed_edge_origin",
        aliases: &[],
        args: &[EDGE],
        returns: Shape::Index(Form::AsGiven),
        about: "The cell that the edge comes from.",
        example: "h3_get_directed_edge_origin('165283473fffffff')",
        eval: |row| Ok(edge(row)?.origin().into()),
    },
    Spec {
        name: "h3_get_directed_edge_destination",
        aliases: &[],
        args: &[EDGE],
        returns: Shape::Index(Form::AsGiven),
        about: "The cell that the edge leads into.",
        example: "h3_get_directed_edge_destination('165283473fffffff')",
        eval: |row| Ok(edge(row)?.destination().into()),
    },
    Spec {
        name: "h3_directed_edge_to_cells",
        aliases: &[],
        args: &[EDGE],
        returns: Shape::Indexes(Form::AsGiven),
        about: "Both cells of the edge as [origin, destination].",
        example: "h3_directed_edge_to_cells('165283473fffffff')",
        eval: |row| Ok(Value::list(<[_; 2]>::from(edge(row)?.cells()))),
    },
    Spec {
        name: "h3_directed_edge_to_boundary_wkt",
        aliases: &[],
        args: &[EDGE],
        returns: Shape::Text,
        about: "The edge's course as a WKT line, longitude first.",
        example: "h3_directed_edge_to_boundary_wkt('165283473fffffff')",
        eval: |row| Ok(format!("LINESTRING {}", ring(&edge(row)?.boundary(), false)).into()),
    },
    Spec {
        name: "h3_is_valid_directed_edge",
        aliases: &[],
        args: &[EDGE],
        returns: Shape::Bool,
        about: "Whether the number or text is a directed edge.",
        example: "h3_is_valid_directed_edge('165283473fffffff')",
        eval: |row| Ok(row.bits(0)?.is_some_and(|bits| DirectedEdgeIndex::try_from(bits).is_ok()).into()),
    },
    Spec {
        name: "h3_edge_length",
        aliases: &[],
        args: &[EDGE, LENGTH],
        returns: Shape::Float,
        about: "The edge's length.",
        example: "h3_edge_length('165283473fffffff', 'm')",
        eval: length,
    },
];
