//! Submissions that are under way: how much of each has come and been read. Forgotten when they end; what became of
//! them is in the lake.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use super::{Bounds, Refusal};
use crate::decode::Progress;
use crate::model::FeedName;

/// All submissions that are under way.
#[derive(Debug, Clone, Default)]
pub struct Running {
    all: Arc<Mutex<HashMap<Uuid, Arc<UnderWay>>>>,
    bounds: Bounds,
}

/// One submission that is under way.
#[derive(Debug)]
pub struct UnderWay {
    /// Whose it is.
    pub feed: FeedName,
    /// The file's name.
    pub file: String,
    /// Bytes that have come.
    pub received: AtomicU64,
    /// Bytes that the sender announced.
    pub expected: Option<u64>,
    /// How far the reading is; its total is 0 until it begins.
    pub reading: Arc<Progress>,
}

/// The right to be under way; it ends with its holder.
#[derive(Debug)]
pub struct Ticket {
    id: Uuid,
    under_way: Arc<UnderWay>,
    running: Running,
}

impl Running {
    /// None yet, and no more than these bounds say.
    pub fn within(bounds: Bounds) -> Self {
        Self { all: Arc::default(), bounds }
    }

    /// How much comes in at once.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Notes that a submission begins.
    ///
    /// # Errors
    /// [`Refusal::SubmissionTaken`] where the id is under way, [`Refusal::Busy`] where too many are.
    pub fn begin(&self, id: Uuid, under_way: UnderWay) -> Result<Ticket, Refusal> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.contains_key(&id) {
            return Err(Refusal::SubmissionTaken { submission: id.to_string() });
        }
        let department = under_way.feed.department();
        let theirs = all.values().filter(|other| other.feed.department() == department).count();
        if all.len() >= self.bounds.submissions || theirs >= self.bounds.submissions_each {
            return Err(Refusal::Busy {
                running: if all.len() >= self.bounds.submissions { all.len() } else { theirs },
            });
        }
        let under_way = Arc::new(under_way);
        all.insert(id, Arc::clone(&under_way));
        Ok(Ticket { id, under_way, running: self.clone() })
    }

    /// The submission of that id, while it is under way.
    pub fn get(&self, id: Uuid) -> Option<Arc<UnderWay>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).get(&id).map(Arc::clone)
    }
}

impl UnderWay {
    /// A submission of which nothing has come yet.
    pub fn new(feed: FeedName, file: String, expected: Option<u64>) -> Self {
        Self { feed, file, received: AtomicU64::new(0), expected, reading: Arc::default() }
    }
}

impl Ticket {
    /// The submission's id.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The file's name.
    pub fn file(&self) -> &str {
        &self.under_way.file
    }

    /// Notes that `bytes` more have come; how many there are now.
    pub fn received(&self, bytes: u64) -> u64 {
        self.under_way.received.fetch_add(bytes, Ordering::Relaxed) + bytes
    }

    /// Where the reading says how far it is.
    pub fn reading(&self) -> Arc<Progress> {
        Arc::clone(&self.under_way.reading)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.running.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> UnderWay {
        UnderWay::new("traffic.speed".parse().unwrap(), "a.csv".into(), None)
    }

    #[test]
    fn an_id_is_under_way_once_and_forgotten_at_its_end() {
        let (running, id) = (Running::default(), Uuid::now_v7());
        let ticket = running.begin(id, one()).unwrap();
        assert_eq!(ticket.received(3) + ticket.received(4), 10);
        assert_eq!(running.get(id).unwrap().received.load(Ordering::Relaxed), 7);
        assert_eq!(running.begin(id, one()).unwrap_err().code(), "SUBMISSION_TAKEN");
        drop(ticket);
        assert!(running.get(id).is_none());
    }

    #[test]
    fn no_more_are_taken_than_there_is_room_for() {
        let running = Running::default();
        let each = Bounds::default().submissions_each;
        let tickets: Vec<Ticket> = (0..each).map(|_| running.begin(Uuid::now_v7(), one()).unwrap()).collect();
        assert_eq!(running.begin(Uuid::now_v7(), one()).unwrap_err().code(), "TOO_BUSY");
        let other = UnderWay::new("police.incidents".parse().unwrap(), "a.csv".into(), None);
        assert!(running.begin(Uuid::now_v7(), other).is_ok(), "another department's");
        drop(tickets);
        assert!(running.begin(Uuid::now_v7(), one()).is_ok());
    }
}
