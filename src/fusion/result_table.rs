//! A query's newest result as a table that other queries read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

/// Rows that are replaced as a whole; a scan sees one result, never two halves.
#[derive(Debug)]
pub(super) struct ResultTable {
    schema: SchemaRef,
    rows: RwLock<Vec<RecordBatch>>,
    version: AtomicU64,
}

impl ResultTable {
    pub(super) fn new(schema: SchemaRef) -> Self {
        Self { schema, rows: RwLock::default(), version: AtomicU64::new(0) }
    }

    /// Takes a new result. One with the same rows is no other version: states that were joined with it stand.
    pub(super) fn replace(&self, rows: Vec<RecordBatch>) {
        let mut held = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        if *held != rows || self.version() == 0 {
            *held = rows;
            self.version.fetch_add(1, Ordering::Release);
        }
    }

    /// One more with each other result.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
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
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(MemorySourceConfig::try_new_exec(&[rows], self.schema(), projection.cloned())?)
    }
}
