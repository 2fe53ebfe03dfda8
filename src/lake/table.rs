//! One Delta table: its state in memory, its next commit, and catching up with what other processes committed.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use deltalake_core::DeltaTableError;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::transaction::{CommitData, TransactionError};
use deltalake_core::kernel::{Action, Add, StructField, StructType, Transaction};
use deltalake_core::logstore::{CommitOrBytes, LogStoreRef, get_actions};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::table::config::TableProperty;
use futures::StreamExt as _;
use object_store::{ObjectStore, ObjectStoreExt as _};
#[expect(deprecated, reason = "its successor is an example to copy, not yet a type to use")]
use parquet::arrow::async_reader::ParquetObjectReader;
use parquet::arrow::async_reader::ParquetRecordBatchStream;
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use serde_json::{Value, json};
use url::Url;

use super::live::{Live, Tail};
use super::log::{COMMIT_KEY, Cursor, TableState};
use super::writer::{FileWriter, Written};
use super::{Error, TableName};

/// Bytes of young rows that a table keeps in memory.
const HOT_BYTES: usize = 128 << 20;
/// Entries of the log stay for an hour; who has not looked for half of it goes back to what is written down.
const LONGEST_SLEEP: Duration = Duration::from_mins(30);

/// A file's rows, batch by batch.
#[expect(deprecated, reason = "as above")]
pub type ParquetBatches = ParquetRecordBatchStream<ParquetObjectReader>;

/// A Delta table.
#[derive(Debug)]
pub struct Table {
    name: TableName,
    url: Url,
    schema: SchemaRef,
    pub(super) log: LogStoreRef,
    state: RwLock<Views>,
    /// Held from reading the state to the commit: one writer a table in this process.
    pub(super) writing: tokio::sync::Mutex<()>,
    pub(super) live: Arc<Live>,
    /// When the state was last at the log's end: who has slept too long cannot tell a missing entry from the end.
    pub(super) synced: Mutex<Option<Instant>>,
}

/// A table as its log has it, and as queries see it: with the live batches that are in no file yet.
#[derive(Debug, Default)]
struct Views {
    landed: Arc<TableState>,
    seen: Arc<TableState>,
}

/// What becomes visible at once.
#[derive(Debug, Default, Clone)]
pub struct Commit {
    /// New, durable files.
    pub files: Vec<Written>,
    /// SHA-256 of the submission's bytes; empty where there is none to recognise again.
    pub sha256: String,
    /// The submission.
    pub submission: String,
    /// When, microseconds.
    pub landed_at: i64,
    /// Where the source of the rows stands once they are in; none where nobody asks it again.
    pub cursor: Option<Cursor>,
    /// The receipt, kept in the log so that the same file gets the same answer for ever.
    pub receipt: Value,
}

impl Table {
    /// The table of that log, which is at `url`.
    pub(super) async fn open(
        name: TableName,
        url: Url,
        schema: SchemaRef,
        log: LogStoreRef,
    ) -> Result<Self, Error> {
        let broken = |source: DeltaTableError| Error::Log { table: name.clone(), source: Box::new(source) };
        let table = Self {
            name: name.clone(),
            url,
            schema,
            log,
            state: RwLock::default(),
            writing: tokio::sync::Mutex::default(),
            live: Arc::default(),
            synced: Mutex::default(),
        };
        if table.is_new().await? {
            create(&table.log, &table.name, &table.schema).await.map_err(broken)?;
        }
        table.replay().await?;
        table.grow().await?;
        Ok(table)
    }

    /// The same with a tail of live batches within those bounds, and with what a former process left in its log.
    pub(super) async fn with_tail(mut self, bounds: Tail) -> Result<Self, Error> {
        let folder = self.url.to_file_path().ok().map(|folder| folder.join("_live"));
        self.live = Arc::new(Live::new(bounds, folder));
        self.catch_up().await?;
        Ok(self)
    }

    /// The table's name.
    pub fn name(&self) -> &TableName {
        &self.name
    }

