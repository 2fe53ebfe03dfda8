//! One file for each group of routes.

/// The door to what is private, for random bytes.
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing {
    pub use super::resumable::fuzz as tus;
}

pub(super) mod areas;
pub(super) mod feeds;
pub(super) mod health;
pub(super) mod layers;
pub(super) mod rejects;
pub(super) mod resumable;
pub(super) mod session;
pub(super) mod submissions;
pub(super) mod tasks;
