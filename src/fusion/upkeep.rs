//! Keeps the states of all cuts up with their feeds: what has come since, what was rewritten, what time has passed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SessionState;

use super::feed_table::FeedTable;
use super::refresh::{Checkpoints, Cut, Leaf, Leaves, Seen, State};
use super::result_table::ResultTable;
use super::{Catalog, StateExplained};
use crate::lake::{FileEntry, TableState};
use crate::model::Micros;

/// The feeds as one tick sees them: all its queries read the same rows.
#[derive(Debug)]
pub(super) struct Snapshot(HashMap<String, Arc<TableState>>);

impl Snapshot {
    /// Those of `feeds` that are feeds, as they are now.
    pub(super) fn of<'a>(catalog: &Catalog, feeds: impl IntoIterator<Item = &'a String>) -> Self {
        let state = |feed: &String| Some((feed.clone(), catalog.feed(feed)?.state()));
        Self(feeds.into_iter().filter_map(state).collect())
    }

    pub(super) fn version(&self, feed: &str) -> Option<u64> {
        self.0.get(feed).map(|state| state.version)
    }

    fn seen(&self, feed: &str) -> Option<Seen> {
        self.0.get(feed).map(|state| Seen { table: state.id.clone(), version: state.version })
    }
}

/// A state and how far it has come.
#[derive(Debug)]
pub(super) struct Kept {
    cut: Cut,
    /// Its finished rows, where heads read them.
    pub(super) result: Arc<ResultTable>,
    state: Option<State>,
    /// How far the feeds were read.
    seen: BTreeMap<String, Seen>,
    /// Whether the state is ahead of its checkpoint.
    unsaved: bool,
    /// The other tables; of a query's result also which one.
    beside: Beside,
}

impl Kept {
    pub(super) fn new(cut: Cut) -> Self {
        let result = Arc::new(ResultTable::new(Arc::clone(&cut.schema)));
        Self { cut, result, state: None, seen: BTreeMap::new(), unsaved: false, beside: BTreeMap::new() }
    }

    pub(super) fn explain(&self) -> StateExplained {
        StateExplained {
            feeds: self.cut.facts.iter().cloned().collect(),
            beside: self.cut.dimensions.iter().cloned().collect(),
            groups: self.cut.group_names(),
            step_us: self.cut.step_us(),
            size: self.state.as_ref().map(State::size).unwrap_or_default(),
        }
    }

    /// Brings the state to a tick. Where that fails it starts anew the next time.
    pub(super) async fn bring(
        &mut self,
        catalog: &Catalog,
        checkpoints: Option<&Checkpoints>,
        feeds: &Snapshot,
        now: Micros,
    ) -> Result<()> {
        let session = catalog.state(now);
        let mut tables = Leaves::new();
        let mut beside = BTreeMap::new();
        for name in &self.cut.dimensions {
            let table = catalog.provider(name).await?;
            tables.insert(name.clone(), Arc::clone(&table));
            let version = table.downcast_ref::<ResultTable>().map_or(0, ResultTable::version);
            beside.insert(name.clone(), (table, version));
        }
        if let (None, Some(checkpoints)) = (&self.state, self.checkpoints(checkpoints))
            && let Some((state, seen)) = State::restore(&self.cut, checkpoints, &session).await?
        {
            (self.state, self.seen) = (Some(state), seen);
            self.beside.clone_from(&beside);
        }
        // What fails half way leaves nothing behind.
        let before = self.state.take().filter(|_| same(&self.beside, &beside));
        let (state, changed) = match before {
            Some(state) if !state.is_past(&session, now.0)? => {
                self.go_on(state, catalog, feeds, &tables, &session, now).await?
            }
            _ => (self.start(catalog, feeds, &tables, &session, now).await?, true),
        };
        let seen = self.cut.facts.iter().filter_map(|feed| Some((feed.clone(), feeds.seen(feed)?))).collect();
        if changed || self.result.version() == 0 {
            self.result.replace(state.rows()?);
        }
        self.unsaved |= changed || self.seen != seen;
        self.state = Some(state);
        self.beside = beside;
        self.seen = seen;
        Ok(())
    }

    /// Writes the state down where it is ahead of its checkpoint.
    pub(super) async fn save(&mut self, checkpoints: &Checkpoints) {
        let Some(checkpoints) = self.checkpoints(Some(checkpoints)).filter(|_| self.unsaved) else { return };
        let Some(state) = &mut self.state else { return };
        match state.checkpoint(checkpoints, self.seen.clone()).await {
            Ok(()) => self.unsaved = false,
            Err(error) => {
                tracing::warn!(%error, "a state could not be written down; a restart reads its feeds anew");
            }
        }
    }

