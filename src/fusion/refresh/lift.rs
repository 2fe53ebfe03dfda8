//! Moves an aggregate below the joins with tables that change: the states then hold what the feed alone says, by the
//! join's keys, and a change of the other table costs a join over them instead of a reading of all history.
//!
//! `SELECT z.zone, avg(t.x) FROM feed t JOIN zones z ON z.cell = t.cell GROUP BY 1` becomes sums and counts by
//! `t.cell`, joined with `zones`, added up by zone. A state's row is joined as often as the feed's rows would have been.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TransformedResult as _, TreeNode as _};
use datafusion::common::{Column, JoinType, Result};
use datafusion::functions_aggregate::expr_fn;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{
    Aggregate, Cast, Expr, ExprSchemable as _, LogicalPlan, LogicalPlanBuilder, Projection, ident, lit, when,
};

use super::linear::{self, Leaf};

/// Functions of which the whole is the same function of its parts.
const OF_PARTS: [&str; 8] = ["sum", "min", "max", "bool_and", "bool_or", "bit_and", "bit_or", "bit_xor"];

/// The plan with every aggregate below its joins for which that is the same.
pub(super) fn lift(plan: LogicalPlan, leaf: &dyn Fn(&str) -> Leaf) -> Result<LogicalPlan> {
    plan.transform_up(|node| {
        let LogicalPlan::Aggregate(aggregate) = &node else { return Ok(Transformed::no(node)) };
        Ok(match lifted(aggregate, leaf)? {
            Some(lifted) => Transformed::yes(lifted),
            None => Transformed::no(node),
        })
    })
    .data()
}

fn lifted(aggregate: &Aggregate, leaf: &dyn Fn(&str) -> Leaf) -> Result<Option<LogicalPlan>> {
    let Some(path) = Path::below(&aggregate.input, leaf) else { return Ok(None) };
    let (mut parts, mut wholes) = (Vec::new(), Vec::new());
    for function in &aggregate.aggr_expr {
        let Some(whole) = apart(function, &path, &mut parts)? else { return Ok(None) };
        wholes.push(whole);
    }
    let mut keys = Keys::default();
    let groups: Option<Vec<Expr>> =
        aggregate.group_expr.iter().map(|group| keys.of_group(group, &path)).collect::<Result<_>>()?;
    let Some(groups) = groups else { return Ok(None) };
    if !keys.of_path(&path)? {
        return Ok(None);
    }
    let fact = &path.fact;
    let inner = Aggregate::try_new(Arc::new(fact.clone()), keys.exprs.clone(), parts.clone())?;
    // What the joins carry up: keys that are computed, and the parts.
    let carried: Vec<Expr> =
        keys.computed().chain(parts.iter().cloned()).map(|expr| by_name(&expr)).collect();
    let joined = path.over(LogicalPlan::Aggregate(inner), &carried)?;
    // Plain aggregates over the carried parts; what is made of them is a projection above.
    let mut sums = Vec::new();
    let mut named = Vec::new();
    for (whole, (table, field)) in wholes.into_iter().zip(aggregate.schema.iter().skip(groups.len())) {
        let made = whole.made(&mut sums);
        let made = if made.1 == *field.data_type() {
            made.0
        } else {
            Expr::Cast(Cast::new(Box::new(made.0), field.data_type().clone()))
        };
        named.push(made.alias_qualified(table.cloned(), field.name()));
    }
    let outer = LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(joined), groups, sums)?);
    let heads = outer.schema().iter().take(aggregate.group_expr.len()).zip(aggregate.schema.iter());
    let heads: Vec<Expr> = heads
        .map(|((table, field), (as_table, as_field))| {
            let column = Expr::Column(Column::new(table.cloned(), field.name()));
            column.alias_qualified(as_table.cloned(), as_field.name())
        })
        .chain(named)
        .collect();
    LogicalPlanBuilder::from(outer).project(heads)?.build().map(Some)
}

/// A function in terms of its parts.
enum Whole {
    /// The function of this name over the one part.
    Same(String, Expr, DataType),
    /// How many.
    Count(Expr),
    /// The sum over the count.
    Mean(Expr, Expr),
}

impl Whole {
    /// The expression over plain aggregates that are added to `sums`, and its type.
    fn made(self, sums: &mut Vec<Expr>) -> (Expr, DataType) {
        let mut add = |function: Expr| {
            let name = format!("__whole_{}", sums.len());
            sums.push(function.alias(&name));
            ident(name)
        };
        match self {
            Self::Same(function, part, kind) => (add(same(&function, part)), kind),
            Self::Count(part) => {
                let sum = add(expr_fn::sum(part));
                let counted = when(sum.clone().is_null(), lit(0_i64)).otherwise(sum.clone());
                (counted.unwrap_or(sum), DataType::Int64)
            }
            Self::Mean(sum, count) => {
                let (sum, count) = (add(expr_fn::sum(sum)), add(expr_fn::sum(count)));
                let count = Expr::Cast(Cast::new(Box::new(count), DataType::Float64));
                (sum / count, DataType::Float64)
            }
        }
    }
}

