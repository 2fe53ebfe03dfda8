//! Takes an optimised plan apart: its innermost aggregates over feeds become cuts, the rest reads their results.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DataFusionError, ExprSchema as _, Result, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    Aggregate, Expr, Filter, LogicalPlan, LogicalPlanBuilder, Projection, TableScan, TableScanBuilder, Union,
    col, lit,
};

use super::bucket::{self, Buckets};
use super::lift;
use super::linear::{self, Leaf};
use super::reason::Reason;
use super::window::Window;

/// The time of a row where no window names another column.
const EVENT_TIME: &str = "_event_time";

/// An aggregate that is kept as states.
#[derive(Debug, Clone)]
pub(in crate::fusion) struct Cut {
    /// What it computes, as text: equal cuts of several queries share one state.
    pub(in crate::fusion) id: String,
    /// The feeds that it adds up.
    pub(in crate::fusion) facts: BTreeSet<String>,
    /// The other tables that it reads.
    pub(in crate::fusion) dimensions: BTreeSet<String>,
    /// The aggregate, with the bucket as its first group.
    pub(super) plan: LogicalPlan,
    pub(super) window: Option<Window>,
    pub(super) buckets: Buckets,
    /// Whether the buckets are of the feed's event time, so that a rewritten period is a run of buckets.
    pub(in crate::fusion) by_event_time: bool,
    /// Groups without the bucket, at least one.
    pub(super) groups: usize,
    /// Whether the only group is a constant that stands for none.
    pub(super) ungrouped: bool,
    /// The finished rows, columns `c0`, `c1` and on.
    pub(in crate::fusion) schema: SchemaRef,
}

impl Cut {
    /// The step of its window.
    pub(in crate::fusion) fn step_us(&self) -> Option<i64> {
        self.window.as_ref().map(|window| window.step_us)
    }

    /// The first bucket that counts at a tick; all do where there is no window.
    pub(super) fn first_bucket(&self, session: &SessionState, now_us: i64) -> Result<i64> {
        let Some(window) = &self.window else { return Ok(i64::MIN) };
        Ok(window.edge(session, now_us)? / window.step_us)
    }

    /// No row before this instant counts at a tick; none where all do.
    pub(in crate::fusion) fn start_us(&self, session: &SessionState, now_us: i64) -> Result<Option<i64>> {
        let Some(window) = self.window.as_ref().filter(|_| self.by_event_time) else { return Ok(None) };
        window.edge(session, now_us).map(Some)
    }

    /// Its groups as the plan names them.
    pub(in crate::fusion) fn group_names(&self) -> Vec<String> {
        let LogicalPlan::Aggregate(aggregate) = &self.plan else { return Vec::new() };
        let after = if self.ungrouped { 2 } else { 1 };
        aggregate.group_expr.iter().skip(after).map(ToString::to_string).collect()
    }
}

/// A plan taken apart.
#[derive(Debug)]
pub(in crate::fusion) struct Cutting {
    /// The plan over the cuts' results.
    pub(in crate::fusion) head: LogicalPlan,
    /// The cuts.
    pub(in crate::fusion) cuts: Vec<Cut>,
}

