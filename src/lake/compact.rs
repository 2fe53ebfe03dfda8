//! Merges small old files of a table into large ones, and removes files that no reader can still want.
//!
//! A table that is written every second would otherwise gain a file a second for ever. Readers are undisturbed: they
//! hold a state, and files leave the disk only long after they have left the state. The rows are counted before the
//! exchange is committed; one process compacts a table, the one that holds the journal.

use std::sync::Arc;

use deltalake_core::kernel::Action;
use deltalake_core::kernel::transaction::CommitData;
use deltalake_core::protocol::DeltaOperation;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectStoreExt as _;

use super::arrange::Arranger;
use super::columns::in_columns;
use super::log::{FileEntry, remove};
use super::table::{Table, add};
use super::{Error, Written, durable_fs};
use crate::model::Micros;

/// A file of fewer rows is small.
const SMALL_ROWS: u64 = 65_536;
/// A merged file takes at most so many rows, so that pruning by time still works.
const MOST_ROWS: u64 = 1 << 20;
/// Files that left by a commit are kept so long: a query that is running may hold them.
const LEFT_S: i64 = 60 * 60;
/// Files that never came by one are kept so long: a landing that is running may be about to commit them.
const GRACE_S: i64 = 24 * 60 * 60;

/// When a table's small files are merged, and its log written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tending {
    /// Younger files are left alone, seconds: they are in memory, and windows read them.
    pub settled_s: i64,
    /// So many small files make a merge worth its while.
    pub fewest: usize,
    /// So many commits make it worth its while to write down what they said.
    pub commits: u64,
}

impl Default for Tending {
    fn default() -> Self {
        Self { settled_s: 20 * 60, fewest: 64, commits: 512 }
    }
}

/// What a compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compaction {
    /// Files that were merged.
    pub files: usize,
    /// Rows in them.
    pub rows: u64,
}

impl Table {
    /// Merges the oldest run of small files, where there are enough of them.
    ///
    /// # Errors
    /// Where a file cannot be read or the log cannot be written; the table is then as it was.
    pub async fn compact(&self, now: Micros) -> Result<Option<Compaction>, Error> {
        self.compact_as(now, Tending::default()).await
    }

    /// The same with other bounds.
    ///
    /// # Errors
    /// As [`Table::compact`].
    pub async fn compact_as(&self, now: Micros, tending: Tending) -> Result<Option<Compaction>, Error> {
        let run = run(&self.state().files, now.plus_seconds(-tending.settled_s));
        if run.len() < tending.fewest {
            return Ok(None);
        }
        let rows: u64 = run.iter().map(|file| file.rows).sum();
        let name = format!("merged-{}", uuid::Uuid::now_v7());
        let mut merged = self.new_file_of_all(&name)?;
        let mut arranger = Arranger::default();
        for file in &run {
            let mut batches = match &file.hot {
                Some(batch) => futures::stream::iter([Ok(batch.clone())]).left_stream(),
                None => self.read_file(&file.path, None).await?.right_stream(),
            };
            while let Some(batch) = batches.try_next().await.map_err(|source| self.file_failed(source))? {
                let batch =
                    in_columns(batch, merged.schema()).map_err(|source| self.file_failed(source.into()))?;
                for slice in arranger.push(batch).map_err(|source| self.file_failed(source.into()))? {
                    merged.write(&slice).await?;
                }
            }
        }
        if let Some(slice) = arranger.flush().map_err(|source| self.file_failed(source.into()))? {
            merged.write(&slice).await?;
        }
        let merged = Written { hot: None, ..merged.finish().await? };
        if merged.rows != rows {
            tracing::warn!(table.name = %self.name(), rows, merged = merged.rows, "merging lost rows, and is given up");
        } else if self.exchange(&run, &merged, now).await? {
            return Ok(Some(Compaction { files: run.len(), rows }));
        } else {
            tracing::info!(table.name = %self.name(), "rows left the files that were merged: they are merged later");
        }
        self.discard(std::slice::from_ref(&merged)).await;
        Ok(None)
    }

    /// Puts one file in the place of many. False where the table no longer holds all of them.
    async fn exchange(&self, run: &[Arc<FileEntry>], merged: &Written, now: Micros) -> Result<bool, Error> {
        let mut actions: Vec<Action> = run.iter().map(|file| remove(file, false, now)).collect();
        actions.push(Action::Add(deltalake_core::kernel::Add { data_change: false, ..add(merged, now.0) }));
        let operation = DeltaOperation::Optimize {
            predicate: None,
            target_size: i64::try_from(MOST_ROWS).unwrap_or(i64::MAX),
        };
        let data = CommitData::new(actions, operation, std::collections::HashMap::new(), Vec::new());
        self.replace(|state| state.has_all(run), data).await
    }

