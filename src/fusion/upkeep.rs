//! Keeps the states of all cuts up with their feeds: what has come since, what was rewritten, what time has passed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use datafusion::catalog::TableProvider;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SessionState;

use super::content::fingerprint;
use super::feed_table::FeedTable;
use super::filling::{Fill, Filling, Progress, Workbench};
use super::refresh::{Checkpoints, Cut, Leaf, Leaves, Prints, Reason, Seen, State};
use super::result_table::ResultTable;
use super::{Catalog, StateExplained, StateFootprint};
use crate::lake::{FileEntry, Position, TableState};
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

    pub(super) fn position(&self, feed: &str) -> Option<Position> {
        self.0.get(feed).map(|state| state.position())
    }

    /// Everything that holds rows of a feed.
    pub(super) fn entries(&self, feed: &str) -> impl Iterator<Item = &Arc<FileEntry>> {
        self.0.get(feed).into_iter().flat_map(|state| state.entries())
    }

    /// Whether what a former process saw is still there: live batches beyond it would be counted and nowhere else.
    fn recovers(&self, seen: &BTreeMap<String, Seen>) -> bool {
        seen.iter().all(|(feed, seen)| {
            self.0.get(feed).is_some_and(|state| state.id != seen.table || seen.at.live <= state.recovered)
        })
    }

    pub(super) fn seen_of(&self, feeds: &BTreeSet<String>) -> BTreeMap<String, Seen> {
        let seen = |feed: &String| {
            let state = self.0.get(feed)?;
            Some((feed.clone(), Seen { table: state.id.clone(), at: state.position() }))
        };
        feeds.iter().filter_map(seen).collect()
    }
}

/// A table beside the feeds: which one, which of its versions, and what it holds.
#[derive(Debug, Clone)]
pub(super) struct Neighbour {
    table: Arc<dyn TableProvider>,
    version: u64,
    print: Option<String>,
}

/// The tables beside the feeds.
pub(super) type Beside = BTreeMap<String, Neighbour>;

/// What a tick works with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tools<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) checkpoints: Option<&'a Checkpoints>,
    pub(super) bench: &'a Workbench,
    pub(super) feeds: &'a Snapshot,
    pub(super) now: Micros,
    /// Whether long fills are waited for.
    pub(super) waits: bool,
}

/// What came of bringing a state to a tick.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Brought {
    /// Its result is of this tick.
    Ready,
    /// Its result is new, but of an earlier moment: there is more to do at the next tick.
    Behind,
    /// It is being filled; its result is an older one, or none.
    Filling,
    /// It would be larger than it may be.
    TooLarge(Reason),
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
    beside: Beside,
    filling: Option<Filling>,
}

impl Kept {
    pub(super) fn new(cut: Cut) -> Self {
        Self {
            result: Arc::new(ResultTable::new(Arc::clone(&cut.schema))),
            cut,
            state: None,
            seen: BTreeMap::new(),
            unsaved: false,
            beside: BTreeMap::new(),
            filling: None,
        }
    }

    pub(super) fn explain(&self) -> StateExplained {
        StateExplained {
            feeds: self.cut.facts.iter().cloned().collect(),
            beside: self.cut.dimensions.iter().cloned().collect(),
            groups: self.cut.group_names(),
            step_us: self.cut.step_us(),
            size: self.state.as_ref().map(State::size).unwrap_or_default(),
            filling: self.filling(),
        }
    }

    /// How far it is filled beside the ticks, while it is.
    pub(super) fn filling(&self) -> Option<Progress> {
        self.filling.as_ref().map(Filling::progress)
    }

    /// What it is and what filling it would read now.
    pub(super) fn footprint(&self, with: Tools<'_>) -> Result<StateFootprint> {
        let feeds: Vec<&str> = self.cut.facts.iter().map(String::as_str).collect();
        let text = format!("{} by {}", feeds.join(" + "), self.cut.group_names().join(", "));
        let fill = Fill::of(&self.cut, with.catalog, with.feeds, Leaves::new(), with.now, with.bench)?;
        Ok(StateFootprint { id: self.cut.id.clone(), text, history_rows: fill.rows() })
    }