    /// Tables beside the feeds have no identity that outlives the process: their states are not written down.
    fn checkpoints<'a>(&self, checkpoints: Option<&'a Checkpoints>) -> Option<&'a Checkpoints> {
        checkpoints.filter(|_| self.cut.dimensions.is_empty())
    }

    async fn start(
        &self,
        catalog: &Catalog,
        feeds: &Snapshot,
        beside: &Leaves,
        session: &SessionState,
        now: Micros,
    ) -> Result<State> {
        let mut state = State::new(self.cut.clone(), session, now.0).await?;
        let from = state.start_us();
        let all = self.leaves(catalog, beside, |feed| {
            let counts = |file: &&Arc<FileEntry>| {
                from.is_none_or(|from| file.event_time.is_some_and(|(_, newest)| newest >= from))
            };
            files(feeds, feed).iter().filter(counts).cloned().collect()
        })?;
        state.append(&all, session).await?;
        Ok(state)
    }

    async fn go_on(
        &self,
        mut state: State,
        catalog: &Catalog,
        feeds: &Snapshot,
        beside: &Leaves,
        session: &SessionState,
        now: Micros,
    ) -> Result<(State, bool)> {
        let mut appended: HashMap<&str, Vec<Arc<FileEntry>>> = HashMap::new();
        let mut periods = Vec::new();
        for feed in &self.cut.facts {
            let since = feeds.0.get(feed).zip(self.seen.get(feed)).and_then(|(table, seen)| {
                if table.id == seen.table { table.since(seen.version) } else { None }
            });
            let Some(since) = since else {
                return Ok((self.start(catalog, feeds, beside, session, now).await?, true));
            };
            if !since.rewritten.is_empty() && !self.cut.by_event_time {
                return Ok((self.start(catalog, feeds, beside, session, now).await?, true));
            }
            periods.extend(since.rewritten.into_iter().map(|period| period.unwrap_or((i64::MIN, i64::MIN))));
            appended.insert(feed, since.appended);
        }
        let mut changed = state.advance(session, now.0).await?;
        let new = self.leaves(catalog, beside, |feed| appended.get(feed).cloned().unwrap_or_default())?;
        let any_new = appended.values().any(|files| !files.is_empty());
        if periods.is_empty() {
            if any_new {
                changed |= state.append(&new, session).await?;
            }
        } else {
            let all = self.leaves(catalog, beside, |feed| files(feeds, feed).to_vec())?;
            let rewritten = state.rewrite(&periods, &all, session).await?;
            state.append_outside(&rewritten, &new, session).await?;
            changed = true;
        }
        Ok((state, changed))
    }

    /// Every table of the cut, the feeds with only those files.
    fn leaves(
        &self,
        catalog: &Catalog,
        beside: &Leaves,
        files: impl Fn(&str) -> Vec<Arc<FileEntry>>,
    ) -> Result<Leaves> {
        let mut leaves = beside.clone();
        for feed in &self.cut.facts {
            let table =
                catalog.feed(feed).ok_or_else(|| DataFusionError::Plan(format!("`{feed}` is gone")))?;
            let part = FeedTable::of_files(Arc::clone(table), files(feed));
            leaves.insert(feed.clone(), Arc::new(part));
        }
        Ok(leaves)
    }
}

/// What a table is to a query that is kept up to date.
pub(super) fn leaf(catalog: &Catalog, name: &str) -> Leaf {
    if catalog.is_feed(name) {
        Leaf::Fact
    } else if name.starts_with("quarantine.") || name.starts_with("information_schema.") {
        Leaf::Foreign
    } else {
        Leaf::Dimension
    }
}

fn files<'a>(feeds: &'a Snapshot, feed: &str) -> &'a [Arc<FileEntry>] {
    feeds.0.get(feed).map_or(&[], |state| &state.files)
}

type Beside = BTreeMap<String, (Arc<dyn TableProvider>, u64)>;

/// Whether the tables beside the feeds are the same, with the same rows. A reference table that changes is replaced.
fn same(before: &Beside, now: &Beside) -> bool {
    before.len() == now.len()
        && before.iter().zip(now).all(|((a, (table, version)), (b, (other, newer)))| {
            a == b && version == newer && Arc::ptr_eq(table, other)
        })
}
