//! Whether a query's result has the columns that its kind and its header need.

use arrow::datatypes::{DataType, SchemaRef};

use super::{Kind, Query};
use crate::model::Problem;

/// Whether a result has the columns that its kind needs.
pub(super) fn shape(query: &Query, schema: &SchemaRef) -> Vec<Problem> {
    let wrong =
        |message: String| Problem { line: 1, column: 1, ..Problem::of_file(&query.file, "CL032", message) };
    let need = |names: &[&str]| -> Vec<Problem> {
        let absent = names.iter().filter(|name| schema.column_with_name(name).is_none());
        let kind = match query.kind() {
            Kind::Layer => "a layer",
            Kind::Alert => "an alert",
            Kind::Kpi => "a kpi",
            Kind::Table => "a table",
        };
        absent.map(|name| wrong(format!("{kind} needs a column `{name}`"))).collect()
    };
    let mut problems = match query.kind() {
        Kind::Layer => {
            let key = query.key().unwrap_or("cell");
            match schema.field_with_name(key).map(|field| field.data_type().clone()) {
                Ok(DataType::Int64) => Vec::new(),
                Ok(other) => vec![wrong(format!("the key column `{key}` is {other}; cells are Int64"))],
                Err(_) => need(&[key]),
            }
        }
        Kind::Alert => need(&[
            query.key().unwrap_or("key"),
            "category",
            "severity",
            "title_en",
            "title_zh",
            "cell",
            "area",
        ]),
        Kind::Kpi => need(&["value"]),
        Kind::Table => Vec::new(),
    };
    for (column, _) in query.columns().iter().filter(|(column, _)| schema.column_with_name(column).is_none())
    {
        let help =
            crate::contract::closest(column, schema.fields().iter().map(|field| field.name().as_str()));
        let help = help.map(|word| format!("did you mean `{word}`?"));
        problems.push(Problem {
            help,
            ..wrong(format!("the header shows a column `{column}` that the query does not have"))
        });
    }
    problems
}
