//! The audit log: who did what at the doors, in a hash-chained log of its own beside the journal.
//!
//! Entries wait in a bounded queue and go to disk together. What is recorded is decided where it happens.

use tokio::sync::{mpsc, oneshot};

use super::{Error, Event, Journal, JournalConfig};
use crate::model::{Micros, SubmissionId};

/// Entries that wait for the disk at most.
const QUEUE: usize = 1024;
/// Entries of one write at most.
const BATCH: usize = 256;
/// The longest text of an entry, in characters: some of them come from outside.
const MOST_CHARS: usize = 300;

/// One thing that somebody did, or was not let do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audited {
    /// The subject of the token; empty where nobody was asked; `cityloom` for the city's own hands.
    pub who: String,
    /// The address that they came from; empty for the city's own hands.
    pub from: String,
    /// The kind of deed.
    pub deed: String,
    /// What it was done to: a feed, an order, a path.
    pub on: String,
    /// How it ended.
    pub outcome: String,
    /// The submission that came of it.
    pub submission: Option<SubmissionId>,
}

impl Audited {
    /// Something that the city did by itself.
    pub fn by_city(deed: &str, on: impl Into<String>, outcome: impl Into<String>) -> Self {
        let (deed, on, outcome) = (deed.to_owned(), on.into(), outcome.into());
        Self { who: "cityloom".to_owned(), deed, on, outcome, ..Self::default() }
    }

    fn bounded(mut self) -> Self {
        for text in [&mut self.who, &mut self.from, &mut self.deed, &mut self.on, &mut self.outcome] {
            if let Some((end, _)) = text.char_indices().nth(MOST_CHARS) {
                text.truncate(end);
            }
        }
        self
    }
}

#[derive(Debug)]
enum Request {
    Write { entry: Audited, at: Micros, written: Option<oneshot::Sender<()>> },
    Shut,
}

/// A handle on the audit log; cheap to clone.
#[derive(Debug, Clone)]
pub struct Audit {
    queue: mpsc::Sender<Request>,
}

/// Its writer; whoever wires the program runs it.
#[derive(Debug)]
pub struct AuditWriter {
    /// Away only while a write is under way.
    journal: Option<Journal>,
    queue: mpsc::Receiver<Request>,
}

impl Audit {
    /// Opens the log, which verifies all of it. Blocking.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open(config: JournalConfig, now: Micros) -> Result<(Self, AuditWriter), Error> {
        let (journal, _) = Journal::open(config, now, |_| {})?;
        let (sender, queue) = mpsc::channel(QUEUE);
        Ok((Self { queue: sender }, AuditWriter { journal: Some(journal), queue }))
    }

    /// Records an entry; it is on disk when this returns, unless the log could not be written, which the log of the
    /// program tells.
    pub async fn record(&self, entry: Audited, at: Micros) {
        let (written, answer) = oneshot::channel();
        let request = Request::Write { entry: entry.bounded(), at, written: Some(written) };
        if self.queue.send(request).await.is_ok() {
            // No answer: the write failed and was told, or the program is stopping.
            let _ = answer.await;
        }
    }

    /// Records an entry for which nobody waits.
    pub fn note(&self, entry: Audited, at: Micros) {
        let request = Request::Write { entry: entry.bounded(), at, written: None };
        if let Err(error) = self.queue.try_send(request) {
            metrics::counter!("cityloom_audit_lost_total").increment(1);
            tracing::error!(%error, "an entry of the audit log is lost");
        }
    }

    /// Ends the writer once everything before is on disk.
    pub async fn shut(&self) {
        if self.queue.send(Request::Shut).await.is_err() {
            tracing::debug!("the audit log was shut before");
        }
    }
}