    /// Brings the state to a tick. Where that fails it starts anew the next time.
    pub(super) async fn bring(&mut self, with: Tools<'_>) -> Result<Brought> {
        let session = with.catalog.state(with.now);
        let (tables, beside) = self.neighbours(with, &session).await?;
        // Who waits for the result does not wait in a queue for it.
        if let Some(mut filling) = self.filling.take().filter(|_| !with.waits) {
            let Some(state) = filling.state() else {
                self.filling = Some(filling);
                return Ok(Brought::Filling);
            };
            (self.state, self.seen, self.beside) = (Some(state?), filling.seen, filling.beside);
            // Tables that changed meanwhile start the next fill: this one is true of a moment all the same.
            if !same(&self.beside, &beside) {
                return Ok(match self.publish(with)? {
                    Brought::Ready => Brought::Behind,
                    other => other,
                });
            }
        } else if self.state.is_none()
            && let Some((checkpoints, prints)) = with.checkpoints.zip(prints(&beside))
            && let Some((state, seen)) = State::restore(&self.cut, checkpoints, &prints, &session).await?
            && with.feeds.recovers(&seen)
        {
            (self.state, self.seen) = (Some(state), seen);
            self.beside.clone_from(&beside);
        }
        // What fails half way leaves nothing behind.
        let (before, seen) = (self.state.take(), std::mem::take(&mut self.seen));
        let mut on = None;
        if let Some(state) = before
            && same(&self.beside, &beside)
            && !state.is_past(&session, with.now.0)?
        {
            on = self.go_on(state, &seen, with, &tables, &session).await?;
        }
        let now_seen = with.feeds.seen_of(&self.cut.facts);
        let (state, changed) = match on {
            Some(on) => on,
            None => {
                let mut fill = Fill::of(&self.cut, with.catalog, with.feeds, tables, with.now, with.bench)?;
                if fill.is_long() && !with.waits {
                    match fill.begin(with.bench, beside.clone()) {
                        Ok(filling) => {
                            self.filling = Some(filling);
                            return Ok(Brought::Filling);
                        }
                        Err(back) => fill = *back,
                    }
                }
                (fill.run(&AtomicU64::new(0)).await?, true)
            }
        };
        self.unsaved |= changed || seen != now_seen;
        (self.state, self.beside, self.seen) = (Some(state), beside, now_seen);
        if changed || self.result.version() == 0 { self.publish(with) } else { Ok(Brought::Ready) }
    }

    /// Shows the state's rows to heads, where they are not too many.
    fn publish(&mut self, with: Tools<'_>) -> Result<Brought> {
        let Some(state) = &mut self.state else { return Ok(Brought::Filling) };
        if state.size().rows > with.bench.limits.rows {
            self.state = None;
            let feeds: Vec<&str> = self.cut.facts.iter().map(String::as_str).collect();
            let groups = self.cut.group_names().join(", ");
            let reason = Reason::too_many_groups(&feeds.join("` + `"), &groups, with.bench.limits.rows);
            return Ok(Brought::TooLarge(reason));
        }
        self.unsaved = true;
        match state.take_touched().filter(|_| self.result.version() > 0) {
            Some(touched) => self.result.patch(state.rows()?, touched),
            None => self.result.replace(state.rows()?),
        }
        Ok(Brought::Ready)
    }

    /// The tables beside the feeds, as leaves and as what tells them from others.
    async fn neighbours(&self, with: Tools<'_>, session: &SessionState) -> Result<(Leaves, Beside)> {
        let (mut tables, mut beside) = (Leaves::new(), Beside::new());
        for name in &self.cut.dimensions {
            let table = with.catalog.provider(name).await?;
            tables.insert(name.clone(), Arc::clone(&table));
            let version = table.downcast_ref::<ResultTable>().map_or(0, ResultTable::version);
            let known = self.beside.get(name).filter(|known| known.is(&table, version));
            let print = match known {
                Some(known) => known.print.clone(),
                None if with.checkpoints.is_some() => fingerprint(&table, session).await?,
                None => None,
            };
            beside.insert(name.clone(), Neighbour { table, version, print });
        }
        Ok((tables, beside))
    }