    /// The columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Where it is; the URL ends in a slash.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The state now; it never changes under its holder.
    pub fn state(&self) -> Arc<TableState> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner).seen)
    }

    /// The state without live batches that are in no file yet.
    pub(super) fn landed(&self) -> Arc<TableState> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner).landed)
    }

    /// The store, rooted at the table's folder.
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        self.log.object_store(None)
    }

    /// The store, rooted where the path of its URL begins.
    pub fn root_store(&self) -> Arc<dyn ObjectStore> {
        self.log.root_object_store(None)
    }

    pub(super) fn log(&self) -> &LogStoreRef {
        &self.log
    }

    /// Begins a file with a name that nobody else will choose.
    pub fn new_file(&self, submission: &str, number: usize) -> FileWriter {
        let path = format!("{submission}-{number}.parquet");
        FileWriter::new(self.name.clone(), self.store(), path, Arc::clone(&self.schema))
    }

    /// Begins the rows of a live batch: they stay in memory for the commit to put into the log, unless they are too many.
    pub fn new_rows(&self, submission: &str, number: usize) -> FileWriter {
        let file = self.new_file(submission, number);
        if self.live.is_on() { file.held_within(self.live.bounds) } else { file }
    }

    /// Removes files that were written for a commit that will not come.
    pub async fn discard(&self, files: &[Written]) {
        for file in files.iter().filter(|file| !file.held) {
            if let Err(error) = self.store().delete(&file.path.as_str().into()).await {
                tracing::warn!(table.name = %self.name, file.path = file.path, %error, "orphan file left behind");
            }
        }
    }

    /// Commits; a live batch by a record of its log. The answer is the state that holds the rows, or the earlier landing of
    /// the same content.
    ///
    /// # Errors
    /// Where the log cannot be written; nothing is visible then.
    pub async fn commit(&self, commit: &Commit) -> Result<Result<Arc<TableState>, super::Landing>, Error> {
        if commit.is_live()
            && let Some(state) = self.append(commit).await?
        {
            return Ok(Ok(state));
        }
        if commit.cursor.is_some() {
            // Else an older cursor in the tail would land after this one.
            self.land_tail().await?;
        }
        let commit = &self.stored(commit).await?;
        let _writer = self.writing.lock().await;
        self.wake().await?;
        loop {
            let state = self.landed();
            if let Some(earlier) = state.landings.get(&commit.sha256) {
                return Ok(Err(earlier.clone()));
            }
            let actions = actions(commit, &self.name, state.lsn + 1);
            let bytes = actions.get_bytes().map_err(|error| self.failed(error.into()))?;
            let version = state.version + 1;
            match self
                .log
                .write_commit_entry(version, CommitOrBytes::LogBytes(bytes), uuid::Uuid::new_v4())
                .await
            {
                Ok(()) => {
                    let hot =
                        commit.files.iter().filter_map(|f| Some((f.path.clone(), f.hot.clone()?))).collect();
                    return Ok(Ok(self.advance(&state, version, &actions.actions, &hot)));
                }
                // Another process, or this commit itself whose answer was lost: the log tells which.
                Err(TransactionError::VersionAlreadyExists(_)) => {
                    self.replay().await?;
                    if self.has_any(commit.files.iter().map(|file| file.path.as_str())) {
                        return Ok(Ok(self.state()));
                    }
                }
                // It may be there although the store says that it failed: a live source would bring its rows again.
                Err(error) => {
                    let seen = self.replay().await;
                    if seen.is_ok() && self.has_any(commit.files.iter().map(|file| file.path.as_str())) {
                        return Ok(Ok(self.state()));
                    }
                    return Err(self.failed(error.into()));
                }
            }
        }
    }

    /// The commit with all its rows in files.
    async fn stored(&self, commit: &Commit) -> Result<Commit, Error> {
        let mut stored = commit.clone();
        for file in stored.files.iter_mut().filter(|file| file.held) {
            let mut writer =
                FileWriter::new(self.name.clone(), self.store(), file.path.clone(), Arc::clone(&self.schema));
            if let Some(rows) = &file.hot {
                writer.write(rows).await?;
            }
            *file = writer.finish().await?;
        }
        Ok(stored)
    }

    /// Commits an exchange of files for others, or of what the table says of itself. False, and nothing committed, where
    /// the table has become one for which `holds` is false: another process was first.
    pub(super) async fn replace(
        &self,
        holds: impl Fn(&TableState) -> bool,
        data: CommitData,
    ) -> Result<bool, Error> {
        let _writer = self.writing.lock().await;
        let bytes = data.get_bytes().map_err(|error| self.failed(error.into()))?;
        self.wake().await?;
        loop {
            let state = self.landed();
            if !holds(&state) {
                return Ok(false);
            }
            let version = state.version + 1;
            let entry = CommitOrBytes::LogBytes(bytes.clone());
            match self.log.write_commit_entry(version, entry, uuid::Uuid::new_v4()).await {
                Ok(()) => {
                    self.advance(&state, version, &data.actions, &HashMap::new());
                    return Ok(true);
                }
                // Another commit, or this one whose answer was lost: the log tells which.
                Err(TransactionError::VersionAlreadyExists(_)) => {
                    self.replay().await?;
                    if self.has_any(added(&data)) {
                        return Ok(true);
                    }
                }
                Err(error) => {
                    let seen = self.replay().await;
                    if seen.is_ok() && self.has_any(added(&data)) {
                        return Ok(true);
                    }
                    return Err(self.failed(error.into()));
                }
            }
        }
    }

    /// Whether one of those files is live.
    pub(super) fn has_any<'a>(&self, paths: impl Iterator<Item = &'a str>) -> bool {
        let paths: HashSet<&str> = paths.collect();
        self.state().files.iter().any(|file| paths.contains(file.path.as_str()))
    }

    /// The rows of one file, as a stream of batches of those columns.
    ///
    /// # Errors
    /// Where the file cannot be opened.
    pub async fn read_file(&self, path: &str, columns: Option<&[&str]>) -> Result<ParquetBatches, Error> {
        let store = self.store();
        let place = object_store::path::Path::from(path);
        let meta = store.head(&place).await.map_err(|source| self.failed(source.into()))?;
        // The head's own location counts from the disk's root, the store's from the table's folder.
        #[expect(deprecated, reason = "its successor is an example to copy, not yet a type to use")]
        let reader = ParquetObjectReader::new(store, place).with_file_size(meta.size);
        let builder =
            ParquetRecordBatchStreamBuilder::new(reader).await.map_err(|source| self.file_failed(source))?;
        let mask = match columns {
            Some(names) => ProjectionMask::columns(builder.parquet_schema(), names.iter().copied()),
            None => ProjectionMask::all(),
        };
        builder.with_projection(mask).build().map_err(|source| self.file_failed(source))
    }

    /// Reads the commits that other processes made. True where there were any.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub async fn catch_up(&self) -> Result<bool, Error> {
        let _writer = self.writing.lock().await;
        let before = self.state().position();
        self.absorb();
        let log = self.read_log().await?;
        self.replay().await?;
        if let Some(segments) = log {
            self.take_tail(&segments)?;
        }
        Ok(self.state().position() != before)
    }

    /// Whether there is no such table yet.
    async fn is_new(&self) -> Result<bool, Error> {
        let first = self.log.read_commit_entry(0).await.map_err(|error| self.failed(error))?;
        if first.is_some() {
            return Ok(false);
        }
        let log = object_store::path::Path::from("_delta_log");
        let any = self.store().list(Some(&log)).next().await;
        Ok(any.transpose().map_err(|source| self.failed(source.into()))?.is_none())
    }

    /// Catches up where the log may have been cleaned up beyond what is known of it.
    pub(super) async fn wake(&self) -> Result<(), Error> {
        if self.has_slept() { self.replay().await } else { Ok(()) }
    }

    fn has_slept(&self) -> bool {
        let synced = *self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        synced.is_none_or(|at| at.elapsed() > LONGEST_SLEEP)
    }

    /// Reads on from the state's version to the log's end.
    pub(super) async fn replay(&self) -> Result<(), Error> {
        let began = Instant::now();
        let mut state = self.landed();
        if self.has_slept()
            && let Some(memory) = self.recall().await?
            && (state.id.is_empty() || memory.version > state.version)
        {
            state = Arc::new(memory);
        }
        let mut next = if state.id.is_empty() { 0 } else { state.version + 1 };
        let none = HashMap::new();
        while let Some(bytes) = self.log.read_commit_entry(next).await.map_err(|error| self.failed(error))? {
            let actions = get_actions(next, &bytes).map_err(|error| self.failed(error))?;
            state = Arc::new(state.after(next, &actions, &none));
            next += 1;
        }
        if state.id.is_empty() {
            return Err(Error::MemoryLost { table: self.name.clone() });
        }
        self.fits(&state)?;
        self.land_state(state);
        *self.synced.lock().unwrap_or_else(PoisonError::into_inner) = Some(began);
        Ok(())
    }

    /// The log has come so far: live batches that have landed leave the tail in the same moment.
    fn land_state(&self, landed: Arc<TableState>) -> Arc<TableState> {
        let mut views = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let mut tail = views.seen.tail.clone();
        tail.retain(|record| record.sequence > landed.live);
        let recovered = views.seen.recovered;
        let seen = Arc::new(TableState { recovered, ..landed.plus(&tail) });
        *views = Views { landed, seen: Arc::clone(&seen) };
        seen
    }

    /// Queries see this from now on; the log is where it was.
    pub(super) fn show(&self, seen: TableState) -> Arc<TableState> {
        let seen = Arc::new(seen);
        self.state.write().unwrap_or_else(PoisonError::into_inner).seen = Arc::clone(&seen);
        seen
    }

    pub(super) fn advance(
        &self,
        state: &TableState,
        version: u64,
        actions: &[Action],
        hot: &HashMap<String, RecordBatch>,
    ) -> Arc<TableState> {
        let mut next = state.after(version, actions, hot);
        next.cool(HOT_BYTES);
        *self.synced.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.land_state(Arc::new(next))
    }

    /// Refuses a table whose columns are of other types than the contract's.
    fn fits(&self, state: &TableState) -> Result<(), Error> {
        let Some(landed) = &state.columns else { return Ok(()) };
        let wanted: StructType = kernel_schema(&self.schema).map_err(|error| self.failed(error))?;
        for field in wanted.fields() {
            // What the log does not have yet, the table gains when it is opened.
            let Some(in_lake) = landed.field(field.name()) else { continue };
            let in_lake = in_lake.data_type().to_string();
            if in_lake != field.data_type().to_string() {
                return Err(Error::SchemaChanged {
                    table: self.name.clone(),
                    column: field.name().clone(),
                    landed: in_lake,
                    wanted: field.data_type().to_string(),
                });
            }
        }
        Ok(())
    }

    pub(super) fn failed(&self, source: DeltaTableError) -> Error {
        Error::Log { table: self.name.clone(), source: Box::new(source) }
    }

    pub(super) fn file_failed(&self, source: parquet::errors::ParquetError) -> Error {
        Error::File { table: self.name.clone(), source }
    }
}

