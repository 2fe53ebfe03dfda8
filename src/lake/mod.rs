//! The lake: Delta tables with lean commits on an fsyncing store. The only module that builds paths, commits and lists.
//!
//! Delta is the format, readable by any Delta reader; the commit is ours, because the library's slows down with
//! every commit that a handle makes. How tables become SQL is `fusion`'s business.

mod arrange;
mod compact;
mod durable_fs;
mod encoding;
mod error;
mod log;
mod memory;
mod retire;
mod table;
mod withdraw;
mod writer;

pub use compact::{Compaction, Tending};
pub use durable_fs::{create_dirs, fsync_dir};
pub use error::Error;
pub use log::{Cursor, FileEntry, Landing, Since, TableState};
pub use retire::Retired;
pub use table::{Commit, Table};
pub use writer::{FileWriter, Written};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow::datatypes::SchemaRef;
use deltalake_core::logstore::{ObjectStoreFactory, ObjectStoreRef, StorageConfig, object_store_factories};
use url::Url;

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
    fn folder(&self) -> PathBuf {
        match self {
            Self::Feed(feed) => Path::new("feeds").join(feed.department()).join(feed.feed()),
            Self::Quarantine(feed) => {
                Path::new("quarantine").join(format!("{}__{}", feed.department(), feed.feed()))
            }
        }
    }
}

impl std::fmt::Display for TableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Feed(feed) => feed.fmt(f),
            Self::Quarantine(feed) => write!(f, "quarantine.{}__{}", feed.department(), feed.feed()),
        }
    }
}

/// All tables below one folder.
#[derive(Debug)]
pub struct Lake {
    root: PathBuf,
    tables: Mutex<BTreeMap<TableName, Arc<Table>>>,
}

impl Lake {
    /// The lake at `<data>/lake`; the folder is made where it is missing.
    ///
    /// # Errors
    /// Where the folder cannot be made.
    pub fn open(data: &Path) -> Result<Self, Error> {
        install_durable_store();
        let root = data.join("lake");
        create_dirs(&root).map_err(|source| Error::Folder { path: root.clone(), source })?;
        let root = root.canonicalize().map_err(|source| Error::Folder { path: root.clone(), source })?;
        Ok(Self { root, tables: Mutex::default() })
    }

    /// The table, opened or made with `schema`; the same handle every time.
    ///
    /// # Errors
    /// Where its log cannot be read, or holds another schema than `schema`.
    pub async fn table(&self, name: &TableName, schema: SchemaRef) -> Result<Arc<Table>, Error> {
        if let Some(table) = self.opened().get(name) {
            return Ok(Arc::clone(table));
        }
        let folder = self.root.join(name.folder());
        create_dirs(&folder).map_err(|source| Error::Folder { path: folder.clone(), source })?;
        let url = Url::from_directory_path(&folder).map_err(|()| Error::NotAbsolute { path: folder })?;
        let table = Arc::new(Table::open(name.clone(), url, schema).await?);
        Ok(Arc::clone(self.opened().entry(name.clone()).or_insert(table)))
    }

    fn opened(&self) -> std::sync::MutexGuard<'_, BTreeMap<TableName, Arc<Table>>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Replaces the library's local store by the fsyncing one, for the whole process.
fn install_durable_store() {
    #[derive(Debug)]
    struct Factory;
    impl ObjectStoreFactory for Factory {
        fn parse_url_opts(
            &self,
            url: &Url,
            _config: &StorageConfig,
        ) -> deltalake_core::DeltaResult<(ObjectStoreRef, object_store::path::Path)> {
            let path = object_store::path::Path::from_url_path(url.path())?;
            Ok((Arc::new(durable_fs::DurableFs::default()), path))
        }
    }
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        if let Ok(scheme) = Url::parse("file://") {
            object_store_factories().insert(scheme, Arc::new(Factory));
        }
    });
}
