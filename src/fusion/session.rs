//! The one place that builds a DataFusion context: limits, functions, feeds, reference tables.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use datafusion::catalog::{MemTable, MemorySchemaProvider, TableProvider};
use datafusion::common::{DataFusionError, Result, TableReference};
use datafusion::execution::SessionState;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::{Optimizer, OptimizerContext, OptimizerRule};
use datafusion::physical_plan::collect;
use datafusion::prelude;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::{DFParserBuilder, Statement};

use super::feed_table::{FeedTable, store_url};
use super::made_table::MadeTable;
use super::{Latest, udf};
use crate::lake::Table;
use crate::model::{FeedName, Micros};

/// How much of the machine queries may use.
#[derive(Debug, Clone, Copy)]
pub struct SessionConfig {
    /// Partitions that a plan runs in parallel.
    pub threads: usize,
    /// Bytes that all running queries together may hold.
    pub memory: usize,
    /// Whether `FROM 'file.parquet'` reads local files: for the command line, never for a server.
    pub local_files: bool,
}

/// What SQL can name.
#[derive(Clone)]
pub struct Catalog {
    context: SessionContext,
    /// Feeds by name; without a table where they are only promised.
    feeds: BTreeMap<String, Option<Arc<Table>>>,
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalog").field("feeds", &self.feeds.keys()).finish_non_exhaustive()
    }
}