fn added(data: &CommitData) -> impl Iterator<Item = &str> {
    data.actions.iter().filter_map(|action| match action {
        Action::Add(add) => Some(add.path.as_str()),
        _ => None,
    })
}

pub(super) fn kernel_schema(schema: &SchemaRef) -> Result<StructType, DeltaTableError> {
    schema.as_ref().try_into_kernel().map_err(DeltaTableError::from)
}

async fn create(log: &LogStoreRef, name: &TableName, schema: &SchemaRef) -> Result<(), DeltaTableError> {
    let columns: Vec<StructField> = kernel_schema(schema)?.fields().cloned().collect();
    let made = CreateBuilder::new()
        .with_log_store(Arc::clone(log))
        .with_table_name(name.to_string())
        .with_columns(columns)
        .with_configuration_property(TableProperty::LogRetentionDuration, Some("interval 1 hours"))
        .with_configuration_property(TableProperty::DeletedFileRetentionDuration, Some("interval 2 hours"))
        .with_save_mode(SaveMode::ErrorIfExists)
        .await;
    match made {
        Ok(_) => Ok(()),
        // Another process made it in this very moment; reading on will show its columns.
        Err(_) if log.read_commit_entry(0).await?.is_some() => Ok(()),
        Err(error) => Err(error),
    }
}

