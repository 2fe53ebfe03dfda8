//! From places and text to cells, and what one cell says about itself.

use h3o::{CellIndex, LatLng, is_valid_index};

use super::column::{Row, hexadecimal};
use super::region::ring;
use super::spec::{Answer, Arg, CELL, Form, Kind, LAT, LNG, RESOLUTION, Shape, Spec, Stop};
use super::value::Value;

const INDEX: Arg = Arg::new("index", Kind::Index, "H3 cell, edge or vertex, a BIGINT or hexadecimal text");
const HEX: Arg = Arg::new("text", Kind::Text, "an H3 index in hexadecimal");

/// A place from two arguments. A latitude beyond the poles is most often a swapped pair, so it is no place.
pub(super) fn place(row: &Row<'_>, lat: usize, lng: usize) -> Result<LatLng, Stop> {
    let (lat, lng) = (row.float(lat)?, row.float(lng)?);
    if lat.abs() > 90.0 || lng.abs() > 360.0 {
        return Err(Stop::Null);
    }
    Ok(LatLng::new(lat, lng)?)
}

fn cell_at(row: &Row<'_>) -> Answer {
    Ok(place(row, 0, 1)?.to_cell(row.resolution(2)?).into())
}

fn centre(row: &Row<'_>) -> Result<LatLng, Stop> {
    row.cell(0).map(LatLng::from)
}

fn to_text(row: &Row<'_>) -> Answer {
    let bits = row.bits(0)?.filter(|bits| is_valid_index(*bits)).ok_or(Stop::Null)?;
    Ok(Value::Index(bits))
}

fn from_text(row: &Row<'_>) -> Answer {
    Ok(hexadecimal(row.text(0)?).filter(|bits| is_valid_index(*bits)).map_or(Value::Null, Value::Index))
}

fn faces(row: &Row<'_>) -> Answer {
    Ok(Value::Ints(row.cell(0)?.icosahedron_faces().iter().map(|face| u8::from(face).into()).collect()))
}

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec {
        name: "h3_latlng_to_cell",
        aliases: &[],
        args: &[LAT, LNG, RESOLUTION],
        returns: Shape::Index(Form::Int),
        about: "The cell of a resolution that holds the place.",
        example: "h3_latlng_to_cell(22.5431, 114.0579, 9)",
        eval: cell_at,
    },
    Spec {
        name: "h3_latlng_to_cell_string",
        aliases: &[],
        args: &[LAT, LNG, RESOLUTION],
        returns: Shape::Index(Form::Text),
        about: "The cell of a resolution that holds the place, as hexadecimal text.",
        example: "h3_latlng_to_cell_string(22.5431, 114.0579, 9)",
        eval: cell_at,
    },
    Spec {
        name: "h3_cell_to_lat",
        aliases: &[],
        args: &[CELL],
        returns: Shape::Float,
        about: "Latitude of the cell's centre in degrees.",
        example: "h3_cell_to_lat('8928308280fffff')",
        eval: |row| Ok(centre(row)?.lat().into()),
    },
    Spec {
        name: "h3_cell_to_lng",
        aliases: &[],
        args: &[CELL],
        returns: Shape::Float,
        about: "Longitude of the cell's centre in degrees.",
        example: "h3_cell_to_lng('8928308280fffff')",
        eval: |row| Ok(centre(row)?.lng().into()),
    },
    Spec {
        name: "h3_cell_to_latlng",
        aliases: &[],
        args: &[CELL],
        returns: Shape::Floats,
        about: "The cell's centre as [latitude, longitude] in degrees.",
        example: "h3_cell_to_latlng('8928308280fffff')",
        eval: |row| centre(row).map(|at| Value::Floats(vec![at.lat(), at.lng()])),
    },
    Spec {
        name: "h3_cell_to_boundary_wkt",
        aliases: &[],
        args: &[CELL],
        returns: Shape::Text,
        about: "The cell's outline as a WKT polygon, longitude first.",
        example: "h3_cell_to_boundary_wkt('8928308280fffff')",
        eval: |row| Ok(format!("POLYGON ({})", ring(&row.cell(0)?.boundary(), true)).into()),
    },
    Spec {
        name: "h3_string_to_h3",
        aliases: &[],
        args: &[HEX],
        returns: Shape::Index(Form::Int),
        about: "The index that a hexadecimal text writes.",
        example: "h3_string_to_h3('8928308280fffff')",
        eval: from_text,
    },
    Spec {
        name: "h3_h3_to_string",
        aliases: &["h3_cell_to_string"],
        args: &[INDEX],
        returns: Shape::Index(Form::Text),
        about: "The index as hexadecimal text.",
        example: "h3_h3_to_string(617700169958293503)",
        eval: to_text,
    },
    Spec {
        name: "h3_is_valid_cell",
        aliases: &[],
        args: &[CELL],
        returns: Shape::Bool,
        about: "Whether the number or text is a cell.",
        example: "h3_is_valid_cell('8928308280fffff')",
        eval: |row| Ok(row.bits(0)?.is_some_and(|bits| CellIndex::try_from(bits).is_ok()).into()),
    },
    Spec {
        name: "h3_is_pentagon",
        aliases: &[],
        args: &[CELL],
        returns: Shape::Bool,
        about: "Whether the cell is one of the twelve pentagons of its resolution.",
        example: "h3_is_pentagon('8009fffffffffff')",
        eval: |row| Ok(row.cell(0)?.is_pentagon().into()),
    },
    Spec {
        name: "h3_is_res_class_iii",
        aliases: &[],
        args: &[CELL],
        returns: Shape::Bool,
        about: "Whether the cell's resolution is odd, its grid turned against the base cells'.",
        example: "h3_is_res_class_iii('8928308280fffff')",
        eval: |row| Ok(row.cell(0)?.resolution().is_class3().into()),
    },
    Spec {
        name: "h3_get_resolution",
        aliases: &[],
        args: &[CELL],
        returns: Shape::Int,
        about: "The cell's resolution, 0 to 15.",
        example: "h3_get_resolution('8928308280fffff')",
        eval: |row| Ok(u8::from(row.cell(0)?.resolution()).into()),
    },
    Spec {
        name: "h3_get_base_cell_number",
        aliases: &[],
        args: &[CELL],
        returns: Shape::Int,
        about: "The number of the cell's ancestor at resolution 0, 0 to 121.",
        example: "h3_get_base_cell_number('8928308280fffff')",
        eval: |row| Ok(u8::from(row.cell(0)?.base_cell()).into()),
    },
    Spec {
        name: "h3_get_icosahedron_faces",
        aliases: &[],
        args: &[CELL],
        returns: Shape::Ints,
        about: "The faces of the icosahedron that the cell touches, each 0 to 19.",
        example: "h3_get_icosahedron_faces('8928308280fffff')",
        eval: faces,
    },
];
