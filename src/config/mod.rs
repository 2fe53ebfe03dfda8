//! The city folder: settings, contracts and areas as people write them, read and checked.
//!
//! `raw.rs` is the TOML as typed, `settings.rs` what it means, `connectors.rs` the live sources in it,
//! `folder.rs` the files beside it. Queries are
//! `fusion`'s to read.

mod connectors;
mod folder;
mod raw;
mod settings;

pub use connectors::Connector;
pub use folder::{contracts, read_areas, read_keys};
pub use settings::{Access, AreaSource, Duty, Limits, Settings, Tls, Wall};