fn actions(commit: &Commit, table: &TableName, lsn: i64) -> CommitData {
    let adds = commit.files.iter().map(|file| Action::Add(add(file, commit.landed_at))).collect();
    let operation = DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None };
    let info = HashMap::from([(COMMIT_KEY.to_owned(), note(commit))]);
    CommitData::new(adds, operation, info, vec![Transaction::new(format!("cityloom/{table}"), lsn)])
}

/// What the log says of a landing.
pub(super) fn note(commit: &Commit) -> Value {
    json!({
        "sha256": commit.sha256,
        "submission": commit.submission,
        "landed_at": commit.landed_at,
        "receipt": commit.receipt,
        "cursor": commit.cursor.as_ref().map(Cursor::write),
    })
}

pub(super) fn add(file: &Written, at: i64) -> Add {
    let instant = |micros: i64| crate::model::Micros(micros).to_rfc3339();
    let mut least = serde_json::Map::new();
    let mut most = serde_json::Map::new();
    if let Some((low, high)) = file.event_time {
        least.insert("_event_time".into(), instant(low).into());
        most.insert("_event_time".into(), instant(high).into());
    }
    if let Some((low, high)) = file.cell {
        least.insert("_cell".into(), low.into());
        most.insert("_cell".into(), high.into());
    }
    let stats = json!({ "numRecords": file.rows, "minValues": least, "maxValues": most, "nullCount": {} });
    Add {
        path: file.path.clone(),
        size: i64::try_from(file.size).unwrap_or(i64::MAX),
        modification_time: at / 1_000,
        data_change: true,
        stats: Some(stats.to_string()),
        ..Add::default()
    }
}

#[cfg(test)]
#[path = "faulty_tests.rs"]
mod faulty_tests;
