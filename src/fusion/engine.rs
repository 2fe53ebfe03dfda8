//! Keeps the results of all queries up to date: which must run at a tick, in which order, and what came out.
//!
//! The seam for incremental refresh is [`Engine::recompute`]: a plan and a tick in, rows out. A tick's time is
//! given by the caller; the same feeds and ticks give the same results.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::LogicalPlan;
use tokio::sync::Mutex;

use super::query_set::WAITS;
use super::result_table::ResultTable;
use super::{Audit, Catalog, Kind, Query, QueryFile, QuerySet, RefreshRule, audit, locate};
use crate::model::{Micros, Problem};

/// A query whose only input is time is refreshed at least so often.
const TIME_ALONE_SECONDS: i64 = 5;

/// What to refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tick {
    /// Queries whose inputs moved, or whose window did.
    Moved,
    /// Every query, manual ones too.
    All,
}

/// A query's new result.
#[derive(Debug, Clone)]
pub struct Change {
    /// The query.
    pub query: Arc<Query>,
    /// The tick.
    pub at: Micros,
    /// The result's columns.
    pub schema: SchemaRef,
    /// All rows.
    pub rows: Vec<RecordBatch>,
    /// How long it took.
    pub seconds: f64,
    /// Tests of the header that the result fails.
    pub audits: Vec<Audit>,
}

/// Runs the queries of a city.
#[derive(Debug)]
pub struct Engine {
    catalog: Catalog,
    running: Mutex<Running>,
}

#[derive(Debug, Default)]
struct Running {
    set: QuerySet,
    planned: HashMap<String, Planned>,
}

#[derive(Debug, Clone)]
struct Planned {
    query: Arc<Query>,
    plan: LogicalPlan,
    schema: SchemaRef,
    result: Arc<ResultTable>,
    last: Option<Micros>,
    /// Versions of the feeds at the last refresh.
    seen: BTreeMap<String, u64>,
}

/// What came of ordering and planning; problems in an order in which a cause comes before what it brings about.
struct Attempt {
    set: QuerySet,
    planned: HashMap<String, Planned>,
    problems: Vec<Problem>,
}

impl Engine {
    /// An engine without queries.
    pub fn new(catalog: Catalog) -> Self {
        Self { catalog, running: Mutex::default() }
    }

    /// What SQL can name.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The queries that run, in their order.
    pub async fn queries(&self) -> QuerySet {
        self.running.lock().await.set.clone()
    }

    /// Takes the files as they are now. A file that is broken keeps its old version running, where there was
    /// one; everything wrong is told.
    pub async fn load(&self, files: &[QueryFile], now: Micros) -> Vec<Problem> {
        let mut running = self.running.lock().await;
        let old = std::mem::take(&mut running.planned);
        let mut problems = Vec::new();
        let mut queries = Vec::new();
        for file in files {
            match Query::parse(&file.file, &file.text) {
                Ok(query) => queries.push(query),
                Err(found) => {
                    problems.extend(found);
                    queries.extend(running_version(&old, &file.file));
                }
            }
        }
        self.withdraw(&old);
        let tables = self.catalog.names();
        loop {
            let attempt = self.attempt(queries.clone(), &tables, &old, now).await;
            let Some(broken) = give_way(&mut queries, &attempt.problems, &old) else {
                problems.extend(attempt.problems);
                running.set = attempt.set;
                running.planned = attempt.planned;
                problems.sort();
                return problems;
            };
            tracing::warn!(query.file = broken, "the new version is broken, the old one goes on");
            problems.extend(attempt.problems.into_iter().filter(|problem| problem.file == broken));
            // Others read it: all is ordered and planned anew with the version that goes on.
            self.withdraw(&attempt.planned);
        }
    }

