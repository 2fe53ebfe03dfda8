//! Live batches: into the log beside the table and into memory at once, into a file with many others behind.
//!
//! A batch is acknowledged when its record in the log is durable; from then on every query sees it. The tail of records in
//! memory lands as one file by one commit, whose transaction says up to which record: a restart passes over those. Where
//! there is no log (it is switched off, another process has it, the table is on no disk of this machine), a live batch is a
//! commit of its own.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::datatypes::{FieldRef, SchemaRef};
use arrow::record_batch::RecordBatch;

use super::columns::in_columns;
use super::log::{FileEntry, LiveRecord, TAIL, TableState};
use super::since::LiveRows;
use super::table::{Commit, Table, note};
use super::wal::{self, Note, Segment, Writer};
use super::writer::bounds_of;
use super::{Error, Written};
use crate::model::Micros;

/// Records that a tail has at most, however small they are.
const MOST_RECORDS: usize = 4_096;

/// How much stays in memory before it lands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tail {
    /// The oldest record's age, seconds; 0: live batches are commits of their own.
    pub age_s: i64,
    /// Bytes of all records.
    pub bytes: usize,
    /// Rows of all records.
    pub rows: u64,
}

/// How large a tail is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TailNow {
    /// Live batches.
    pub records: usize,
    /// Their rows.
    pub rows: u64,
    /// Bytes that they take in memory.
    pub bytes: usize,
    /// When the oldest was taken in; none where there is none.
    pub since: Option<Micros>,
}

/// What a table knows of its log.
#[derive(Debug, Default)]
pub(super) struct Live {
    pub(super) bounds: Tail,
    pub(super) folder: Option<PathBuf>,
    /// Whether this process writes the log.
    owned: AtomicBool,
    waiting: Mutex<Vec<Arc<Ticket>>>,
    log: Mutex<Log>,
    /// One landing of the tail at a time.
    pub(super) landing: tokio::sync::Mutex<()>,
    /// What was there when another process's log was last read.
    read: Mutex<Vec<(PathBuf, u64)>>,
}

#[derive(Debug, Default)]
struct Log {
    writer: Option<Writer>,
    /// Durable, but not yet seen.
    synced: Vec<Synced>,
    /// What failed in the middle: whether its records are there only a restart could tell. Nothing follows them; the next
    /// landing says that they do not count.
    doubt: Option<String>,
}

/// A record, and who waits for it.
type Synced = (Arc<Ticket>, Arc<LiveRecord>);

/// A batch that waits for its record to be durable.
#[derive(Debug)]
struct Ticket {
    landing: serde_json::Value,
    landed_at: i64,
    rows: Option<Written>,
    outcome: Mutex<Option<Result<Arc<TableState>, String>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ticket {
    fn record(&self, sequence: i64) -> LiveRecord {
        let rows = self.rows.as_ref().map(|written| entry(sequence, self.landed_at, written.clone()));
        LiveRecord {
            sequence,
            landed_at: self.landed_at,
            bytes: size(rows.as_deref()) + self.landing.to_string().len(),
            note: self.landing.clone(),
            rows,
            former: None,
        }
    }
}

impl Live {
    pub(super) fn new(bounds: Tail, folder: Option<PathBuf>) -> Self {
        Self { bounds, folder, ..Self::default() }
    }

    /// Whether live batches have somewhere to go but a commit.
    pub(super) fn is_on(&self) -> bool {
        self.bounds.age_s > 0 && self.folder.is_some()
    }

    pub(super) fn is_owned(&self) -> bool {
        self.owned.load(Ordering::Acquire)
    }

