//! Longitude and latitude to H3 cells, a column at a time: what `h3o` answers point by point, more than ten times as fast.
//!
//! `sphere` makes unit vectors, `fold` finds the face of the icosahedron, `face` flattens onto it, `lattice` finds the
//! hexagon and its digits, `learned` knows base cells and their turns, `index`, `parents` and `children` handle the bits of
//! finished cells. Every step keeps a margin many times its own and `h3o`'s rounding error; a point inside a margin (near the edge of
//! a cell or the centre of a face) is asked of `h3o`; at the edge of two faces both give the same cell. Nothing is
//! copied from H3's tables: corners, base cells and turns are read off `h3o` itself at the first use.

mod children;
mod face;
mod fold;
mod index;
mod lattice;
mod learned;
mod parents;
mod sphere;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

pub use self::children::{Children, children};
use self::face::{Face, Flat, dot};
use self::fold::{SIDES, Side, Upright};
use self::index::{CELL_MODE, RESOLUTION_SHIFT, unused};
use self::lattice::{Climb, Level};
use self::learned::Learned;
pub use self::parents::parents;
use self::sphere::unit_vector;
use crate::model::{Cell, LngLat, Resolution};

/// What a point that is no place has instead of a cell: H3 has no index 0.
pub const NO_CELL: i64 = 0;
/// Points that go through each step together: their columns stay in the first-level cache.
const CHUNK: usize = 128;
/// Angles up to a full turn are read; beyond it `h3o`'s own rounding grows.
const FULL_TURN: f64 = 360.0;

static GRID: LazyLock<Grid> = LazyLock::new(Grid::new);

/// The cell of each point, as a table's Int64; [`NO_CELL`] where a coordinate is not finite. The columns are as long
/// as each other; a longer one's rest is not looked at.
pub fn cells(lng: &[f64], lat: &[f64], resolution: Resolution) -> Vec<i64> {
    let mut found = vec![NO_CELL; lng.len().min(lat.len())];
    let (grid, level, mut chunk) = (&*GRID, Level::new(resolution), Chunk::default());
    for ((lng, lat), found) in lng.chunks(CHUNK).zip(lat.chunks(CHUNK)).zip(found.chunks_mut(CHUNK)) {
        let (lng, lat) = (filled(lng), filled(lat));
        chunk.find_sides(grid, &lng, &lat);
        chunk.flatten(grid);
        chunk.find_spots(&level, &lng, &lat);
        level.climb(&mut chunk.climb);
        chunk.finish(grid, &level);
        for (n, found) in found.iter_mut().enumerate().take(CHUNK) {
            *found = chunk.cells[n];
            if *found == NO_CELL {
                *found = ask(lng[n], lat[n], resolution);
            }
        }
    }
    found
}

/// A chunk's column; what fewer points leave over is 0.
#[inline]
fn filled(column: &[f64]) -> [f64; CHUNK] {
    let mut filled = [0.0; CHUNK];
    for (to, from) in filled.iter_mut().zip(column) {
        *to = *from;
    }
    filled
}

/// How the icosahedron stands, and which base cell lies where on it.
struct Grid {
    upright: Upright,
    /// By side.
    faces: [Face; SIDES],
    learned: Learned,
}

impl Grid {
    fn new() -> Self {
        let upright = Upright::new();
        let faces = upright.on_globe();
        let learned = Learned::from_h3o(&faces);
        Self { upright, faces, learned }
    }
}

/// The points of a chunk, column by column: that is what the compiler does several of at once. Each step fills some columns
/// for all of them.
struct Chunk {
    vector: [[f64; CHUNK]; 3],
    /// As in [`Side`].
    side: [u64; CHUNK],
    out: [f64; CHUNK],
    /// Coordinates on the side's face, not yet divided by `out`.
    flat: [[f64; CHUNK]; 2],
    /// All bits where the cell is sure, else none.
    sure: [u64; CHUNK],
    climb: Climb<CHUNK>,
    cells: [i64; CHUNK],
}

impl Default for Chunk {
    fn default() -> Self {
        let (zero, none) = ([0.0; CHUNK], [0; CHUNK]);
        Self {
            vector: [zero; 3],
            side: none,
            out: zero,
            flat: [zero; 2],
            sure: none,
            climb: Climb::default(),
            cells: [NO_CELL; CHUNK],
        }
    }
}

impl Chunk {
    fn find_sides(&mut self, grid: &Grid, lng: &[f64; CHUNK], lat: &[f64; CHUNK]) {
        for n in 0..CHUNK {
            let vector = unit_vector(lng[n], lat[n]);
            let side = grid.upright.side(vector);
            [self.vector[0][n], self.vector[1][n], self.vector[2][n]] = vector;
            (self.side[n], self.out[n]) = (side.number, side.out);
        }
    }

    fn flatten(&mut self, grid: &Grid) {
        for n in 0..CHUNK {
            let face = &grid.faces[self.side[n] as usize % SIDES];
            let vector = [self.vector[0][n], self.vector[1][n], self.vector[2][n]];
            (self.flat[0][n], self.flat[1][n]) = (dot(face.i, vector), dot(face.j, vector));
        }
    }

    fn find_spots(&mut self, level: &Level, lng: &[f64; CHUNK], lat: &[f64; CHUNK]) {
        for n in 0..CHUNK {
            let shrink = 1.0 / self.out[n];
            let spot = level.spot(Flat { i: self.flat[0][n] * shrink, j: self.flat[1][n] * shrink });
            // False for what is not finite, too.
            let readable = (lng[n].abs() <= FULL_TURN) & (lat[n].abs() <= FULL_TURN);
            (self.climb.i[n], self.climb.j[n]) = (spot.i, spot.j);
            self.sure[n] = u64::from(spot.sure & readable & !Side::is_central(self.out[n])).wrapping_neg();
        }
    }

    fn finish(&mut self, grid: &Grid, level: &Level) {
        let every =
            CELL_MODE | u64::from(u8::from(level.resolution)) << RESOLUTION_SHIFT | unused(level.resolution);
        for n in 0..CHUNK {
            let found = grid.learned.find(self.side[n] as u32, self.climb.base[n], self.climb.digits[n]);
            self.cells[n] = found.map_or(0, |bits| (bits | every) & self.sure[n]).cast_signed();
        }
    }
}

fn ask(lng: f64, lat: f64, resolution: Resolution) -> i64 {
    #[cfg(test)]
    tests::ASKED.with(|asked| asked.set(asked.get() + 1));
    LngLat { lng, lat }.cell(resolution).map_or(NO_CELL, Cell::to_i64)
}
