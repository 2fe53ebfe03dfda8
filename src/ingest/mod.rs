//! Landing: a file or a live batch in, a receipt out.
//!
//! `feed.rs` is where rows land, `land.rs` moves bytes, `sift.rs` decides row by row, `place_rows.rs` says where rows lie, `quarantine.rs` keeps
//! what was rejected, `rejects.rs` gives it back, `mended.rs` tells it when it comes again, `veil.rs` keeps from both what the contract says. `submissions.rs`
//! reads what landed and withdraws it, `footprint.rs` says where it fell, `try_out.rs` checks without landing. `uploads.rs`
//! keeps what comes in parts, `bounds.rs` says how much comes at once, `under.rs` under which version of its contract. What becomes of landed rows is not known here.

mod bounds;
mod feed;
mod footprint;
mod known_keys;
mod land;
mod mended;
mod place_rows;
mod quarantine;
mod receipt;
mod rejects;
mod running;
mod sift;
mod submissions;
mod try_out;
mod under;
mod uploads;
mod veil;

/// The door to what is private, for random bytes.
#[cfg(feature = "fuzzing")]
pub mod fuzzing {
    pub use super::sift::fuzz as sift;
}

pub use crate::decode::{
    Document, Entity, Error as DecodeError, MessageFormat, MessageOptions, Payload, RowPlace, Rows, Units,
    in_units, units_of,
};
pub use crate::lake::{Cursor, Tail};
pub use crate::sandbox::{Decoder, Reader};
pub use bounds::Bounds;
pub use feed::{Feed, Feeds, open_feeds};
pub use footprint::{CellRows, Footprint, Mark};
pub use land::{Lander, Terms, Upload};
pub use quarantine::schema as quarantine_schema;
pub use receipt::{Converted, Receipt, Refusal, Violation};
pub use rejects::RejectedRow;
pub use running::{Running, Ticket, UnderWay};
pub use submissions::{Quality, Submission};
pub use try_out::Trial;
pub use uploads::{Appending, Note, Part, Uploads};
pub use veil::VeilKey;
