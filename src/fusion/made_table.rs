//! A table whose rows are made when somebody first reads it: a command that asks something else does not wait for them.

use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

/// Makes the rows of a table.
pub(super) type Make = Box<dyn Fn() -> std::result::Result<RecordBatch, ArrowError> + Send + Sync>;

/// Rows that are made once.
pub(super) struct MadeTable {
    schema: SchemaRef,
    make: Make,
    made: OnceLock<std::result::Result<RecordBatch, String>>,
}

impl std::fmt::Debug for MadeTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MadeTable").field("made", &self.made.get().is_some()).finish_non_exhaustive()
    }
}

impl MadeTable {
    pub(super) fn new(schema: SchemaRef, make: Make) -> Self {
        Self { schema, make, made: OnceLock::new() }
    }

    fn rows(&self) -> Result<RecordBatch> {
        let made = self.made.get_or_init(|| (self.make)().map_err(|error| error.to_string()));
        made.clone().map_err(DataFusionError::Execution)
    }
}

#[async_trait]
impl TableProvider for MadeTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rows = vec![vec![self.rows()?]];
        Ok(MemorySourceConfig::try_new_exec(&rows, self.schema(), projection.cloned())?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use arrow::array::{ArrayRef, Int64Array};
    use arrow::datatypes::{DataType, Field, Schema};

    use super::super::{Catalog, SessionConfig};
    use super::*;
    use crate::model::Micros;

    #[tokio::test]
    async fn rows_are_made_once_and_only_for_who_reads_them() {
        let asked = Arc::new(AtomicUsize::new(0));
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let catalog =
            Catalog::new(SessionConfig { threads: 1, memory: 1 << 24, local_files: false }).unwrap();
        let counting = Arc::clone(&asked);
        let make = move || {
            counting.fetch_add(1, Ordering::Relaxed);
            RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef)])
        };
        catalog.add_made("ref", "numbers", schema, make).unwrap();
        catalog.sql("SELECT 1", Micros(0)).await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 0);
        for _ in 0..2 {
            let (_, rows) = catalog.sql("SELECT sum(n) AS sum FROM ref.numbers", Micros(0)).await.unwrap();
            assert_eq!(rows[0].column(0).as_ref(), &Int64Array::from(vec![6]));
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn rows_that_cannot_be_made_are_an_error_of_the_query() {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let catalog =
            Catalog::new(SessionConfig { threads: 1, memory: 1 << 24, local_files: false }).unwrap();
        catalog
            .add_made("ref", "none", schema, || Err(ArrowError::ComputeError("no such thing".into())))
            .unwrap();
        let error = catalog.sql("SELECT * FROM ref.none", Micros(0)).await.unwrap_err();
        assert!(error.to_string().contains("no such thing"), "{error}");
    }
}
