//! What a table's log says: which files hold its rows, up to which log sequence number, and which submissions landed.
//!
//! Pure: commits in, state out. Reading and writing the log is `table.rs`.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use deltalake_core::kernel::{Action, Add};
use serde_json::Value;

/// The key in a commit's info under which cityloom keeps what landed.
pub(super) const COMMIT_KEY: &str = "cityloom";

/// A table at one version. Immutable: a query that holds it sees the same rows however many commits follow.
#[derive(Debug, Clone, Default)]
pub struct TableState {
    /// The Delta version.
    pub version: u64,
    /// The newest log sequence number; one more with each landing.
    pub lsn: i64,
    /// The live files, oldest first.
    pub files: Vec<Arc<FileEntry>>,
    /// Rows in all files.
    pub rows: u64,
    /// Landings by the fingerprint of their content.
    pub landings: HashMap<String, Landing>,
    /// Landings whose rows were withdrawn, in the order in which they were.
    pub withdrawn: Vec<Landing>,
    /// The newest event time of all rows.
    pub newest_event: Option<i64>,
    /// When the newest landing was committed, microseconds.
    pub landed_at: Option<i64>,
}

/// One live file.
#[derive(Debug, Clone, PartialEq)]
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
    /// The rows themselves, for files so young and small that a reader is spared the disk.
    pub hot: Option<RecordBatch>,
}

/// A submission that is in the table.
#[derive(Debug, Clone, PartialEq)]
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
        self.is_of(submission) || self.path.starts_with("merged-") || self.path.starts_with("kept-")
    }
}

impl TableState {
    /// The state after one commit more. `hot` are rows of just written files, by path.
    pub(super) fn after(&self, version: u64, actions: &[Action], hot: &HashMap<String, RecordBatch>) -> Self {
        let mut next = Self { version, ..self.clone() };
        for action in actions {
            match action {
                Action::Add(add) => next.files.push(Arc::new(entry(add, hot))),
                Action::Remove(remove) => next.files.retain(|file| file.path != remove.path),
                Action::Txn(transaction) => next.lsn = next.lsn.max(transaction.version),
                Action::CommitInfo(info) => {
                    if let Some(note) = info.info.get(COMMIT_KEY) {
                        next.remember(note);
                        next.forget(note);
                    }
                }
                _ => {}
            }
        }
        next.rows = next.files.iter().map(|file| file.rows).sum();
        next.newest_event =
            next.files.iter().filter_map(|file| file.event_time).map(|(_, newest)| newest).max();
        next
    }

    fn remember(&mut self, landing: &Value) {
        let text = |key: &str| landing.get(key).and_then(Value::as_str).map(str::to_owned);
        let (Some(fingerprint), Some(submission)) = (text("sha256"), text("submission")) else { return };
        self.landed_at = landing.get("landed_at").and_then(Value::as_i64).or(self.landed_at);
        if fingerprint.is_empty() {
            return;
        }
        let receipt = landing.get("receipt").cloned().unwrap_or(Value::Null);
        let landed_at = landing.get("landed_at").and_then(Value::as_i64).unwrap_or(0);
        self.landings.entry(fingerprint).or_insert(Landing {
            submission,
            receipt,
            landed_at,
            withdrawn_at: None,
        });
    }

    /// Moves a landing to those that were withdrawn: the same content may land again.
    fn forget(&mut self, note: &Value) {
        let Some(submission) = note.get("withdrawn").and_then(Value::as_str) else { return };
        let at = note.get("at").and_then(Value::as_i64).unwrap_or(0);
        let found = self.landings.iter().find(|(_, landing)| landing.submission == submission);
        let Some(fingerprint) = found.map(|(fingerprint, _)| fingerprint.clone()) else { return };
        if let Some(landing) = self.landings.remove(&fingerprint) {
            self.withdrawn.push(Landing { withdrawn_at: Some(at), ..landing });
        }
    }

    /// The landing of that submission, withdrawn or not.
    pub fn landing(&self, submission: &str) -> Option<&Landing> {
        self.landings.values().chain(&self.withdrawn).find(|landing| landing.submission == submission)
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

fn entry(add: &Add, hot: &HashMap<String, RecordBatch>) -> FileEntry {
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
        hot: hot.get(&add.path).cloned(),
    }
}

fn micros(value: &Value) -> Option<i64> {
    chrono::DateTime::parse_from_rfc3339(value.as_str()?).ok().map(|instant| instant.timestamp_micros())
}