    /// Writes the records of all who wait by one sync. Runs to its end even where who asked for it has gone.
    fn write_waiting(&self, table: &str) {
        let mut log = locked(&self.log);
        let waiting = std::mem::take(&mut *locked(&self.waiting));
        let Log { writer: Some(writer), synced, doubt } = &mut *log else {
            return fail(&waiting, "the log is not this process's");
        };
        if let Some(doubt) = doubt {
            return fail(&waiting, doubt);
        }
        let (first, mut bytes, mut taken) = (writer.next, Vec::new(), Vec::new());
        for ticket in waiting {
            let note = Note { table: table.to_owned(), landing: ticket.landing.clone() };
            let rows = ticket.rows.as_ref().and_then(|rows| rows.hot.as_ref());
            match wal::encode(writer.next, &note, rows, &mut bytes) {
                Ok(()) => {
                    taken.push((Arc::clone(&ticket), Arc::new(ticket.record(writer.next))));
                    writer.next += 1;
                }
                Err(error) => fail(&[ticket], &error.to_string()),
            }
        }
        if taken.is_empty() {
            return;
        }
        metrics::counter!("cityloom_live_records_total").increment(taken.len() as u64);
        metrics::counter!("cityloom_live_bytes_total").increment(bytes.len() as u64);
        match writer.append(first, &bytes) {
            Ok(()) => {
                metrics::counter!("cityloom_live_syncs_total").increment(1);
                synced.extend(taken);
            }
            Err(error) => {
                metrics::counter!("cityloom_live_failures_total").increment(1);
                let told = format!("{error}; nothing is taken until what came before has landed");
                taken.iter().for_each(|(ticket, _)| fail(std::slice::from_ref(ticket), &told));
                *doubt = Some(told);
            }
        }
    }
}

fn fail(tickets: &[Arc<Ticket>], why: &str) {
    for ticket in tickets {
        *locked(&ticket.outcome) = Some(Err(why.to_owned()));
    }
}

impl Table {
    /// Puts a live batch into the log and the tail. None where there is no log for it.
    pub(super) async fn append(&self, commit: &Commit) -> Result<Option<Arc<TableState>>, Error> {
        if !self.live.is_on() || !self.owns_log().await? {
            return Ok(None);
        }
        if self.tail_is_full() {
            self.land_tail().await?;
        }
        let ticket = Arc::new(Ticket {
            landing: note(commit),
            landed_at: commit.landed_at,
            rows: commit.files.first().filter(|rows| rows.rows > 0).cloned(),
            outcome: Mutex::default(),
        });
        locked(&self.live.waiting).push(Arc::clone(&ticket));
        // Who comes first writes for all who wait meanwhile.
        let _writer = self.writing.lock().await;
        self.absorb();
        if locked(&ticket.outcome).is_none() {
            let (live, table) = (Arc::clone(&self.live), self.landed().id.clone());
            let written = tokio::task::spawn_blocking(move || live.write_waiting(&table)).await;
            written.map_err(|error| self.live_failed(error.to_string()))?;
            self.absorb();
        }
        let outcome = locked(&ticket.outcome).take();
        match outcome {
            Some(Ok(state)) => Ok(Some(state)),
            Some(Err(why)) => Err(self.live_failed(why)),
            None => Err(self.live_failed("nobody wrote it".into())),
        }
    }

    /// Shows what is durable. Under the writing lock.
    pub(super) fn absorb(&self) {
        let synced = std::mem::take(&mut locked(&self.live.log).synced);
        self.show_synced(synced);
    }

    fn show_synced(&self, synced: Vec<Synced>) {
        if synced.is_empty() {
            return;
        }
        let records: Vec<Arc<LiveRecord>> = synced.iter().map(|(_, record)| Arc::clone(record)).collect();
        let state = self.show(self.state().plus(&records));
        for (ticket, _) in synced {
            *locked(&ticket.outcome) = Some(Ok(Arc::clone(&state)));
        }
    }

    /// How large the tail is.
    pub fn tail_now(&self) -> TailNow {
        let state = self.state();
        TailNow {
            records: state.tail.len(),
            rows: state.tail.iter().filter_map(|record| record.rows.as_ref()).map(|rows| rows.rows).sum(),
            bytes: state.tail.iter().map(|record| record.bytes).sum(),
            since: state.tail.first().map(|record| Micros(record.landed_at)),
        }
    }

