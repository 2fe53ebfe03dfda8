//! What is linear: the sum over two parts of a feed is the sum over the whole. The rules, and what breaks them.

use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::common::{JoinType, Result, TableReference};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::reason::Reason;

/// What a table is to a query that is kept up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::fusion) enum Leaf {
    /// A feed: rows are only added, or rewritten by period.
    Fact,
    /// Anything else that is read as it stands: reference tables, other queries' results.
    Dimension,
    /// A table of which no version is known.
    Foreign,
}

/// Aggregates whose states are of bounded size and merge exactly, or as exactly as floating point and sketches do.
const MERGEABLE: [&str; 38] = [
    "count",
    "sum",
    "avg",
    "mean",
    "min",
    "max",
    "bool_and",
    "bool_or",
    "bit_and",
    "bit_or",
    "bit_xor",
    "first_value",
    "last_value",
    "any_value",
    "var",
    "var_samp",
    "var_pop",
    "var_population",
    "var_sample",
    "stddev",
    "stddev_samp",
    "stddev_pop",
    "covar",
    "covar_samp",
    "covar_pop",
    "corr",
    "regr_slope",
    "regr_intercept",
    "regr_count",
    "regr_r2",
    "regr_avgx",
    "regr_avgy",
    "regr_sxx",
    "regr_syy",
    "regr_sxy",
    "approx_distinct",
    "approx_percentile_cont",
    "approx_median",
];
/// Aggregates that merge but keep every value.
const KEEPS_ALL: [&str; 6] = [
    "median",
    "percentile_cont",
    "array_agg",
    "string_agg",
    "nth_value",
    "approx_percentile_cont_with_weight",
];

/// The name of a table as the catalog knows it.
pub(super) fn name(table: &TableReference) -> String {
    match table.schema() {
        Some("queries") | None => table.table().to_owned(),
        Some(schema) => format!("{schema}.{}", table.table()),
    }
}

/// Whether an expression depends on the tick.
pub(in crate::fusion) fn reads_time(expr: &Expr) -> bool {
    let is_clock = |expr: &Expr| {
        matches!(expr, Expr::ScalarFunction(call)
            if matches!(call.func.name(), "now" | "current_timestamp" | "current_date" | "current_time" | "today"))
    };
    expr.exists(|expr| Ok(is_clock(expr))).unwrap_or(true)
}

/// The feeds that a plan reads, subqueries included.
pub(super) fn facts(plan: &LogicalPlan, leaf: &dyn Fn(&str) -> Leaf) -> Vec<String> {
    tables(plan).into_iter().filter(|table| leaf(table) == Leaf::Fact).collect()
}

/// All tables that a plan reads, subqueries included.
pub(super) fn tables(plan: &LogicalPlan) -> Vec<String> {
    let mut found = Vec::new();
    let walked: Result<_> = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            found.push(name(&scan.table_name));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(walked.is_ok(), "walking a plan has nothing to fail at");
    found
}