impl AuditWriter {
    /// Writes until [`Audit::shut`] or until every handle is gone.
    pub async fn run(mut self) {
        let mut requests = Vec::with_capacity(BATCH);
        loop {
            requests.clear();
            if self.queue.recv_many(&mut requests, BATCH).await == 0 {
                return;
            }
            let (mut events, mut waiting, mut last, mut shut) = (Vec::new(), Vec::new(), Micros(0), false);
            for request in requests.drain(..) {
                match request {
                    Request::Write { entry, at, written } => {
                        last = last.max(at);
                        events.push(Event::Audited(Box::new(entry)));
                        waiting.extend(written);
                    }
                    Request::Shut => shut = true,
                }
            }
            if let Err(error) = self.append(events, last).await {
                metrics::counter!("cityloom_audit_lost_total").increment(1);
                tracing::error!("the audit log takes no entries: {error}");
                waiting.clear();
            }
            for written in waiting {
                // Who does not wait any more needs no answer.
                let _ = written.send(());
            }
            if shut {
                return;
            }
        }
    }

    async fn append(&mut self, events: Vec<Event>, at: Micros) -> Result<(), Error> {
        let mut journal = self.journal.take().ok_or(Error::Closed)?;
        let write = tokio::task::spawn_blocking(move || {
            let written = journal.append(events, at);
            (journal, written)
        });
        let (journal, written) = write.await.map_err(|_| Error::Closed)?;
        self.journal = Some(journal);
        written.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::journal::{Anchor, verify};

    fn entry(n: usize) -> Audited {
        Audited {
            who: format!("user {n}"),
            deed: "submit".into(),
            on: "x".repeat(1000),
            ..Audited::default()
        }
    }

    #[tokio::test]
    async fn entries_are_on_disk_chained_and_bounded() {
        let folder = TempDir::new().unwrap();
        let (audit, writer) = Audit::open(JournalConfig::at(folder.path()), Micros(1)).unwrap();
        let running = tokio::spawn(writer.run());
        audit.note(entry(0), Micros(2));
        for n in 1..5 {
            audit.record(entry(n), Micros(n as i64 + 2)).await;
        }
        let found = verify(folder.path(), None).unwrap();
        assert_eq!((found.records, found.torn_bytes), (6, 0));
        audit.shut().await;
        running.await.unwrap();

        let mut read = Vec::new();
        let (_, replay) =
            Journal::open(JournalConfig::at(folder.path()), Micros(9), |record| read.push(record)).unwrap();
        assert_eq!(replay.records, 6);
        let Event::Audited(last) = &read[5].event else { panic!("{:?}", read[5]) };
        assert_eq!((last.who.as_str(), last.on.len()), ("user 4", MOST_CHARS));
        let held = Anchor { seq: 6, hash: read[5].hash.to_string() };
        assert!(verify(folder.path(), Some(&held)).is_ok());
    }

    #[tokio::test]
    async fn a_changed_and_a_shortened_log_are_told() {
        let folder = TempDir::new().unwrap();
        let (audit, writer) = Audit::open(JournalConfig::at(folder.path()), Micros(1)).unwrap();
        let running = tokio::spawn(writer.run());
        for n in 0..3 {
            audit.record(entry(n), Micros(2)).await;
        }
        audit.shut().await;
        running.await.unwrap();
        let found = verify(folder.path(), None).unwrap();
        let anchor = Anchor { seq: found.records, hash: found.tip.to_string() };
        let path = folder.path().join("journal-00000000000000000001.ndjson");
        let whole = std::fs::read_to_string(&path).unwrap();

        let shorter: Vec<&str> = whole.split_inclusive('\n').take(3).collect();
        std::fs::write(&path, shorter.concat()).unwrap();
        assert!(verify(folder.path(), None).is_ok(), "an end that was cut off leaves a whole chain");
        let told = verify(folder.path(), Some(&anchor)).unwrap_err().to_string();
        assert!(told.contains("record 4"), "{told}");

        std::fs::write(&path, whole.replace("user 1", "user 7")).unwrap();
        let told = verify(folder.path(), None).unwrap_err().to_string();
        assert!(told.contains(":3:") && told.contains("does not match its hash"), "{told}");
        assert!(verify(&folder.path().join("nowhere"), None).is_err());
    }
}