/// Takes `plan`, optimised with `now()` left open, apart. `leaf` says what a table is; `result` gives the table that
/// will hold a cut's finished rows.
///
/// # Errors
/// Inside: every reason why the query must be recomputed. Outside: a plan that cannot be rebuilt, which is a fault.
pub(in crate::fusion) fn cut(
    plan: &LogicalPlan,
    state: &SessionState,
    leaf: &dyn Fn(&str) -> Leaf,
    result: &mut dyn FnMut(&Cut) -> Arc<dyn TableProvider>,
) -> Result<std::result::Result<Cutting, Vec<Reason>>> {
    let (mut cuts, mut reasons) = (Vec::new(), Vec::new());
    let head = lift::lift(plan.clone(), leaf)?.transform_down(|node| {
        let LogicalPlan::Aggregate(aggregate) = &node else { return Ok(Transformed::no(node)) };
        let feeds = linear::facts(&node, leaf);
        let Some(feed) = feeds.first() else { return Ok(Transformed::no(node)) };
        if has_inner(&aggregate.input, leaf)? {
            return Ok(Transformed::no(node));
        }
        match cut_one(aggregate, feed, state, leaf)? {
            Ok(cut) => {
                let read = reading(aggregate, &cut, result(&cut))?;
                cuts.push(cut);
                Ok(Transformed::new(read, true, TreeNodeRecursion::Jump))
            }
            Err(reason) => {
                reasons.push(reason);
                Ok(Transformed::new(node, false, TreeNodeRecursion::Jump))
            }
        }
    })?;
    if reasons.is_empty() {
        let raw: BTreeSet<String> = linear::facts(&head.data, leaf).into_iter().collect();
        reasons.extend(raw.iter().map(|feed| Reason::raw_rows(feed)));
        let read: BTreeSet<String> = linear::tables(&head.data).into_iter().collect();
        reasons.extend(
            read.iter().filter(|table| leaf(table) == Leaf::Foreign).map(|table| Reason::foreign(table)),
        );
    }
    if reasons.is_empty() { Ok(Ok(Cutting { head: head.data, cuts })) } else { Ok(Err(reasons)) }
}

/// Whether an aggregate over a feed stands below.
fn has_inner(plan: &LogicalPlan, leaf: &dyn Fn(&str) -> Leaf) -> Result<bool> {
    plan.exists(|node| Ok(matches!(node, LogicalPlan::Aggregate(_)) && !linear::facts(node, leaf).is_empty()))
}

fn cut_one(
    aggregate: &Aggregate,
    feed: &str,
    state: &SessionState,
    leaf: &dyn Fn(&str) -> Leaf,
) -> Result<std::result::Result<Cut, Reason>> {
    let window_of = |conjunct: &Expr, input: &LogicalPlan| match input {
        LogicalPlan::TableScan(_) => Window::of(conjunct, input.schema(), state),
        _ => None,
    };
    if let Err(reason) =
        linear::check(&aggregate.input, leaf, &|conjunct, input| window_of(conjunct, input).is_some())
    {
        return Ok(Err(reason));
    }
    let windows = match one_window(&aggregate.input, leaf, &window_of) {
        Ok(windows) => windows,
        Err(reason) => return Ok(Err(reason)),
    };
    let checked =
        linear::check_aggregate(&aggregate.group_expr, &aggregate.aggr_expr, feed, windows.is_some());
    if let Err(reason) = checked {
        return Ok(Err(reason));
    }
    let buckets =
        windows.as_ref().map_or(Buckets { step_us: bucket::DAY_US, strict: false }, Window::buckets);
    let thread = Thread { leaf, window: windows.as_ref(), window_of: &window_of, buckets };
    let input = thread.through((*aggregate.input).clone())?;
    let bucket = column_of(input.schema(), bucket::COLUMN)?;
    // Aggregates with and without groups keep different states: here all of them have a group.
    let ungrouped = aggregate.group_expr.is_empty();
    let constant = ungrouped.then(|| lit(0_i64).alias("__all"));
    let groups: Vec<Expr> =
        std::iter::once(bucket).chain(constant).chain(aggregate.group_expr.iter().cloned()).collect();
    let plan =
        LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(input), groups, aggregate.aggr_expr.clone())?);
    let fields = aggregate.schema.fields().iter().enumerate();
    let fields: Vec<Field> =
        fields.map(|(i, field)| Field::new(format!("c{i}"), field.data_type().clone(), true)).collect();
    let tables = linear::tables(&plan);
    let (facts, dimensions) = tables.into_iter().partition(|table| leaf(table) == Leaf::Fact);
    let edge = windows.as_ref().map_or(String::new(), |window| format!("{window:?}"));
    Ok(Ok(Cut {
        id: format!("{edge}{}", plan.display_indent_schema()),
        facts,
        dimensions,
        by_event_time: windows.as_ref().is_none_or(|window| window.column.name == EVENT_TIME),
        window: windows,
        buckets,
        groups: aggregate.group_expr.len().max(1),
        ungrouped,
        schema: Arc::new(Schema::new(fields)),
        plan,
    }))
}

