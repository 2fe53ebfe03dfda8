//! The desk: what the rest of the program asks of alerts and orders. Its writer (`writer`) alone changes anything.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{mpsc, oneshot};

use super::writer::{Request, Writer};
use super::{AlertView, Book, Error, Heads, Journal, JournalConfig, OrderView, Record, scan};
use crate::alert::{Condition, Rules};
use crate::dispatch::{Command, DutyList};
use crate::model::{Micros, OrderId, QueryName};

/// Requests that wait for the writer at most.
const QUEUE: usize = 256;

/// Where the desk writes and how much it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeskConfig {
    /// The journal.
    pub journal: JournalConfig,
    /// How many of the newest records stay in memory for screens that resume.
    pub tail: usize,
    /// How many of the newest ended orders stay in memory.
    pub keep_ended: usize,
    /// How rows become alerts.
    pub rules: Rules,
}

impl DeskConfig {
    /// A desk over the journal in `dir`: 4,096 records and 2,000 ended orders held, plain rules.
    pub fn at(dir: impl Into<std::path::PathBuf>) -> Self {
        Self { journal: JournalConfig::at(dir), tail: 4096, keep_ended: 2000, rules: Rules::PLAIN }
    }
}

/// What came of one refresh, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Alerts raised.
    pub raised: usize,
    /// Alerts updated.
    pub updated: usize,
    /// Alerts cleared.
    pub cleared: usize,
    /// Orders dispatched.
    pub ordered: usize,
    /// Orders cancelled because their condition went away.
    pub cancelled: usize,
    /// Rows whose key came before.
    pub duplicates: usize,
    /// Rows beyond the bound of open alerts.
    pub overflow: usize,
    /// Alerts of this call for which nobody is on duty: open, and without an order.
    pub undelivered: usize,
}

/// Everything that holds at one point of the sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct Cut<T> {
    /// The sequences at which it was cut; what comes later is not in it, what came before is.
    pub heads: Heads,
    /// What holds.
    pub items: Vec<T>,
}

/// What readers see: changed by the writer alone, only after the disk has it, one whole write at a time.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) book: Book,
    pub(super) tail: VecDeque<Arc<Record>>,
    pub(super) keep_tail: usize,
}

impl Shared {
    pub(super) fn take(&mut self, record: Arc<Record>) {
        self.book.apply(&record);
        self.tail.push_back(record);
        while self.tail.len() > self.keep_tail {
            self.tail.pop_front();
        }
    }
}

/// A handle on the desk; cheap to clone. What is asked of it is done in full even if the asker goes away.
#[derive(Debug, Clone)]
pub struct Desk {
    shared: Arc<RwLock<Shared>>,
    requests: mpsc::Sender<Request>,
    dir: Arc<std::path::Path>,
    epoch: u32,
}