    /// Deletes files of the folder that belong to no state: an hour after they left by a commit, a day after they were
    /// written by a landing that was killed. Their number.
    ///
    /// # Errors
    /// Where the folder cannot be listed.
    pub async fn sweep(&self, now: Micros) -> Result<usize, Error> {
        let state = self.state();
        let live: std::collections::HashSet<&str> =
            state.files.iter().map(|file| file.path.as_str()).collect();
        let left: std::collections::HashSet<&str> = state
            .removed
            .iter()
            .filter(|(_, moment)| now.0 / 1_000 - moment > LEFT_S * 1_000)
            .map(|(path, _)| path.as_str())
            .collect();
        let store = self.store();
        let mut swept = self.sweep_staged(now.plus_seconds(-GRACE_S)).await?;
        let mut listed = store.list(None);
        while let Some(meta) = listed.try_next().await.map_err(|source| self.failed(source.into()))? {
            let path = meta.location.as_ref();
            let age_s = now.seconds() - meta.last_modified.timestamp();
            if path.ends_with(".parquet")
                && !path.contains("_delta_log")
                && !live.contains(path)
                && (age_s > GRACE_S || left.contains(path))
            {
                store.delete(&meta.location).await.map_err(|source| self.failed(source.into()))?;
                swept += 1;
            }
        }
        Ok(swept)
    }

    /// Deletes what writers that were killed have left half written since before `until`. Their number.
    async fn sweep_staged(&self, until: Micros) -> Result<usize, Error> {
        let Ok(folder) = self.url().to_file_path() else { return Ok(0) };
        let sweeping = tokio::task::spawn_blocking({
            let folder = folder.clone();
            move || -> std::io::Result<usize> {
                let folders = [folder.clone(), folder.join("_delta_log"), folder.join("_cityloom")];
                folders.iter().map(|folder| durable_fs::remove_staged(folder, until)).sum()
            }
        });
        let failed = |source| Error::Folder { path: folder.clone(), source };
        sweeping.await.map_err(|error| failed(error.into()))?.map_err(failed)
    }
}

/// The oldest small and settled files that make one merged file.
fn run(files: &[Arc<FileEntry>], settled: Micros) -> Vec<Arc<FileEntry>> {
    let settled = settled.0 / 1_000;
    let mut rows = 0;
    files
        .iter()
        .filter(|file| file.rows < SMALL_ROWS && file.modified_ms < settled)
        .take_while(|file| {
            rows += file.rows;
            rows <= MOST_ROWS
        })
        .map(Arc::clone)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, RecordBatch};
    use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

    use super::*;
    use crate::lake::{Commit, Lake, TableName};

    const FEWEST: usize = 64;
    const NOW: Micros = Micros(1_772_352_000_000_000);

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("_cell", DataType::Int64, true)]))
    }

    fn name() -> TableName {
        TableName::Feed("traffic.speed".parse().unwrap())
    }

    async fn land(table: &Table, submission: usize, rows: i64, at: Micros) {
        let mut file = table.new_file(&format!("s{submission}"), 0);
        let cells = Int64Array::from_iter_values(0..rows);
        file.write(&RecordBatch::try_new(schema(), vec![Arc::new(cells)]).unwrap()).await.unwrap();
        let files = vec![file.finish().await.unwrap()];
        let sha256 = format!("{submission}");
        let commit = Commit {
            files,
            sha256,
            submission: format!("s{submission}"),
            landed_at: at.0,
            ..Commit::default()
        };
        table.commit(&commit).await.unwrap().unwrap();
    }

    async fn rows(table: &Table) -> u64 {
        let mut rows = 0;
        for file in &table.state().files {
            let mut batches = table.read_file(&file.path, None).await.unwrap();
            while let Some(batch) = batches.try_next().await.unwrap() {
                rows += batch.num_rows() as u64;
            }
        }
        rows
    }

    #[tokio::test]
    async fn merging_loses_no_row_and_no_memory_of_what_landed() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::open(folder.path()).unwrap();
        let table = lake.table(&name(), schema()).await.unwrap();
        for submission in 0..FEWEST {
            land(&table, submission, 10, NOW.plus_seconds(-3_600)).await;
        }
        land(&table, 1_000, 7, NOW).await;
        let before = table.state();
        assert_eq!(table.compact(NOW.plus_seconds(-3_600)).await.unwrap(), None, "nothing has settled yet");
        let done = table.compact(NOW).await.unwrap().unwrap();
        assert_eq!(done, Compaction { files: FEWEST, rows: 640 });
        assert_eq!(table.state().files.len(), 2, "one merged file, one young file");
        assert_eq!((table.state().rows, rows(&table).await), (647, 647));
        assert_eq!(table.state().lsn, before.lsn);
        assert_eq!(table.compact(NOW).await.unwrap(), None);

        let again = Lake::open(folder.path()).unwrap().table(&name(), schema()).await.unwrap();
        assert_eq!((again.state().rows, again.state().landings.len()), (647, FEWEST + 1));
        assert!(again.commit(&Commit { sha256: "3".into(), ..Commit::default() }).await.unwrap().is_err());
        assert_eq!(again.sweep(NOW).await.unwrap(), 0, "young leftovers stay for readers");
        let later = crate::model::Clock::now(&crate::model::SystemClock).plus_seconds(GRACE_S + 60);
        assert_eq!(again.sweep(later).await.unwrap(), FEWEST);
        assert_eq!(rows(&again).await, 647);
    }
}
