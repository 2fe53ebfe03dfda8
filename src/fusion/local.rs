//! Which cells of a result a change can reach: where every table that a plan reads is joined, grouped and passed on by its
//! cell, only the cells that changed are computed again.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use arrow::array::{AsArray as _, BooleanArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{Transformed, TransformedResult as _, TreeNode as _, TreeNodeRecursion};
use datafusion::common::{DFSchema, JoinType, Result};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::{Distinct, Expr, Join, LogicalPlan, TableScan};

use super::refresh::reads_time;
use super::result_table::ResultTable;

/// Cells.
pub(super) type Cells = HashSet<Option<i64>>;

/// A plan whose rows of a cell follow from its tables' rows of that cell.
#[derive(Debug, Clone)]
pub(super) struct Local {
    /// The result's column that holds the cell.
    key: usize,
    sources: Vec<Source>,
}

/// A table that a local plan reads.
#[derive(Debug, Clone)]
struct Source {
    table: Arc<dyn TableProvider>,
    /// The column that holds the cell; none where any change of the table reaches every cell.
    column: Option<usize>,
    /// The version that the last result was made of.
    seen: u64,
}

impl Source {
    fn result(&self) -> Option<&ResultTable> {
        self.table.downcast_ref::<ResultTable>()
    }
}

impl Local {
    /// What is known of a plan whose column `key` is a cell; none where its rows do not follow cell by cell.
    pub(super) fn of(plan: &LogicalPlan, key: &str) -> Result<Option<Self>> {
        let Some(at) = plan.schema().fields().iter().position(|field| field.name() == key) else {
            return Ok(None);
        };
        if *plan.schema().field(at).data_type() != DataType::Int64 {
            return Ok(None);
        }
        let (mut tables, mut steady) = (0, true);
        plan.apply_with_subqueries(|node| {
            tables += usize::from(result_of(node).is_some());
            let wavers = |expr: &Expr| reads_time(expr) || expr.is_volatile() || has_subquery(expr);
            steady &= !node.expressions().iter().any(wavers);
            Ok(TreeNodeRecursion::Continue)
        })?;
        let mut sources = Vec::new();
        let traced = steady && trace(plan, &BTreeSet::from([at]), &mut sources).is_some();
        // Scans of one table are told apart by the table alone.
        let alike = |source: &Source| {
            let same = |other: &&Source| Arc::ptr_eq(&source.table, &other.table);
            sources.iter().filter(same).all(|other| other.column == source.column)
        };
        let sound = traced && sources.len() == tables && tables > 0 && sources.iter().all(alike);
        Ok(sound.then_some(Self { key: at, sources }))
    }

    /// The cells that changed since the last result; none where they are unknown or most of all.
    pub(super) fn changed(&self) -> Option<Cells> {
        let mut cells = Cells::new();
        let mut all = 0;
        for source in &self.sources {
            let (rows, changed) = source.result()?.since(source.seen)?;
            let Some(column) = source.column else {
                if changed.is_empty() {
                    continue;
                }
                return None;
            };
            all = all.max(rows);
            for batch in changed {
                cells.extend(batch.column(column).as_primitive_opt::<Int64Type>()?.iter());
            }
        }
        (cells.len() <= all / 2).then_some(cells)
    }

    /// Takes the tables as they are now for those that the result was made of.
    pub(super) fn settle(&mut self) {
        for source in &mut self.sources {
            source.seen = source.result().map_or(0, ResultTable::version);
        }
    }

    /// The plan over the rows of those cells alone.
    pub(super) fn restricted(&self, plan: &LogicalPlan, cells: &Cells) -> Result<LogicalPlan> {
        plan.clone()
            .transform_up(|node| {
                let Some(table) = result_of(&node) else { return Ok(Transformed::no(node)) };
                let known = self.sources.iter().find(|source| Arc::ptr_eq(&source.table, &table));
                let by_cell = known.and_then(|source| Some((source, source.column?)));
                let (Some((source, column)), LogicalPlan::TableScan(scan)) = (by_cell, &node) else {
                    return Ok(Transformed::no(node));
                };
                let rows = source.result().map(ResultTable::rows).unwrap_or_default();
                let rows = rows.iter().map(|batch| of_cells(batch, column, cells, true));
                let part = ResultTable::new(table.schema());
                part.replace(rows.collect::<Result<_, _>>()?);
                let source = provider_as_source(Arc::new(part));
                Ok(Transformed::yes(LogicalPlan::TableScan(TableScan { source, ..scan.clone() })))
            })
            .data()
    }

