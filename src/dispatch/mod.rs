//! The closed loop's decisions: commands in, events or refusals out. Pure.
//!
//! An order has four states today: dispatched, accepted, closed and, when its condition went away before
//! anyone took it, cancelled. Each step is a command, an event and an arm of `decide` and `evolve`.

mod command;
mod decide;
mod duty;
mod order;

pub use command::{CancelReason, Command, OrderEvent, Refusal, Task};
pub use decide::{decide, evolve};
pub use duty::{Duty, DutyFlaw, DutyList};
pub use order::{Mark, Order, OrderKind, State};

#[cfg(test)]
mod tests;
