//! What may be asked of an order, what comes of it and why it may be refused.

use super::{Duty, Mark, Order};
use crate::model::{AlertId, AreaCode, LngLat, Micros, OrderId, Severity};

/// What is to be done, and by the duty list's word by whom.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// The order's id.
    pub id: OrderId,
    /// The alert that it answers.
    pub alert: AlertId,
    /// The kind of trouble.
    pub category: String,
    /// How bad it is.
    pub severity: Severity,
    /// One line in English.
    pub title_en: String,
    /// One line in Chinese.
    pub title_zh: String,
    /// Where it is, as an area.
    pub area: Option<AreaCode>,
    /// Where it is, as a point.
    pub place: Option<LngLat>,
    /// Who leads and by when.
    pub duty: Duty,
}

/// Why an order is withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelReason {
    /// The condition went away before anybody took the order.
    ConditionCleared,
}

impl CancelReason {
    /// The reason as text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConditionCleared => "condition cleared",
        }
    }
}

/// What somebody, or the loop itself, asks.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Send a task to its unit.
    Dispatch(Box<Task>),
    /// Take the order.
    Accept {
        /// Who.
        by: String,
        /// What they say.
        note: Option<String>,
    },
    /// Report it done.
    Close {
        /// Who.
        by: String,
        /// What they say.
        note: Option<String>,
    },
    /// Withdraw it.
    Cancel(CancelReason),
}

/// What happened to an order.
#[derive(Debug, Clone, PartialEq)]
pub enum OrderEvent {
    /// It was sent.
    Dispatched(Box<Order>),
    /// It was taken.
    Accepted(Mark),
    /// It was done.
    Closed(Mark),
    /// It was withdrawn.
    Cancelled {
        /// When.
        at: Micros,
        /// Why.
        reason: CancelReason,
    },
}

/// Why a command changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No row of the duty list covers it.
    #[error("nobody is on duty for `{category}` in {}; add a row to the duty list", area.as_ref().map_or("the city", AreaCode::as_str))]
    NobodyOnDuty {
        /// The kind of trouble.
        category: String,
        /// Where.
        area: Option<AreaCode>,
    },
    /// There is no such order.
    #[error("there is no such order, or it ended so long ago that the desk no longer holds it")]
    UnknownOrder,
    /// The id is another task's.
    #[error("order {0} was dispatched before, for another alert")]
    AlreadyDispatched(OrderId),
    /// Somebody has it.
    #[error("{by} accepted it at {}", at.to_rfc3339())]
    AlreadyAccepted {
        /// Who.
        by: String,
        /// When.
        at: Micros,
    },
    /// Nobody has it.
    #[error("nobody has accepted it yet; accept it before you close it")]
    NotAccepted,
    /// It is done.
    #[error("{by} closed it at {}", at.to_rfc3339())]
    AlreadyClosed {
        /// Who.
        by: String,
        /// When.
        at: Micros,
    },
    /// It was withdrawn.
    #[error("it was cancelled at {}: {}", at.to_rfc3339(), reason.as_str())]
    Cancelled {
        /// When.
        at: Micros,
        /// Why.
        reason: CancelReason,
    },
    /// Nobody says who they are.
    #[error("say who you are: `by` is empty")]
    NoActor,
    /// A text is beyond its bound.
    #[error("`{field}` has more than {limit} characters; shorten it")]
    TooLong {
        /// Which text.
        field: &'static str,
        /// How long it may be.
        limit: usize,
    },
}

impl Refusal {
    /// The stable code, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NobodyOnDuty { .. } => "NOBODY_ON_DUTY",
            Self::UnknownOrder => "UNKNOWN_ORDER",
            Self::AlreadyDispatched(_) => "ALREADY_DISPATCHED",
            Self::AlreadyAccepted { .. } => "ALREADY_ACCEPTED",
            Self::NotAccepted => "NOT_ACCEPTED",
            Self::AlreadyClosed { .. } => "ALREADY_CLOSED",
            Self::Cancelled { .. } => "CANCELLED",
            Self::NoActor => "NO_ACTOR",
            Self::TooLong { .. } => "TOO_LONG",
        }
    }
}
