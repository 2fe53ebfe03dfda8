//! What has become of a table since a position in it: which rows are new, and between which event times rows may have gone.
//!
//! A position is two counts, because rows come in two orders: by commits, whose versions all processes share, and by live
//! records, whose numbers are their log's. Landing a record moves its rows into a file and changes neither answer.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::log::{FileEntry, TableState};

/// How far a table was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The Delta version.
    pub version: u64,
    /// The newest live record.
    #[serde(default)]
    pub live: i64,
}

/// A commit that took rows away.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Rewrite {
    pub(super) version: u64,
    /// Event times of the files that it removed.
    pub(super) event_time: Option<(i64, i64)>,
}

/// What has become of a table since a position.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Since {
    /// Files and live records that hold new rows and no others.
    pub appended: Vec<Arc<FileEntry>>,
    /// Files whose first so many rows were known and whose others are new.
    pub partly: Vec<(Arc<FileEntry>, u64)>,
    /// Event times between whose ends rows may have gone. Rows without an event time may have gone where there is any.
    pub rewritten: Vec<Option<(i64, i64)>>,
}

/// The live records of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveRows {
    /// The first and the last.
    records: (i64, i64),
    /// Each with its number of rows, in the order of the rows; empty where the file was made of others.
    parts: Vec<(i64, u64)>,
}

/// How much of a file's rows were known.
enum Known {
    All,
    Nothing,
    /// The first so many rows.
    First(u64),
    /// Some; which ones, the file no longer tells.
    Some,
}

impl LiveRows {
    /// Those of a file that holds the rows of `parts`, one after the other.
    pub(super) fn of(parts: Vec<(i64, u64)>) -> Option<Self> {
        let (first, last) = (parts.first()?.0, parts.last()?.0);
        Some(Self { records: (first, last), parts })
    }

    /// Those of a file that is made of two.
    pub(super) fn merged(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        let records = [one, other].into_iter().flatten().map(|live| live.records);
        let records = records.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))?;
        Some(Self { records, parts: Vec::new() })
    }

    fn known(&self, live: i64) -> Known {
        match self.records {
            (_, last) if last <= live => Known::All,
            (first, _) if first > live => Known::Nothing,
            _ if self.parts.is_empty() => Known::Some,
            _ => Known::First(
                self.parts.iter().filter(|(record, _)| *record <= live).map(|(_, rows)| rows).sum(),
            ),
        }
    }
}

impl FileEntry {
    fn known(&self, at: Position) -> Known {
        let committed = self.versions.map(|versions| match versions {
            (_, last) if last <= at.version => Known::All,
            (first, _) if first > at.version => Known::Nothing,
            _ => Known::Some,
        });
        match (committed, self.live.as_ref().map(|live| live.known(at.live))) {
            (Some(known), None) | (None, Some(known)) => known,
            (None | Some(Known::All), None | Some(Known::All)) => Known::All,
            (Some(Known::Nothing), Some(Known::Nothing)) => Known::Nothing,
            (Some(_), Some(_)) => Known::Some,
        }
    }
}

impl TableState {
    /// How far this state goes.
    pub fn position(&self) -> Position {
        Position { version: self.version, live: self.live }
    }

    /// What has become of the table since `at`; none where that can no longer be told.
    pub fn since(&self, at: Position) -> Option<Since> {
        if at.version > self.version || at.live > self.live || at.version < self.rewrites_forgotten {
            return None;
        }
        let mut since = Since::default();
        for file in self.entries() {
            match file.known(at) {
                Known::All => {}
                Known::Nothing => since.appended.push(Arc::clone(file)),
                Known::First(rows) => since.partly.push((Arc::clone(file), rows)),
                Known::Some => return None,
            }
        }
        let newer = self.rewrites.iter().filter(|rewrite| rewrite.version > at.version);
        since.rewritten = newer.map(|rewrite| rewrite.event_time).collect();
        Some(since)
    }
}
