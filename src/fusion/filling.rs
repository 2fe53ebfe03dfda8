//! Fills a state from its feeds' whole history, chunk by chunk; a long one beside the ticks, one at a time.
//!
//! What was there before goes on being served meanwhile. The files are those of one moment: what lands after it is new
//! to the filled state like any other drop.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SessionState;
use tokio::sync::{mpsc, oneshot};

use super::Catalog;
use super::feed_table::FeedTable;
use super::refresh::{Cut, Leaves, Seen, State};
use super::upkeep::{Beside, Snapshot};
use crate::lake::{FileEntry, Table};
use crate::model::Micros;

/// Bounds of states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateLimits {
    /// Rows that a state may have over all its buckets, some hundred bytes each; a query that needs more is recomputed.
    pub rows: usize,
    /// Rows of feeds that are read within a tick; a longer history is read beside the ticks.
    pub rows_at_once: u64,
}

impl Default for StateLimits {
    fn default() -> Self {
        Self { rows: 4_000_000, rows_at_once: 1 << 20 }
    }
}

/// So many rows are added up before they are merged with those before them.
const CHUNK_ROWS: u64 = 1 << 23;

/// So many fills wait at most; what does not find room is done within its tick.
const WAITING: usize = 256;

/// Where states are filled beside the ticks.
#[derive(Debug)]
pub(super) struct Workbench {
    pub(super) limits: StateLimits,
    jobs: mpsc::Sender<Job>,
    filler: Mutex<Option<Filler>>,
}

impl Workbench {
    pub(super) fn new(limits: StateLimits) -> Self {
        let (jobs, waiting) = mpsc::channel(WAITING);
        Self { limits, jobs, filler: Mutex::new(Some(Filler { waiting })) }
    }

    pub(super) fn filler(&self) -> Option<Filler> {
        self.filler.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Fills states beside the ticks, one at a time.
#[derive(Debug)]
pub struct Filler {
    waiting: mpsc::Receiver<Job>,
}

impl Filler {
    /// Does what the ticks leave to it, until the engine is gone.
    pub async fn run(mut self) {
        while let Some(Job { fill, mut answer, done }) = self.waiting.recv().await {
            // Whoever asked may have another plan by now.
            let state = tokio::select! {
                state = Box::pin(fill.run(&done)) => state,
                () = answer.closed() => continue,
            };
            // Nobody waits any more: so be it.
            drop(answer.send(state));
        }
    }
}

/// A fill and where its state is awaited.
struct Job {
    fill: Fill,
    answer: oneshot::Sender<Result<State>>,
    done: Arc<AtomicU64>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job")
            .field("rows", &self.fill.rows())
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}

/// How far a fill is: rows read of rows to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Rows that are added up.
    pub done: u64,
    /// All rows.
    pub all: u64,
}

/// A state that is being filled.
#[derive(Debug)]
pub(super) struct Filling {
    answer: oneshot::Receiver<Result<State>>,
    done: Arc<AtomicU64>,
    all: u64,
    pub(super) seen: BTreeMap<String, Seen>,
    pub(super) beside: Beside,
}

impl Filling {
    /// The state, once it is there.
    pub(super) fn state(&mut self) -> Option<Result<State>> {
        match self.answer.try_recv() {
            Ok(state) => Some(state),
            Err(oneshot::error::TryRecvError::Empty) => None,
            Err(oneshot::error::TryRecvError::Closed) => {
                Some(Err(DataFusionError::Execution("a fill was broken off".into())))
            }
        }
    }

