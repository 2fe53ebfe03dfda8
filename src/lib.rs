//! cityloom: departments' feeds in, one map layer, alerts and verified orders out.
//!
//! The modules are listed bottom up; each may import only from those above it in this file
//! (the exact table is `docs/architecture.md`, its test `tests/it/tidy.rs`).
//!
//! * **words** [`model`]: the city's nouns, no I/O.
//! * **rules** [`access`], [`contract`], [`decode`], [`place`], [`layer`], [`alert`], [`dispatch`]: pure functions over
//!   words and Arrow arrays; time is an argument.
//! * **hands** [`lake`], [`sandbox`], [`ingest`], [`connect`], [`fusion`], [`journal`], [`hub`]: everything that touches the world.
//! * **doors** [`server`]: HTTP and websocket; wire forms and no rules.
//! * **wiring** [`config`], [`demo`], [`app`], [`cli`]: the city folder, the demo city, who is plugged into whom.

pub mod model;

pub mod access;
pub mod alert;
pub mod contract;
#[cfg(feature = "io")]
pub mod decode;
pub mod dispatch;
pub mod layer;
pub mod place;

#[cfg(feature = "io")]
pub mod lake;
#[cfg(feature = "io")]
pub mod sandbox;

#[cfg(feature = "io")]
pub mod hub;
#[cfg(feature = "io")]
pub mod ingest;

#[cfg(feature = "io")]
pub mod connect;
#[cfg(feature = "io")]
pub mod journal;

#[cfg(feature = "fusion")]
pub mod fusion;

#[cfg(feature = "server")]
pub mod server;

#[cfg(feature = "server")]
pub mod app;
#[cfg(feature = "server")]
pub mod cli;
#[cfg(feature = "server")]
pub mod config;
pub mod demo;
