//! The one integration-test binary: a module per door.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test stops where something is not as it must be"
)]

mod demo;
mod h3;
mod h3_vectors;
#[path = "loop.rs"]
mod order_loop;
mod reload;
mod serve;
mod server;
mod stream;
mod tidy;
