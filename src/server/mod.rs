//! HTTP and websocket doors. Wire forms stand in `wire.rs`, every route in `router.rs`; no rules here.

mod asset;
mod describe;
mod error;
mod router;
mod routes;
mod state;
pub mod stream;
pub mod wire;

pub use router::{ROUTES, router};
pub use state::ServerState;
