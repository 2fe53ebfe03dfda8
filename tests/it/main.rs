//! The one integration-test binary: a module per door.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test stops where something is not as it must be")]

mod h3;
mod h3_vectors;
mod stream;
mod tidy;
