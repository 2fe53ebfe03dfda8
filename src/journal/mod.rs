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

/// The door to what is private, for random bytes.
#[cfg(feature = "fuzzing")]
pub mod fuzzing {
    use super::{chain, stored};

    /// A line of a segment, or an event by itself: what is read is written again and reads the same.
    pub fn line(bytes: &[u8]) {
        let text = chain::trusted(bytes).map(|(_, _, text, _)| text);
        let Ok(text) = text.or_else(|_| std::str::from_utf8(bytes)) else { return };
        let Ok(read) = stored::read(text) else { return };
        let write = |read: &stored::Envelope| stored::write(&read.event, read.previous, read.left).ok();
        let written = write(&read);
        let again = written.as_deref().and_then(|text| stored::read(text).ok());
        assert_eq!(again.as_ref().and_then(write), written, "an event changes by being written");
    }
}

#[cfg(test)]
mod tests;