fn same(function: &str, part: Expr) -> Expr {
    match function {
        "min" => expr_fn::min(part),
        "max" => expr_fn::max(part),
        "bool_and" => expr_fn::bool_and(part),
        "bool_or" => expr_fn::bool_or(part),
        "bit_and" => expr_fn::bit_and(part),
        "bit_or" => expr_fn::bit_or(part),
        "bit_xor" => expr_fn::bit_xor(part),
        _ => expr_fn::sum(part),
    }
}

/// Takes a function apart; its parts, over the feed alone, are added to `parts`. None where it does not come apart.
fn apart(function: &Expr, path: &Path, parts: &mut Vec<Expr>) -> Result<Option<Whole>> {
    let mut inner = function;
    while let Expr::Alias(alias) = inner {
        inner = &alias.expr;
    }
    let Expr::AggregateFunction(AggregateFunction { func, params }) = inner else { return Ok(None) };
    let name = func.name();
    let plain = matches!(name, "min" | "max" | "bool_and" | "bool_or" | "bit_and" | "bit_or");
    if !params.order_by.is_empty() || (params.distinct && !plain) {
        return Ok(None);
    }
    let Some(call) = path.down(inner)?.filter(|call| path.is_of_fact(call)) else { return Ok(None) };
    let Expr::AggregateFunction(call) = call else { return Ok(None) };
    let mut part = |expr: Expr| {
        let name = format!("__part_{}", parts.len());
        parts.push(expr.alias(&name));
        ident(name)
    };
    let schema = path.fact.schema();
    match name {
        "count" => Ok(Some(Whole::Count(part(Expr::AggregateFunction(call))))),
        "avg" => {
            let [argument] = call.params.args.as_slice() else { return Ok(None) };
            if argument.get_type(schema)? != DataType::Float64 {
                return Ok(None);
            }
            let with = |mut function: Expr| {
                if let Expr::AggregateFunction(function) = &mut function {
                    function.params.filter.clone_from(&call.params.filter);
                }
                function
            };
            let sum = part(with(expr_fn::sum(argument.clone())));
            let count = part(with(expr_fn::count(argument.clone())));
            Ok(Some(Whole::Mean(sum, count)))
        }
        name if OF_PARTS.contains(&name) => {
            let call = Expr::AggregateFunction(call);
            let kind = call.get_type(schema)?;
            // A sum of decimals grows wider with every addition.
            if matches!(kind, DataType::Decimal128(..) | DataType::Decimal256(..)) {
                return Ok(None);
            }
            Ok(Some(Whole::Same(name.to_owned(), part(call), kind)))
        }
        _ => Ok(None),
    }
}

/// What stands between an aggregate and the feed's side of its lowest join: projections, filters and joins.
struct Path {
    /// From the aggregate down.
    nodes: Vec<LogicalPlan>,
    fact: LogicalPlan,
}

impl Path {
    /// The path below an aggregate, where there is one with a join on it.
    fn below(input: &LogicalPlan, leaf: &dyn Fn(&str) -> Leaf) -> Option<Self> {
        let (mut nodes, mut at) = (Vec::new(), input);
        while has_join(at) {
            let next = match at {
                LogicalPlan::Projection(projection) => &projection.input,
                LogicalPlan::Filter(filter) => &filter.input,
                LogicalPlan::Join(join) => {
                    let left = !linear::facts(&join.left, leaf).is_empty();
                    let right = !linear::facts(&join.right, leaf).is_empty();
                    let (rows_stay, side) = match (left, right) {
                        (true, false) => (
                            matches!(
                                join.join_type,
                                JoinType::Inner | JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti
                            ),
                            &join.left,
                        ),
                        (false, true) => (
                            matches!(
                                join.join_type,
                                JoinType::Inner | JoinType::Right | JoinType::RightSemi | JoinType::RightAnti
                            ),
                            &join.right,
                        ),
                        _ => return None,
                    };
                    let beside = linear::tables(if left { &join.right } else { &join.left });
                    if !rows_stay || beside.iter().any(|table| leaf(table) == Leaf::Foreign) {
                        return None;
                    }
                    side
                }
                _ => return None,
            };
            nodes.push(at.clone());
            at = next;
        }
        let has_feed = !linear::facts(at, leaf).is_empty();
        (!nodes.is_empty() && has_feed).then(|| Self { nodes, fact: at.clone() })
    }

    /// An expression of the aggregate in terms of what its projections compute; none where it cannot be said.
    fn down(&self, expr: &Expr) -> Result<Option<Expr>> {
        self.down_from(0, expr)
    }