    /// A result in which the rows of those cells are the new ones, and all rows of them, old and new.
    pub(super) fn patched(
        &self,
        old: &[RecordBatch],
        new: Vec<RecordBatch>,
        cells: &Cells,
    ) -> Result<(Vec<RecordBatch>, Vec<RecordBatch>), ArrowError> {
        let part = |among: bool| -> Result<Vec<RecordBatch>, ArrowError> {
            let rows = old.iter().map(|batch| of_cells(batch, self.key, cells, among));
            rows.filter(|rows| !matches!(rows, Ok(rows) if rows.num_rows() == 0)).collect()
        };
        let (mut all, mut changed) = (part(false)?, part(true)?);
        let new = new.into_iter().filter(|rows| rows.num_rows() > 0);
        for rows in new {
            all.push(rows.clone());
            changed.push(rows);
        }
        Ok((all, changed))
    }
}

/// The rows of a batch that are of those cells, or of others.
fn of_cells(
    rows: &RecordBatch,
    column: usize,
    cells: &Cells,
    among: bool,
) -> Result<RecordBatch, ArrowError> {
    let Some(found) = rows.column(column).as_primitive_opt::<Int64Type>() else {
        return Err(ArrowError::SchemaError("a cell is no Int64".into()));
    };
    let keep: BooleanArray = found.iter().map(|cell| Some(cells.contains(&cell) == among)).collect();
    filter_record_batch(rows, &keep)
}

/// The result that a scan reads.
fn result_of(node: &LogicalPlan) -> Option<Arc<dyn TableProvider>> {
    let LogicalPlan::TableScan(scan) = node else { return None };
    let table = source_as_provider(&scan.source).ok()?;
    table.downcast_ref::<ResultTable>().is_some().then_some(table)
}

fn has_subquery(expr: &Expr) -> bool {
    expr.exists(|expr| {
        Ok(matches!(
            expr,
            Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_)
        ))
    })
    .unwrap_or(true)
}

/// Follows the columns that hold the cell, one of them where several are coalesced, down to the tables.
fn trace(plan: &LogicalPlan, cell: &BTreeSet<usize>, sources: &mut Vec<Source>) -> Option<()> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let Some(table) = result_of(plan) else { return Some(()) };
            let [at] = cell.iter().copied().collect::<Vec<_>>()[..] else { return None };
            let column = scan.projection.as_ref().map_or(Some(at), |columns| columns.get(at).copied())?;
            if scan.fetch.is_some() || *table.schema().field(column).data_type() != DataType::Int64 {
                return None;
            }
            sources.push(Source { table, column: Some(column), seen: 0 });
            Some(())
        }
        LogicalPlan::Projection(projection) => {
            let below =
                merged(cell.iter().map(|at| columns(projection.expr.get(*at)?, projection.input.schema())))?;
            trace(&projection.input, &below, sources)
        }
        LogicalPlan::Filter(filter) => trace(&filter.input, cell, sources),
        LogicalPlan::SubqueryAlias(alias) => trace(&alias.input, cell, sources),
        LogicalPlan::Distinct(Distinct::All(input)) => trace(input, cell, sources),
        LogicalPlan::Union(union) => union.inputs.iter().try_for_each(|input| trace(input, cell, sources)),
        LogicalPlan::Aggregate(aggregate) => {
            let below =
                cell.iter().map(|at| columns(aggregate.group_expr.get(*at)?, aggregate.input.schema()));
            trace(&aggregate.input, &merged(below)?, sources)
        }
        LogicalPlan::Window(window) => {
            let schema = window.input.schema();
            let width = schema.fields().len();
            let by_cell = |expr: &Expr| {
                let Expr::WindowFunction(call) = expr.clone().unalias() else { return false };
                call.params.partition_by.iter().any(|by| columns(by, schema).as_ref() == Some(cell))
            };
            let parted = cell.iter().all(|at| *at < width) && window.window_expr.iter().all(by_cell);
            parted.then(|| trace(&window.input, cell, sources))?
        }
        LogicalPlan::Join(join) => trace_join(join, cell, sources),
        _ => None,
    }
}

