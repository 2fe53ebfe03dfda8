//! HTTP and websocket doors. Wire forms stand in `wire.rs`, every route in `router.rs`, the guard before them in
//! `gate.rs`; no rules here.

mod asset;
mod describe;
mod error;
mod gate;
mod guard;
mod listen;
mod router;
mod routes;
mod state;
pub mod stream;
pub mod wire;

/// The door to what is private, for random bytes.
#[cfg(feature = "fuzzing")]
pub mod fuzzing {
    pub use super::routes::fuzzing::tus;
    pub use super::stream::fuzzing::screen;
}

pub use asset::Pages;
pub use guard::{Guard, Renewal};
pub use listen::{TlsError, TlsListener};
pub use router::{ROUTES, router};
pub use state::ServerState;
