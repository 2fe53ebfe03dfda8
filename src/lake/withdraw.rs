//! Takes a submission's rows out of a table by one commit: its own files leave, and a file in which it was merged with
//! others is written anew without it.
//!
//! Readers are undisturbed, as with a merge: they hold a state, and files leave the disk only long after the state.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{AsArray as _, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use deltalake_core::kernel::Action;
use deltalake_core::kernel::transaction::CommitData;
use deltalake_core::protocol::DeltaOperation;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::json;

use super::columns::in_columns;
use super::log::{COMMIT_KEY, FileEntry, remove};
use super::table::{Table, add};
use super::{Error, Written};
use crate::model::Micros;

/// What a withdrawal takes out, and what it puts in its place.
#[derive(Default)]
struct Cut {
    old: Vec<Arc<FileEntry>>,
    kept: Vec<Written>,
    rows: u64,
}

impl Table {
    /// Takes the rows of `submission` out. Their number; none where there were no rows and nothing to remember.
    ///
    /// # Errors
    /// Where a file cannot be read or the log cannot be written; the table is then as it was.
    pub async fn withdraw(&self, submission: &str, now: Micros) -> Result<u64, Error> {
        // Only what is in a file can be taken out of one.
        self.land_tail().await?;
        loop {
            let landed =
                self.state().landing(submission).is_some_and(|landing| landing.withdrawn_at.is_none());
            let cut = self.cut(submission).await?;
            if cut.old.is_empty() && !landed {
                return Ok(0);
            }
            if self.replace(|state| state.has_all(&cut.old), actions(submission, &cut, now)).await? {
                return Ok(cut.rows);
            }
            // Its files were merged meanwhile: what was written no longer fits.
            self.discard(&cut.kept).await;
        }
    }

    async fn cut(&self, submission: &str) -> Result<Cut, Error> {
        let mut cut = Cut::default();
        for file in &self.state().files {
            if file.is_of(submission) {
                cut.old.push(Arc::clone(file));
                cut.rows += file.rows;
            } else if file.may_hold(submission) && self.holds(file, submission).await? {
                let kept = self.without(file, submission).await?;
                cut.old.push(Arc::clone(file));
                cut.rows += file.rows - kept.rows;
                if kept.rows > 0 {
                    cut.kept.push(kept);
                } else {
                    self.discard(std::slice::from_ref(&kept)).await;
                }
            }
        }
        Ok(cut)
    }

    /// The column that says which submission a row came with.
    fn submission_column(&self) -> &'static str {
        let feeds = self.schema().column_with_name("_submission").is_some();
        if feeds { "_submission" } else { "submission" }
    }

    async fn holds(&self, file: &FileEntry, submission: &str) -> Result<bool, Error> {
        let column = self.submission_column();
        let mut batches = self.read_file(&file.path, Some(&[column])).await?;
        while let Some(batch) = batches.try_next().await.map_err(|source| self.file_failed(source))? {
            if of(&batch, column, submission).true_count() > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The file's other rows in a file of their own.
    async fn without(&self, file: &FileEntry, submission: &str) -> Result<Written, Error> {
        let column = self.submission_column();
        let mut kept = self.new_file_of_all(&format!("kept-{}", uuid::Uuid::now_v7()))?;
        let mut batches = self.read_file(&file.path, None).await?;
        while let Some(batch) = batches.try_next().await.map_err(|source| self.file_failed(source))? {
            let others = arrow::compute::not(&of(&batch, column, submission))
                .and_then(|others| in_columns(filter_record_batch(&batch, &others)?, kept.schema()))
                .map_err(|error| self.file_failed(error.into()))?;
            if others.num_rows() > 0 {
                kept.write(&others).await?;
            }
        }
        Ok(Written { hot: None, ..kept.finish().await? })
    }

    /// The rows of a submission, batch by batch, in the order in which they were written.
    pub fn rows_of(self: &Arc<Self>, submission: &str) -> BoxStream<'static, Result<RecordBatch, Error>> {
        let files: Vec<Arc<FileEntry>> =
            self.state().entries().filter(|file| file.may_hold(submission)).map(Arc::clone).collect();
        let (table, column, submission) = (Arc::clone(self), self.submission_column(), submission.to_owned());
        let opened = move |file: Arc<FileEntry>| {
            let table = Arc::clone(&table);
            async move { table.batches(&file).await }
        };
        let reader = Arc::clone(self);
        let only = move |batch: RecordBatch| {
            let rows = filter_record_batch(&batch, &of(&batch, column, &submission));
            let rows = rows.map_err(|error| reader.file_failed(error.into()));
            std::future::ready(rows.map(|rows| Some(rows).filter(|rows| rows.num_rows() > 0)))
        };
        stream::iter(files).map(Ok).and_then(opened).try_flatten().try_filter_map(only).boxed()
    }

    async fn batches(
        self: Arc<Self>,
        file: &FileEntry,
    ) -> Result<BoxStream<'static, Result<RecordBatch, Error>>, Error> {
        if let Some(batch) = &file.hot {
            return Ok(stream::iter([Ok(batch.clone())]).boxed());
        }
        let batches = self.read_file(&file.path, None).await?;
        Ok(batches.map_err(move |source| self.file_failed(source)).boxed())
    }
}