    /// Orders and plans queries, each after what it reads.
    async fn attempt(
        &self,
        queries: Vec<Query>,
        tables: &[String],
        old: &HashMap<String, Planned>,
        now: Micros,
    ) -> Attempt {
        let (set, mut problems) = QuerySet::order(queries, tables);
        let mut planned = HashMap::new();
        for query in set.ordered() {
            if problems.iter().any(|problem| problem.file == query.file) {
                continue;
            }
            match self.prepare(query, old.get(query.name.as_str()), now).await {
                Ok(ready) => {
                    planned.insert(query.name.to_string(), ready);
                }
                // What it reads is missing or broken: that has been told, and the rest follows from it.
                Err(_) if query.queries.iter().any(|input| !planned.contains_key(input)) => {}
                Err(found) => problems.extend(found),
            }
        }
        // Causes before consequences: what only waits for another may well be sound.
        problems.sort_by_key(|problem| problem.code == WAITS);
        Attempt { set, planned, problems }
    }

    fn withdraw(&self, planned: &HashMap<String, Planned>) {
        for name in planned.keys() {
            if let Err(error) = self.catalog.deregister(name) {
                tracing::warn!(query.name = name, %error, "could not take a query out of the catalog");
            }
        }
    }

    async fn prepare(
        &self,
        query: &Arc<Query>,
        before: Option<&Planned>,
        now: Micros,
    ) -> Result<Planned, Vec<Problem>> {
        let mut planned = self.planned(query, now).await?;
        // An unchanged query goes on from its last result, so that a reload shows no gap.
        if let Some(before) =
            before.filter(|before| before.query.sql == query.sql && before.schema == planned.schema)
        {
            planned = Planned { plan: planned.plan, query: planned.query, ..before.clone() };
        }
        self.publish(&planned)?;
        Ok(planned)
    }

    fn publish(&self, planned: &Planned) -> Result<(), Vec<Problem>> {
        let table = Arc::clone(&planned.result) as Arc<dyn datafusion::catalog::TableProvider>;
        self.catalog
            .register("queries", planned.query.name.as_str(), table)
            .map_err(|error| vec![Problem::of_file(&planned.query.file, "CL090", error.strip_backtrace())])
    }

    async fn planned(&self, query: &Arc<Query>, now: Micros) -> Result<Planned, Vec<Problem>> {
        let wrong = |error| locate::all_of_error(&query.file, &query.sql, &error, "CL030");
        let plan = self.catalog.plan(&query.statement, now).await.map_err(wrong)?;
        let state = self.catalog.state(now);
        // Optimising finds what planning alone lets pass (types that do not compare, unknown casts).
        state
            .optimize(&plan)
            .map_err(|error| locate::all_of_error(&query.file, &query.sql, &error, "CL031"))?;
        let schema: SchemaRef = Arc::new(plan.schema().as_arrow().clone());
        let problems = shape(query, &schema);
        if !problems.is_empty() {
            return Err(problems);
        }
        let result = Arc::new(ResultTable::new(Arc::clone(&schema)));
        Ok(Planned { query: Arc::clone(query), plan, schema, result, last: None, seen: BTreeMap::new() })
    }

    /// Refreshes what `tick` asks for, in order, each query at the same `now`.
    pub async fn refresh(&self, tick: Tick, now: Micros) -> Vec<Result<Change, Problem>> {
        let mut running = self.running.lock().await;
        let order: Vec<Arc<Query>> = running.set.ordered().to_vec();
        let mut refreshed: Vec<String> = Vec::new();
        let mut changes = Vec::new();
        for query in order {
            let Some(planned) = running.planned.get_mut(query.name.as_str()) else { continue };
            let versions: BTreeMap<String, u64> = planned
                .query
                .feeds
                .iter()
                .filter_map(|feed| Some((feed.clone(), self.catalog.version(feed)?)))
                .collect();
            if tick == Tick::Moved && !planned.is_due(&versions, &refreshed, now) {
                continue;
            }
            let change = self.recompute(planned, now).await;
            if change.is_ok() {
                refreshed.push(query.name.to_string());
            }
            planned.seen = versions;
            planned.last = Some(now);
            changes.push(change);
        }
        changes
    }

