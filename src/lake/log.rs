//! What a table's log says: which files hold its rows, up to which log sequence number, and which submissions landed.
//!
//! Pure: commits in, state out. Reading and writing the log is `table.rs`.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use deltalake_core::kernel::{Action, Add, Remove, StructType};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::since::{LiveRows, Rewrite};
use crate::model::Micros;

/// The key in a commit's info under which cityloom keeps what landed.
pub(super) const COMMIT_KEY: &str = "cityloom";
/// How the name of the application ends whose transactions count live records.
pub(super) const LIVE_APP: &str = "/live";

/// A table at one version. Immutable: a query that holds it sees the same rows however many commits follow.
#[derive(Debug, Clone, Default)]
pub struct TableState {
    /// The table's own id: another table in the same folder has another one.
    pub id: String,
    /// The Delta version.
    pub version: u64,
    /// The newest log sequence number; one more with each commit that brings rows.
    pub lsn: i64,
    /// The newest live record, landed or in the tail; they are counted apart from all commits, by the one process whose log
    /// holds them, so that commits of others never come between.
    pub live: i64,
    /// What a process that was here before can have seen of the live records: beyond it they are lost.
    pub recovered: i64,
    /// The live files, oldest first.
    pub files: Vec<Arc<FileEntry>>,
    /// Live records that are durable in the log beside the table and in no file yet, oldest first.
    pub tail: Vec<Arc<LiveRecord>>,
    /// Rows in all files and the tail.
    pub rows: u64,
    /// Landings by the fingerprint of their content.
    pub landings: Arc<HashMap<String, Landing>>,
    /// Landings whose rows were withdrawn, in the order in which they were.
    pub withdrawn: Arc<Vec<Landing>>,
    /// Where live sources stand, by their names: each moved with its last landing's commit.
    pub cursors: HashMap<String, Arc<Value>>,
    /// The newest event time of all rows.
    pub newest_event: Option<i64>,
    /// When the newest landing was committed, microseconds.
    pub landed_at: Option<i64>,
    /// The columns, as the log has them.
    pub(super) columns: Option<Arc<StructType>>,
    /// Files that left lately, oldest first, with the moment, milliseconds.
    pub(super) removed: Arc<VecDeque<(String, i64)>>,
    /// The newest commits that took rows away, oldest first.
    pub(super) rewrites: Vec<Rewrite>,
    /// Rewrites up to this version are no longer in `rewrites`.
    pub(super) rewrites_forgotten: u64,
}

/// How the names of files begin that may hold rows of several submissions.
const SHARED: [&str; 4] = ["merged-", "kept-", LANDED, TAIL];
/// Files that live records landed in.
pub(super) const LANDED: &str = "live-";
/// Rows of live records that are in no file.
pub(super) const TAIL: &str = "_live/";
/// So many rewrites are told apart; who has slept longer reads everything anew.
const REWRITES: usize = 256;
/// Files that left are told apart from files that never came for so long, counted from the newest that left.
const REMOVED_MS: i64 = 90 * 60 * 1_000;

/// A live batch that is durable in the log beside the table: its rows are read from memory until they have landed.
#[derive(Debug)]
pub struct LiveRecord {
    /// Its number.
    pub sequence: i64,
    /// When it was taken in, microseconds.
    pub landed_at: i64,
    /// Bytes that it takes in memory.
    pub bytes: usize,
    /// What its landing will say of it: submission, receipt, cursor.
    pub(super) note: Value,
    /// Its rows, as if they were a file; none where only a cursor moved.
    pub rows: Option<Arc<FileEntry>>,
    /// The same rows with columns that the contract has no longer: they land with all that was acknowledged. None where
    /// there are no such columns.
    pub(super) former: Option<RecordBatch>,
}

/// One file that counts, or the rows of a live record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Path below the table's folder.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Rows.
    pub rows: u64,
    /// When it was written, milliseconds.
    pub modified_ms: i64,
    /// Smallest and largest `_event_time`; none where all are null.
    pub event_time: Option<(i64, i64)>,
    /// Smallest and largest `_cell`; none where all are null.
    pub cell: Option<(i64, i64)>,
    /// The first and the last version whose commits brought its rows; a merged file keeps those of its parts. None where
    /// all of them came as live records.
    pub versions: Option<(u64, u64)>,
    /// The live records whose rows it holds.
    #[serde(default)]
    pub live: Option<LiveRows>,
    /// The rows themselves, for files so young and small that a reader is spared the disk.
    #[serde(skip)]
    pub hot: Option<RecordBatch>,
}

/// Where a live source stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Cursor {
    /// The source's name.
    pub source: String,
    /// What only the source understands.
    pub state: Arc<Value>,
}