    fn down_from(&self, depth: usize, expr: &Expr) -> Result<Option<Expr>> {
        let mut expr = expr.clone();
        for node in self.nodes.iter().skip(depth) {
            let LogicalPlan::Projection(projection) = node else { continue };
            let found = |column: &Column| {
                let at = projection.schema.maybe_index_of_column(column)?;
                projection.expr.get(at).map(|expr| expr.clone().unalias())
            };
            expr = expr
                .transform_up(|expr| match &expr {
                    Expr::Column(column) => {
                        Ok(found(column).map_or_else(|| Transformed::no(expr), Transformed::yes))
                    }
                    _ => Ok(Transformed::no(expr)),
                })
                .data()?;
        }
        Ok((!expr.is_volatile()).then_some(expr))
    }

    /// Whether an expression, taken down, reads the feed's side alone.
    fn is_of_fact(&self, expr: &Expr) -> bool {
        expr.column_refs().into_iter().all(|column| self.fact.schema().has_column(column))
    }

    /// The same joins over other rows, which carry those columns up.
    fn over(&self, fact: LogicalPlan, carried: &[Expr]) -> Result<LogicalPlan> {
        let mut below = fact;
        for node in self.nodes.iter().rev() {
            below = match node {
                LogicalPlan::Projection(projection) => {
                    let there = |expr: &&Expr| {
                        expr.column_refs().into_iter().all(|column| below.schema().has_column(column))
                    };
                    let exprs = projection.expr.iter().filter(there).cloned().chain(carried.iter().cloned());
                    LogicalPlan::Projection(Projection::try_new(exprs.collect(), Arc::new(below))?)
                }
                LogicalPlan::Join(join) => {
                    let is_left = self.is_of(&join.left);
                    let (left, right) =
                        if is_left { (below, (*join.right).clone()) } else { ((*join.left).clone(), below) };
                    node.with_new_exprs(node.expressions(), vec![left, right])?.recompute_schema()?
                }
                other => other.with_new_exprs(other.expressions(), vec![below])?.recompute_schema()?,
            };
        }
        Ok(below)
    }

    /// Whether a join's side is the feed's: the feed's rows or a node of the path.
    fn is_of(&self, side: &LogicalPlan) -> bool {
        *side == self.fact || self.nodes.contains(side)
    }
}

fn has_join(plan: &LogicalPlan) -> bool {
    plan.exists(|node| Ok(matches!(node, LogicalPlan::Join(_)))).unwrap_or(false)
}

/// What the feed's side is grouped by.
#[derive(Default)]
struct Keys {
    exprs: Vec<Expr>,
}

impl Keys {
    /// A group of the aggregate over the joins; none where it would keep too many keys.
    fn of_group(&mut self, group: &Expr, path: &Path) -> Result<Option<Expr>> {
        let Some(below) = path.down(group)? else { return Ok(None) };
        if matches!(below, Expr::Column(_)) || below.column_refs().is_empty() || !path.is_of_fact(&below) {
            // Its columns come up as they are, by the path's own expressions.
            let known = self.columns_of(&below, path)?;
            return Ok(known.then(|| group.clone()));
        }
        // Computed of the feed alone: one key, however many values its columns have.
        let coarse = matches!(&below, Expr::ScalarFunction(call)
            if matches!(call.func.name(), "date_bin" | "date_trunc"));
        if !coarse && !keeps(&below.get_type(path.fact.schema())?) {
            return Ok(None);
        }
        let name = format!("__key_{}", self.exprs.len());
        self.exprs.push(below.alias(&name));
        let (table, as_name) = group.qualified_name();
        Ok(Some(ident(name).alias_qualified(table, as_name)))
    }

    /// The feed's columns that filters and joins on the path read. False where one of them has too many values.
    fn of_path(&mut self, path: &Path) -> Result<bool> {
        for (depth, node) in path.nodes.iter().enumerate() {
            if matches!(node, LogicalPlan::Projection(_)) {
                continue;
            }
            for expr in node.expressions() {
                let Some(below) = path.down_from(depth, &expr)? else { return Ok(false) };
                if !self.columns_of(&below, path)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn columns_of(&mut self, expr: &Expr, path: &Path) -> Result<bool> {
        for column in expr.column_refs() {
            if !path.fact.schema().has_column(column) {
                continue;
            }
            let key = Expr::Column(column.clone());
            if !keeps(&key.get_type(path.fact.schema())?) {
                return Ok(false);
            }
            if !self.exprs.contains(&key) {
                self.exprs.push(key);
            }
        }
        Ok(true)
    }

    fn computed(&self) -> impl Iterator<Item = Expr> {
        self.exprs.iter().filter(|key| !matches!(key, Expr::Column(_))).cloned()
    }
}

/// Whether values of a type make keys: instants and measured numbers are nearly all different.
fn keeps(kind: &DataType) -> bool {
    kind.is_integer()
        || matches!(kind, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 | DataType::Boolean)
        || matches!(kind, DataType::Date32)
}

/// The column that an expression with an alias becomes.
fn by_name(expr: &Expr) -> Expr {
    let (table, name) = expr.qualified_name();
    Expr::Column(Column::new(table, name))
}