/// Whether the rows of `plan` are linear in its feeds. `windows` says of a filter's conjunct whether it is a window,
/// which the state takes care of.
pub(super) fn check(
    plan: &LogicalPlan,
    leaf: &dyn Fn(&str) -> Leaf,
    is_window: &dyn Fn(&Expr, &LogicalPlan) -> bool,
) -> Result<(), Reason> {
    let Some(feed) = facts(plan, leaf).into_iter().next() else {
        let foreign = tables(plan).into_iter().find(|table| leaf(table) == Leaf::Foreign);
        return foreign.map_or(Ok(()), |table| Err(Reason::foreign(&table)));
    };
    match plan {
        LogicalPlan::TableScan(scan) if scan.fetch.is_some() => return Err(Reason::limited(&feed)),
        LogicalPlan::TableScan(_) => return Ok(()),
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) | LogicalPlan::Unnest(_) => {}
        LogicalPlan::Filter(filter) => {
            let rest = datafusion::logical_expr::utils::split_conjunction(&filter.predicate);
            let rest = rest.into_iter().filter(|conjunct| !is_window(conjunct, &filter.input));
            rest.map(|conjunct| steady(conjunct, &feed)).collect::<Result<Vec<()>, Reason>>()?;
            return check(&filter.input, leaf, is_window);
        }
        LogicalPlan::Union(union) => {
            if let Some(still) = union.inputs.iter().find(|input| facts(input, leaf).is_empty()) {
                let table = tables(still).into_iter().next().unwrap_or_default();
                return Err(Reason::operator(&feed, &format!("a UNION with `{table}`, which is no feed,")));
            }
        }
        LogicalPlan::Join(join) => {
            let (left, right) = (facts(&join.left, leaf), facts(&join.right, leaf));
            let by_left = matches!(
                join.join_type,
                JoinType::Inner
                    | JoinType::Left
                    | JoinType::LeftSemi
                    | JoinType::LeftAnti
                    | JoinType::LeftMark
            );
            let by_right = matches!(
                join.join_type,
                JoinType::Inner
                    | JoinType::Right
                    | JoinType::RightSemi
                    | JoinType::RightAnti
                    | JoinType::RightMark
            );
            match (left.first(), right.first()) {
                (Some(left), Some(right)) => return Err(Reason::joined_feeds(left, right)),
                (Some(feed), None) if !by_left => return Err(Reason::kept_side(feed)),
                (None, Some(feed)) if !by_right => return Err(Reason::kept_side(feed)),
                _ => {}
            }
        }
        LogicalPlan::Window(_) => return Err(Reason::window_function(&feed)),
        LogicalPlan::Limit(_) => return Err(Reason::limited(&feed)),
        LogicalPlan::Sort(sort) if sort.fetch.is_some() => return Err(Reason::limited(&feed)),
        LogicalPlan::Sort(_) => {}
        other => return Err(Reason::operator(&feed, operator(other))),
    }
    for expr in plan.expressions() {
        steady(&expr, &feed)?;
    }
    plan.inputs().into_iter().try_for_each(|input| check(input, leaf, is_window))
}

/// The name of an operator for people.
fn operator(plan: &LogicalPlan) -> &'static str {
    match plan {
        LogicalPlan::Aggregate(_) => "another aggregate",
        LogicalPlan::Distinct(_) => "a DISTINCT",
        LogicalPlan::RecursiveQuery(_) => "a recursive query",
        _ => "an operator that needs all of its rows",
    }
}

/// Whether an expression has one value for a row, whenever it is computed.
fn steady(expr: &Expr, feed: &str) -> Result<(), Reason> {
    if reads_time(expr) {
        return Err(Reason::time(
            "now",
            format!("`{expr}` changes with time in a way that no window describes"),
        ));
    }
    if expr.is_volatile() {
        return Err(Reason::time(feed, format!("`{expr}` has another value at each call")));
    }
    let subquery = |expr: &Expr| {
        Ok(matches!(
            expr,
            Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_)
        ))
    };
    if expr.exists(subquery).unwrap_or(true) {
        return Err(Reason::subquery(feed));
    }
    Ok(())
}

/// Whether an aggregate's groups and functions can be kept as states.
pub(super) fn check_aggregate(
    groups: &[Expr],
    functions: &[Expr],
    feed: &str,
    windowed: bool,
) -> Result<(), Reason> {
    for expr in groups.iter().chain(functions) {
        if matches!(expr, Expr::GroupingSet(_)) {
            return Err(Reason::operator(feed, "GROUPING SETS, ROLLUP or CUBE"));
        }
        steady(expr, feed)?;
    }
    for expr in functions {
        let mut inner = expr;
        while let Expr::Alias(alias) = inner {
            inner = &alias.expr;
        }
        let Expr::AggregateFunction(AggregateFunction { func, params }) = inner else {
            return Err(Reason::function(&inner.to_string()));
        };
        let name = func.name();
        let order_free = matches!(name, "min" | "max" | "bool_and" | "bool_or" | "bit_and" | "bit_or");
        if (params.distinct && !order_free) || KEEPS_ALL.contains(&name) {
            if !windowed {
                let what = if params.distinct { format!("{name}(DISTINCT …)") } else { name.to_owned() };
                return Err(Reason { near: name.to_owned(), ..Reason::unbounded(&what) });
            }
        } else if !MERGEABLE.contains(&name) {
            return Err(Reason::function(name));
        }
    }
    Ok(())
}
