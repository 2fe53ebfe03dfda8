//! The city folder: settings, contracts and areas as people write them, read and checked.
//!
//! `raw.rs` and `raw_connectors.rs` are the TOML as typed, `settings.rs` and `connectors.rs` what it means (`places.rs`: where lake and drops are), `folder.rs` the
//! files beside it. Queries are `fusion`'s to read.

mod connectors;
mod folder;
mod places;
mod raw;
mod raw_connectors;
mod settings;

pub use connectors::Connector;
pub use folder::{contracts, read_areas, read_keys, read_revoked};
pub use places::{Drop, DropPlace, Tending};
pub use settings::{Access, AreaSource, Duty, KeySource, Limits, Settings, Tls, Wall};
