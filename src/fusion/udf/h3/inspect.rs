//! The grid itself: its base cells and its pentagons.

use h3o::CellIndex;

use super::column::Row;
use super::spec::{Answer, Form, RESOLUTION, Shape, Spec};
use super::value::Value;

fn pentagons(row: &Row<'_>) -> Answer {
    Ok(Value::list(row.resolution(0)?.pentagons()))
}

fn base_cells() -> Value {
    Value::list(CellIndex::base_cells())
}

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec {
        name: "h3_get_res0_cells",
        aliases: &[],
        args: &[],
        returns: Shape::Indexes(Form::Int),
        about: "The 122 cells of resolution 0.",
        example: "h3_get_res0_cells()",
        eval: |_| Ok(base_cells()),
    },
    Spec {
        name: "h3_get_res0_cells_string",
        aliases: &[],
        args: &[],
        returns: Shape::Indexes(Form::Text),
        about: "The 122 cells of resolution 0, as hexadecimal text.",
        example: "h3_get_res0_cells_string()",
        eval: |_| Ok(base_cells()),
    },
    Spec {
        name: "h3_get_pentagons",
        aliases: &[],
        args: &[RESOLUTION],
        returns: Shape::Indexes(Form::Int),
        about: "The twelve pentagons of a resolution.",
        example: "h3_get_pentagons(9)",
        eval: pentagons,
    },
    Spec {
        name: "h3_get_pentagons_string",
        aliases: &[],
        args: &[RESOLUTION],
        returns: Shape::Indexes(Form::Text),
        about: "The twelve pentagons of a resolution, as hexadecimal text.",
        example: "h3_get_pentagons_string(9)",
        eval: pentagons,
    },
];
