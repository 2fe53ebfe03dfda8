//! A log as a channel: every event to everyone, in order, none lost. The durable log itself is elsewhere and
//! is read through [`LogSource`]; this file keeps only the newest frames, so that a mass reconnect does not
//! read the log a thousand times.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::frame::{Frame, Happened, Items, Mode, Subscribed, epoch_text};
use super::held;
use super::mailbox::Mailbox;
use super::session::Since;

/// Bytes of the newest frames kept for those who resume.
const RECENT_BYTES: usize = 1 << 20;
/// A picture of the open items is made anew when it is so many events old.
const PICTURE_AGE: usize = 64;
/// Missed events beyond this many bytes are not told one by one: the open items are shorter.
const RESUME_BYTES: usize = 8 << 20;
/// How often a cut is tried; a second time is needed only if a megabyte of events came while the source was
/// read.
const TRIES: usize = 8;

/// The logs that a hub has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Log {
    /// Every change of an alert.
    Alerts,
    /// Every change of an order.
    Orders,
}

impl Log {
    /// The channel's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alerts => "alerts",
            Self::Orders => "orders",
        }
    }
}

/// One event of a log.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its sequence. Logs may share one numbering: a log's sequences rise, they need not be consecutive.
    pub seq: u64,
    /// When it happened.
    pub ts_us: i64,
    /// What it happened to.
    pub key: String,
    /// What happened, as a word.
    pub kind: String,
    /// The thing after it.
    pub body: Value,
}

/// What is open in a log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogPicture {
    /// The log's epoch; it lives as long as the data folder.
    pub epoch: u32,
    /// The sequence of this log's last event that the items include; 0 where there was none.
    pub seq: u64,
    /// The open items.
    pub items: Vec<Value>,
}

/// Where a log is kept. Both methods may block for a moment and may be called from any thread.
///
/// The source must hold an event before [`super::Hub::publish_event`] tells of it. The hub calls without any
/// lock of its own held, so a source may be locked while it publishes.
pub trait LogSource: Send + Sync {
    /// What is open now.
    fn items(&self) -> LogPicture;

    /// This log's events after `seq`, in order; none where the log no longer reaches back so far.
    fn since(&self, seq: u64) -> Option<Vec<Event>>;
}

pub(super) struct LogChannel {
    log: Log,
    sid: u16,
    epoch: u32,
    source: Arc<dyn LogSource>,
    seq: AtomicU64,
    inner: Mutex<Inner>,
}

struct Inner {
    last: u64,
    recent: VecDeque<Recent>,
    recent_bytes: usize,
    picture: Option<(u64, Frame)>,
    readers: HashMap<u64, Reader>,
}

struct Recent {
    seq: u64,
    pq: u64,
    frame: Frame,
}

struct Reader {
    mailbox: Arc<Mailbox>,
    /// What it has been told up to. A source may be ahead of what was published, and so may a reader.
    told: u64,
}

/// The beginning of a subscription: frames that bring a reader to `seq`.
struct Beginning {
    mode: Mode,
    seq: u64,
    frames: Vec<Frame>,
}

impl Inner {
    /// Whether the kept frames bring someone at `seq` to the last event.
    fn reaches(&self, seq: u64) -> bool {
        seq >= self.last || self.recent.front().is_some_and(|oldest| oldest.pq <= seq)
    }

    fn after(&self, seq: u64) -> impl Iterator<Item = &Recent> {
        self.recent.iter().filter(move |recent| recent.seq > seq)
    }
}

impl LogChannel {
    pub(super) fn new(log: Log, sid: u16, source: Arc<dyn LogSource>) -> Self {
        let LogPicture { epoch, seq, .. } = source.items();
        let (recent, readers) = (VecDeque::new(), HashMap::new());
        let inner = Inner { last: seq, recent, recent_bytes: 0, picture: None, readers };
        Self { log, sid, epoch, source, seq: AtomicU64::new(seq), inner: Mutex::new(inner) }
    }