    /// Writes the state down where it is ahead of its checkpoint.
    pub(super) async fn save(&mut self, checkpoints: &Checkpoints) {
        let Some(prints) = prints(&self.beside).filter(|_| self.unsaved) else { return };
        let Some(state) = &mut self.state else { return };
        match state.checkpoint(checkpoints, self.seen.clone(), prints).await {
            Ok(()) => self.unsaved = false,
            Err(error) => {
                tracing::warn!(%error, "a state could not be written down; a restart reads its feeds anew");
            }
        }
    }

    /// Adds what has come since; none where the state must start anew.
    async fn go_on(
        &self,
        mut state: State,
        seen: &BTreeMap<String, Seen>,
        with: Tools<'_>,
        beside: &Leaves,
        session: &SessionState,
    ) -> Result<Option<(State, bool)>> {
        let mut appended: HashMap<&str, Vec<Arc<FileEntry>>> = HashMap::new();
        let mut periods = Vec::new();
        for feed in &self.cut.facts {
            let since =
                with.feeds.0.get(feed).zip(seen.get(feed)).and_then(|(table, seen)| {
                    if table.id == seen.table { table.since(seen.at) } else { None }
                });
            let Some(since) = since else { return Ok(None) };
            if !since.rewritten.is_empty() && !self.cut.by_event_time {
                return Ok(None);
            }
            periods.extend(since.rewritten.into_iter().map(|period| period.unwrap_or((i64::MIN, i64::MIN))));
            let mut new = since.appended;
            if !since.partly.is_empty() {
                let table = with.catalog.feed(feed).ok_or_else(|| gone(feed))?;
                for (file, known) in since.partly {
                    let rest = table.rest_of(&file, known).await;
                    new.push(rest.map_err(|error| DataFusionError::External(Box::new(error)))?);
                }
            }
            appended.insert(feed, new);
        }
        let mut changed = state.advance(session, with.now.0).await?;
        let new =
            self.leaves(with.catalog, beside, |feed| appended.get(feed).cloned().unwrap_or_default())?;
        let any_new = appended.values().any(|files| !files.is_empty());
        if periods.is_empty() {
            if any_new {
                changed |= state.append(&new, session).await?;
            }
        } else {
            let reach = state.reach(&periods);
            let concerned = |file: &&Arc<FileEntry>| match (&reach, file.event_time) {
                (None, _) => true,
                (Some(spans), Some((oldest, newest))) => {
                    spans.iter().any(|(from, to)| oldest <= *to && newest >= *from)
                }
                (Some(_), None) => false,
            };
            let all = self.leaves(with.catalog, beside, |feed| {
                with.feeds.entries(feed).filter(concerned).cloned().collect()
            })?;
            let rewritten = state.rewrite(&periods, &all, session).await?;
            state.append_outside(&rewritten, &new, session).await?;
            changed = true;
        }
        Ok(Some((state, changed)))
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
            let table = catalog.feed(feed).ok_or_else(|| gone(feed))?;
            let part = FeedTable::of_files(Arc::clone(table), files(feed));
            leaves.insert(feed.clone(), Arc::new(part));
        }
        Ok(leaves)
    }
}

fn gone(feed: &str) -> DataFusionError {
    DataFusionError::Plan(format!("`{feed}` is gone"))
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

/// What the tables beside the feeds hold; none where one of them cannot say it.
fn prints(beside: &Beside) -> Option<Prints> {
    beside.iter().map(|(name, neighbour)| Some((name.clone(), neighbour.print.clone()?))).collect()
}

impl Neighbour {
    fn is(&self, table: &Arc<dyn TableProvider>, version: u64) -> bool {
        self.version == version && Arc::ptr_eq(&self.table, table)
    }
}

/// Whether the tables beside the feeds are the same, with the same rows. A reference table that changes is replaced.
fn same(before: &Beside, now: &Beside) -> bool {
    before.len() == now.len()
        && before.iter().zip(now).all(|((a, old), (b, new))| a == b && old.is(&new.table, new.version))
}
