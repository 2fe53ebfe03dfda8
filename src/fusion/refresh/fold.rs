//! DataFusion's two-phase aggregation, run by hand: rows to partial states, states to fewer states, states to results.

use std::sync::Arc;

use arrow::array::Int64Array;
use arrow::compute::concat_batches;
use arrow::datatypes::{Int64Type, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::execution::SessionState;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule as _;
use datafusion::physical_optimizer::ensure_requirements::EnsureRequirements;
use datafusion::physical_optimizer::join_selection::JoinSelection;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::{ExecutionPlan, collect};

/// How the states of one cut merge and finish.
#[derive(Debug, Clone)]
pub(super) struct Fold {
    /// The partial aggregate as planned over nothing: its functions, filters and types.
    partial: AggregateExec,
    /// The group columns, without the bucket.
    by_group: PhysicalGroupBy,
    /// The columns of a state row: groups, then what the functions keep.
    schema: SchemaRef,
}

/// State rows parted by bucket number; several rows of a bucket may have one group.
pub(super) struct Bucketed {
    pub(super) bucket: Int64Array,
    /// Without the bucket's column.
    pub(super) rows: RecordBatch,
}

impl Fold {
    /// The fold of an aggregate whose first group is the bucket. `plan` reads tables of the right types.
    pub(super) async fn new(plan: &LogicalPlan, state: &SessionState) -> Result<Self> {
        let partial = find_partial(&unoptimised(plan, state).await?)?;
        let full = partial.schema();
        let schema: SchemaRef =
            Arc::new(Schema::new(full.fields().iter().skip(1).cloned().collect::<Vec<_>>()));
        let groups = partial.group_expr().num_group_exprs().saturating_sub(1);
        let by_group = (0..groups).map(|i| {
            let name = schema.field(i).name();
            (Arc::new(Column::new(name, i)) as Arc<dyn PhysicalExpr>, name.clone())
        });
        let by_group = PhysicalGroupBy::new_single(by_group.collect());
        Ok(Self { partial, by_group, schema })
    }

    /// The columns of a state row.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The states of the rows that the tables of `plan` hold.
    pub(super) async fn rows(&self, plan: &LogicalPlan, state: &SessionState) -> Result<Bucketed> {
        let partial = find_partial(&unoptimised(plan, state).await?)?;
        let schema = partial.schema();
        let merge_by = partial.group_expr().as_final();
        let input: Arc<dyn ExecutionPlan> = Arc::new(CoalescePartitionsExec::new(Arc::new(partial)));
        // The rules that make a plan run at all: joins choose their sides, functions that want an order get a sort.
        let input = JoinSelection::new().optimize(input, state.config_options())?;
        let input = EnsureRequirements::new().optimize(input, state.config_options())?;
        let reduced = self.merge(AggregateMode::PartialReduce, merge_by, input)?;
        let batches = collect(Arc::new(reduced), state.task_ctx()).await?;
        let all = concat_batches(&schema, &batches)?;
        let bucket = arrow::array::AsArray::as_primitive::<Int64Type>(all.column(0)).clone();
        let columns = all.columns().iter().skip(1).cloned().collect();
        Ok(Bucketed { bucket, rows: RecordBatch::try_new(Arc::clone(&self.schema), columns)? })
    }

    /// Fewer state rows: one a group.
    pub(super) async fn reduce(&self, rows: Vec<RecordBatch>, state: &SessionState) -> Result<RecordBatch> {
        self.run(AggregateMode::PartialReduce, rows, state).await
    }

    /// The aggregate's results for the groups of `rows`.
    pub(super) async fn finish(&self, rows: Vec<RecordBatch>, state: &SessionState) -> Result<RecordBatch> {
        self.run(AggregateMode::Final, rows, state).await
    }

    /// The result over no rows of an aggregate without groups.
    pub(super) async fn of_nothing(&self, state: &SessionState) -> Result<RecordBatch> {
        let nothing = MemorySourceConfig::try_new_exec(&[Vec::new()], Arc::clone(&self.schema), None)?;
        let plan = self.merge(AggregateMode::Final, PhysicalGroupBy::default(), nothing)?;
        let schema = plan.schema();
        Ok(concat_batches(&schema, &collect(Arc::new(plan), state.task_ctx()).await?)?)
    }

    async fn run(
        &self,
        mode: AggregateMode,
        rows: Vec<RecordBatch>,
        state: &SessionState,
    ) -> Result<RecordBatch> {
        let input = MemorySourceConfig::try_new_exec(&[rows], Arc::clone(&self.schema), None)?;
        let plan = self.merge(mode, self.by_group.clone(), input)?;
        let schema = plan.schema();
        Ok(concat_batches(&schema, &collect(Arc::new(plan), state.task_ctx()).await?)?)
    }

    fn merge(
        &self,
        mode: AggregateMode,
        by: PhysicalGroupBy,
        input: Arc<dyn ExecutionPlan>,
    ) -> Result<AggregateExec> {
        let (functions, filters) = (self.partial.aggr_expr().to_vec(), self.partial.filter_expr().to_vec());
        AggregateExec::try_new(mode, by, functions, filters, input, self.partial.input_schema())
    }
}

/// The physical plan as the planner makes it, before any rule: a final over a partial aggregate.
async fn unoptimised(plan: &LogicalPlan, state: &SessionState) -> Result<Arc<dyn ExecutionPlan>> {
    let bare =
        SessionStateBuilder::new_from_existing(state.clone()).with_physical_optimizer_rules(vec![]).build();
    bare.query_planner().create_physical_plan(plan, &bare).await
}

/// The topmost partial aggregate.
fn find_partial(plan: &Arc<dyn ExecutionPlan>) -> Result<AggregateExec> {
    let mut found = None;
    plan.apply(|node| {
        let aggregate = node.downcast_ref::<AggregateExec>();
        Ok(match aggregate.filter(|aggregate| *aggregate.mode() == AggregateMode::Partial) {
            Some(partial) => {
                found = Some(partial.clone());
                TreeNodeRecursion::Stop
            }
            None => TreeNodeRecursion::Continue,
        })
    })?;
    found.ok_or_else(|| DataFusionError::Internal("an aggregate was planned in one phase".into()))
}