impl Cursor {
    pub(super) fn write(&self) -> Value {
        json!({ "source": self.source, "state": *self.state })
    }

    fn read(value: &Value) -> Option<Self> {
        let source = value.get("source")?.as_str()?.to_owned();
        Some(Self { source, state: Arc::new(value.get("state")?.clone()) })
    }
}

/// A submission that is in the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Landing {
    /// The submission's id.
    pub submission: String,
    /// The receipt as it was given.
    pub receipt: Value,
    /// When it was committed, microseconds.
    pub landed_at: i64,
    /// When its rows were withdrawn, microseconds.
    pub withdrawn_at: Option<i64>,
}

impl FileEntry {
    /// Whether all its rows are of one submission, that one.
    pub(super) fn is_of(&self, submission: &str) -> bool {
        self.path.strip_prefix(submission).is_some_and(|rest| rest.starts_with('-'))
    }

    /// Whether it may hold rows of a submission: files that were written for several are named by none.
    pub(super) fn may_hold(&self, submission: &str) -> bool {
        self.is_of(submission) || SHARED.iter().any(|name| self.path.starts_with(name))
    }
}

impl TableState {
    /// The state after one commit more. `hot` are rows of just written files, by path.
    pub(super) fn after(&self, version: u64, actions: &[Action], hot: &HashMap<String, RecordBatch>) -> Self {
        let mut next = Self { version, ..self.clone() };
        let origin = next.take_removed(version, actions).unwrap_or_else(|| match landed_records(actions) {
            Some(parts) => (None, LiveRows::of(parts)),
            None => (Some((version, version)), None),
        });
        for action in actions {
            match action {
                Action::Add(add) => next.files.push(Arc::new(entry(add, origin.clone(), hot))),
                Action::Metadata(metadata) => {
                    metadata.id().clone_into(&mut next.id);
                    next.columns = metadata.parse_schema().ok().map(Arc::new);
                }
                Action::Txn(transaction) if transaction.app_id.ends_with(LIVE_APP) => {
                    next.live = next.live.max(transaction.version);
                }
                Action::Txn(transaction) => next.lsn = next.lsn.max(transaction.version),
                Action::CommitInfo(info) => {
                    if let Some(note) = info.info.get(COMMIT_KEY) {
                        next.remember(note);
                        let landings = note.get("landings").and_then(Value::as_array);
                        landings.into_iter().flatten().for_each(|landing| next.remember(landing));
                        next.forget(note);
                    }
                }
                _ => {}
            }
        }
        next.count();
        next
    }

    /// Counts anew what follows from the files.
    pub(super) fn count(&mut self) {
        self.rows = self.entries().map(|file| file.rows).sum();
        self.newest_event = self.entries().filter_map(|file| file.event_time).map(|(_, newest)| newest).max();
    }

    /// The state with those live records behind its own; `self` may have a tail already.
    pub(super) fn plus(&self, records: &[Arc<LiveRecord>]) -> Self {
        let mut next = self.clone();
        for record in records {
            next.remember(&record.note);
            next.live = next.live.max(record.sequence);
            if let Some(rows) = &record.rows {
                next.rows += rows.rows;
                next.newest_event = next.newest_event.max(rows.event_time.map(|(_, newest)| newest));
            }
            next.tail.push(Arc::clone(record));
        }
        next
    }