impl Catalog {
    /// A catalog with cityloom's functions and no tables.
    ///
    /// # Errors
    /// Where the engine cannot be set up.
    pub fn new(config: SessionConfig) -> Result<Self> {
        let mut settings = prelude::SessionConfig::new()
            .with_target_partitions(config.threads.max(1))
            .with_information_schema(true)
            .with_default_catalog_and_schema("city", "queries");
        let options = settings.options_mut();
        options.sql_parser.collect_spans = true;
        options.sql_parser.map_string_types_to_utf8view = false;
        options.execution.parquet.schema_force_view_types = false;
        options.execution.parquet.pushdown_filters = true;
        options.execution.time_zone = Some("UTC".into());
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(config.memory)))
            .build_arc()?;
        let mut context = SessionContext::new_with_config_rt(settings, runtime);
        if config.local_files {
            context = context.enable_url_table();
        }
        udf::register(&context);
        Ok(Self { context, feeds: BTreeMap::new() })
    }

    /// Adds a feed and its quarantine.
    ///
    /// # Errors
    /// Where the names are taken.
    pub fn add_feed(&mut self, name: &FeedName, table: &Arc<Table>, quarantine: &Arc<Table>) -> Result<()> {
        self.add_feed_alone(name, table)?;
        self.register("quarantine", &name.joined(), Arc::new(FeedTable::new(Arc::clone(quarantine))))
    }

    /// Adds a feed of which nothing is ever rejected.
    pub(super) fn add_feed_alone(&mut self, name: &FeedName, table: &Arc<Table>) -> Result<()> {
        self.context.register_object_store(store_url(table)?.as_ref(), table.root_store());
        self.register(name.department(), name.feed(), Arc::new(FeedTable::new(Arc::clone(table))))?;
        self.feeds.insert(name.to_string(), Some(Arc::clone(table)));
        Ok(())
    }

    /// From now on a feed that was added, or the rows that stand for it, shows of every key the newest row; all rows are in
    /// `history.<department>__<feed>`.
    ///
    /// # Errors
    /// Where there is no such feed, or it has not the key's columns.
    pub fn keep_latest(&mut self, latest: &Latest) -> Result<()> {
        let (department, feed) = (latest.feed.department(), latest.feed.feed());
        let name = TableReference::full("city", department, feed);
        let rows = self.context.deregister_table(name.clone())?;
        let rows = rows.ok_or_else(|| DataFusionError::Plan(format!("`{}` is no feed", latest.feed)))?;
        self.register(department, feed, Arc::new(latest.view(name, Arc::clone(&rows))?))?;
        let (schema, history) = latest.history();
        self.register(schema, &history, rows)?;
        if let Some(table) = self.feeds.get(&latest.feed.to_string()).cloned() {
            self.feeds.insert(format!("{schema}.{history}"), table);
        }
        Ok(())
    }

    /// Adds rows as `schema.table`, or as a plain name where `schema` is the queries' own.
    ///
    /// # Errors
    /// Where the name is taken or the rows are not of the schema.
    pub fn add_rows(
        &self,
        schema: &str,
        table: &str,
        columns: SchemaRef,
        rows: Vec<RecordBatch>,
    ) -> Result<()> {
        self.register(schema, table, Arc::new(MemTable::try_new(columns, vec![rows])?))
    }

    /// Adds a table whose rows `make` makes when somebody first reads them.
    ///
    /// # Errors
    /// Where the name is taken.
    pub fn add_made(
        &self,
        schema: &str,
        table: &str,
        columns: SchemaRef,
        make: impl Fn() -> std::result::Result<RecordBatch, ArrowError> + Send + Sync + 'static,
    ) -> Result<()> {
        self.register(schema, table, Arc::new(MadeTable::new(columns, Box::new(make))))
    }

    /// Adds a feed of which only the columns are known, to check queries against.
    ///
    /// # Errors
    /// Where the name is taken.
    pub fn promise_feed(&mut self, name: &FeedName, columns: SchemaRef) -> Result<()> {
        self.add_rows(name.department(), name.feed(), columns, Vec::new())?;
        self.feeds.insert(name.to_string(), None);
        Ok(())
    }

    /// Whether `name` is a feed.
    pub(super) fn is_feed(&self, name: &str) -> bool {
        self.feeds.contains_key(name)
    }

    /// The table of a feed, where `name` is one that has a table.
    pub(super) fn feed(&self, name: &str) -> Option<&Arc<Table>> {
        self.feeds.get(name)?.as_ref()
    }

    /// What SQL reads under a name, with or without schema.
    pub(super) async fn provider(&self, name: &str) -> Result<Arc<dyn TableProvider>> {
        let (schema, table) = name.split_once('.').unwrap_or(("queries", name));
        self.context.table_provider(TableReference::full("city", schema, table)).await
    }

    /// Every `schema.table` and query name that SQL can read.
    pub fn names(&self) -> Vec<String> {
        let Some(catalog) = self.context.catalog("city") else { return Vec::new() };
        let mut names = Vec::new();
        for schema in catalog.schema_names() {
            let tables = catalog.schema(&schema).map_or_else(Vec::new, |schema| schema.table_names());
            names.extend(
                tables
                    .into_iter()
                    .map(|table| if schema == "queries" { table } else { format!("{schema}.{table}") }),
            );
        }
        names
    }

    pub(super) fn register(&self, schema: &str, table: &str, provider: Arc<dyn TableProvider>) -> Result<()> {
        let catalog =
            self.context.catalog("city").ok_or_else(|| DataFusionError::Internal("no catalog".into()))?;
        if catalog.schema(schema).is_none() {
            catalog.register_schema(schema, Arc::new(MemorySchemaProvider::new()))?;
        }
        self.context.register_table(TableReference::full("city", schema, table), provider)?;
        Ok(())
    }

    pub(super) fn deregister(&self, query: &str) -> Result<()> {
        self.context.deregister_table(TableReference::full("city", "queries", query))?;
        Ok(())
    }

    /// The engine's state in which `now()` is `now`.
    pub(super) fn state(&self, now: Micros) -> SessionState {
        let mut state = self.context.state();
        state.execution_props_mut().query_execution_start_time =
            chrono::DateTime::from_timestamp_micros(now.0);
        state
    }

    /// The logical plan of a statement.
    pub(super) async fn plan(&self, statement: &Statement, now: Micros) -> Result<LogicalPlan> {
        self.state(now).statement_to_plan(statement.clone()).await
    }

    /// The plan, optimised as far as it goes without a tick: `now()` stays open.
    pub(super) fn timeless(&self, plan: &LogicalPlan) -> Result<LogicalPlan> {
        let state = self.context.state();
        let analysed = state.analyzer().execute_and_check(plan.clone(), state.config_options(), |_, _| {})?;
        // This rule would make two aggregates of a count(DISTINCT), the outer one over all that is distinct.
        let apart = |rule: &&Arc<dyn OptimizerRule + Send + Sync>| {
            rule.name() != "single_distinct_aggregation_to_group_by"
        };
        let rules = state.optimizer().rules.iter().filter(apart).cloned().collect();
        let config = OptimizerContext::new_with_config_options(Arc::clone(state.config().options()))
            .without_query_execution_start_time();
        Optimizer::with_rules(rules).optimize(analysed, &config, |_, _| {})
    }

    /// Runs a plan at `now`.
    pub(super) async fn run(&self, plan: &LogicalPlan, now: Micros) -> Result<Vec<RecordBatch>> {
        let state = self.state(now);
        let physical = state.create_physical_plan(plan).await?;
        collect(physical, state.task_ctx()).await
    }

    /// Runs one statement of somebody at a terminal.
    ///
    /// # Errors
    /// What is wrong with the statement, or what stopped it.
    pub async fn sql(&self, text: &str, now: Micros) -> Result<(SchemaRef, Vec<RecordBatch>)> {
        let mut statements =
            DFParserBuilder::new(text).with_recursion_limit(100).build()?.parse_statements()?;
        let (Some(statement), true) = (statements.pop_front(), statements.is_empty()) else {
            return Err(DataFusionError::Plan("give exactly one statement".into()));
        };
        let plan = self.plan(&statement, now).await?;
        prelude::SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).verify_plan(&plan)?;
        let schema = Arc::new(plan.schema().as_arrow().clone());
        Ok((schema, self.run(&plan, now).await?))
    }

    /// Makes the stored queries readable as views, for a process that refreshes none of them.
    ///
    /// # Errors
    /// Where a query cannot be planned.
    pub async fn add_views(&self, queries: &[Arc<super::Query>], now: Micros) -> Result<()> {
        for query in queries {
            let plan = self.plan(&query.statement, now).await?;
            let view = datafusion::datasource::ViewTable::new(plan, Some(query.sql.clone()));
            self.register("queries", query.name.as_str(), Arc::new(view))?;
        }
        Ok(())
    }
}

/// A result as text for people: a table with aligned columns.
///
/// # Errors
/// Where a value has no text form.
pub fn print(schema: &SchemaRef, rows: &[RecordBatch]) -> Result<String, ArrowError> {
    let rows = if rows.is_empty() { vec![RecordBatch::new_empty(Arc::clone(schema))] } else { rows.to_vec() };
    arrow::util::pretty::pretty_format_batches(&rows).map(|table| table.to_string())
}

/// The folder's files as `(path below the folder, text)`, sorted.
pub(super) fn read_folder(root: &Path, extension: &str) -> std::io::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                let below = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
                found.push((below, std::fs::read_to_string(&path)?));
            }
        }
    }
    found.sort();
    Ok(found)
}
