//! The part of time that counts: `time > now() - INTERVAL …`, recognised in a filter and evaluated at a tick.
//!
//! The window's far edge moves in steps, a ninetieth of its length and a second at least; its near edge is the newest
//! row. So a state forgets whole buckets and never has to look at a row twice.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{Column, DFSchema, DataFusionError, Result, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable as _, Operator};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;

use super::bucket::Buckets;
use super::linear::reads_time;

/// Steps that people find natural, in seconds; none is above a minute, so that no wall is much behind.
const STEPS_S: [i64; 8] = [1, 2, 5, 10, 15, 20, 30, 60];
/// So many steps make a window.
const STEPS: i64 = 90;

/// `column > bound(now)` or `column >= bound(now)`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Window {
    /// The time column, as the scan names it.
    pub(super) column: Column,
    /// Whether the edge itself is outside.
    pub(super) strict: bool,
    bound: Expr,
    pub(super) step_us: i64,
}

impl Window {
    /// The window that a conjunct of a filter describes, if it describes one.
    pub(super) fn of(conjunct: &Expr, schema: &DFSchema, state: &SessionState) -> Option<Self> {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = conjunct else { return None };
        let (column, op, bound) = match (plain_column(left), plain_column(right)) {
            (Some(column), None) => (column, *op, right),
            (None, Some(column)) => (column, op.swap()?, left),
            _ => return None,
        };
        let strict = match op {
            Operator::Gt => true,
            Operator::GtEq => false,
            _ => return None,
        };
        let is_time = Expr::Column(column.clone())
            .get_type(schema)
            .is_ok_and(|kind| matches!(kind, DataType::Timestamp(TimeUnit::Microsecond, _)));
        if !is_time || !reads_time(bound) || !bound.column_refs().is_empty() {
            return None;
        }
        let window = Self { column: column.clone(), strict, bound: (**bound).clone(), step_us: 0 };
        // Two instants tell how long it is and that it moves with time.
        let start = i64::from(i32::MAX) * 1_000_000;
        let (first, later) =
            (window.bound_at(state, start).ok()?, window.bound_at(state, start + 1_000_000).ok()?);
        if later - first != 1_000_000 {
            return None;
        }
        let ideal = (start - first) / STEPS / 1_000_000;
        let step = STEPS_S.iter().rev().find(|step| **step <= ideal).unwrap_or(&1);
        Some(Self { step_us: step * 1_000_000, ..window })
    }

    pub(super) fn buckets(&self) -> Buckets {
        Buckets { step_us: self.step_us, strict: self.strict }
    }

    /// The far edge at a tick, a whole number of steps.
    pub(super) fn edge(&self, state: &SessionState, now_us: i64) -> Result<i64> {
        Ok(self.bound_at(state, now_us)?.div_euclid(self.step_us) * self.step_us)
    }

    /// The same condition with the edge of a tick for its bound.
    pub(super) fn at_edge(&self, edge_us: i64, zone: Option<Arc<str>>) -> Expr {
        let column = Expr::Column(self.column.clone());
        let edge = Expr::Literal(ScalarValue::TimestampMicrosecond(Some(edge_us), zone), None);
        if self.strict { column.gt(edge) } else { column.gt_eq(edge) }
    }

    fn bound_at(&self, state: &SessionState, now_us: i64) -> Result<i64> {
        let context = SimplifyContext::builder()
            .with_schema(Arc::new(DFSchema::empty()))
            .with_config_options(Arc::clone(state.config_options()))
            .with_query_execution_start_time(chrono::DateTime::from_timestamp_micros(now_us))
            .build();
        match ExprSimplifier::new(context).simplify(self.bound.clone())? {
            Expr::Literal(ScalarValue::TimestampSecond(Some(s), _), _) => Ok(s.saturating_mul(1_000_000)),
            Expr::Literal(ScalarValue::TimestampMillisecond(Some(ms), _), _) => Ok(ms.saturating_mul(1_000)),
            Expr::Literal(ScalarValue::TimestampMicrosecond(Some(us), _), _) => Ok(us),
            Expr::Literal(ScalarValue::TimestampNanosecond(Some(ns), _), _) => Ok(ns.div_euclid(1_000)),
            other => Err(DataFusionError::Plan(format!("{} is no instant but {other}", self.bound))),
        }
    }
}

/// The column under casts that keep the order of instants.
fn plain_column(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Cast(cast) if matches!(cast.field.data_type(), DataType::Timestamp(_, _)) => {
            plain_column(&cast.expr)
        }
        _ => None,
    }
}
