//! One file for each group of routes.

pub(super) mod areas;
pub(super) mod feeds;
pub(super) mod health;
pub(super) mod layers;
pub(super) mod session;
pub(super) mod tasks;
