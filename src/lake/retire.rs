//! Takes whole files out of a table once all their rows are older than the contract keeps them.
//!
//! A file that still holds a younger row stays: nothing is rewritten for it, so rows may outlive their time by as much as
//! a file spans. Receipts stay for ever: the same content does not come back by being sent again.

use std::collections::HashMap;
use std::sync::Arc;

use deltalake_core::kernel::transaction::CommitData;
use deltalake_core::protocol::DeltaOperation;
use serde_json::json;

use super::Error;
use super::log::{COMMIT_KEY, FileEntry, remove};
use super::table::Table;
use crate::model::Micros;

/// What left a table because of its age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retired {
    /// Files.
    pub files: usize,
    /// Rows in them.
    pub rows: u64,
}

impl Table {
    /// Takes out, by one commit, the files whose rows are all older than `before`: by their event times, or where they have
    /// none by when they were written. None where there are none.
    ///
    /// # Errors
    /// Where the log cannot be written; the table is then as it was.
    pub async fn retire(&self, before: Micros, now: Micros) -> Result<Option<Retired>, Error> {
        let state = self.state();
        let tail = || state.tail.iter().filter_map(|record| record.rows.as_deref());
        if tail().any(|rows| newest(rows) < before.0) {
            self.land_tail().await?;
        }
        let state = self.state();
        let old: Vec<Arc<FileEntry>> =
            state.files.iter().filter(|file| newest(file) < before.0).map(Arc::clone).collect();
        if old.is_empty() || !self.replace(|state| state.has_all(&old), actions(&old, before, now)).await? {
            return Ok(None);
        }
        Ok(Some(Retired { files: old.len(), rows: old.iter().map(|file| file.rows).sum() }))
    }
}

fn newest(file: &FileEntry) -> i64 {
    file.event_time.map_or(file.modified_ms.saturating_mul(1_000), |(_, newest)| newest)
}

fn actions(old: &[Arc<FileEntry>], before: Micros, now: Micros) -> CommitData {
    let operation =
        DeltaOperation::Delete { predicate: Some(format!("_event_time < '{}'", before.to_rfc3339())) };
    let info = json!({ "retired_before": before.0, "at": now.0 });
    let info = HashMap::from([(COMMIT_KEY.to_owned(), info)]);
    CommitData::new(old.iter().map(|file| remove(file, true, now)).collect(), operation, info, Vec::new())
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, RecordBatch, TimestampMicrosecondArray};
    use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

    use super::*;
    use crate::lake::{Commit, Lake, TableName};

    const NOW: Micros = Micros(1_772_352_000_000_000);

    async fn open(folder: &std::path::Path) -> Arc<Table> {
        let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let schema = Arc::new(Schema::new(vec![Field::new("_event_time", time, true)]));
        let name = TableName::Feed("traffic.speed".parse().unwrap());
        Lake::open(folder).unwrap().table(&name, schema).await.unwrap()
    }

    /// A submission of rows so many hours old.
    async fn land(table: &Table, submission: &str, hours: &[i64]) -> bool {
        let mut file = table.new_file(submission, 0);
        let times = hours.iter().map(|hours| NOW.plus_seconds(-hours * 3_600).0);
        let times: ArrayRef =
            Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"));
        file.write(&RecordBatch::try_new(Arc::clone(table.schema()), vec![times]).unwrap()).await.unwrap();
        let commit = Commit {
            files: vec![file.finish().await.unwrap()],
            sha256: format!("content of {submission}"),
            submission: submission.to_owned(),
            landed_at: NOW.0,
            ..Commit::default()
        };
        table.commit(&commit).await.unwrap().is_ok()
    }

    #[tokio::test]
    async fn whole_files_leave_once_their_last_row_is_too_old() {
        let folder = tempfile::tempdir().unwrap();
        let table = open(folder.path()).await;
        for (submission, hours) in [("old", &[30, 25][..]), ("half", &[30, 20]), ("young", &[1])] {
            assert!(land(&table, submission, hours).await);
        }
        let before = table.state();
        let day_ago = NOW.plus_seconds(-86_400);
        assert_eq!(table.retire(day_ago, NOW).await.unwrap(), Some(Retired { files: 1, rows: 2 }));
        assert_eq!(table.retire(day_ago, NOW).await.unwrap(), None);
        let state = table.state();
        assert_eq!((state.rows, state.files.len()), (3, 2));
        let since = state.since(before.position()).unwrap();
        let gone = (NOW.plus_seconds(-30 * 3_600).0, NOW.plus_seconds(-25 * 3_600).0);
        assert_eq!(since.rewritten, [Some(gone)], "who keeps results up to date is told which times");
        assert!(!land(&table, "old", &[30, 25]).await, "it has landed, and its time is over");
        assert_eq!(open(folder.path()).await.state().rows, 3);
    }
}
