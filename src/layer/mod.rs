//! One layer of the map as a state that changes by sequence numbers: what every cell shows now and when it
//! last changed.
//!
//! State, not messages: a screen that holds sequence `q` needs only "the cells that changed after `q`", one
//! scan away, so there is no history to keep and no screen can fall too far behind. Who subscribes and how
//! bytes travel is not here.

pub mod binary;
pub mod json;

mod rows;
mod schema;
mod state;
#[cfg(test)]
mod tests;

pub use rows::{LayerRows, RowsError};
pub use schema::{ColumnKind, InvalidSchema, LayerColumn, LayerSchema};
pub use state::{Delta, LayerState, ShapeMismatch, Tick};