/// Which rows came with `submission`.
fn of(batch: &RecordBatch, column: &str, submission: &str) -> BooleanArray {
    let texts = batch.column_by_name(column).and_then(|texts| texts.as_string_opt::<i32>().cloned());
    match texts {
        Some(texts) => texts.iter().map(|text| Some(text == Some(submission))).collect(),
        None => BooleanArray::from(vec![false; batch.num_rows()]),
    }
}

fn actions(submission: &str, cut: &Cut, now: Micros) -> CommitData {
    let mut actions: Vec<Action> = cut.old.iter().map(|file| remove(file, true, now)).collect();
    actions.extend(cut.kept.iter().map(|file| Action::Add(add(file, now.0))));
    let operation = DeltaOperation::Delete { predicate: Some(format!("_submission = '{submission}'")) };
    let info = json!({ "withdrawn": submission, "at": now.0 });
    CommitData::new(actions, operation, HashMap::from([(COMMIT_KEY.to_owned(), info)]), Vec::new())
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

    use super::*;
    use crate::lake::{Commit, Lake, TableName};

    const NOW: Micros = Micros(1_772_352_000_000_000);

    fn schema() -> SchemaRef {
        let cell = Field::new("_cell", DataType::Int64, true);
        Arc::new(Schema::new(vec![cell, Field::new("_submission", DataType::Utf8, true)]))
    }

    async fn open(folder: &std::path::Path) -> Arc<Table> {
        let name = TableName::Feed("traffic.speed".parse().unwrap());
        Lake::open(folder).unwrap().table(&name, schema()).await.unwrap()
    }

    async fn land(table: &Table, submission: &str, rows: i64, at: Micros) {
        let mut file = table.new_file(submission, 0);
        let cells: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
        let names: ArrayRef = Arc::new((0..rows).map(|_| Some(submission)).collect::<StringArray>());
        file.write(&RecordBatch::try_new(schema(), vec![cells, names]).unwrap()).await.unwrap();
        let commit = Commit {
            files: vec![file.finish().await.unwrap()],
            sha256: format!("content of {submission}"),
            submission: submission.to_owned(),
            landed_at: at.0,
            ..Commit::default()
        };
        table.commit(&commit).await.unwrap().unwrap();
    }

    async fn rows(table: &Arc<Table>, submission: &str) -> usize {
        let batches: Vec<RecordBatch> = table.rows_of(submission).try_collect().await.unwrap();
        batches.iter().map(RecordBatch::num_rows).sum()
    }

    #[tokio::test]
    async fn a_submission_leaves_whole_whether_its_file_is_its_own_or_merged() {
        let folder = tempfile::tempdir().unwrap();
        let table = open(folder.path()).await;
        for number in 0..64 {
            land(&table, &format!("s{number}"), 10, NOW.plus_seconds(-3_600)).await;
        }
        assert_eq!(table.compact(NOW).await.unwrap().unwrap().files, 64);
        land(&table, "young", 7, NOW).await;
        assert_eq!((rows(&table, "s3").await, rows(&table, "young").await), (10, 7));

        assert_eq!(table.withdraw("young", NOW).await.unwrap(), 7);
        assert_eq!(table.withdraw("s3", NOW).await.unwrap(), 10);
        let state = table.state();
        assert_eq!((state.rows, state.files.len()), (630, 1));
        assert_eq!((rows(&table, "s3").await, rows(&table, "s4").await), (0, 10));
        assert_eq!(state.landing("s3").unwrap().withdrawn_at, Some(NOW.0));
        assert_eq!(table.withdraw("s3", NOW).await.unwrap(), 0, "it is gone already");
        assert_eq!(table.withdraw("nobody", NOW).await.unwrap(), 0);
        assert_eq!(table.state().version, state.version, "nothing to do is no commit");

        let again = open(folder.path()).await;
        assert_eq!((again.state().rows, again.state().withdrawn.len()), (630, 2));
        land(&again, "young", 7, NOW).await;
        assert_eq!(again.state().rows, 637, "what was withdrawn may come again");
    }

    #[tokio::test]
    async fn a_withdrawal_beside_a_merge_takes_what_it_should() {
        let folder = tempfile::tempdir().unwrap();
        let table = open(folder.path()).await;
        for number in 0..64 {
            land(&table, &format!("s{number}"), 10, NOW.plus_seconds(-3_600)).await;
        }
        let (merged, gone) = tokio::join!(table.compact(NOW), table.withdraw("s3", NOW));
        assert_eq!(gone.unwrap(), 10);
        assert!(merged.unwrap().is_none_or(|merged| merged.rows == 640));
        assert_eq!(table.state().rows, 630);
        assert_eq!((rows(&table, "s3").await, rows(&table, "s4").await), (0, 10));
    }
}