    /// A full recompute: the plan over everything that its window reaches.
    async fn recompute(&self, planned: &Planned, now: Micros) -> Result<Change, Problem> {
        let started = Instant::now();
        let query = &planned.query;
        let rows = self
            .catalog
            .run(&planned.plan, now)
            .await
            .map_err(|error| locate::of_error(&query.file, &query.sql, &error, "CL040"))?;
        let seconds = started.elapsed().as_secs_f64();
        planned.result.replace(rows.clone());
        let audits = audit::audit(query, &planned.schema, &rows);
        Ok(Change {
            query: Arc::clone(query),
            at: now,
            schema: Arc::clone(&planned.schema),
            rows,
            seconds,
            audits,
        })
    }
}

impl Planned {
    fn is_due(&self, versions: &BTreeMap<String, u64>, refreshed: &[String], now: Micros) -> bool {
        // The first result is owed to whoever reads the query, a manual one's too.
        let Some(last) = self.last else { return true };
        let moved =
            *versions != self.seen || self.query.queries.iter().any(|input| refreshed.contains(input));
        let slid = self.query.depends_on_now() && now.0 - last.0 >= TIME_ALONE_SECONDS * 1_000_000;
        match self.query.refresh() {
            RefreshRule::Live => moved || slid,
            RefreshRule::Every(period) => {
                (moved || slid) && u128::try_from(now.0 - last.0).unwrap_or(0) >= period.as_micros()
            }
            RefreshRule::Manual => false,
        }
    }
}

fn running_version(old: &HashMap<String, Planned>, file: &str) -> Option<Query> {
    old.values().find(|old| old.query.file == file).map(|old| (*old.query).clone())
}

/// Puts the running version in the place of the first file that is wrong and has another; names that file.
fn give_way(queries: &mut [Query], problems: &[Problem], old: &HashMap<String, Planned>) -> Option<String> {
    problems.iter().find_map(|problem| {
        let query = queries.iter_mut().find(|query| query.file == problem.file)?;
        let running = running_version(old, &problem.file).filter(|running| running.sql != query.sql)?;
        *query = running;
        Some(problem.file.clone())
    })
}

/// Whether a result has the columns that its kind needs.
fn shape(query: &Query, schema: &SchemaRef) -> Vec<Problem> {
    use arrow::datatypes::DataType;
    let wrong =
        |message: String| Problem { line: 1, column: 1, ..Problem::of_file(&query.file, "CL032", message) };
    let need = |names: &[&str]| -> Vec<Problem> {
        let absent = names.iter().filter(|name| schema.column_with_name(name).is_none());
        let kind = match query.kind() {
            Kind::Layer => "a layer",
            Kind::Alert => "an alert",
            Kind::Kpi => "a kpi",
            Kind::Table => "a table",
        };
        absent.map(|name| wrong(format!("{kind} needs a column `{name}`"))).collect()
    };
    let mut problems = match query.kind() {
        Kind::Layer => {
            let key = query.key().unwrap_or("cell");
            match schema.field_with_name(key).map(|field| field.data_type().clone()) {
                Ok(DataType::Int64) => Vec::new(),
                Ok(other) => vec![wrong(format!("the key column `{key}` is {other}; cells are Int64"))],
                Err(_) => need(&[key]),
            }
        }
        Kind::Alert => need(&[
            query.key().unwrap_or("key"),
            "category",
            "severity",
            "title_en",
            "title_zh",
            "cell",
            "area",
        ]),
        Kind::Kpi => need(&["value"]),
        Kind::Table => Vec::new(),
    };
    for (column, _) in query.columns().iter().filter(|(column, _)| schema.column_with_name(column).is_none())
    {
        let help =
            crate::contract::closest(column, schema.fields().iter().map(|field| field.name().as_str()));
        let help = help.map(|word| format!("did you mean `{word}`?"));
        problems.push(Problem {
            help,
            ..wrong(format!("the header shows a column `{column}` that the query does not have"))
        });
    }
    problems
}