    fn tail_is_full(&self) -> bool {
        let (now, bounds) = (self.tail_now(), self.live.bounds);
        now.rows >= bounds.rows || now.bytes >= bounds.bytes || now.records >= MOST_RECORDS
    }

    /// Whether the log waits for a landing before it takes more.
    pub(super) fn log_in_doubt(&self) -> bool {
        locked(&self.live.log).doubt.is_some()
    }

    /// Whether this process writes the log, and takes it where nobody does.
    pub(super) async fn owns_log(&self) -> Result<bool, Error> {
        if self.live.is_owned() {
            return Ok(true);
        }
        let _writer = self.writing.lock().await;
        let Some(folder) = self.live.folder.clone().filter(|_| !self.live.is_owned()) else {
            return Ok(self.live.is_owned());
        };
        let taking = tokio::task::spawn_blocking(move || {
            let Some(writer) = Writer::lock(&folder)? else { return Ok(None) };
            Ok(Some((writer, wal::read(&folder, true)?)))
        });
        let Some((mut writer, segments)) = self.blocking(taking).await? else { return Ok(false) };
        self.replay().await?;
        self.take_tail(&segments)?;
        writer.follow(&segments, self.state().live + 1);
        locked(&self.live.log).writer = Some(writer);
        self.live.owned.store(true, Ordering::Release);
        Ok(true)
    }

    /// The log of another process, where it says anything new. To be read before the table's own: what leaves it is there.
    pub(super) async fn read_log(&self) -> Result<Option<Vec<Segment>>, Error> {
        let Some(folder) = self.live.folder.clone().filter(|_| !self.live.is_owned()) else {
            return Ok(None);
        };
        let before = locked(&self.live.read).clone();
        let reading = tokio::task::spawn_blocking(move || {
            let sizes = wal::sizes(&folder)?;
            if sizes == before {
                return Ok(None);
            }
            Ok(Some((wal::read(&folder, false)?, sizes)))
        });
        let Some((segments, sizes)) = self.blocking(reading).await? else { return Ok(None) };
        *locked(&self.live.read) = sizes;
        Ok(Some(segments))
    }

    /// Shows the records that have not landed. Under the writing lock, or before anybody has the table.
    pub(super) fn take_tail(&self, segments: &[Segment]) -> Result<(), Error> {
        let landed = self.landed();
        let (mut tail, mut last, mut sound) = (Vec::new(), landed.live, true);
        let mut recovered = landed.live;
        for segment in segments {
            let (path, bytes) = (segment.path.display(), segment.cut);
            if segment.records.iter().any(|record| record.note.table != landed.id) {
                tracing::warn!(table.name = %self.name(), log.path = %path, "a log of another table is passed over");
                continue;
            }
            if bytes > 0 {
                tracing::info!(table.name = %self.name(), log.path = %path, bytes, "a log ends in the middle of a record, which nobody was told of");
            }
            if segment.first > last + 1 && sound {
                sound = false;
                tracing::error!(
                    table.name = %self.name(), log.path = %path, from = last + 1, before = segment.first,
                    "the log of live batches is damaged: the records from that number to before the other are lost; what came after them is taken"
                );
            }
            for record in &segment.records {
                last = last.max(record.sequence);
                if record.sequence <= landed.live {
                    continue;
                }
                tail.push(Arc::new(self.recovered(record)?));
            }
            if sound {
                recovered = last;
            }
        }
        self.show(TableState { recovered, ..landed.plus(&tail) });
        Ok(())
    }

