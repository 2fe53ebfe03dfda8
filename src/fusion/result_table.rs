//! A query's newest result as a table that other queries read, and what of it changed lately.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

/// So many changes are told apart; who has looked away longer reads everything anew.
const CHANGES: usize = 8;

/// Rows that are replaced as a whole; a scan sees one result, never two halves.
#[derive(Debug)]
pub(super) struct ResultTable {
    schema: SchemaRef,
    held: RwLock<Held>,
}

#[derive(Debug, Default)]
struct Held {
    rows: Vec<RecordBatch>,
    /// One more with each other result.
    version: u64,
    /// What the newest versions changed, oldest first.
    changes: VecDeque<Vec<RecordBatch>>,
}

impl ResultTable {
    pub(super) fn new(schema: SchemaRef) -> Self {
        Self { schema, held: RwLock::default() }
    }

    /// Takes a new result. One with the same rows is no other version: states that were joined with it stand.
    pub(super) fn replace(&self, rows: Vec<RecordBatch>) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if held.rows != rows || held.version == 0 {
            held.rows = rows;
            held.version += 1;
            held.changes.clear();
        }
    }

    /// Takes a new result of which only `changed` differs: rows that are new, and all that had or have their cells.
    pub(super) fn patch(&self, rows: Vec<RecordBatch>, changed: Vec<RecordBatch>) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if held.version > 0 && changed.is_empty() {
            return;
        }
        held.rows = rows;
        held.version += 1;
        held.changes.push_back(changed);
        if held.changes.len() > CHANGES {
            held.changes.pop_front();
        }
    }

    /// One more with each other result.
    pub(super) fn version(&self) -> u64 {
        self.held().version
    }

    pub(super) fn rows(&self) -> Vec<RecordBatch> {
        self.held().rows.clone()
    }

    /// How many rows there are, and those that changed since a version; none where nobody remembers.
    pub(super) fn since(&self, version: u64) -> Option<(usize, Vec<RecordBatch>)> {
        let held = self.held();
        let missed = usize::try_from(held.version.checked_sub(version)?).ok()?;
        let first = held.changes.len().checked_sub(missed)?;
        let changed = held.changes.iter().skip(first).flatten().cloned().collect();
        Some((held.rows.iter().map(RecordBatch::num_rows).sum(), changed))
    }

    fn held(&self) -> RwLockReadGuard<'_, Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl TableProvider for ResultTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rows = self.rows();
        Ok(MemorySourceConfig::try_new_exec(&[rows], self.schema(), projection.cloned())?)
    }
}
