//! Gives a table in the lake the columns that its contract has gained; rows from before them are null there.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef, Schema};
use deltalake_core::DeltaTable;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoArrow as _;
use deltalake_core::kernel::transaction::CommitData;
use deltalake_core::kernel::{Action, MetadataExt as _, StructField, StructType};
use deltalake_core::protocol::DeltaOperation;

use super::table::{Table, kernel_schema};
use super::{Error, FileWriter};

impl Table {
    /// Adds the columns that the log does not have yet. Those that the contract no longer has stay in it.
    pub(super) async fn grow(&self) -> Result<(), Error> {
        loop {
            let state = self.landed();
            let Some(landed) = &state.columns else { return Ok(()) };
            let wanted = kernel_schema(self.schema()).map_err(|error| self.failed(error))?;
            let new: Vec<StructField> =
                wanted.fields().filter(|field| landed.field(field.name()).is_none()).cloned().collect();
            if new.is_empty() {
                return Ok(());
            }
            let names: Vec<&str> = new.iter().map(|field| field.name().as_str()).collect();
            tracing::info!(table.name = %self.name(), columns = names.join(", "), "the table gains columns");
            let all = StructType::try_new(landed.fields().chain(&new).cloned());
            let all = all.map_err(|error| self.failed(error.into()))?;
            let mut table = DeltaTable::new(Arc::clone(self.log()));
            table.load_version(state.version).await.map_err(|error| self.failed(error))?;
            let snapshot = table.snapshot().map_err(|error| self.failed(error))?;
            // All else that the table says of itself stays as it is.
            let metadata = snapshot.metadata().clone().with_schema(&all);
            let metadata = metadata.map_err(|error| self.failed(error.into()))?;
            let operation = DeltaOperation::AddColumn { fields: new };
            let data =
                CommitData::new(vec![Action::Metadata(metadata)], operation, HashMap::new(), Vec::new());
            // Another process may have added others at this moment: what is missing then is looked for anew.
            self.replace(|now| now.columns == state.columns, data).await?;
        }
    }