impl Desk {
    /// Opens the journal and folds it. Every later write is sent to `outlet`, whole, in order and without gaps,
    /// after it is on disk; the writer waits while the outlet is full. Blocking: it reads the whole journal.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open(
        config: DeskConfig,
        now: Micros,
        outlet: mpsc::Sender<Vec<Arc<Record>>>,
    ) -> Result<(Self, Writer), Error> {
        let DeskConfig { journal, tail, keep_ended, rules } = config;
        let dir = Arc::from(journal.dir.as_path());
        let mut shared = Shared { book: Book::new(keep_ended), tail: VecDeque::new(), keep_tail: tail };
        let (journal, replay) = Journal::open(journal, now, |record| shared.take(Arc::new(record)))?;
        let shared = Arc::new(RwLock::new(shared));
        let (requests, queue) = mpsc::channel(QUEUE);
        let writer = Writer::new(journal, Arc::clone(&shared), rules, queue, outlet);
        Ok((Self { shared, requests, dir, epoch: replay.epoch }, writer))
    }

    /// Compares a refreshed query's whole result with what is open: raises, updates and clears alerts,
    /// dispatches orders for those raised, withdraws those of cleared ones that nobody has taken. One write.
    ///
    /// # Errors
    /// Those of the journal; nothing has happened then.
    pub async fn settle(
        &self,
        query: QueryName,
        rows: Vec<Condition>,
        now: Micros,
    ) -> Result<Outcome, Error> {
        self.ask(|reply| Request::Settle { query, rows, now, reply }).await
    }

    /// Clears alerts that have been missing for their rule's seconds; to be called about once a second.
    ///
    /// # Errors
    /// Those of the journal; nothing has happened then.
    pub async fn lapse(&self, now: Micros) -> Result<Outcome, Error> {
        self.ask(|reply| Request::Lapse { now, reply }).await
    }

    /// Takes an order.
    ///
    /// # Errors
    /// [`Error::Refused`] by the loop's rules, or those of the journal.
    pub async fn accept(
        &self,
        order: OrderId,
        by: String,
        note: Option<String>,
        now: Micros,
    ) -> Result<OrderView, Error> {
        self.command(order, Command::Accept { by, note }, now).await
    }

    /// Reports an order done.
    ///
    /// # Errors
    /// [`Error::Refused`] by the loop's rules, or those of the journal.
    pub async fn close(
        &self,
        order: OrderId,
        by: String,
        note: Option<String>,
        now: Micros,
    ) -> Result<OrderView, Error> {
        self.command(order, Command::Close { by, note }, now).await
    }

    /// Replaces the duty list, and gives out what was left lying because nobody was on duty.
    ///
    /// # Errors
    /// Those of the journal; the new list holds even then.
    pub async fn set_duty_list(&self, list: DutyList, now: Micros) -> Result<Outcome, Error> {
        self.ask(|reply| Request::DutyList { list, now, reply }).await
    }

    /// Replaces the rules by which rows become alerts.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn set_rules(&self, rules: Rules) -> Result<(), Error> {
        self.ask(|reply| Request::Rules { rules, reply }).await
    }

    /// Ends the writer after what is queued before this; the journal is closed when this returns.
    pub async fn shut(&self) {
        // A writer that has ended already is shut.
        let _ = self.ask(|reply| Request::Shut { reply }).await;
    }

    /// The open alerts, worst first.
    pub fn alerts(&self) -> Cut<AlertView> {
        self.read(|shared| Cut { heads: shared.book.heads(), items: shared.book.alert_views() })
    }

    /// The open orders by deadline, then the newest of those that ended.
    pub fn orders(&self) -> Cut<OrderView> {
        self.read(|shared| Cut { heads: shared.book.heads(), items: shared.book.order_views() })
    }

    /// The order of that id, while it is held.
    pub fn order(&self, id: &OrderId) -> Option<OrderView> {
        self.read(|shared| shared.book.order(id).map(OrderView::from))
    }

    /// At most `limit` records after `since`, from memory or else from the segments. None where they cannot be
    /// had: `since` lies beyond the head, or its segment was moved away. Then the asker needs a full picture.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Broken`] of a segment.
    pub async fn events_since(&self, since: u64, limit: usize) -> Result<Option<Vec<Arc<Record>>>, Error> {
        let (head, tail) = self.read(|shared| {
            let head = shared.book.heads().journal;
            let oldest = shared.tail.front().map_or(head + 1, |record| record.seq);
            let skip = usize::try_from((since + 1).saturating_sub(oldest)).unwrap_or(usize::MAX);
            let reaches = since < head && since + 1 >= oldest;
            (head, reaches.then(|| shared.tail.iter().skip(skip).take(limit).cloned().collect::<Vec<_>>()))
        });
        if since > head {
            return Ok(None);
        }
        if since == head {
            return Ok(Some(Vec::new()));
        }
        if tail.is_some() {
            return Ok(tail);
        }
        let dir = Arc::clone(&self.dir);
        let read = tokio::task::spawn_blocking(move || scan::read_since(&dir, since, head, limit));
        read.await.unwrap_or(Err(Error::Closed))
    }

    /// The newest sequences: of the journal and of each channel.
    pub fn heads(&self) -> Heads {
        self.read(|shared| shared.book.heads())
    }

    /// The newest sequence.
    pub fn head(&self) -> u64 {
        self.heads().journal
    }

    /// A number that stays for the life of the data folder.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    async fn command(&self, order: OrderId, command: Command, now: Micros) -> Result<OrderView, Error> {
        self.ask(|reply| Request::Command { order, command, now, reply }).await
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Request,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| Error::Closed)?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    fn read<T>(&self, look: impl FnOnce(&Shared) -> T) -> T {
        look(&self.shared.read().unwrap_or_else(PoisonError::into_inner))
    }
}
