//! The demo city: areas grown from a seed, and rows of every feed for any slice of time. Synthetic, and it says so.
//!
//! What goes wrong in it is planned ([`Planted`]), so that what the queries find can be held against the truth.

mod areas;
mod dice;
mod feeds;
mod gazetteer;
mod generator;
mod ground;
mod mesh;
mod plan;
mod rhythm;
mod sheet;
#[cfg(test)]
mod tests;

pub use areas::{Area, COMPREHENSIVE, City, DEDICATED, GridKind};
pub use generator::{Batch, Dirt, Generator, Settings};
pub use mesh::Point;
pub use plan::{Planted, PlantedKind};
