//! What waits for one session: lane 1 as a bounded queue, lane 2 as one bit a subscription. Not here: what
//! the bits stand for.

use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::sync::Notify;

use super::frame::Frame;
use super::held;

/// Subscriptions a session may have: the bits of lane 2.
pub(super) const SLOTS: usize = 64;

#[derive(Default)]
struct Lanes {
    queue: VecDeque<(Frame, bool)>,
    /// Bytes in the queue that count towards the bound.
    live: usize,
    /// Bytes in the queue that a subscription asked for: what it missed, or what is open now.
    asked: usize,
    dirty: u64,
    /// Where the next look at lane 2 begins, so that one busy layer cannot starve the others.
    turn: u32,
    slow: bool,
}

/// The shared end of one session.
pub(super) struct Mailbox {
    lanes: Mutex<Lanes>,
    bound: usize,
    wake: Notify,
}

/// What is next.
pub(super) enum Waiting {
    /// Lane 1.
    Frame(Frame),
    /// Lane 2: the subscription in this slot has news.
    Dirty(usize),
    /// The bound was passed; nothing more will come.
    Slow,
    /// Nothing.
    Idle,
}

impl Mailbox {
    pub(super) fn new(bound: usize) -> Self {
        Self { lanes: Mutex::default(), bound, wake: Notify::new() }
    }

    /// Lane 1, counted. Past the bound the lane is emptied at once: what it held is in the log.
    pub(super) fn push(&self, frame: Frame) {
        let mut lanes = held(&self.lanes);
        if lanes.slow {
            return;
        }
        lanes.live += frame.data.len();
        if lanes.live > self.bound {
            *lanes = Lanes { slow: true, ..Lanes::default() };
        } else {
            lanes.queue.push_back((frame, true));
        }
        drop(lanes);
        self.wake.notify_one();
    }

    /// Lane 1, not counted: the beginning that a subscription asked for may be larger than the bound. Who
    /// asks again and again without reading is held back by [`Self::is_full`].
    pub(super) fn push_asked(&self, frame: Frame) {
        let mut lanes = held(&self.lanes);
        if !lanes.slow {
            lanes.asked += frame.data.len();
            lanes.queue.push_back((frame, false));
        }
        drop(lanes);
        self.wake.notify_one();
    }

    /// Lane 2: the subscription in `slot` has news.
    pub(super) fn mark(&self, slot: usize) {
        let mut lanes = held(&self.lanes);
        let bit = 1_u64 << slot;
        let news = lanes.dirty & bit == 0;
        lanes.dirty |= bit;
        drop(lanes);
        if news {
            self.wake.notify_one();
        }
    }

    /// Takes what is next, lane 1 first.
    pub(super) fn take(&self) -> Waiting {
        let mut lanes = held(&self.lanes);
        if lanes.slow {
            return Waiting::Slow;
        }
        if let Some((frame, counted)) = lanes.queue.pop_front() {
            let bytes = if counted { &mut lanes.live } else { &mut lanes.asked };
            *bytes -= frame.data.len();
            return Waiting::Frame(frame);
        }
        if lanes.dirty == 0 {
            return Waiting::Idle;
        }
        let ahead = lanes.dirty.rotate_right(lanes.turn).trailing_zeros();
        let slot = (lanes.turn + ahead) % SLOTS as u32;
        lanes.dirty &= !(1 << slot);
        lanes.turn = (slot + 1) % SLOTS as u32;
        Waiting::Dirty(slot as usize)
    }

    /// Whether the session should read its own mail before it asks for more.
    pub(super) fn is_full(&self) -> bool {
        let lanes = held(&self.lanes);
        lanes.live + lanes.asked > self.bound / 4
    }

    pub(super) fn is_idle(&self) -> bool {
        let lanes = held(&self.lanes);
        lanes.queue.is_empty() && lanes.dirty == 0 && !lanes.slow
    }

    /// Returns when something may be waiting; may return for nothing, never misses anything.
    pub(super) async fn woken(&self) {
        let woken = self.wake.notified();
        if self.is_idle() {
            woken.await;
        }
    }
}
