//! H3 v4 in SQL under the names of `DuckDB`'s `h3` extension and polars-h3.
//!
//! A function is one row of a table ([`spec::Spec`]): its arguments, what it returns, its documentation and a
//! plain function from a row to a value. The tables stand one per subject (`index`, `hierarchy`, …) and hold
//! the arithmetic; [`function`] alone knows DataFusion, [`column`], [`output`] and [`whole`] alone know Arrow.
//!
//! One law for all of them: null in, null out; a value that is no cell, edge, vertex, resolution or place gives
//! null in its row; a constant that can never be right is refused when the query is planned; and a row that
//! would unfold into more than [`value::MAX_CELLS_PER_ROW`] cells stops the query with the way to mend it.

mod column;
mod edge;
mod function;
mod hierarchy;
mod index;
mod inspect;
mod metric;
mod output;
mod region;
mod spec;
mod traversal;
mod value;
mod vertex;
mod whole;

use datafusion::logical_expr::ScalarUDF;

/// Every function, ready to be registered.
pub(super) fn functions() -> impl Iterator<Item = ScalarUDF> {
    [
        index::FUNCTIONS,
        hierarchy::FUNCTIONS,
        traversal::FUNCTIONS,
        region::FUNCTIONS,
        edge::FUNCTIONS,
        vertex::FUNCTIONS,
        metric::FUNCTIONS,
        inspect::FUNCTIONS,
    ]
    .into_iter()
    .flatten()
    .map(|spec| ScalarUDF::from(function::Function::new(spec)))
}