    /// Begins a file for rows of before: it has the columns that the contract has no longer, too, so that nothing that
    /// landed is lost where rows are written anew.
    pub(super) fn new_file_of_all(&self, name: &str) -> Result<FileWriter, Error> {
        let mut fields: Vec<FieldRef> = self.schema().fields().to_vec();
        if let Some(landed) = &self.landed().columns {
            let gone = landed.fields().filter(|field| self.schema().column_with_name(field.name()).is_none());
            for field in gone {
                let field: Field = field.try_into_arrow().map_err(|error| self.file_failed(error.into()))?;
                fields.push(Arc::new(field));
            }
        }
        let schema = Arc::new(Schema::new(fields));
        Ok(FileWriter::new(self.name().clone(), self.store(), format!("{name}-0.parquet"), schema))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
    use arrow::datatypes::{DataType, SchemaRef};
    use futures::TryStreamExt as _;

    use super::super::columns::in_columns;
    use super::*;
    use crate::lake::{Commit, Lake, TableName, Tending};
    use crate::model::Micros;

    const NOW: Micros = Micros(1_772_352_000_000_000);

    fn schema(columns: &[&str]) -> SchemaRef {
        let field = |name: &&str| match *name {
            "_cell" => Field::new("_cell", DataType::Int64, true),
            name => Field::new(name, DataType::Utf8, true),
        };
        Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
    }

    fn name() -> TableName {
        TableName::Feed("traffic.speed".parse().unwrap())
    }

    async fn open(folder: &std::path::Path, columns: &[&str]) -> Arc<Table> {
        Lake::open(folder).unwrap().table(&name(), schema(columns)).await.unwrap()
    }

    async fn land(table: &Arc<Table>, submission: &str) {
        let columns = table.schema().fields().iter().map(|field| match field.name().as_str() {
            "_cell" => Arc::new(Int64Array::from(vec![7, 8])) as ArrayRef,
            "_submission" => Arc::new(StringArray::from(vec![submission, submission])),
            name => Arc::new(StringArray::from(vec![name, submission])),
        });
        let batch = RecordBatch::try_new(Arc::clone(table.schema()), columns.collect()).unwrap();
        let mut file = table.new_file(submission, 0);
        file.write(&batch).await.unwrap();
        let files = vec![file.finish().await.unwrap()];
        let (sha256, submission) = (submission.to_owned(), submission.to_owned());
        let landed_at = NOW.plus_seconds(-3_600).0;
        let commit = Commit { files, sha256, submission, landed_at, ..Commit::default() };
        table.commit(&commit).await.unwrap().unwrap();
    }

    /// Each row's value in a column, those of each file together.
    async fn values(table: &Table, column: &str) -> Vec<Option<String>> {
        let mut values = Vec::new();
        for file in &table.state().files {
            let mut batches = table.read_file(&file.path, None).await.unwrap();
            while let Some(batch) = batches.try_next().await.unwrap() {
                let batch = in_columns(batch, &schema(&["_cell", "_submission", "old", "new"])).unwrap();
                let column = batch[column].as_any().downcast_ref::<StringArray>().unwrap().clone();
                values.extend(column.iter().map(|value| value.map(str::to_owned)));
            }
        }
        values.sort();
        values
    }

    #[tokio::test]
    async fn a_table_gains_columns_and_keeps_its_rows_through_restarts_merges_and_withdrawals() {
        let folder = tempfile::tempdir().unwrap();
        let first = ["_cell", "_submission", "old"];
        land(&open(folder.path(), &first).await, "a").await;
        let grown = ["_cell", "_submission", "old", "new"];
        let table = open(folder.path(), &grown).await;
        let version = table.state().version;
        land(&table, "b").await;
        assert_eq!(values(&table, "new").await, [None, None, Some("b".into()), Some("new".into())]);
        // A second opening has nothing to add, and one by the earlier contract goes on.
        assert_eq!(open(folder.path(), &grown).await.state().version, version + 1);
        land(&open(folder.path(), &first).await, "c").await;

        let table = open(folder.path(), &grown).await;
        table.write_down(0).await.unwrap();
        let tending = Tending { settled_s: 60, fewest: 2, commits: 1 };
        let done = table.compact_as(NOW, tending).await.unwrap().unwrap();
        assert_eq!((done.files, done.rows), (3, 6));
        let table = open(folder.path(), &grown).await;
        assert_eq!(
            values(&table, "new").await,
            [None, None, None, None, Some("b".into()), Some("new".into())]
        );
        table.withdraw("b", NOW).await.unwrap();
        assert_eq!(values(&table, "new").await, [None, None, None, None]);
        assert_eq!(values(&table, "old").await.len(), 4);
    }

    #[tokio::test]
    async fn two_processes_with_different_contracts_keep_each_others_columns() {
        for _ in 0..10 {
            let folder = tempfile::tempdir().unwrap();
            open(folder.path(), &["_cell", "_submission"]).await;
            let (mine, yours) = (["_cell", "_submission", "old"], ["_cell", "_submission", "new"]);
            tokio::join!(open(folder.path(), &mine), open(folder.path(), &yours));
            let columns = open(folder.path(), &["_cell"]).await.landed().columns.clone().unwrap();
            let mut names: Vec<&str> = columns.fields().map(|field| field.name().as_str()).collect();
            names.sort_unstable();
            assert_eq!(names, ["_cell", "_submission", "new", "old"]);
        }
    }

    #[tokio::test]
    async fn a_withdrawal_from_a_file_of_before_keeps_its_other_rows() {
        let folder = tempfile::tempdir().unwrap();
        let table = open(folder.path(), &["_cell", "_submission"]).await;
        land(&table, "a").await;
        land(&table, "b").await;
        let tending = Tending { settled_s: 60, fewest: 2, commits: 1 };
        table.compact_as(NOW, tending).await.unwrap().unwrap();
        let table = open(folder.path(), &["_cell", "_submission", "new"]).await;
        table.withdraw("a", NOW).await.unwrap();
        assert_eq!(values(&table, "new").await, [None, None]);
    }

    #[tokio::test]
    async fn what_a_contract_has_no_longer_stays_where_rows_are_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let table = open(folder.path(), &["_cell", "_submission", "old"]).await;
        land(&table, "a").await;
        land(&table, "b").await;
        let table = open(folder.path(), &["_cell", "_submission", "new"]).await;
        land(&table, "c").await;
        let tending = Tending { settled_s: 60, fewest: 2, commits: 1 };
        assert_eq!(table.compact_as(NOW, tending).await.unwrap().unwrap().rows, 6);
        table.withdraw("a", NOW).await.unwrap();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(values(&table, "old").await, [None, None, some("b"), some("old")]);
        assert_eq!(values(&table, "new").await, [None, None, some("c"), some("new")]);
    }

    #[tokio::test]
    async fn a_column_of_another_type_is_refused_with_a_way_on() {
        let folder = tempfile::tempdir().unwrap();
        land(&open(folder.path(), &["_cell", "_submission"]).await, "a").await;
        let other = Arc::new(Schema::new(vec![Field::new("_submission", DataType::Int64, true)]));
        let refused = Lake::open(folder.path()).unwrap().table(&name(), other).await.unwrap_err().to_string();
        assert!(
            refused.contains("column `_submission` is string in the lake and long in the contract"),
            "{refused}"
        );
        assert!(refused.contains("give the changed column a new name"), "{refused}");
    }
}