    fn recovered(&self, record: &wal::Record) -> Result<LiveRecord, Error> {
        let landed_at = record.note.landing.get("landed_at").and_then(serde_json::Value::as_i64).unwrap_or(0);
        let (mut rows, mut former) = (None, None);
        if let Some(told) = &record.rows {
            let conformed = conform(told.clone(), self.schema()).map_err(|why| self.live_failed(why))?;
            let has = |field: &FieldRef| self.schema().column_with_name(field.name()).is_some();
            former = Some(told.clone()).filter(|told| !told.schema().fields().iter().all(has));
            rows = Some(entry(record.sequence, landed_at, bounds_of(conformed)));
        }
        let held = former.as_ref().map_or(0, RecordBatch::get_array_memory_size);
        let bytes = size(rows.as_deref()) + held + record.note.landing.to_string().len();
        let note = record.note.landing.clone();
        Ok(LiveRecord { sequence: record.sequence, landed_at, bytes, note, rows, former })
    }

    async fn blocking<T>(&self, work: tokio::task::JoinHandle<std::io::Result<T>>) -> Result<T, Error> {
        let done = work.await.map_err(std::io::Error::from).and_then(|done| done);
        done.map_err(|error| self.live_failed(error.to_string()))
    }

    pub(super) fn live_failed(&self, why: String) -> Error {
        Error::Live { table: self.name().clone(), why }
    }

    /// Ends the segment that is being written and shows all that is in it: what lands now is in it and those before. With
    /// the number up to which the landing counts. None where the log is another's. Under the writing lock.
    pub(super) fn rotate(&self) -> Option<(Vec<PathBuf>, i64)> {
        let (synced, segments, upto) = {
            let mut log = locked(&self.live.log);
            let synced = std::mem::take(&mut log.synced);
            let writer = log.writer.as_mut()?;
            (synced, writer.rotate(), writer.next - 1)
        };
        self.show_synced(synced);
        Some((segments, upto))
    }

    /// Those segments hold nothing that has not landed.
    pub(super) async fn drop_segments(&self, segments: Vec<PathBuf>) {
        {
            let mut log = locked(&self.live.log);
            log.doubt = None;
            if let Some(writer) = &mut log.writer {
                writer.forget(&segments);
            }
        }
        if !segments.is_empty() {
            // Deleting is no matter of truth: who reads them passes over what has landed.
            let _done = tokio::task::spawn_blocking(move || wal::delete(&segments)).await;
        }
    }
}

/// The rows of a live record, as if they were a file.
fn entry(sequence: i64, landed_at: i64, rows: Written) -> Arc<FileEntry> {
    Arc::new(FileEntry {
        path: format!("{TAIL}{sequence}"),
        size: 0,
        rows: rows.rows,
        modified_ms: landed_at / 1_000,
        event_time: rows.event_time,
        cell: rows.cell,
        versions: None,
        live: LiveRows::of(vec![(sequence, rows.rows)]),
        hot: rows.hot,
    })
}

fn size(rows: Option<&FileEntry>) -> usize {
    rows.and_then(|rows| rows.hot.as_ref()).map_or(0, RecordBatch::get_array_memory_size)
}

/// Rows with the table's columns: a column that came with a later contract is null.
fn conform(rows: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, String> {
    for field in schema.fields() {
        if let Some(column) = rows.column_by_name(field.name())
            && column.data_type() != field.data_type()
        {
            return Err(format!(
                "column `{}` is {} in the log of live batches and {} in the contract; give the changed column a new name, or \
                 start once with the contract from before: what is in the log lands when the city ends",
                field.name(),
                column.data_type(),
                field.data_type()
            ));
        }
    }
    in_columns(rows, schema).map_err(|error| error.to_string())
}

impl Commit {
    /// Whether it is a batch of a live source, whose rows are in memory: nobody will send its content again.
    pub(super) fn is_live(&self) -> bool {
        self.sha256.is_empty()
            && self.files.len() <= 1
            && self.files.iter().all(|file| file.held)
            && (self.cursor.is_some() || !self.files.is_empty())
    }
}

#[cfg(test)]
#[path = "live_tests.rs"]
pub(super) mod tests;
