//! The lake: Delta tables with lean commits on an fsyncing store. The only module that builds paths, commits and lists.
//!
//! Delta is the format, readable by any Delta reader; the commit is ours, because the library's slows down with
//! every commit that a handle makes. How tables become SQL is `fusion`'s business.

mod arrange;
mod behind;
mod bucket;
mod columns;
mod compact;
#[cfg(test)]
mod day_tests;
mod durable_fs;
mod encoding;
mod error;
#[cfg(test)]
pub(crate) mod faulty;
mod grow;
mod live;
mod log;
mod memory;
mod retire;
mod root;
mod since;
mod table;
mod wal;
mod withdraw;
mod writer;

pub use behind::LandedTail;
pub use bucket::{Bucket, BucketError, Reach};
pub use compact::{Compaction, Tending};
pub use durable_fs::{create_dirs, fsync_dir};
pub use error::{Error, disk_is_full};
pub use live::{Tail, TailNow};
pub use log::{Cursor, FileEntry, Landing, LiveRecord, TableState};
pub use retire::Retired;
pub use since::{LiveRows, Position, Since};
pub use table::{Commit, Table};
pub use writer::{FileWriter, Written};

/// The door to what is private, for random bytes.
#[cfg(feature = "fuzzing")]
pub mod fuzzing {
    pub use super::wal::fuzz as log;
}

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;

use self::root::Root;
use crate::model::FeedName;

/// A table of the lake.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableName {
    /// The landed rows of a feed.
    Feed(FeedName),
    /// The rejected rows of a feed.
    Quarantine(FeedName),
}

impl TableName {
    fn folder(&self) -> String {
        match self {
            Self::Feed(feed) => format!("feeds/{}/{}", feed.department(), feed.feed()),
            Self::Quarantine(feed) => format!("quarantine/{}", feed.joined()),
        }
    }
}

impl std::fmt::Display for TableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Feed(feed) => feed.fmt(f),
            Self::Quarantine(feed) => write!(f, "quarantine.{}", feed.joined()),
        }
    }
}

/// All tables below one root.
#[derive(Debug)]
pub struct Lake {
    root: Root,
    tail: Tail,
    tables: Mutex<BTreeMap<TableName, Arc<Table>>>,
}

impl Lake {
    /// The lake at `<data>/lake`; the folder is made where it is missing.
    ///
    /// # Errors
    /// Where the folder cannot be made.
    pub fn open(data: &Path) -> Result<Self, Error> {
        Ok(Self::at(Root::folder(&data.join("lake"))?))
    }

    /// The lake in a bucket. Live batches are commits of their own there: a log on this machine would not be as durable.
    ///
    /// # Errors
    /// Where the store cannot be reached, or would let two writers both make the same commit.
    pub async fn open_bucket(bucket: &Bucket) -> Result<Self, Error> {
        Ok(Self::at(Root::bucket(bucket).await?))
    }

    fn at(root: Root) -> Self {
        Self { root, tail: Tail::default(), tables: Mutex::default() }
    }

    /// The same, whose live batches wait within those bounds in a log and in memory.
    #[must_use]
    pub fn with_tail(self, tail: Tail) -> Self {
        Self { tail, ..self }
    }

    /// The table, opened or made with `schema`; the same handle every time.
    ///
    /// # Errors
    /// Where its log cannot be read, or holds another schema than `schema`.
    pub async fn table(&self, name: &TableName, schema: SchemaRef) -> Result<Arc<Table>, Error> {
        if let Some(table) = self.opened().get(name) {
            return Ok(Arc::clone(table));
        }
        let (url, log) = self.root.table(&name.folder())?;
        let table = Arc::new(Table::open(name.clone(), url, schema, log).await?.with_tail(self.tail).await?);
        Ok(Arc::clone(self.opened().entry(name.clone()).or_insert(table)))
    }

    fn opened(&self) -> std::sync::MutexGuard<'_, BTreeMap<TableName, Arc<Table>>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
