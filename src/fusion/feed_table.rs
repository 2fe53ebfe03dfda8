//! A lake table as DataFusion reads it: files that cannot match are skipped, young ones come from memory.
//!
//! Filters are always inexact: the plan keeps them, so a refresh that swaps the leaf never loses a WHERE.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, TimestampMicrosecondArray, UInt64Array};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, DFSchema, Result, ScalarValue};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::union::UnionExec;
use object_store::ObjectMeta;
use object_store::path::Path;

use crate::lake::{FileEntry, Table};

/// A feed (or its quarantine) in SQL.
#[derive(Debug)]
pub(super) struct FeedTable {
    table: Arc<Table>,
    /// These files and no others; without them, those of the table's state at the time of the scan.
    pinned: Option<Vec<Arc<FileEntry>>>,
}

impl FeedTable {
    pub(super) fn new(table: Arc<Table>) -> Self {
        Self { table, pinned: None }
    }

    /// The rows of those files of the table.
    pub(super) fn of_files(table: Arc<Table>, files: Vec<Arc<FileEntry>>) -> Self {
        Self { table, pinned: Some(files) }
    }

    /// The files that may hold a row for `filters`.
    fn pruned(&self, session: &dyn Session, filters: &[Expr]) -> Result<Vec<Arc<FileEntry>>> {
        let files = self.pinned.clone().unwrap_or_else(|| self.table.state().entries().cloned().collect());
        let Some(filter) = conjunction(filters.iter().cloned()) else { return Ok(files) };
        let schema = DFSchema::try_from(Arc::clone(self.table.schema()))?;
        let predicate = session.create_physical_expr(filter, &schema)?;
        let built = PruningPredicateBuilder::new().with_file_schema(self.schema()).try_build(predicate);
        let Ok(predicate) = built else { return Ok(files) };
        let keep = predicate.prune(&FileBounds(&files))?;
        Ok(files.iter().zip(keep).filter(|(_, keep)| *keep).map(|(file, _)| Arc::clone(file)).collect())
    }

    fn scan_memory(
        &self,
        rows: &[RecordBatch],
        parts: usize,
        projection: Option<&Vec<usize>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let share = rows.len().div_ceil(parts.max(1)).max(1);
        let mut partitions: Vec<Vec<RecordBatch>> = rows.chunks(share).map(<[RecordBatch]>::to_vec).collect();
        // An empty feed is one empty partition: plans count on at least one.
        partitions.resize_with(partitions.len().max(1), Vec::new);
        Ok(MemorySourceConfig::try_new_exec(&partitions, self.schema(), projection.cloned())?)
    }

    fn scan_files(
        &self,
        session: &dyn Session,
        files: &[&FileEntry],
        filters: &[Expr],
        projection: Option<&Vec<usize>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let folder = Path::from_url_path(self.table.url().path())?;
        let part = |file: &&FileEntry| {
            let location: Path = folder.parts().chain(Path::from(file.path.as_str()).parts()).collect();
            let last_modified = chrono::DateTime::UNIX_EPOCH;
            let meta = ObjectMeta { location, last_modified, size: file.size, e_tag: None, version: None };
            PartitionedFile::new_from_meta(meta)
        };
        let parts: Vec<PartitionedFile> = files.iter().map(part).collect();
        let groups = FileGroup::new(parts).split_files(session.config().target_partitions());
        let mut source = ParquetSource::new(TableSchema::from(self.schema()));
        if let Some(filter) = conjunction(filters.iter().cloned()) {
            let schema = DFSchema::try_from(self.schema())?;
            source = source.with_predicate(session.create_physical_expr(filter, &schema)?);
        }
        let config = FileScanConfigBuilder::new(store_url(&self.table)?, Arc::new(source))
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// The store of a table as DataFusion names it: the table's URL without its path.
pub(super) fn store_url(table: &Table) -> Result<ObjectStoreUrl> {
    ObjectStoreUrl::parse(&table.url()[..url::Position::BeforePath])
}

#[async_trait]
impl TableProvider for FeedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.table.schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let files = self.pruned(session, filters)?;
        let hot: Vec<RecordBatch> = files.iter().filter_map(|file| file.hot.clone()).collect();
        let cold: Vec<&FileEntry> = files.iter().filter(|file| file.hot.is_none()).map(Arc::as_ref).collect();
        let mut inputs = Vec::with_capacity(2);
        if !cold.is_empty() {
            inputs.push(self.scan_files(session, &cold, filters, projection)?);
        }
        if !hot.is_empty() || inputs.is_empty() {
            inputs.push(self.scan_memory(&hot, session.config().target_partitions(), projection)?);
        }
        if inputs.len() == 1 { Ok(inputs.remove(0)) } else { UnionExec::try_new(inputs) }
    }
}

/// What the log knows of each file: the ends of event time and cell.
struct FileBounds<'a>(&'a [Arc<FileEntry>]);

impl FileBounds<'_> {
    fn ends(&self, column: &Column, end: fn((i64, i64)) -> i64) -> Option<ArrayRef> {
        match column.name() {
            "_event_time" => {
                let ends: TimestampMicrosecondArray =
                    self.0.iter().map(|file| file.event_time.map(end)).collect();
                Some(Arc::new(ends.with_timezone("UTC")))
            }
            "_cell" => Some(Arc::new(self.0.iter().map(|file| file.cell.map(end)).collect::<Int64Array>())),
            _ => None,
        }
    }
}

impl PruningStatistics for FileBounds<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.ends(column, |(least, _)| least)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.ends(column, |(_, most)| most)
    }

    fn num_containers(&self) -> usize {
        self.0.len()
    }

    fn null_counts(&self, _column: &Column) -> Option<ArrayRef> {
        None
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(self.0.iter().map(|file| Some(file.rows)).collect::<UInt64Array>()))
    }

    fn contained(&self, _column: &Column, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
