//! The tail of live batches becomes a file: one file and one commit for all of them, which carries their landings.
//!
//! To readers nothing changes but where the rows are, as with a merge. Who has seen some of the records and not others finds
//! the others in the file by the number of rows of each.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::compute::concat_batches;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use deltalake_core::kernel::transaction::{CommitData, TransactionError};
use deltalake_core::kernel::{Action, Transaction};
use deltalake_core::logstore::CommitOrBytes;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use futures::TryStreamExt as _;
use serde_json::{Value, json};

use super::columns::in_columns;
use super::log::{COMMIT_KEY, FileEntry, LANDED, LIVE_APP, LiveRecord};
use super::table::{Table, add};
use super::{Error, Written};
use crate::model::Micros;

/// What landed behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LandedTail {
    /// Live batches.
    pub records: usize,
    /// Rows in them.
    pub rows: u64,
}

/// What is to land.
struct Batch {
    records: Vec<Arc<LiveRecord>>,
    /// It counts for every record up to this one, whether it was ever acknowledged or not.
    upto: i64,
    segments: Vec<PathBuf>,
}

impl Table {
    /// Lands the tail where its oldest record is as old as it may be, or the log waits for it. None where there was nothing to do.
    ///
    /// # Errors
    /// As [`Table::land_tail`].
    pub async fn land_due(&self, now: Micros) -> Result<Option<LandedTail>, Error> {
        let is_old =
            self.tail_now().since.is_some_and(|at| now.seconds() - at.seconds() >= self.live.bounds.age_s);
        if is_old || self.log_in_doubt() { self.land_tail().await } else { Ok(None) }
    }

    /// Lands the tail. None where it is empty, or another process's to land.
    ///
    /// # Errors
    /// Where the file or the commit cannot be written; the tail stays what it was.
    pub async fn land_tail(&self) -> Result<Option<LandedTail>, Error> {
        let nothing = || self.state().tail.is_empty() && !self.log_in_doubt();
        if nothing() {
            return Ok(None);
        }
        let _one = self.live.landing.lock().await;
        if nothing() || !self.owns_log().await? {
            return Ok(None);
        }
        loop {
            let Some(batch) = self.batch().await else { return Ok(None) };
            let file = self.write_tail(&batch).await?;
            if self.commit_tail(&batch, file.as_ref()).await? {
                self.drop_segments(batch.segments).await;
                let rows = file.map_or(0, |file| file.rows);
                return Ok(Some(LandedTail { records: batch.records.len(), rows }));
            }
            // An earlier try has landed some of it after all.
            self.discard(file.as_slice()).await;
        }
    }

    async fn batch(&self) -> Option<Batch> {
        let _writer = self.writing.lock().await;
        let (segments, upto) = self.rotate()?;
        Some(Batch { records: self.state().tail.clone(), upto, segments })
    }

    async fn write_tail(&self, batch: &Batch) -> Result<Option<Written>, Error> {
        let rows = |record: &Arc<LiveRecord>| record.former.clone().or(record.rows.as_ref()?.hot.clone());
        let all: Vec<RecordBatch> = batch.records.iter().filter_map(rows).collect();
        if all.is_empty() {
            return Ok(None);
        }
        let name = format!("{LANDED}{}", uuid::Uuid::now_v7());
        let former = batch.records.iter().any(|record| record.former.is_some());
        let mut file = if former { self.new_file_of_all(&name)? } else { self.new_file(&name, 0) };
        for rows in all {
            let rows = in_columns(rows, file.schema()).map_err(|error| self.file_failed(error.into()))?;
            file.write(&rows).await?;
        }
        let written = file.finish().await?;
        // Readers from memory know the contract's columns only.
        Ok(Some(if former { Written { hot: None, ..written } } else { written }))
    }

    /// False where some of the records had landed already, by a commit whose answer was lost.
    async fn commit_tail(&self, batch: &Batch, file: Option<&Written>) -> Result<bool, Error> {
        let _writer = self.writing.lock().await;
        self.wake().await?;
        let hot: HashMap<String, RecordBatch> =
            file.iter().filter_map(|file| Some((file.path.clone(), file.hot.clone()?))).collect();
        let ours = |landed: i64| {
            landed >= batch.upto && file.is_none_or(|file| self.has_any([file.path.as_str()].into_iter()))
        };
        loop {
            let landed = self.landed();
            if ours(landed.live) {
                return Ok(true);
            }
            if batch.records.first().is_some_and(|first| first.sequence <= landed.live) {
                return Ok(false);
            }
            let data = actions(batch, file, &self.name().to_string(), landed.lsn + 1);
            let bytes = data.get_bytes().map_err(|error| self.failed(error.into()))?;
            let version = landed.version + 1;
            let entry = CommitOrBytes::LogBytes(bytes);
            match self.log.write_commit_entry(version, entry, uuid::Uuid::new_v4()).await {
                Ok(()) => {
                    self.advance(&landed, version, &data.actions, &hot);
                    return Ok(true);
                }
                Err(TransactionError::VersionAlreadyExists(_)) => self.replay().await?,
                Err(error) => {
                    let seen = self.replay().await;
                    if seen.is_ok() && ours(self.landed().live) {
                        return Ok(true);
                    }
                    return Err(self.failed(error.into()));
                }
            }
        }
    }

    /// The rows of a file behind the first so many, in memory.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub async fn rest_of(&self, file: &FileEntry, known: u64) -> Result<Arc<FileEntry>, Error> {
        let whole = match &file.hot {
            Some(rows) => rows.clone(),
            None => {
                let batches = self.read_file(&file.path, None).await?;
                let batches: Vec<RecordBatch> =
                    batches.try_collect().await.map_err(|source| self.file_failed(source))?;
                let batches: Result<Vec<RecordBatch>, ArrowError> =
                    batches.into_iter().map(|rows| in_columns(rows, self.schema())).collect();
                batches
                    .and_then(|batches| concat_batches(self.schema(), &batches))
                    .map_err(|error| self.file_failed(error.into()))?
            }
        };
        let known = usize::try_from(known).unwrap_or(usize::MAX).min(whole.num_rows());
        let rest = whole.slice(known, whole.num_rows() - known);
        Ok(Arc::new(FileEntry { rows: rest.num_rows() as u64, hot: Some(rest), ..file.clone() }))
    }
}

fn actions(batch: &Batch, file: Option<&Written>, table: &str, lsn: i64) -> CommitData {
    let at = batch.records.iter().map(|record| record.landed_at).max().unwrap_or(0);
    let adds = file.map(|file| Action::Add(add(file, at)));
    let parts = batch.records.iter().filter_map(|record| Some((record.sequence, record.rows.as_ref()?.rows)));
    let landings: Vec<&Value> = batch.records.iter().map(|record| &record.note).collect();
    let info = json!({ "landings": landings, "live": parts.collect::<Vec<_>>() });
    let app = format!("cityloom/{table}");
    let transactions =
        vec![Transaction::new(format!("{app}{LIVE_APP}"), batch.upto), Transaction::new(app, lsn)];
    let operation = DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None };
    let info = HashMap::from([(COMMIT_KEY.to_owned(), info)]);
    CommitData::new(adds.into_iter().collect(), operation, info, transactions)
}
