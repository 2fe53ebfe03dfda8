//! Rows' values into the Arrow column that a function returns.

use std::sync::Arc;

use arrow::array::{
    ArrayBuilder, ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, ListBuilder, StringBuilder,
};
use arrow::datatypes::DataType;

use super::spec::{Form, Shape};
use super::value::Value;

/// The type of a shape; `text` says whether the call's first index is text.
pub(super) fn data_type(shape: Shape, text: bool) -> DataType {
    let index = |form| if is_text(form, text) { DataType::Utf8 } else { DataType::Int64 };
    let list = |item| DataType::new_list(item, true);
    match shape {
        Shape::Bool => DataType::Boolean,
        Shape::Int => DataType::Int64,
        Shape::Float => DataType::Float64,
        Shape::Text => DataType::Utf8,
        Shape::Ints => list(DataType::Int64),
        Shape::Floats => list(DataType::Float64),
        Shape::Index(form) => index(form),
        Shape::Indexes(form) => list(index(form)),
        Shape::Rings(form) => list(list(index(form))),
    }
}

fn is_text(form: Form, text: bool) -> bool {
    match form {
        Form::Int => false,
        Form::Text => true,
        Form::AsGiven => text,
    }
}

/// A column in the making.
pub(super) enum Output {
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Text(StringBuilder),
    Ints(ListBuilder<Int64Builder>),
    Floats(ListBuilder<Float64Builder>),
    Texts(ListBuilder<StringBuilder>),
    IntRings(ListBuilder<ListBuilder<Int64Builder>>),
    TextRings(ListBuilder<ListBuilder<StringBuilder>>),
}

impl Output {
    pub(super) fn new(shape: Shape, text: bool, rows: usize) -> Self {
        match shape {
            Shape::Bool => Self::Bool(BooleanBuilder::with_capacity(rows)),
            Shape::Float => Self::Float(Float64Builder::with_capacity(rows)),
            Shape::Text => Self::Text(StringBuilder::new()),
            Shape::Floats => Self::Floats(ListBuilder::new(Float64Builder::new())),
            Shape::Index(form) if is_text(form, text) => Self::Text(StringBuilder::new()),
            Shape::Indexes(form) if is_text(form, text) => {
                Self::Texts(ListBuilder::new(StringBuilder::new()))
            }
            Shape::Rings(form) if is_text(form, text) => {
                Self::TextRings(ListBuilder::new(ListBuilder::new(StringBuilder::new())))
            }
            Shape::Int | Shape::Index(_) => Self::Int(Int64Builder::with_capacity(rows)),
            Shape::Ints | Shape::Indexes(_) => Self::Ints(ListBuilder::new(Int64Builder::new())),
            Shape::Rings(_) => Self::IntRings(ListBuilder::new(ListBuilder::new(Int64Builder::new()))),
        }
    }

    /// Adds a row. A value of another shape than the column's is null, so the column keeps its length.
    pub(super) fn push(&mut self, value: Value) {
        match (self, value) {
            (Self::Bool(column), Value::Bool(value)) => column.append_value(value),
            (Self::Int(column), Value::Int(value)) => column.append_value(value),
            (Self::Int(column), Value::Index(bits)) => column.append_value(bits.cast_signed()),
            (Self::Float(column), Value::Float(value)) => column.append_value(value),
            (Self::Text(column), Value::Text(value)) => column.append_value(value),
            (Self::Text(column), Value::Index(bits)) => column.append_value(hexadecimal(bits)),
            (Self::Ints(column), Value::Ints(list)) => column.append_value(list.into_iter().map(Some)),
            (Self::Ints(column), Value::Indexes(list)) => column.append_value(ints(&list)),
            (Self::Floats(column), Value::Floats(list)) => column.append_value(list.into_iter().map(Some)),
            (Self::Texts(column), Value::Indexes(list)) => column.append_value(texts(&list)),
            (Self::IntRings(column), Value::Rings(rings)) => {
                for ring in &rings {
                    column.values().append_value(ints(ring));
                }
                column.append(true);
            }
            (Self::TextRings(column), Value::Rings(rings)) => {
                for ring in &rings {
                    column.values().append_value(texts(ring));
                }
                column.append(true);
            }
            (column, _) => column.push_null(),
        }
    }

    fn push_null(&mut self) {
        match self {
            Self::Bool(column) => column.append_null(),
            Self::Int(column) => column.append_null(),
            Self::Float(column) => column.append_null(),
            Self::Text(column) => column.append_null(),
            Self::Ints(column) => column.append_null(),
            Self::Floats(column) => column.append_null(),
            Self::Texts(column) => column.append_null(),
            Self::IntRings(column) => column.append_null(),
            Self::TextRings(column) => column.append_null(),
        }
    }

    pub(super) fn finish(self) -> ArrayRef {
        fn close(mut column: impl ArrayBuilder) -> ArrayRef {
            column.finish()
        }
        match self {
            Self::Bool(mut column) => Arc::new(column.finish()),
            Self::Int(column) => close(column),
            Self::Float(column) => close(column),
            Self::Text(column) => close(column),
            Self::Ints(column) => close(column),
            Self::Floats(column) => close(column),
            Self::Texts(column) => close(column),
            Self::IntRings(column) => close(column),
            Self::TextRings(column) => close(column),
        }
    }
}

fn hexadecimal(bits: u64) -> String {
    format!("{bits:x}")
}

fn ints(list: &[u64]) -> impl Iterator<Item = Option<i64>> + '_ {
    list.iter().map(|bits| Some(bits.cast_signed()))
}

fn texts(list: &[u64]) -> impl Iterator<Item = Option<String>> + '_ {
    list.iter().map(|bits| Some(hexadecimal(*bits)))
}