    /// Everything that holds rows: the files, then the tail.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<FileEntry>> {
        self.files.iter().chain(self.tail.iter().filter_map(|record| record.rows.as_ref()))
    }

    /// Whether all of these files still hold rows.
    pub(super) fn has_all(&self, files: &[Arc<FileEntry>]) -> bool {
        let paths: HashSet<&str> = self.files.iter().map(|file| file.path.as_str()).collect();
        files.iter().all(|file| paths.contains(file.path.as_str()))
    }

    /// Drops the files that a commit removes. Where their rows came from: what the commit adds beside is made of them.
    fn take_removed(&mut self, version: u64, actions: &[Action]) -> Option<Origin> {
        let mut origin: Option<Origin> = None;
        for action in actions {
            let Action::Remove(remove) = action else { continue };
            let Some(at) = self.files.iter().position(|file| file.path == remove.path) else { continue };
            let file = self.files.remove(at);
            if let Some(moment) = remove.deletion_timestamp {
                let removed = Arc::make_mut(&mut self.removed);
                removed.push_back((file.path.clone(), moment));
                while removed.front().is_some_and(|(_, earlier)| *earlier < moment - REMOVED_MS) {
                    removed.pop_front();
                }
            }
            if remove.data_change {
                self.rewrites.push(Rewrite { version, event_time: file.event_time });
            }
            let (versions, live) = origin.unwrap_or_default();
            let span = |one: (u64, u64), other: (u64, u64)| (one.0.min(other.0), one.1.max(other.1));
            let versions = match (versions, file.versions) {
                (Some(one), Some(other)) => Some(span(one, other)),
                (one, other) => one.or(other),
            };
            origin = Some((versions, LiveRows::merged(live, file.live.clone())));
        }
        if self.rewrites.len() > REWRITES {
            let surplus = self.rewrites.len() - REWRITES;
            self.rewrites_forgotten =
                self.rewrites.drain(..surplus).map(|rewrite| rewrite.version).max().unwrap_or(0);
        }
        origin
    }

    fn remember(&mut self, landing: &Value) {
        let text = |key: &str| landing.get(key).and_then(Value::as_str).map(str::to_owned);
        let (Some(fingerprint), Some(submission)) = (text("sha256"), text("submission")) else { return };
        self.landed_at = landing.get("landed_at").and_then(Value::as_i64).or(self.landed_at);
        if let Some(cursor) = landing.get("cursor").and_then(Cursor::read) {
            self.cursors.insert(cursor.source, cursor.state);
        }
        if fingerprint.is_empty() {
            return;
        }
        let receipt = landing.get("receipt").cloned().unwrap_or(Value::Null);
        let landed_at = landing.get("landed_at").and_then(Value::as_i64).unwrap_or(0);
        let landing = Landing { submission, receipt, landed_at, withdrawn_at: None };
        Arc::make_mut(&mut self.landings).entry(fingerprint).or_insert(landing);
    }

    /// Moves a landing to those that were withdrawn: the same content may land again.
    fn forget(&mut self, note: &Value) {
        let Some(submission) = note.get("withdrawn").and_then(Value::as_str) else { return };
        let at = note.get("at").and_then(Value::as_i64).unwrap_or(0);
        let found = self.landings.iter().find(|(_, landing)| landing.submission == submission);
        let Some(fingerprint) = found.map(|(fingerprint, _)| fingerprint.clone()) else { return };
        if let Some(landing) = Arc::make_mut(&mut self.landings).remove(&fingerprint) {
            Arc::make_mut(&mut self.withdrawn).push(Landing { withdrawn_at: Some(at), ..landing });
        }
    }

    /// The landing of that submission, withdrawn or not.
    pub fn landing(&self, submission: &str) -> Option<&Landing> {
        self.landings.values().chain(self.withdrawn.iter()).find(|landing| landing.submission == submission)
    }

    /// Forgets the rows of the oldest hot files until at most `bytes` are held.
    pub(super) fn cool(&mut self, bytes: usize) {
        let mut held = 0;
        for file in self.files.iter_mut().rev() {
            let Some(batch) = &file.hot else { continue };
            held += batch.get_array_memory_size();
            if held > bytes {
                *file = Arc::new(FileEntry { hot: None, ..(**file).clone() });
            }
        }
    }
}

/// Where rows came from: the versions of the commits that brought them, and the live records.
type Origin = (Option<(u64, u64)>, Option<LiveRows>);

/// The live records that a commit lands, with the rows of each; none where it lands none.
fn landed_records(actions: &[Action]) -> Option<Vec<(i64, u64)>> {
    let note = actions.iter().find_map(|action| match action {
        Action::CommitInfo(info) => info.info.get(COMMIT_KEY)?.get("live").cloned(),
        _ => None,
    })?;
    serde_json::from_value(note).ok()
}

/// The action that takes a file out; `data_change` where rows leave with it.
pub(super) fn remove(file: &FileEntry, data_change: bool, now: Micros) -> Action {
    Action::Remove(Remove {
        path: file.path.clone(),
        data_change,
        deletion_timestamp: Some(now.0 / 1_000),
        size: i64::try_from(file.size).ok(),
        ..Remove::default()
    })
}

fn entry(add: &Add, origin: Origin, hot: &HashMap<String, RecordBatch>) -> FileEntry {
    let stats: Value =
        add.stats.as_deref().and_then(|stats| serde_json::from_str(stats).ok()).unwrap_or(Value::Null);
    let bounds = |column: &str, read: fn(&Value) -> Option<i64>| {
        Some((read(&stats["minValues"][column])?, read(&stats["maxValues"][column])?))
    };
    FileEntry {
        path: add.path.clone(),
        size: u64::try_from(add.size).unwrap_or(0),
        rows: stats["numRecords"].as_u64().unwrap_or(0),
        modified_ms: add.modification_time,
        event_time: bounds("_event_time", micros),
        cell: bounds("_cell", Value::as_i64),
        versions: origin.0,
        live: origin.1,
        hot: hot.get(&add.path).cloned(),
    }
}

fn micros(value: &Value) -> Option<i64> {
    chrono::DateTime::parse_from_rfc3339(value.as_str()?).ok().map(|instant| instant.timestamp_micros())
}
