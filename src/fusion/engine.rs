//! Keeps the results of all queries up to date: which must run at a tick, in which order, and what came out.
//!
//! A query whose aggregates are linear in its feeds has them kept as states (`upkeep.rs`) and runs only the rest of its
//! plan; any other is recomputed and says why. A tick's time is given by the caller; the same feeds and ticks give the
//! same results.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use object_store::ObjectStore;
use tokio::sync::Mutex;

use super::filling::{Filler, Progress, StateLimits, Workbench};
use super::local::Local;
use super::query_set::WAITS;
use super::refresh::{self, Checkpoints, Reason};
use super::result_table::ResultTable;
use super::shape::shape;
use super::upkeep::{self, Brought, Kept, Snapshot, Tools};
use super::{
    Audit, Catalog, Explained, Footprint, Query, QueryFile, QuerySet, RefreshRule, StateExplained,
    StateFootprint, audit, locate,
};
use crate::lake::Position;
use crate::model::{Micros, Problem};

/// A query whose only input is time is refreshed at least so often.
const TIME_ALONE_SECONDS: i64 = 5;

/// How often a query is recomputed that cannot be kept up to date and does not say how often.
const RECOMPUTE_EVERY: Duration = Duration::from_secs(30);

/// What to refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tick {
    /// Queries whose inputs moved, or whose window did. A long history is read beside the ticks; until it is read, the
    /// query that needs it has no change.
    Moved,
    /// Every query, manual ones too, each with its result of this tick, however long that takes.
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
    checkpoints: Option<Checkpoints>,
    bench: Workbench,
    running: Mutex<Running>,
}

#[derive(Debug, Default)]
struct Running {
    set: QuerySet,
    planned: HashMap<String, Planned>,
    /// States by what they compute; queries with equal aggregates share one.
    kept: HashMap<String, Kept>,
}

#[derive(Debug, Clone)]
struct Planned {
    query: Arc<Query>,
    way: Way,
    schema: SchemaRef,
    result: Arc<ResultTable>,
    last: Option<Micros>,
    /// Versions of the feeds at the last refresh.
    seen: BTreeMap<String, Position>,
    /// Whether a refresh is owed that could not be made yet.
    owed: bool,
    /// Where its rows follow cell by cell.
    local: Option<Local>,
}

/// How a result comes about.
#[derive(Debug, Clone)]
enum Way {
    /// By a plan over the states of those cuts; `full` is the whole plan optimised, its windows still open.
    Kept { head: LogicalPlan, cuts: Vec<String>, full: LogicalPlan, plan: LogicalPlan },
    /// By the whole plan over everything that its windows reach.
    Recomputed { plan: LogicalPlan, reasons: Vec<Reason> },
}

/// What came of ordering and planning; problems in an order in which a cause comes before what it brings about.
struct Attempt {
    set: QuerySet,
    planned: HashMap<String, Planned>,
    kept: HashMap<String, Kept>,
    problems: Vec<Problem>,
}

impl Engine {
    /// An engine without queries.
    pub fn new(catalog: Catalog) -> Self {
        let bench = Workbench::new(StateLimits::default());
        Self { catalog, checkpoints: None, bench, running: Mutex::default() }
    }

    /// The same engine with other bounds for its states.
    #[must_use]
    pub fn with_limits(self, limits: StateLimits) -> Self {
        Self { bench: Workbench::new(limits), ..self }
    }

    /// The same engine, whose states outlive the process in `store`.
    #[must_use]
    pub fn with_checkpoints(self, store: Arc<dyn ObjectStore>) -> Self {
        Self { checkpoints: Some(Checkpoints::new(store)), ..self }
    }

    /// What fills states beside the ticks: somebody has to run it, or no long history is ever read. Given once.
    pub fn filler(&self) -> Option<Filler> {
        self.bench.filler()
    }

