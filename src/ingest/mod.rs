//! Landing: a file or a live batch in, a receipt out.
//!
//! `land.rs` moves bytes, `sift.rs` decides row by row, `place_rows.rs` says where rows lie, `quarantine.rs` keeps
//! what was rejected, `veil.rs` keeps from both what the contract says. What becomes of landed rows is not known here.

mod known_keys;
mod land;
mod place_rows;
mod quarantine;
mod receipt;
mod sift;
mod veil;

pub use crate::decode::text_columns;
pub use crate::lake::Cursor;
pub use land::{Feed, Lander, Upload};
pub use quarantine::schema as quarantine_schema;
pub use receipt::{Receipt, Refusal};
pub use veil::VeilKey;
