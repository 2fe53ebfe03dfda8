//! Longitude and latitude to H3 cells, a column at a time: what `h3o` answers point by point, some ten times as fast.
//!
//! `sphere` makes unit vectors, `face` flattens them onto the icosahedron, `lattice` finds the hexagon and its digits,
//! `learned` knows base cells and their turns, `index` and `parents` handle the bits of finished cells. Every step keeps a
//! margin many times its own and `h3o`'s rounding error; a point inside a margin (near the edge of a cell, an edge or the
//! centre of a face) is asked of `h3o`. Nothing is copied from H3's tables: corners, base cells and turns are read off
//! `h3o` itself at the first use.

mod face;
mod index;
mod lattice;
mod learned;
mod parents;
mod sphere;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use self::face::{Face, faces, nearest};
use self::lattice::{Level, Spot};
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
    let level = Level::new(resolution);
    let mut recent = [0, 1];
    let columns = lng.chunks(CHUNK).zip(lat.chunks(CHUNK)).zip(found.chunks_mut(CHUNK));
    for ((lng, lat), found) in columns {
        GRID.chunk(&level, lng, lat, &mut recent, found);
    }
    found
}

/// The icosahedron, and which base cell lies where on it.
struct Grid {
    faces: Vec<Face>,
    learned: Learned,
}

impl Grid {
    fn new() -> Self {
        let faces = faces();
        let learned = Learned::from_h3o(&faces);
        Self { faces, learned }
    }

    /// At most [`CHUNK`] points. `recent` are the faces where the last points lay: a city lies on one, seldom on two.
    fn chunk(&self, level: &Level, lng: &[f64], lat: &[f64], recent: &mut [usize; 2], found: &mut [i64]) {
        let points = Points::new(lng, lat);
        let mut spots = Spots::default();
        self.place(level, &points, recent[0], &mut spots);
        if spots.sure.contains(&0) {
            self.place(level, &points, recent[1], &mut spots);
        }
        for i in 0..found.len().min(CHUNK) {
            if spots.sure[i] != 0 {
                continue;
            }
            let here = nearest(&self.faces, points.vector(i));
            if let Some(face) = self.faces.get(here) {
                spots.set(i, here, level.spot(face.flatten(points.vector(i))));
            }
            if !recent.contains(&here) {
                *recent = [here, recent[0]];
            }
        }
        for (i, found) in found.iter_mut().enumerate().take(CHUNK) {
            let (spot, face) = spots.get(i);
            *found =
                if spot.is_sure() & points.is_readable(i) { self.index(level, face, spot) } else { NO_CELL };
        }
        for (i, found) in found.iter_mut().enumerate().take(CHUNK) {
            if *found == NO_CELL {
                *found = ask(points.lng[i], points.lat[i], level.resolution);
            }
        }
    }

    /// Finds the spots of those points that lie surely on that face.
    fn place(&self, level: &Level, points: &Points, face: usize, spots: &mut Spots) {
        let Some(plane) = self.faces.get(face) else { return };
        for i in 0..CHUNK {
            let spot = level.spot(plane.flatten(points.vector(i)));
            // Where a spot was sure before it stays; written so that no point branches.
            let keep = spots.sure[i].wrapping_neg();
            spots.i[i] = spots.i[i] & keep | spot.i & !keep;
            spots.j[i] = spots.j[i] & keep | spot.j & !keep;
            spots.face[i] = spots.face[i] & keep | face as u64 & !keep;
            spots.sure[i] |= spot.sure;
        }
    }

    /// The cell at a spot; [`NO_CELL`] where that was not learned.
    #[inline]
    fn index(&self, level: &Level, face: usize, spot: Spot) -> i64 {
        let address = level.climb(spot);
        address.and_then(|address| self.learned.index(level.resolution, face, &address)).unwrap_or(NO_CELL)
    }
}

/// The points of a chunk, column by column: that is what the compiler does several of at once.
struct Points {
    lng: [f64; CHUNK],
    lat: [f64; CHUNK],
    x: [f64; CHUNK],
    y: [f64; CHUNK],
    z: [f64; CHUNK],
}

impl Points {
    fn new(lng: &[f64], lat: &[f64]) -> Self {
        let zero = [0.0; CHUNK];
        let mut points = Self { lng: zero, lat: zero, x: zero, y: zero, z: zero };
        for (to, from) in points.lng.iter_mut().zip(lng).chain(points.lat.iter_mut().zip(lat)) {
            *to = *from;
        }
        for i in 0..CHUNK {
            [points.x[i], points.y[i], points.z[i]] = unit_vector(points.lng[i], points.lat[i]);
        }
        points
    }

    #[inline]
    fn vector(&self, i: usize) -> [f64; 3] {
        [self.x[i], self.y[i], self.z[i]]
    }

    /// False for what is not finite, too.
    #[inline]
    fn is_readable(&self, i: usize) -> bool {
        (self.lng[i].abs() <= FULL_TURN) & (self.lat[i].abs() <= FULL_TURN)
    }
}

/// Where the points of a chunk lie.
struct Spots {
    i: [u64; CHUNK],
    j: [u64; CHUNK],
    face: [u64; CHUNK],
    /// As in [`Spot`].
    sure: [u64; CHUNK],
}

impl Default for Spots {
    fn default() -> Self {
        let zero = [0; CHUNK];
        Self { i: zero, j: zero, face: zero, sure: zero }
    }
}

impl Spots {
    fn set(&mut self, n: usize, face: usize, spot: Spot) {
        (self.i[n], self.j[n], self.sure[n], self.face[n]) = (spot.i, spot.j, spot.sure, face as u64);
    }

    #[inline]
    fn get(&self, n: usize) -> (Spot, usize) {
        (Spot { i: self.i[n], j: self.j[n], sure: self.sure[n] }, self.face[n] as usize)
    }
}

fn ask(lng: f64, lat: f64, resolution: Resolution) -> i64 {
    #[cfg(test)]
    tests::ASKED.with(|asked| asked.set(asked.get() + 1));
    LngLat { lng, lat }.cell(resolution).map_or(NO_CELL, Cell::to_i64)
}