    /// Writes the states down that have changed since they last were.
    pub async fn checkpoint(&self) {
        let Some(checkpoints) = &self.checkpoints else { return };
        for kept in self.running.lock().await.kept.values_mut() {
            kept.save(checkpoints).await;
        }
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
            let attempt = self.attempt(queries.clone(), &tables, &old, &running.kept, now).await;
            let Some(broken) = give_way(&mut queries, &attempt.problems, &old) else {
                problems.extend(attempt.problems);
                running.set = attempt.set;
                running.planned = attempt.planned;
                running.keep(attempt.kept);
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
        filled: &HashMap<String, Kept>,
        now: Micros,
    ) -> Attempt {
        let (set, mut problems) = QuerySet::order(queries, tables);
        let (mut planned, mut kept) = (HashMap::new(), HashMap::new());
        for query in set.ordered() {
            if problems.iter().any(|problem| problem.file == query.file) {
                continue;
            }
            match self.prepare(query, old.get(query.name.as_str()), filled, &mut kept, now).await {
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
        Attempt { set, planned, kept, problems }
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
        filled: &HashMap<String, Kept>,
        kept: &mut HashMap<String, Kept>,
        now: Micros,
    ) -> Result<Planned, Vec<Problem>> {
        let mut planned = self.planned(query, filled, kept, now).await?;
        // An unchanged query goes on from its last result, and a changed one shows it until it has its own, so that a
        // reload shows no gap.
        if let Some(before) = before.filter(|before| before.schema == planned.schema) {
            if before.query.sql == query.sql {
                planned = Planned {
                    way: planned.way,
                    query: planned.query,
                    local: planned.local,
                    ..before.clone()
                };
            } else {
                planned.result = Arc::clone(&before.result);
            }
        }
        self.publish(&planned)?;
        Ok(planned)
    }

    fn publish(&self, planned: &Planned) -> Result<(), Vec<Problem>> {
        let table = Arc::clone(&planned.result) as Arc<dyn TableProvider>;
        self.catalog
            .register("queries", planned.query.name.as_str(), table)
            .map_err(|error| vec![Problem::of_file(&planned.query.file, "CL090", error.strip_backtrace())])
    }

    async fn planned(
        &self,
        query: &Arc<Query>,
        filled: &HashMap<String, Kept>,
        kept: &mut HashMap<String, Kept>,
        now: Micros,
    ) -> Result<Planned, Vec<Problem>> {
        let wrong = |error| locate::all_of_error(&query.file, &query.sql, &error, "CL030");
        let plan = self.catalog.plan(&query.statement, now).await.map_err(wrong)?;
        let state = self.catalog.state(now);
        // Optimising finds what planning alone lets pass (types that do not compare, unknown casts).
        let wrong = |error| locate::all_of_error(&query.file, &query.sql, &error, "CL031");
        state.optimize(&plan).map_err(wrong)?;
        let schema: SchemaRef = Arc::new(plan.schema().as_arrow().clone());
        let problems = shape(query, &schema);
        if !problems.is_empty() {
            return Err(problems);
        }
        let way = self.way(plan, &state, filled, kept).map_err(wrong)?;
        if let Way::Recomputed { reasons, .. } = &way
            && query.wants_live()
        {
            return Err(reasons.iter().map(|reason| not_live(query, reason)).collect());
        }
        let local = match &way {
            Way::Kept { head, .. } => Local::of(head, query.key().unwrap_or("cell")).map_err(wrong)?,
            Way::Recomputed { .. } => None,
        };
        let result = Arc::new(ResultTable::new(Arc::clone(&schema)));
        Ok(Planned {
            query: Arc::clone(query),
            way,
            schema,
            result,
            last: None,
            seen: BTreeMap::new(),
            owed: false,
            local,
        })
    }

    /// How the result of a plan comes about. Cuts that nobody keeps yet are added to `kept`.
    fn way(
        &self,
        plan: LogicalPlan,
        state: &SessionState,
        filled: &HashMap<String, Kept>,
        kept: &mut HashMap<String, Kept>,
    ) -> datafusion::common::Result<Way> {
        let full = self.catalog.timeless(&plan)?;
        let leaf = |table: &str| upkeep::leaf(&self.catalog, table);
        let mut result = |cut: &refresh::Cut| {
            let kept = filled
                .get(&cut.id)
                .unwrap_or_else(|| kept.entry(cut.id.clone()).or_insert_with(|| Kept::new(cut.clone())));
            Arc::clone(&kept.result) as Arc<dyn TableProvider>
        };
        Ok(match refresh::cut(&full, state, &leaf, &mut result)? {
            Ok(cutting) => {
                let cuts = cutting.cuts.into_iter().map(|cut| cut.id).collect();
                Way::Kept { head: cutting.head, cuts, full, plan }
            }
            Err(reasons) => Way::Recomputed { plan, reasons },
        })
    }

    /// Refreshes what `tick` asks for, in order, each query at the same `now` over the same rows.
    pub async fn refresh(&self, tick: Tick, now: Micros) -> Vec<Result<Change, Problem>> {
        let mut running = self.running.lock().await;
        let order: Vec<Arc<Query>> = running.set.ordered().to_vec();
        let feeds = Snapshot::of(&self.catalog, order.iter().flat_map(|query| &query.feeds));
        let with = self.tools(&feeds, now, tick == Tick::All);
        let (mut refreshed, mut owed): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        let mut changes = Vec::new();
        for query in order {
            let Running { planned, kept, .. } = &mut *running;
            let Some(planned) = planned.get_mut(query.name.as_str()) else { continue };
            let versions: BTreeMap<String, Position> =
                query.feeds.iter().filter_map(|feed| Some((feed.clone(), feeds.position(feed)?))).collect();
            if tick == Tick::Moved && !planned.is_due(&versions, &refreshed, now) {
                continue;
            }
            let started = Instant::now();
            // What it reads has no result yet, or an older one: so would it.
            let waits = query.queries.iter().any(|input| owed.contains(input));
            let rows = if waits { Ok(None) } else { rows(planned, kept, with).await };
            let Some(rows) = rows.transpose() else {
                planned.owed = true;
                owed.push(query.name.to_string());
                continue;
            };
            if rows.is_err() {
                // Made again when its inputs move, not at every tick.
                planned.owed = false;
            }
            let change = rows
                .map(|rows| planned.change(rows, now, started.elapsed().as_secs_f64()))
                .map_err(|error| locate::of_error(&query.file, &query.sql, &error, "CL040"));
            if change.is_ok() {
                refreshed.push(query.name.to_string());
            }
            planned.seen = versions;
            planned.last = Some(now);
            changes.push(change);
        }
        changes
    }

    fn tools<'a>(&'a self, feeds: &'a Snapshot, now: Micros, waits: bool) -> Tools<'a> {
        let checkpoints = self.checkpoints.as_ref();
        Tools { catalog: &self.catalog, checkpoints, bench: &self.bench, feeds, now, waits }
    }

    /// How every query is computed, and what filling its states would read.
    ///
    /// # Errors
    /// Where a window has no edge at `now`.
    pub async fn footprints(&self, now: Micros) -> datafusion::common::Result<Vec<Footprint>> {
        let running = self.running.lock().await;
        let order = running.set.ordered();
        let feeds = Snapshot::of(&self.catalog, order.iter().flat_map(|query| &query.feeds));
        let with = self.tools(&feeds, now, true);
        let mut prints = Vec::new();
        for query in order {
            let Some(planned) = running.planned.get(query.name.as_str()) else { continue };
            let states: Vec<StateFootprint> = match &planned.way {
                Way::Recomputed { .. } => Vec::new(),
                Way::Kept { cuts, .. } => {
                    let kept = cuts.iter().filter_map(|cut| running.kept.get(cut));
                    kept.map(|kept| kept.footprint(with)).collect::<Result<_, _>>()?
                }
            };
            let class = running.explain(planned).class;
            prints.push(Footprint { query: query.name.to_string(), sql: query.sql.clone(), class, states });
        }
        Ok(prints)
    }

    /// The queries that wait for their history to be read, and how far that is.
    pub async fn fillings(&self) -> Vec<(Arc<Query>, Progress)> {
        let running = self.running.lock().await;
        let of = |query: &Arc<Query>| {
            let Way::Kept { cuts, .. } = &running.planned.get(query.name.as_str())?.way else { return None };
            let filled = cuts.iter().filter_map(|cut| running.kept.get(cut)?.filling());
            let progress = filled.reduce(|a, b| Progress { done: a.done + b.done, all: a.all + b.all })?;
            Some((Arc::clone(query), progress))
        };
        running.set.ordered().iter().filter_map(of).collect()
    }

    /// How a query is kept up to date; none where there is no such query.
    pub async fn explain(&self, query: &str) -> Option<Explained> {
        let running = self.running.lock().await;
        running.planned.get(query).map(|planned| running.explain(planned))
    }

    /// What a query's result would be without its states: the whole plan over everything, with the same windows.
    ///
    /// # Errors
    /// What stopped the plan; none where there is no such query.
    pub async fn recompute(
        &self,
        query: &str,
        now: Micros,
    ) -> datafusion::common::Result<Option<Vec<RecordBatch>>> {
        let running = self.running.lock().await;
        let Some(planned) = running.planned.get(query) else { return Ok(None) };
        let plan = match &planned.way {
            Way::Recomputed { plan, .. } => plan.clone(),
            Way::Kept { full, .. } => {
                let leaf = |table: &str| upkeep::leaf(&self.catalog, table);
                refresh::at_edges(full, &self.catalog.state(now), &leaf, now.0)?
            }
        };
        self.catalog.run(&plan, now).await.map(Some)
    }
}

/// A query's rows at a tick; none while a state that it needs is being filled. Says whether more is owed.
async fn rows(
    planned: &mut Planned,
    kept: &mut HashMap<String, Kept>,
    with: Tools<'_>,
) -> datafusion::common::Result<Option<Vec<RecordBatch>>> {
    let (head, cuts, plan) = match &planned.way {
        Way::Recomputed { plan, .. } => {
            planned.owed = false;
            let rows = with.catalog.run(plan, with.now).await?;
            planned.result.replace(rows.clone());
            return Ok(Some(rows));
        }
        Way::Kept { head, cuts, plan, .. } => (head, cuts, plan),
    };
    let (mut filling, mut behind, mut too_large) = (false, false, Vec::new());
    for cut in cuts {
        if let Some(kept) = kept.get_mut(cut) {
            match kept.bring(with).await? {
                Brought::Ready => {}
                Brought::Behind => behind = true,
                Brought::Filling => filling = true,
                Brought::TooLarge(reason) => too_large.push(reason),
            }
        }
    }
    if !too_large.is_empty() {
        for reason in &too_large {
            tracing::warn!(query.name = %planned.query.name, %reason, "recomputed from now on: {}", reason.advice);
        }
        let plan = plan.clone();
        let rows = with.catalog.run(&plan, with.now).await?;
        planned.result.replace(rows.clone());
        (planned.owed, planned.local) = (false, None);
        planned.way = Way::Recomputed { plan, reasons: too_large };
        return Ok(Some(rows));
    }
    if filling {
        return Ok(None);
    }
    planned.owed = behind;
    // Where few cells changed, only these are computed; the others' rows stand as they are.
    let changed = planned.local.as_ref().filter(|_| planned.last.is_some()).and_then(Local::changed);
    let rows = match planned.local.as_ref().zip(changed) {
        Some((local, cells)) => {
            let part = with.catalog.run(&local.restricted(head, &cells)?, with.now).await?;
            let (rows, changed) = local.patched(&planned.result.rows(), part, &cells)?;
            planned.result.patch(rows.clone(), changed);
            rows
        }
        None => {
            let rows = with.catalog.run(head, with.now).await?;
            planned.result.replace(rows.clone());
            rows
        }
    };
    if let Some(local) = &mut planned.local {
        local.settle();
    }
    Ok(Some(rows))
}

impl Running {
    fn explain(&self, planned: &Planned) -> Explained {
        let (cuts, reasons) = match &planned.way {
            Way::Recomputed { reasons, .. } => (&[][..], reasons.clone()),
            Way::Kept { cuts, .. } => (cuts.as_slice(), Vec::new()),
        };
        let states: Vec<StateExplained> =
            cuts.iter().filter_map(|cut| self.kept.get(cut)).map(Kept::explain).collect();
        let class = match (reasons.is_empty(), states.is_empty()) {
            (false, _) => 'F',
            (true, true) => 'H',
            (true, false) if states.iter().any(|state| state.step_us.is_some()) => 'W',
            (true, false) => 'I',
        };
        Explained { class, states, by_cell: planned.local.is_some(), reasons }
    }

    /// Takes over new states and forgets those that no query needs any more.
    fn keep(&mut self, new: HashMap<String, Kept>) {
        self.kept.extend(new);
        let needed: HashSet<&String> = self
            .planned
            .values()
            .flat_map(|planned| match &planned.way {
                Way::Kept { cuts, .. } => cuts.as_slice(),
                Way::Recomputed { .. } => &[],
            })
            .collect();
        self.kept.retain(|id, _| needed.contains(id));
    }
}

impl Planned {
    /// Takes a new result.
    fn change(&self, rows: Vec<RecordBatch>, at: Micros, seconds: f64) -> Change {
        let audits = audit::audit(&self.query, &self.schema, &rows);
        let (query, schema) = (Arc::clone(&self.query), Arc::clone(&self.schema));
        Change { query, at, schema, rows, seconds, audits }
    }

    fn is_due(&self, versions: &BTreeMap<String, Position>, refreshed: &[String], now: Micros) -> bool {
        // The first result is owed to whoever reads the query, a manual one's too.
        let Some(last) = self.last.filter(|_| !self.owed) else { return true };
        let moved =
            *versions != self.seen || self.query.queries.iter().any(|input| refreshed.contains(input));
        let slid = self.query.depends_on_now() && now.0 - last.0 >= TIME_ALONE_SECONDS * 1_000_000;
        let rule = match (self.query.refresh(), &self.way) {
            (RefreshRule::Auto, Way::Recomputed { .. }) => RefreshRule::Every(RECOMPUTE_EVERY),
            (rule, _) => rule,
        };
        match rule {
            RefreshRule::Auto | RefreshRule::Live => moved || slid,
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

/// `refresh: live` asked for what cannot be kept up to date from what is new.
fn not_live(query: &Query, reason: &Reason) -> Problem {
    let (line, column) = locate::word(&query.sql, &reason.near).unwrap_or((1, 1));
    let message = format!("this cannot be `refresh: live`: {} ({})", reason.message, reason.code);
    let help = Some(format!("{}; or say `refresh: 30s`", reason.advice));
    Problem { file: query.file.clone(), line, column, code: "CL033", message, help }
}
