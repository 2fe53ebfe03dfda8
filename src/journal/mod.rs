//! The append-only, hash-chained log of alerts and orders, and the desk that folds it; and one of the same kind for audit.
//!
//! Every line of a segment is `{"seq","at_us","prev","hash","event"}`; `hash` is the SHA-256 of `prev` (64
//! hexadecimal digits) followed by `{"seq":…,"at_us":…,"event":…}` as written. Nothing is shown, sent or answered
//! before the line that says so is on disk.

mod audit;
mod book;
mod chain;
mod desk;
mod error;
mod event;
mod log;
mod scan;
mod stored;
mod verify;
mod view;
mod writer;

pub use audit::{Audit, AuditWriter, Audited};
pub use book::Book;
pub use chain::Digest;
pub use desk::{Cut, Desk, DeskConfig, Outcome};
pub use error::{Breakage, Error};
pub use event::{Channel, Event, Heads, Record};
pub use log::{Journal, JournalConfig, Replay};
pub use verify::{Anchor, InvalidAnchor, Verified, verify};
pub use view::{AlertView, OrderView, View};
pub use writer::Writer;

#[cfg(test)]
mod tests;