    pub(super) fn name(&self) -> &'static str {
        self.log.as_str()
    }

    pub(super) fn seq(&self) -> u64 {
        self.seq.load(Ordering::Acquire)
    }

    pub(super) fn publish(&self, event: &Event) -> bool {
        let mut inner = held(&self.inner);
        let pq = inner.last;
        if event.seq <= pq {
            return false;
        }
        let frame = self.happened(event, pq);
        inner.last = event.seq;
        inner.recent_bytes += frame.data.len();
        inner.recent.push_back(Recent { seq: event.seq, pq, frame: frame.clone() });
        while inner.recent_bytes > RECENT_BYTES
            && let Some(oldest) = inner.recent.pop_front()
        {
            inner.recent_bytes -= oldest.frame.data.len();
        }
        for reader in inner.readers.values_mut().filter(|reader| reader.told < event.seq) {
            reader.told = event.seq;
            reader.mailbox.push(frame.clone());
        }
        self.seq.store(event.seq, Ordering::Release);
        true
    }

    /// Adds a reader, answers its `sub` and puts what it lacks into its mailbox. False where events came
    /// faster than the source could be read.
    pub(super) fn subscribe(
        &self,
        id: u64,
        session: u64,
        mailbox: &Arc<Mailbox>,
        since: Option<Since>,
    ) -> bool {
        (0..TRIES).any(|_| {
            let beginning = self.begin(since);
            self.cut(id, session, mailbox, beginning)
        })
    }

    pub(super) fn unsubscribe(&self, session: u64) {
        held(&self.inner).readers.remove(&session);
    }

    /// Reads the beginning, from the kept frames where they reach, else from the source and then without the
    /// channel's lock.
    fn begin(&self, since: Option<Since>) -> Beginning {
        let resumed =
            since.filter(|since| since.epoch == Some(self.epoch)).and_then(|since| self.missed(since.seq));
        resumed.unwrap_or_else(|| {
            let mode = if since.is_some() { Mode::Reset } else { Mode::Snapshot };
            let (seq, frame) = self.picture();
            Beginning { mode, seq, frames: vec![frame] }
        })
    }

    fn missed(&self, seq: u64) -> Option<Beginning> {
        let inner = held(&self.inner);
        let (last, near) = (inner.last, inner.reaches(seq));
        drop(inner);
        if seq <= last && near {
            return Some(Beginning { mode: Mode::Resumed, seq, frames: Vec::new() });
        }
        // Who holds more than the log ever had must not wait in silence for the log to come so far.
        if seq > last && seq > self.source.items().seq {
            return None;
        }
        let (mut at, mut bytes, mut frames) = (seq, 0, Vec::new());
        for event in self.source.since(seq)?.iter().filter(|event| event.seq > seq) {
            let frame = self.happened(event, at);
            bytes += frame.data.len();
            if bytes > RESUME_BYTES {
                return None;
            }
            at = event.seq;
            frames.push(frame);
        }
        Some(Beginning { mode: Mode::Resumed, seq: at, frames })
    }

    /// The open items at some sequence not long ago; the kept frames bring it up to date.
    fn picture(&self) -> (u64, Frame) {
        let inner = held(&self.inner);
        let kept = inner.picture.clone();
        if let Some((seq, frame)) =
            kept.filter(|(seq, _)| inner.reaches(*seq) && inner.after(*seq).count() <= PICTURE_AGE)
        {
            return (seq, frame);
        }
        drop(inner);
        let LogPicture { seq, items, .. } = self.source.items();
        let e = epoch_text(self.epoch);
        let frame = Frame::json(&Items { t: "items", ch: self.name(), e, q: seq, items: &items });
        held(&self.inner).picture = Some((seq, frame.clone()));
        (seq, frame)
    }

    fn cut(&self, id: u64, session: u64, mailbox: &Arc<Mailbox>, beginning: Beginning) -> bool {
        let mut inner = held(&self.inner);
        if !inner.reaches(beginning.seq) {
            inner.picture = None;
            return false;
        }
        let told = inner.last.max(beginning.seq);
        let q = if beginning.mode == Mode::Resumed { told } else { beginning.seq };
        let (e, mode) = (epoch_text(self.epoch), beginning.mode);
        let ch = self.name();
        mailbox.push(Frame::json(&Subscribed {
            t: "subscribed",
            id: Some(id),
            ch,
            sid: self.sid,
            e,
            q,
            mode,
            schema: None,
        }));
        for frame in beginning.frames {
            mailbox.push_asked(frame);
        }
        for recent in inner.after(beginning.seq) {
            mailbox.push_asked(recent.frame.clone());
        }
        inner.readers.insert(session, Reader { mailbox: Arc::clone(mailbox), told });
        true
    }

    fn happened(&self, event: &Event, pq: u64) -> Frame {
        Frame::json(&Happened {
            t: "ev",
            ch: self.name(),
            e: epoch_text(self.epoch),
            q: event.seq,
            pq,
            ts_us: event.ts_us,
            key: &event.key,
            kind: &event.kind,
            body: &event.body,
        })
    }
}
