//! What can go wrong at the journal and the desk, by what the reader can do about it.

use std::io;
use std::path::PathBuf;

use crate::dispatch::Refusal;

/// Why a line of the journal is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Breakage {
    /// It is no line of ours, or not letter for letter.
    #[error("it is not a record as this program writes them")]
    Form,
    /// Its sequence number does not follow.
    #[error("record {expected} should stand here, and record {found} does")]
    Sequence {
        /// What follows the record before.
        expected: u64,
        /// What stands there.
        found: u64,
    },
    /// It does not name the record before.
    #[error("it does not follow from the record before it")]
    Link,
    /// Its content was changed.
    #[error("its content does not match its hash")]
    Hash,
    /// Its event makes no sense.
    #[error("its event cannot be read: {0}")]
    Event(String),
}

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The loop's rules say no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Another process writes this journal.
    #[error(
        "{}: another process{} uses this journal; stop it, or use another data folder",
        path.display(), holder.map_or(String::new(), |pid| format!(" ({pid})"))
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The process, where it said which.
        holder: Option<u32>,
    },
    /// The chain is broken where it was whole once.
    #[error(
        "{}:{line}: the journal is broken: {why}; put this file back from a copy, or move it and every later segment \
         away to go on from the record before it (what they hold is then lost)", path.display()
    )]
    Broken {
        /// The segment.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        why: Breakage,
    },
    /// A record that was written down elsewhere is not there.
    #[error(
        "{}: record {seq} is not the one that was anchored: the log was shortened or written anew since; compare it with a \
         copy", dir.display()
    )]
    Anchor {
        /// The log.
        dir: PathBuf,
        /// The record's number.
        seq: u64,
    },
    /// A newer program wrote it.
    #[error("{}:{line}: written in form {form}, which is newer than this program; use the newer program", path.display())]
    Newer {
        /// The segment.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The form's number.
        form: u32,
    },
    /// The disk says no.
    #[error("{}: {source}; see that the disk is there, writable and not full", path.display())]
    Io {
        /// What was being read or written.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// An event is larger than a line may be.
    #[error("an event of {bytes} bytes is more than the journal takes; shorten what it says")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// A write failed before; what is on disk is known again only after a restart.
    #[error("the journal takes no more records since a write failed ({why}); mend the disk and restart")]
    Poisoned {
        /// What failed.
        why: String,
    },
    /// The desk's writer has ended.
    #[error("the desk is closed; the program is stopping")]
    Closed,
}

impl Error {
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    /// Whether the disk has no room: nothing was written, and the same request succeeds once there is some.
    pub fn is_full(&self) -> bool {
        let Self::Io { source, .. } = self else { return false };
        matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }

    /// Whether the same request may succeed later without anybody mending anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Closed)
    }
}