/// [`trace`] through a join: by a pair of its columns that is the cell, or on one side alone.
fn trace_join(join: &Join, cell: &BTreeSet<usize>, sources: &mut Vec<Source>) -> Option<()> {
    let width = join.left.schema().fields().len();
    let one_sided = matches!(
        join.join_type,
        JoinType::LeftSemi | JoinType::LeftAnti | JoinType::RightSemi | JoinType::RightAnti
    );
    if one_sided || matches!(join.join_type, JoinType::LeftMark | JoinType::RightMark) {
        return None;
    }
    let left: BTreeSet<usize> = cell.iter().copied().filter(|at| *at < width).collect();
    let right: BTreeSet<usize> = cell.iter().filter(|at| **at >= width).map(|at| at - width).collect();
    let pair = join.on.iter().find_map(|(l, r)| {
        let (l, r) = (columns(l, join.left.schema())?, columns(r, join.right.schema())?);
        let (of_left, of_right) = (l == left, r == right);
        let holds = match join.join_type {
            JoinType::Left => of_left && right.is_empty(),
            JoinType::Right => of_right && left.is_empty(),
            JoinType::Full => of_left && of_right,
            _ => (of_left && right.is_empty()) || (of_right && left.is_empty()) || (of_left && of_right),
        };
        holds.then_some((l, r))
    });
    match pair {
        Some((l, r)) => {
            trace(&join.left, &l, sources)?;
            trace(&join.right, &r, sources)
        }
        // Joined by something else: any change of the other side reaches every cell.
        None if right.is_empty() && matches!(join.join_type, JoinType::Inner | JoinType::Left) => {
            whole(&join.right, sources);
            trace(&join.left, &left, sources)
        }
        None if left.is_empty() && matches!(join.join_type, JoinType::Inner | JoinType::Right) => {
            whole(&join.left, sources);
            trace(&join.right, &right, sources)
        }
        None => None,
    }
}

/// All results that a plan reads, whichever of their rows.
fn whole(plan: &LogicalPlan, sources: &mut Vec<Source>) {
    let walked: Result<_> = plan.apply(|node| {
        sources.extend(result_of(node).map(|table| Source { table, column: None, seen: 0 }));
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(walked.is_ok(), "walking a plan has nothing to fail at");
}

/// The columns of `schema` that an expression is: one, or several coalesced.
fn columns(expr: &Expr, schema: &DFSchema) -> Option<BTreeSet<usize>> {
    match expr {
        Expr::Alias(alias) => columns(&alias.expr, schema),
        Expr::Column(column) => Some(BTreeSet::from([schema.maybe_index_of_column(column)?])),
        Expr::ScalarFunction(call) if call.func.name() == "coalesce" => {
            merged(call.args.iter().map(|part| columns(part, schema)))
        }
        // How the optimiser writes a coalesce of two.
        Expr::Case(case) if case.expr.is_none() => {
            let [(when, then)] = &case.when_then_expr[..] else { return None };
            let tested = match &**when {
                Expr::IsNotNull(tested) => columns(tested, schema)?,
                _ => return None,
            };
            let (then, or) = (columns(then, schema)?, columns(case.else_expr.as_ref()?, schema)?);
            (tested == then).then(|| then.union(&or).copied().collect())
        }
        _ => None,
    }
}

fn merged(parts: impl Iterator<Item = Option<BTreeSet<usize>>>) -> Option<BTreeSet<usize>> {
    parts.reduce(|all, part| Some(all?.union(&part?).copied().collect()))?
}
