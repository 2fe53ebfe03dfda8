//! A small whole state as a channel: KPI values, the feeds' health, notices. The newest body is all there is.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use super::frame::{Frame, Mode, Stands, Subscribed, epoch_text};
use super::held;
use super::session::{Position, Reader, Since};
use crate::model::Micros;

/// The states that a hub has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StateChannel {
    /// All KPI values.
    Kpis,
    /// The health of every feed.
    Feeds,
    /// Notices to people.
    Sys,
}

impl StateChannel {
    /// The channel's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kpis => "kpis",
            Self::Feeds => "feeds",
            Self::Sys => "sys",
        }
    }
}

pub(super) struct StateFeed {
    channel: StateChannel,
    sid: u16,
    epoch: u32,
    seq: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    seq: u64,
    body: Value,
    frame: Option<Frame>,
    readers: HashMap<u64, Reader>,
}

impl StateFeed {
    pub(super) fn new(channel: StateChannel, sid: u16, epoch: u32) -> Self {
        Self { channel, sid, epoch, seq: AtomicU64::new(0), inner: Mutex::default() }
    }

    pub(super) fn name(&self) -> &'static str {
        self.channel.as_str()
    }

    pub(super) fn seq(&self) -> u64 {
        self.seq.load(Ordering::Acquire)
    }

    pub(super) fn publish(&self, body: &Value, at: Micros) {
        let mut inner = held(&self.inner);
        if inner.frame.is_some() && inner.body == *body {
            return;
        }
        inner.seq += 1;
        inner.body = body.clone();
        let e = epoch_text(self.epoch);
        let stands = Stands { t: "state", ch: self.name(), e, q: inner.seq, ts_us: at.0, body };
        inner.frame = Some(Frame::json(&stands));
        inner.readers.values().for_each(Reader::mark);
        self.seq.store(inner.seq, Ordering::Release);
    }

    /// Adds a reader and answers its `sub`; gives what it must be sent first and what it then holds.
    pub(super) fn subscribe(
        &self,
        id: u64,
        session: u64,
        reader: Reader,
        since: Option<Since>,
    ) -> (Position, Option<Frame>) {
        let mut inner = held(&self.inner);
        let current = since.is_some_and(|since| since.epoch == Some(self.epoch) && since.seq == inner.seq);
        let mode = if current { Mode::Resumed } else { Mode::Snapshot };
        let (e, q) = (epoch_text(self.epoch), inner.seq);
        let reply = Subscribed {
            t: "subscribed",
            id: Some(id),
            ch: self.name(),
            sid: self.sid,
            e,
            q,
            mode,
            schema: None,
        };
        reader.mailbox.push(Frame::json(&reply));
        inner.readers.insert(session, reader);
        (Position { epoch: self.epoch, seq: q }, if current { None } else { inner.frame.clone() })
    }

    pub(super) fn unsubscribe(&self, session: u64) {
        held(&self.inner).readers.remove(&session);
    }

    /// The newest body for someone at `position`; none where they have it.
    pub(super) fn news(&self, position: Position) -> (Position, Option<Frame>) {
        let inner = held(&self.inner);
        let frame = inner.frame.clone().filter(|_| position.seq != inner.seq);
        (Position { epoch: self.epoch, seq: inner.seq }, frame)
    }
}
