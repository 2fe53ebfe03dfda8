//! Where a row is: coordinate systems, cells, areas by exact point in polygon.

mod areas;
mod cells;
mod china;
mod crs;
mod locate;
mod outline;
mod raster;
mod read;
mod shape;
mod table;

pub use areas::{Area, AreaIdx, Areas, Instants};
pub use cells::{Children, NO_CELL, cells, children, parents};
pub use crs::{Crs, Projection, UnknownCrs};
pub use read::{AreaFields, AreasError, LevelField};

/// A folder of real data for tests; none, and a line that says so, where it is not at hand.
#[cfg(test)]
fn real_data(folder: &str) -> Option<std::path::PathBuf> {
    let root = std::env::var("CITYLOOM_SHARED_DATA").unwrap_or_else(|_| "../shared/data".into());
    let path = std::path::Path::new(&root).join(folder);
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: no real data at {}", path.display());
    None
}