    pub(super) fn progress(&self) -> Progress {
        Progress { done: self.done.load(Ordering::Relaxed), all: self.all }
    }
}

/// A fill that is to be done.
pub(super) struct Fill {
    cut: Cut,
    session: SessionState,
    now: Micros,
    beside: Leaves,
    feeds: Vec<(String, Arc<Table>, Vec<Arc<FileEntry>>)>,
    seen: BTreeMap<String, Seen>,
    limits: StateLimits,
}

impl Fill {
    /// A fill of `cut` from what its feeds hold in `snapshot`, beside those other tables.
    pub(super) fn of(
        cut: &Cut,
        catalog: &Catalog,
        snapshot: &Snapshot,
        beside: Leaves,
        now: Micros,
        bench: &Workbench,
    ) -> Result<Self> {
        let session = catalog.state(now);
        let from = cut.start_us(&session, now.0)?;
        let counts = |file: &&Arc<FileEntry>| {
            from.is_none_or(|from| file.event_time.is_some_and(|(_, newest)| newest >= from))
        };
        let feeds = cut.facts.iter().map(|feed| {
            let table =
                catalog.feed(feed).ok_or_else(|| DataFusionError::Plan(format!("`{feed}` is gone")))?;
            let files = snapshot.entries(feed).filter(counts).cloned().collect();
            Ok((feed.clone(), Arc::clone(table), files))
        });
        let feeds = feeds.collect::<Result<Vec<_>>>()?;
        let seen = snapshot.seen_of(&cut.facts);
        Ok(Self { cut: cut.clone(), session, now, beside, feeds, seen, limits: bench.limits })
    }

    /// Whether it is too long for a tick.
    pub(super) fn is_long(&self) -> bool {
        self.rows() > self.limits.rows_at_once
    }

    /// Rows to read.
    pub(super) fn rows(&self) -> u64 {
        self.feeds.iter().flat_map(|(_, _, files)| files).map(|file| file.rows).sum()
    }

    /// Begins it beside the ticks; gives it back where nobody has room for it.
    pub(super) fn begin(self, bench: &Workbench, beside: Beside) -> std::result::Result<Filling, Box<Self>> {
        let (all, seen, done) = (self.rows(), self.seen.clone(), Arc::new(AtomicU64::new(0)));
        let (sender, answer) = oneshot::channel();
        let job = Job { fill: self, answer: sender, done: Arc::clone(&done) };
        match bench.jobs.try_send(job) {
            Ok(()) => Ok(Filling { answer, done, all, seen, beside }),
            Err(mpsc::error::TrySendError::Full(job) | mpsc::error::TrySendError::Closed(job)) => {
                Err(Box::new(job.fill))
            }
        }
    }

    /// Does it here and now.
    pub(super) async fn run(self, done: &AtomicU64) -> Result<State> {
        let mut state = State::new(self.cut.clone(), &self.session, self.now.0).await?;
        for (feed, table, files) in &self.feeds {
            for chunk in chunks(files) {
                let mut leaves = self.beside.clone();
                for (name, table, _) in &self.feeds {
                    let files = if name == feed { chunk.to_vec() } else { Vec::new() };
                    leaves.insert(name.clone(), Arc::new(FeedTable::of_files(Arc::clone(table), files)));
                }
                state.append(&leaves, &self.session).await?;
                done.fetch_add(chunk.iter().map(|file| file.rows).sum(), Ordering::Relaxed);
                if state.size().rows > self.limits.rows {
                    return Ok(state);
                }
            }
            tracing::debug!(feed.name = feed, feed.files = files.len(), table = %table.name(), "read for a state");
        }
        Ok(state)
    }
}

/// Runs of files of about [`CHUNK_ROWS`] rows.
fn chunks(files: &[Arc<FileEntry>]) -> Vec<&[Arc<FileEntry>]> {
    let mut rows = 0_u64;
    let has_room = |file: &Arc<FileEntry>, _: &Arc<FileEntry>| {
        rows = if rows >= CHUNK_ROWS { file.rows } else { rows + file.rows };
        rows < CHUNK_ROWS
    };
    files.chunk_by(has_room).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_hold_every_file_once_and_end_where_they_are_full() {
        let file = |rows| {
            let (path, hot) = (String::new(), None);
            let (event_time, cell, versions, live) = (None, None, None, None);
            Arc::new(FileEntry { path, size: 0, rows, modified_ms: 0, event_time, cell, versions, live, hot })
        };
        let files: Vec<_> = [CHUNK_ROWS / 2, CHUNK_ROWS / 2, 5, CHUNK_ROWS * 3, 1].map(file).into();
        let parts: Vec<Vec<u64>> =
            chunks(&files).iter().map(|part| part.iter().map(|file| file.rows).collect()).collect();
        assert_eq!(parts, [vec![CHUNK_ROWS / 2, CHUNK_ROWS / 2], vec![5, CHUNK_ROWS * 3], vec![1]]);
        assert!(chunks(&[]).is_empty());
    }
}
