//! One session's side of the hub: what it follows, what it holds of each channel, and what it is sent next.

use std::sync::Arc;

use super::frame::{Format, Frame, Heartbeat};
use super::mailbox::{Mailbox, SLOTS, Waiting};
use super::{Channel, Hub};
use crate::model::Micros;

/// What a screen says it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since {
    /// The epoch; none where the screen's text was no epoch, which matches nothing.
    pub epoch: Option<u32>,
    /// The sequence.
    pub seq: u64,
}

/// What a session holds of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub epoch: u32,
    pub seq: u64,
}

/// How a channel reaches a session with news of lane 2.
pub(super) struct Reader {
    pub mailbox: Arc<Mailbox>,
    pub slot: usize,
}

/// A subscription that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// No such channel.
    #[error("no channel `{name}`; there are: {}", known.join(", "))]
    Unknown {
        /// What was asked for, shortened.
        name: String,
        /// What there is, the first of them.
        known: Vec<String>,
    },
    /// All slots are taken.
    #[error("a session follows at most {SLOTS} channels; unsubscribe from one first")]
    TooMany,
    /// The log moved too fast to be cut.
    #[error("`{0}` moves too fast to be joined right now; ask again")]
    Busy(String),
}

/// What is to be sent next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// A reply or an event.
    Frame(Frame),
    /// News of a layer or a state: frames that belong together.
    News(Arc<[Frame]>),
    /// Nothing waits.
    Idle,
    /// Too much waited: the session is to be closed, its screen resumes from what it holds.
    Slow,
}

struct Slot {
    name: String,
    channel: Channel,
    position: Position,
    /// What the subscription was given when it was cut; sent before anything newer.
    first: Option<Arc<[Frame]>>,
}

/// One screen's connection to the hub. Dropping it ends every subscription.
pub struct Session {
    hub: Arc<Hub>,
    number: u64,
    format: Format,
    mailbox: Arc<Mailbox>,
    slots: Vec<Option<Slot>>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("number", &self.number)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(super) fn new(hub: Arc<Hub>, number: u64, format: Format, bound: usize) -> Self {
        Self { hub, number, format, mailbox: Arc::new(Mailbox::new(bound)), slots: Vec::new() }
    }

    /// Follows `name`, from `since` where that can be; asking again replaces the subscription. The answer
    /// waits in the mailbox.
    ///
    /// # Errors
    /// [`SubscribeError`]; nothing new is followed then.
    pub fn subscribe(&mut self, id: u64, name: &str, since: Option<Since>) -> Result<(), SubscribeError> {
        let Some(channel) = self.hub.channel(name) else {
            let known = self.hub.channels().into_iter().take(24).collect();
            return Err(SubscribeError::Unknown { name: name.chars().take(80).collect(), known });
        };
        let at = self.slot_for(name)?;
        self.leave(at);
        let reader = Reader::new(Arc::clone(&self.mailbox), at);
        let (position, first) = match &channel {
            Channel::Layer(layer) => {
                let (position, frames) = layer.subscribe(id, self.number, reader, since, self.format);
                (position, Some(frames).filter(|frames| !frames.is_empty()))
            }
            Channel::State(state) => {
                let (position, frame) = state.subscribe(id, self.number, reader, since);
                (position, frame.map(|frame| Arc::from([frame])))
            }
            Channel::Log(log) => {
                if !log.subscribe(id, self.number, &self.mailbox, since) {
                    return Err(SubscribeError::Busy(name.to_owned()));
                }
                (Position { epoch: 0, seq: 0 }, None)
            }
        };
        if first.is_some() {
            self.mailbox.mark(at);
        }
        let slot = Slot { name: name.to_owned(), channel, position, first };
        if let Some(place) = self.slots.get_mut(at) {
            *place = Some(slot);
        }
        Ok(())
    }

    /// The slot that follows `name` already, else a free one.
    fn slot_for(&mut self, name: &str) -> Result<usize, SubscribeError> {
        let named = |slot: &Option<Slot>| slot.as_ref().is_some_and(|slot| slot.name == name);
        let place = self.slots.iter().position(named).or_else(|| self.slots.iter().position(Option::is_none));
        match place {
            Some(at) => Ok(at),
            None if self.slots.len() < SLOTS => {
                self.slots.push(None);
                Ok(self.slots.len() - 1)
            }
            None => Err(SubscribeError::TooMany),
        }
    }

    /// Stops following `name`; nothing where it is not followed.
    pub fn unsubscribe(&mut self, name: &str) {
        let named = |slot: &Option<Slot>| slot.as_ref().is_some_and(|slot| slot.name == name);
        if let Some(at) = self.slots.iter().position(named) {
            self.leave(at);
        }
    }

    fn leave(&mut self, at: usize) {
        match self.slots.get_mut(at).and_then(Option::take).map(|slot| slot.channel) {
            Some(Channel::Layer(layer)) => layer.unsubscribe(self.number),
            Some(Channel::Log(log)) => log.unsubscribe(self.number),
            Some(Channel::State(state)) => state.unsubscribe(self.number),
            None => {}
        }
    }

    /// Puts a reply into lane 1.
    pub fn reply(&self, text: String) {
        self.mailbox.push(Frame::text(text));
    }

    /// Whether so much waits that the screen should not be allowed to ask for more yet.
    pub fn is_full(&self) -> bool {
        self.mailbox.is_full()
    }

    /// Returns when something may wait to be taken. Dropping the future loses nothing.
    pub async fn ready(&self) {
        self.mailbox.woken().await;
    }

    /// Takes what is next.
    pub fn take(&mut self) -> Next {
        loop {
            match self.mailbox.take() {
                Waiting::Frame(frame) => return Next::Frame(frame),
                Waiting::Slow => return Next::Slow,
                Waiting::Idle => return Next::Idle,
                Waiting::Dirty(at) => {
                    if let Some(frames) = self.news(at) {
                        return Next::News(frames);
                    }
                }
            }
        }
    }

    fn news(&mut self, at: usize) -> Option<Arc<[Frame]>> {
        let slot = self.slots.get_mut(at)?.as_mut()?;
        if let Some(first) = slot.first.take() {
            // What was published since then is looked for at the next turn.
            self.mailbox.mark(at);
            return Some(first);
        }
        let (position, frames) = match &slot.channel {
            Channel::Layer(layer) => layer.news(slot.position, self.format),
            Channel::State(state) => {
                let (position, frame) = state.news(slot.position);
                (position, frame.map_or_else(|| Arc::from([]), |frame| Arc::from([frame])))
            }
            Channel::Log(_) => return None,
        };
        slot.position = position;
        Some(frames).filter(|frames| !frames.is_empty())
    }

    /// A heartbeat, the same for everyone. None while anything waits: its watermarks say "you have been sent
    /// all up to here".
    pub fn heartbeat(&self, now: Micros) -> Option<Frame> {
        let wm = self.hub.watermarks().into_iter().map(|(name, seq)| (name, seq.into())).collect();
        // Read before looking into the mailbox: what was published before is then either sent or still
        // waiting.
        self.mailbox.is_idle().then(|| Frame::json(&Heartbeat { t: "hb", server_us: now.0, wm }))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for at in 0..self.slots.len() {
            self.leave(at);
        }
        self.hub.closed();
    }
}
