//! The feeds by how they come about: fleets that move, networks that report, events that happen.

pub mod event;
pub mod fleet;
pub mod network;
pub mod reading;

pub use network::Networks;