type WindowOf<'a> = &'a dyn Fn(&Expr, &LogicalPlan) -> Option<Window>;

/// The window that all feeds below share, or none where none has one.
fn one_window(
    plan: &LogicalPlan,
    leaf: &dyn Fn(&str) -> Leaf,
    window_of: WindowOf<'_>,
) -> std::result::Result<Option<Window>, Reason> {
    let feeds = linear::facts(plan, leaf);
    let mut windows: Vec<Window> = Vec::new();
    let walked: Result<_> = plan.apply(|node| {
        if let LogicalPlan::Filter(filter) = node {
            let conjuncts = split_conjunction(&filter.predicate);
            windows.extend(conjuncts.into_iter().filter_map(|conjunct| window_of(conjunct, &filter.input)));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(walked.is_ok(), "walking a plan has nothing to fail at");
    let near = feeds.first().cloned().unwrap_or_default();
    let Some(first) = windows.pop() else { return Ok(None) };
    let same = |other: &Window| other.column.name == first.column.name && other.step_us == first.step_us;
    if windows.len() + 1 != feeds.len() || !windows.iter().all(same) {
        return Err(Reason::time(&near, "the feeds of one aggregate have different windows".to_owned()));
    }
    Ok(Some(first))
}

/// Threads the bucket's column from the scans up to the aggregate and takes the windows out of the filters.
struct Thread<'a> {
    leaf: &'a dyn Fn(&str) -> Leaf,
    window: Option<&'a Window>,
    window_of: WindowOf<'a>,
    buckets: Buckets,
}

impl Thread<'_> {
    fn through(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        if linear::facts(&plan, self.leaf).is_empty() {
            return Ok(plan);
        }
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(&scan),
            LogicalPlan::Filter(filter) => {
                // What a window asks of a row is that it has a time; which one is the bucket's business.
                let settle = |conjunct: &Expr| match (self.window_of)(conjunct, &filter.input) {
                    Some(window) => Expr::Column(window.column).is_not_null(),
                    None => conjunct.clone(),
                };
                let predicate = conjunction(split_conjunction(&filter.predicate).into_iter().map(settle));
                let input = self.through((*filter.input).clone())?;
                match predicate {
                    Some(predicate) => Ok(LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(input))?)),
                    None => Ok(input),
                }
            }
            LogicalPlan::Projection(projection) => {
                let input = self.through((*projection.input).clone())?;
                let bucket = column_of(input.schema(), bucket::COLUMN)?;
                let exprs = projection.expr.into_iter().chain([bucket]).collect();
                Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input))?))
            }
            LogicalPlan::Union(union) => {
                let inputs = union.inputs.iter().map(|input| self.through((**input).clone()).map(Arc::new));
                Ok(LogicalPlan::Union(Union::try_new(inputs.collect::<Result<_>>()?)?))
            }
            other => {
                let inputs = other.inputs().into_iter().map(|input| self.through(input.clone()));
                let inputs = inputs.collect::<Result<Vec<_>>>()?;
                other.with_new_exprs(other.expressions(), inputs)?.recompute_schema()
            }
        }
    }

    /// The scan with the bucket beside its columns.
    fn scan(&self, scan: &TableScan) -> Result<LogicalPlan> {
        let source = scan.source.schema();
        let name = self.window.map_or(EVENT_TIME, |window| window.column.name.as_str());
        let keeps = |filter: &&Expr| !linear::reads_time(filter);
        let filters: Vec<Expr> = scan.filters.iter().filter(keeps).cloned().collect();
        let Some(at) = source.index_of(name).ok().filter(|at| is_micros(source.field(*at).data_type()))
        else {
            let rebuilt = LogicalPlan::TableScan(TableScan { filters, ..scan.clone() });
            return with_bucket(rebuilt, scan, lit(bucket::TIMELESS));
        };
        let projection = scan.projection.clone().map(|mut columns| {
            if !columns.contains(&at) {
                columns.push(at);
            }
            columns
        });
        let wider = TableScanBuilder::new(scan.table_name.clone(), Arc::clone(&scan.source))
            .with_projection(projection)
            .with_filters(filters)
            .build()?;
        let time = Expr::Column(Column::new(Some(scan.table_name.clone()), name));
        with_bucket(LogicalPlan::TableScan(wider), scan, self.buckets.expr(time))
    }
}

