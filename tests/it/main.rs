//! The one integration-test binary: a module per door.

mod demo;
mod h3;
mod h3_vectors;
#[path = "loop.rs"]
mod order_loop;
mod reload;
mod serve;
mod server;
mod stream;
