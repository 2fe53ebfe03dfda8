//! Commands in, events or refusals out; and the fold of those events. Time is an argument.

use super::{CancelReason, Command, Mark, Order, OrderEvent, Refusal, State, Task};
use crate::model::Micros;

const BY_CHARS: usize = 100;
const NOTE_CHARS: usize = 2000;

/// What comes of a command. Asking again for what the same actor has done already is granted and changes
/// nothing, so that a client may repeat a request whose answer it lost.
///
/// # Errors
/// The [`Refusal`] that says why the order stays as it is.
pub fn decide(order: Option<&Order>, command: &Command, now: Micros) -> Result<Vec<OrderEvent>, Refusal> {
    match (order, command) {
        (None, Command::Dispatch(task)) => Ok(vec![OrderEvent::Dispatched(Box::new(dispatched(task, now)))]),
        (Some(order), Command::Dispatch(task)) if order.id == task.id && order.alert == task.alert => {
            Ok(Vec::new())
        }
        (Some(order), Command::Dispatch(_)) => Err(Refusal::AlreadyDispatched(order.id.clone())),
        (None, _) => Err(Refusal::UnknownOrder),
        (Some(order), Command::Accept { by, note }) => accept(order, &mark(order, by, note.as_deref(), now)?),
        (Some(order), Command::Close { by, note }) => close(order, &mark(order, by, note.as_deref(), now)?),
        (Some(order), Command::Cancel(reason)) => cancel(order, *reason, now.max(order.latest())),
    }
}

/// The order after an event. An event that does not fit the order changes nothing.
pub fn evolve(order: Option<Order>, event: &OrderEvent) -> Option<Order> {
    let Some(order) = order else {
        return match event {
            OrderEvent::Dispatched(order) => Some((**order).clone()),
            _ => None,
        };
    };
    let state = match (order.state, event) {
        (State::Dispatched, OrderEvent::Accepted(mark)) => State::Accepted(mark.clone()),
        (State::Dispatched, OrderEvent::Cancelled { at, reason }) => {
            State::Cancelled { at: *at, reason: *reason }
        }
        (State::Accepted(accepted), OrderEvent::Closed(closed)) => {
            State::Closed { accepted, closed: closed.clone() }
        }
        (state, _) => state,
    };
    Some(Order { state, ..order })
}

fn dispatched(task: &Task, now: Micros) -> Order {
    let Task { id, alert, category, severity, title_en, title_zh, area, place, duty } = task.clone();
    let state = State::Dispatched;
    Order { id, alert, category, severity, title_en, title_zh, area, place, duty, dispatched: now, state }
}

fn accept(order: &Order, mark: &Mark) -> Result<Vec<OrderEvent>, Refusal> {
    match &order.state {
        State::Dispatched => Ok(vec![OrderEvent::Accepted(mark.clone())]),
        State::Accepted(before) | State::Closed { accepted: before, .. } if repeats(before, mark) => {
            Ok(Vec::new())
        }
        State::Accepted(before) => Err(already_accepted(before)),
        State::Closed { closed, .. } => Err(already_closed(closed)),
        State::Cancelled { at, reason } => Err(Refusal::Cancelled { at: *at, reason: *reason }),
    }
}

fn close(order: &Order, mark: &Mark) -> Result<Vec<OrderEvent>, Refusal> {
    match &order.state {
        State::Dispatched => Err(Refusal::NotAccepted),
        State::Accepted(_) => Ok(vec![OrderEvent::Closed(mark.clone())]),
        State::Closed { closed, .. } if repeats(closed, mark) => Ok(Vec::new()),
        State::Closed { closed, .. } => Err(already_closed(closed)),
        State::Cancelled { at, reason } => Err(Refusal::Cancelled { at: *at, reason: *reason }),
    }
}

fn cancel(order: &Order, reason: CancelReason, at: Micros) -> Result<Vec<OrderEvent>, Refusal> {
    match &order.state {
        State::Dispatched => Ok(vec![OrderEvent::Cancelled { at, reason }]),
        State::Cancelled { .. } => Ok(Vec::new()),
        State::Accepted(mark) => Err(already_accepted(mark)),
        State::Closed { closed, .. } => Err(already_closed(closed)),
    }
}

/// The step as it would be recorded: trimmed, bounded, and never before the step that it follows, whatever
/// was done to the clock.
fn mark(order: &Order, by: &str, note: Option<&str>, now: Micros) -> Result<Mark, Refusal> {
    let by = by.trim();
    let note = note.map(str::trim).filter(|note| !note.is_empty());
    if by.is_empty() {
        return Err(Refusal::NoActor);
    }
    for (field, text, limit) in [("by", by, BY_CHARS), ("note", note.unwrap_or_default(), NOTE_CHARS)] {
        if text.chars().count() > limit {
            return Err(Refusal::TooLong { field, limit });
        }
    }
    Ok(Mark { at: now.max(order.latest()), by: by.to_owned(), note: note.map(str::to_owned) })
}

/// Whether a step is the one taken before, asked for again. One with another note is not: it would be lost.
fn repeats(before: &Mark, mark: &Mark) -> bool {
    before.by == mark.by && (mark.note.is_none() || mark.note == before.note)
}

fn already_accepted(mark: &Mark) -> Refusal {
    Refusal::AlreadyAccepted { by: mark.by.clone(), at: mark.at }
}

fn already_closed(mark: &Mark) -> Refusal {
    Refusal::AlreadyClosed { by: mark.by.clone(), at: mark.at }
}
