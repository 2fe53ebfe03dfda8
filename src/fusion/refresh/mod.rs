//! Results at the cost of what is new: a query's aggregates over feeds are kept as partial states, and only the groups
//! that a drop touches are merged again.
//!
//! One direction: `lift` moves aggregates below joins with tables that change; `cut` takes a plan apart at its
//! innermost linear aggregates (`linear` says what is linear, `window`
//! which part of time counts, `reason` why not); a `state` keeps what was cut off in a `keyed` table per time bucket;
//! `fold` is DataFusion's own two-phase aggregation, run by hand; what is left of the plan, the head, reads the states'
//! finished rows as tables. `checkpoint` spares a restart the reading. The sum over all drops equals the full recompute: that is tested, not hoped.

mod bucket;
mod checkpoint;
mod cut;
mod fold;
mod keyed;
mod lift;
mod linear;
mod reason;
mod state;
#[cfg(test)]
mod tests;
mod window;

pub(super) use checkpoint::{Checkpoints, Prints, Seen};
pub(super) use cut::{Cut, at_edges, cut};
pub(super) use linear::{Leaf, reads_time};
pub use reason::Reason;
pub use state::Size;
pub(super) use state::{Leaves, State};
