//! An order: one task given to one unit, its state and its deadlines. Nothing is decided here.

use crate::model::{AlertId, AreaCode, LngLat, Micros, OrderId, Severity};

use super::{CancelReason, Duty};

/// A step that somebody took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: Micros,
    /// Who.
    pub by: String,
    /// What they said.
    pub note: Option<String>,
}

/// How far an order has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Sent to its unit, taken by nobody yet.
    Dispatched,
    /// Taken.
    Accepted(Mark),
    /// Done.
    Closed {
        /// Who took it.
        accepted: Mark,
        /// Who closed it.
        closed: Mark,
    },
    /// Withdrawn before anybody took it.
    Cancelled {
        /// When.
        at: Micros,
        /// Why.
        reason: CancelReason,
    },
}

/// The kind of an order's event, and the word for the state that it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderKind {
    /// Sent to its unit.
    Dispatched,
    /// Taken.
    Accepted,
    /// Done.
    Closed,
    /// Withdrawn.
    Cancelled,
}

impl OrderKind {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dispatched => "dispatched",
            Self::Accepted => "accepted",
            Self::Closed => "closed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether something remains to be done.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Dispatched | Self::Accepted)
    }
}

/// One task given to one unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// The alert that it answers.
    pub alert: AlertId,
    /// The alert's category at dispatch.
    pub category: String,
    /// The alert's severity at dispatch.
    pub severity: Severity,
    /// The alert's line in English at dispatch.
    pub title_en: String,
    /// The alert's line in Chinese at dispatch.
    pub title_zh: String,
    /// Where it is, as an area.
    pub area: Option<AreaCode>,
    /// Where it is, as a point.
    pub place: Option<LngLat>,
    /// The row of the duty list by which it was given: unit, names, helpers, limits.
    pub duty: Duty,
    /// When it was sent. Every clock runs from here: an order that nobody takes is late, not outside the count.
    pub dispatched: Micros,
    /// How far it has come.
    pub state: State,
}

impl Order {
    /// The word for its state.
    pub fn kind(&self) -> OrderKind {
        match self.state {
            State::Dispatched => OrderKind::Dispatched,
            State::Accepted(_) => OrderKind::Accepted,
            State::Closed { .. } => OrderKind::Closed,
            State::Cancelled { .. } => OrderKind::Cancelled,
        }
    }

    /// Until when its unit must accept it.
    pub fn accept_due(&self) -> Micros {
        self.dispatched.plus_seconds(i64::from(self.duty.accept_within_s))
    }

    /// Until when its unit must close it; never before it must be accepted.
    pub fn close_due(&self) -> Micros {
        self.dispatched.plus_seconds(i64::from(self.duty.close_within_s)).max(self.accept_due())
    }

    /// The deadline that runs now, or ran last.
    pub fn due(&self) -> Micros {
        match self.state {
            State::Dispatched | State::Cancelled { .. } => self.accept_due(),
            State::Accepted(_) | State::Closed { .. } => self.close_due(),
        }
    }

    /// When the last step was taken.
    pub fn latest(&self) -> Micros {
        match &self.state {
            State::Dispatched => self.dispatched,
            State::Accepted(mark) | State::Closed { closed: mark, .. } => mark.at,
            State::Cancelled { at, .. } => *at,
        }
    }

    /// Who took it and when; none while nobody has.
    pub fn accepted(&self) -> Option<&Mark> {
        match &self.state {
            State::Accepted(mark) | State::Closed { accepted: mark, .. } => Some(mark),
            State::Dispatched | State::Cancelled { .. } => None,
        }
    }
}
