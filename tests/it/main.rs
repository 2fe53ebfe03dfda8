//! The one integration-test binary: a module per door.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test stops where something is not as it must be"
)]

mod access;
mod bad_files;
mod binary;
mod bucket;
mod chicago;
mod conformance;
mod connectors;
mod contracts;
mod crash;
mod demo;
mod discovery;
mod documents;
mod full_disk;
mod h3;
mod h3_vectors;
mod hostile;
mod intake;
mod lateness;
mod neighbours;
mod old_folder;
#[path = "loop.rs"]
mod order_loop;
mod peers;
mod plug;
mod readers;
mod recorded;
mod reload;
mod resumable;
mod retention;
mod samples;
mod serve;
mod server;
mod stream;
mod supply;
mod tidy;
mod tolerance;
mod units;
mod upsert;
mod veil;
mod versions;
