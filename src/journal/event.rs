//! What the journal records. How it is stored is `stored`'s business.

use super::{Audited, Digest};
use crate::alert::{Alert, AlertEvent, AlertKind};
use crate::dispatch::{Order, OrderKind};
use crate::model::{Micros, OrderId};

/// The two logs that are streamed; both count with the journal's one sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Every change of an alert.
    Alerts,
    /// Every change of an order.
    Orders,
}

/// The sequence of the newest record: of the journal and of each channel; 0 where there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heads {
    /// The newest record.
    pub journal: u64,
    /// The newest of an alert.
    pub alerts: u64,
    /// The newest of an order.
    pub orders: u64,
}

impl Heads {
    /// The newest record of a channel.
    pub fn of(&self, channel: Channel) -> u64 {
        match channel {
            Channel::Alerts => self.alerts,
            Channel::Orders => self.orders,
        }
    }

    pub(super) fn advance(&mut self, seq: u64, channel: Option<Channel>) {
        self.journal = seq;
        match channel {
            Some(Channel::Alerts) => self.alerts = seq,
            Some(Channel::Orders) => self.orders = seq,
            None => {}
        }
    }
}

/// Something that happened. Each carries the thing as it stands afterwards, so that a record can be shown
/// without those before it.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The journal was begun; always and only the first record.
    Founded {
        /// The data folder's epoch.
        epoch: u32,
    },
    /// Something happened to an alert.
    Alert {
        /// What, with the alert afterwards.
        event: AlertEvent,
        /// The order that answers it, where there is one.
        order: Option<OrderId>,
    },
    /// Something happened to an order.
    Order {
        /// What.
        kind: OrderKind,
        /// The order afterwards.
        order: Box<Order>,
    },
    /// Somebody did something at a door; only in the audit log.
    Audited(Box<Audited>),
}

impl Event {
    pub(super) fn of_alert(kind: AlertKind, alert: Alert, order: Option<OrderId>) -> Self {
        let event = match kind {
            AlertKind::Raised => AlertEvent::Raised(alert),
            AlertKind::Updated => AlertEvent::Updated(alert),
            AlertKind::Cleared => AlertEvent::Cleared(alert),
        };
        Self::Alert { event, order }
    }

    /// The log that it is streamed on.
    pub fn channel(&self) -> Option<Channel> {
        match self {
            Self::Founded { .. } | Self::Audited(_) => None,
            Self::Alert { .. } => Some(Channel::Alerts),
            Self::Order { .. } => Some(Channel::Orders),
        }
    }
}

/// An event that is on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its number, from 1 without gaps.
    pub seq: u64,
    /// The number of the channel's record before it, 0 for the first.
    pub previous: u64,
    /// How many records of the same write follow; a write is taken whole or not at all.
    pub left: u32,
    /// When it was recorded.
    pub at: Micros,
    /// Its link in the chain.
    pub hash: Digest,
    /// What happened.
    pub event: Event,
}