fn with_bucket(input: LogicalPlan, scan: &TableScan, bucket: Expr) -> Result<LogicalPlan> {
    let columns = scan.projected_schema.columns().into_iter().map(Expr::Column);
    let exprs = columns.chain([bucket.alias(bucket::COLUMN)]).collect();
    Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input))?))
}

fn is_micros(kind: &DataType) -> bool {
    matches!(kind, DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, _))
}

fn column_of(schema: &DFSchema, name: &str) -> Result<Expr> {
    let found = schema.iter().find(|(_, field)| field.name() == name);
    found
        .map(|(table, field)| Expr::Column(Column::new(table.cloned(), field.name())))
        .ok_or_else(|| DataFusionError::Internal(format!("`{name}` was lost on its way to the aggregate")))
}

/// A scan of a cut's result under the names that the aggregate's columns had.
fn reading(aggregate: &Aggregate, cut: &Cut, table: Arc<dyn TableProvider>) -> Result<LogicalPlan> {
    let names = aggregate.schema.iter().enumerate().map(|(i, (table, field))| {
        col(cut.schema.field(i).name()).alias_qualified(table.cloned(), field.name())
    });
    LogicalPlanBuilder::scan(TableReference::bare("__state"), provider_as_source(table), None)?
        .project(names.collect::<Vec<_>>())?
        .build()
}

/// The plan with every table that `leaves` knows read from there.
pub(super) fn bind(
    plan: &LogicalPlan,
    leaves: &dyn Fn(&str) -> Option<Arc<dyn TableProvider>>,
) -> Result<LogicalPlan> {
    let bound = plan.clone().transform_up_with_subqueries(|node| {
        let LogicalPlan::TableScan(scan) = &node else { return Ok(Transformed::no(node)) };
        match leaves(&linear::name(&scan.table_name)) {
            Some(table) => {
                let source = provider_as_source(table);
                Ok(Transformed::yes(LogicalPlan::TableScan(TableScan { source, ..scan.clone() })))
            }
            None => Ok(Transformed::no(node)),
        }
    })?;
    Ok(bound.data)
}

/// The plan with the edge of a tick in the place of every window: what a full recompute at that tick runs.
pub(in crate::fusion) fn at_edges(
    plan: &LogicalPlan,
    state: &SessionState,
    leaf: &dyn Fn(&str) -> Leaf,
    now_us: i64,
) -> Result<LogicalPlan> {
    let settled = plan.clone().transform_up_with_subqueries(|node| {
        let LogicalPlan::Filter(filter) = &node else { return Ok(Transformed::no(node)) };
        let LogicalPlan::TableScan(scan) = &*filter.input else { return Ok(Transformed::no(node)) };
        if leaf(&linear::name(&scan.table_name)) != Leaf::Fact {
            return Ok(Transformed::no(node));
        }
        let settle = |expr: &Expr| -> Result<Expr> {
            let Some(window) = Window::of(expr, filter.input.schema(), state) else {
                return Ok(expr.clone());
            };
            let field = filter.input.schema().field_from_column(&window.column)?;
            let zone = match field.data_type() {
                DataType::Timestamp(_, zone) => zone.clone(),
                _ => None,
            };
            Ok(window.at_edge(window.edge(state, now_us)?, zone))
        };
        let conjuncts = split_conjunction(&filter.predicate).into_iter().map(settle);
        let predicate = conjunction(conjuncts.collect::<Result<Vec<_>>>()?).unwrap_or_else(|| lit(true));
        let filters = scan.filters.iter().map(settle).collect::<Result<Vec<_>>>()?;
        let input = LogicalPlan::TableScan(TableScan { filters, ..scan.clone() });
        Ok(Transformed::yes(LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(input))?)))
    })?;
    Ok(settled.data)
}
