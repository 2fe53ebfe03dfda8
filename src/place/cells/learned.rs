//! Which base cell lies where on each face, and how it turns digits: learned from `h3o`'s answers at the first use.
//!
//! H3 numbers a base cell's digits in one orientation for all faces that it touches. On a given face they differ from the
//! lattice's by a turn that depends on the base cell alone, or, around a pentagon, also on the first digit that is not 0.
//! So one point for each of these cases tells the turn for all points. A case that no point has met is asked of `h3o`
//! whenever it comes.

use super::face::Face;
use super::fold::SIDES;
use super::index::{BASE_SHIFT, DIGITS, TURNS, Turn, base_of, first, set, turned, unused};
use super::lattice::{BASES, Climb, Level};
use super::sphere::unit_vector;
use crate::model::{LngLat, Resolution};

/// The resolution at which is asked: fine enough to meet the first digits in every direction.
const ASKED: Resolution = Resolution::Six;
/// Points along a face's side.
const STEPS: u32 = 20;
/// How far from an edge more points stand, as shares of the face's height, and how many along it.
const STRIPS: [f64; 5] = [1e-4, 1e-3, 4e-3, 1e-2, 2e-2];
const ALONG: u32 = 120;

/// By side, by base on its face, by first digit: a base cell and its turn, as [`entry`] packs them.
const CASES: usize = 8;
/// A case that no point has met.
const UNKNOWN: u16 = u16::MAX;

pub(super) struct Learned(Box<[u16; SIDES * BASES * CASES]>);

/// A base cell in the bits above, its turn in the lowest three.
fn entry(cell: u8, turn: Turn) -> u16 {
    u16::from(cell) << 3 | u16::from(turn)
}

impl Learned {
    /// `faces` are those of the sides.
    pub(super) fn from_h3o(faces: &[Face]) -> Self {
        let mut all = Box::new([UNKNOWN; SIDES * BASES * CASES]);
        let level = Level::new(ASKED);
        for (side, face) in faces.iter().enumerate().take(SIDES) {
            let here = side * BASES * CASES;
            if let Some(same) = faces.iter().take(side).position(|other| other.is(face)) {
                all.copy_within(same * BASES * CASES..(same + 1) * BASES * CASES, here);
                continue;
            }
            for at in points(face) {
                let spot = level.spot(face.flatten(unit_vector(at.lng, at.lat)));
                if !spot.sure {
                    continue;
                }
                let mut climb = Climb::of(spot);
                level.climb(&mut climb);
                let ([base], [digits]) = (climb.base, climb.digits);
                let case = here + base as usize % BASES * CASES;
                let met = case + first(digits, set(digits));
                if all[met] == UNKNOWN
                    && let Some((cell, turn)) = asked(at, digits)
                {
                    all[met] = entry(cell, turn);
                    // Where all digits are 0 there is nothing to turn.
                    all[case] = entry(cell, 0);
                }
            }
        }
        Self(all)
    }

    /// The base cell and the digits of a cell as its index has them; none where its case was not met.
    #[inline]
    pub(super) fn find(&self, side: u32, base: u32, digits: u64) -> Option<u64> {
        let set = set(digits);
        let case = (side as usize * BASES + base as usize) * CASES + first(digits, set);
        let entry = self.0[case % (SIDES * BASES * CASES)];
        let found = u64::from(entry >> 3) << BASE_SHIFT | turned(digits, set, (entry & 7) as Turn);
        (entry != UNKNOWN).then_some(found)
    }
}

/// Points all over a face, and more of them along its edges, where cells of other faces reach over.
fn points(face: &Face) -> impl Iterator<Item = LngLat> {
    let share = |n: u32, of: u32| (f64::from(n) + 0.5) / f64::from(of);
    let inner =
        (0..STEPS).flat_map(move |a| (0..STEPS - a).map(move |b| (share(a, STEPS), share(b, STEPS) * 0.98)));
    let edges =
        STRIPS.into_iter().flat_map(move |off| (0..ALONG).map(move |n| (off, (1.0 - off) * share(n, ALONG))));
    let turned = |(a, b): (f64, f64)| [[a, b, 1.0 - a - b], [b, 1.0 - a - b, a], [1.0 - a - b, a, b]];
    let corners = face.corners;
    inner.chain(edges).flat_map(turned).map(move |weights| {
        let [x, y, z] = [0, 1, 2].map(|n| (0..3).map(|m| weights[m] * corners[m][n]).sum::<f64>());
        LngLat { lng: y.atan2(x).to_degrees(), lat: z.atan2(x.hypot(y)).to_degrees() }
    })
}

/// The base cell that `h3o` says, and the turn that makes its digits of ours.
fn asked(at: LngLat, digits: u64) -> Option<(u8, Turn)> {
    let bits = at.cell(ASKED)?.to_i64().cast_unsigned();
    let theirs = bits & DIGITS & !unused(ASKED);
    let turn = TURNS.into_iter().find(|turn| turned(digits, set(digits), *turn) == theirs)?;
    Some((base_of(bits), turn))
}

#[cfg(test)]
mod tests {
    use super::super::fold::Upright;
    use super::*;

    #[test]
    fn every_base_cell_is_met() {
        let learned = Learned::from_h3o(&Upright::new().on_globe());
        let known = learned.0.iter().filter(|entry| **entry != UNKNOWN);
        let mut met: Vec<u16> = known.map(|entry| entry >> 3).collect();
        met.sort_unstable();
        met.dedup();
        assert_eq!(met, (0..122).collect::<Vec<u16>>());
    }
}
