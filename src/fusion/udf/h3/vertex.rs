//! Vertices: the corners that cells share.

use h3o::{LatLng, Vertex, VertexIndex};

use super::column::Row;
use super::spec::{Answer, Arg, CELL, Form, Kind, Shape, Spec, Stop, VERTEX};
use super::value::Value;

const NUMBER: Arg = Arg::new("number", Kind::Int, "which corner, 0 to 5 and of a pentagon to 4");

fn place(row: &Row<'_>) -> Result<LatLng, Stop> {
    row.index::<VertexIndex>(0).map(LatLng::from)
}

fn corner(row: &Row<'_>) -> Answer {
    let number = Vertex::try_from(u8::try_from(row.int(1)?)?)?;
    Ok(row.cell(0)?.vertex(number).into())
}

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec {
        name: "h3_cell_to_vertex",
        aliases: &[],
        args: &[CELL, NUMBER],
        returns: Shape::Index(Form::AsGiven),
        about: "One corner of the cell.",
        example: "h3_cell_to_vertex('85283473fffffff', 0)",
        eval: corner,
    },
    Spec {
        name: "h3_cell_to_vertexes",
        aliases: &["h3_cell_to_vertices"],
        args: &[CELL],
        returns: Shape::Indexes(Form::AsGiven),
        about: "All corners of the cell.",
        example: "h3_cell_to_vertexes('85283473fffffff')",
        eval: |row| Ok(Value::list(row.cell(0)?.vertexes())),
    },
    Spec {
        name: "h3_vertex_to_lat",
        aliases: &[],
        args: &[VERTEX],
        returns: Shape::Float,
        about: "Latitude of the vertex in degrees.",
        example: "h3_vertex_to_lat('22528340bfffffff')",
        eval: |row| Ok(place(row)?.lat().into()),
    },
    Spec {
        name: "h3_vertex_to_lng",
        aliases: &[],
        args: &[VERTEX],
        returns: Shape::Float,
        about: "Longitude of the vertex in degrees.",
        example: "h3_vertex_to_lng('22528340bfffffff')",
        eval: |row| Ok(place(row)?.lng().into()),
    },
    Spec {
        name: "h3_vertex_to_latlng",
        aliases: &[],
        args: &[VERTEX],
        returns: Shape::Floats,
        about: "The vertex as [latitude, longitude] in degrees.",
        example: "h3_vertex_to_latlng('22528340bfffffff')",
        eval: |row| place(row).map(|at| Value::Floats(vec![at.lat(), at.lng()])),
    },
    Spec {
        name: "h3_is_valid_vertex",
        aliases: &[],
        args: &[VERTEX],
        returns: Shape::Bool,
        about: "Whether the number or text is a vertex.",
        example: "h3_is_valid_vertex('22528340bfffffff')",
        eval: |row| Ok(row.bits(0)?.is_some_and(|bits| VertexIndex::try_from(bits).is_ok()).into()),
    },
];
