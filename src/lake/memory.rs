//! Writes down what a table's log has said up to a version, so that the entries before it may go.
//!
//! Two things are written. The Delta checkpoint is the library's and says which files are live, to any reader. Our memory
//! of the log is a file in `_cityloom`, and says what Delta has no place for: which submissions have landed with which
//! receipts, for ever, where live sources stand, which versions brought which rows. An entry goes when it is older than
//! an hour and than the memory before the newest: if the newest cannot be read, the one before and the log still tell all.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use deltalake_core::DeltaTable;
use deltalake_core::checkpoints::create_checkpoint;
use deltalake_core::kernel::StructType;
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Error;
use super::log::{FileEntry, Landing, TableState};
use super::since::Rewrite;
use super::table::Table;
use crate::model::Micros;

/// Entries stay so long at least: other processes and other readers read on from where they were.
const LOG_KEPT_S: i64 = 60 * 60;
/// So many memories and checkpoints stay.
const KEPT: usize = 2;
/// A delta reader passes over folders whose names begin so.
const FOLDER: &str = "_cityloom";

/// What is written: a [`TableState`] without what is counted anew.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Memory {
    id: String,
    version: u64,
    lsn: i64,
    #[serde(default)]
    live: i64,
    columns: Option<StructType>,
    files: Vec<FileEntry>,
    landings: HashMap<String, Landing>,
    withdrawn: Vec<Landing>,
    cursors: HashMap<String, Value>,
    landed_at: Option<i64>,
    removed: VecDeque<(String, i64)>,
    rewrites: Vec<Rewrite>,
    rewrites_forgotten: u64,
}

impl Memory {
    fn of(state: &TableState) -> Self {
        Self {
            id: state.id.clone(),
            version: state.version,
            lsn: state.lsn,
            live: state.live,
            columns: state.columns.as_deref().cloned(),
            files: state.files.iter().map(|file| FileEntry { hot: None, ..(**file).clone() }).collect(),
            landings: state.landings.as_ref().clone(),
            withdrawn: state.withdrawn.as_ref().clone(),
            cursors: state.cursors.iter().map(|(name, at)| (name.clone(), at.as_ref().clone())).collect(),
            landed_at: state.landed_at,
            removed: state.removed.as_ref().clone(),
            rewrites: state.rewrites.clone(),
            rewrites_forgotten: state.rewrites_forgotten,
        }
    }

    fn state(self) -> TableState {
        let mut state = TableState {
            id: self.id,
            version: self.version,
            lsn: self.lsn,
            live: self.live,
            columns: self.columns.map(Arc::new),
            files: self.files.into_iter().map(Arc::new).collect(),
            landings: Arc::new(self.landings),
            withdrawn: Arc::new(self.withdrawn),
            cursors: self.cursors.into_iter().map(|(name, at)| (name, Arc::new(at))).collect(),
            landed_at: self.landed_at,
            removed: Arc::new(self.removed),
            rewrites: self.rewrites,
            rewrites_forgotten: self.rewrites_forgotten,
            ..TableState::default()
        };
        state.count();
        state
    }
}

fn place(version: u64) -> Path {
    Path::from(format!("{FOLDER}/{version:020}.json.zst"))
}

/// The version in the name of a memory, a checkpoint or an entry.
fn version(meta: &ObjectMeta) -> Option<u64> {
    meta.location.filename()?.split('.').next()?.parse().ok()
}

impl Table {
    /// Writes down what the log has said, where that many commits have come since. True where it was.
    ///
    /// # Errors
    /// Where something cannot be written; nothing has gone then.
    pub async fn write_down(&self, commits: u64) -> Result<bool, Error> {
        let state = self.landed();
        let newest = self.memories().await?.last().copied().unwrap_or(0);
        if state.version < newest + commits {
            return Ok(false);
        }
        let mut table = DeltaTable::new(Arc::clone(self.log()));
        table.load_version(state.version).await.map_err(|error| self.failed(error))?;
        create_checkpoint(&table, None).await.map_err(|error| self.failed(error))?;
        let memory = tokio::task::spawn_blocking(move || {
            let text = serde_json::to_vec(&Memory::of(&state))?;
            Ok::<_, std::io::Error>((state.version, zstd::encode_all(text.as_slice(), 3)?))
        });
        let packed = memory.await.map_err(std::io::Error::from).and_then(|packed| packed);
        let (version, bytes) = packed.map_err(|source| self.memory_failed(source))?;
        self.store().put(&place(version), bytes.into()).await.map_err(|source| self.failed(source.into()))?;
        Ok(true)
    }

    /// Deletes entries of the log, checkpoints and memories that nobody needs any more. Their number.
    ///
    /// # Errors
    /// Where the folder cannot be listed or a file cannot be deleted.
    pub async fn shorten(&self, now: Micros) -> Result<usize, Error> {
        let memories = self.memories().await?;
        let Some(&bound) = memories.iter().rev().nth(KEPT - 1) else { return Ok(0) };
        let mut gone = 0;
        for folder in ["_delta_log", FOLDER] {
            let listed: Vec<ObjectMeta> = self.listed(folder).await?;
            for meta in listed {
                let old = now.seconds() - meta.last_modified.timestamp() > LOG_KEPT_S;
                if old && version(&meta).is_some_and(|version| version < bound) {
                    self.store().delete(&meta.location).await.map_err(|source| self.failed(source.into()))?;
                    gone += 1;
                }
            }
        }
        Ok(gone)
    }

    /// The newest state that is written down and can be read; none where none is.
    pub(super) async fn recall(&self) -> Result<Option<TableState>, Error> {
        for version in self.memories().await?.into_iter().rev() {
            let stored = self.store().get(&place(version)).await;
            let bytes = match stored {
                Ok(stored) => stored.bytes().await.map_err(|source| self.failed(source.into()))?,
                // Its time was over in this very moment.
                Err(object_store::Error::NotFound { .. }) => continue,
                Err(source) => return Err(self.failed(source.into())),
            };
            match unpack(&bytes) {
                Ok(memory) if memory.version == version => return Ok(Some(memory.state())),
                Ok(_) => {
                    tracing::warn!(table.name = %self.name(), version, "a memory of the log is misnamed");
                }
                Err(error) => {
                    tracing::warn!(table.name = %self.name(), version, %error, "a memory of the log cannot be read");
                }
            }
        }
        Ok(None)
    }

    /// The versions that are written down, oldest first.
    async fn memories(&self) -> Result<Vec<u64>, Error> {
        let mut versions: Vec<u64> = self.listed(FOLDER).await?.iter().filter_map(version).collect();
        versions.sort_unstable();
        Ok(versions)
    }

    async fn listed(&self, folder: &str) -> Result<Vec<ObjectMeta>, Error> {
        let folder = Path::from(folder);
        self.store().list(Some(&folder)).try_collect().await.map_err(|source| self.failed(source.into()))
    }

    fn memory_failed(&self, source: std::io::Error) -> Error {
        Error::Memory { table: self.name().clone(), source }
    }
}

fn unpack(bytes: &[u8]) -> std::io::Result<Memory> {
    Ok(serde_json::from_slice(&zstd::decode_all(bytes)?)?)
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
