//! Which base cell lies where on each face, and how it turns digits: learned from `h3o`'s answers at the first use.
//!
//! H3 numbers a base cell's digits in one orientation for all faces that it touches. On a given face they differ from the
//! lattice's by a turn that depends on the base cell alone, or, around a pentagon, also on the first digit that is not 0.
//! So one point for each of these cases tells the turn for all points. A case that no point has met is asked of `h3o`
//! whenever it comes.

use super::face::Face;
use super::index::{BASE_SHIFT, CELL_MODE, DIGITS, RESOLUTION_SHIFT, base_of, first, turn, unused};
use super::lattice::{Address, BASES, Level};
use super::sphere::unit_vector;
use crate::model::{LngLat, Resolution};

/// The resolution at which is asked: fine enough to meet the first digits in every direction.
const ASKED: Resolution = Resolution::Six;
/// Points along a face's side.
const STEPS: u32 = 20;
/// How far from an edge more points stand, as shares of the face's height, and how many along it.
const STRIPS: [f64; 5] = [1e-4, 1e-3, 4e-3, 1e-2, 2e-2];
const ALONG: u32 = 120;

/// A base cell and its turn, in sixths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Base {
    cell: u8,
    turns: u8,
}

/// What is known of a base cell on a face, by first digit; none where no point has met it.
type Cases = [Option<Base>; 8];

/// By face, by base on the face.
#[derive(Debug)]
pub(super) struct Learned(Vec<[Cases; BASES]>);

impl Learned {
    pub(super) fn from_h3o(faces: &[Face]) -> Self {
        let level = Level::new(ASKED);
        let learn = |face: &Face| {
            let mut bases = [Cases::default(); BASES];
            for at in points(face) {
                let spot = level.spot(face.flatten(unit_vector(at.lng, at.lat)));
                let Some(address) = level.climb(spot).filter(|_| spot.is_sure()) else { continue };
                let cases = &mut bases[address.base];
                if cases[first(address.digits)].is_none()
                    && let Some(base) = asked(at, address.digits)
                {
                    cases[first(address.digits)] = Some(base);
                    // Where all digits are 0 there is nothing to turn.
                    cases[0] = Some(Base { turns: 0, ..base });
                }
            }
            bases
        };
        Self(faces.iter().map(learn).collect())
    }

    /// The index of a cell; none where its case was not met.
    #[inline]
    pub(super) fn index(&self, resolution: Resolution, face: usize, address: &Address) -> Option<i64> {
        let base = self.0.get(face)?.get(address.base)?[first(address.digits)]?;
        let bits = CELL_MODE
            | u64::from(u8::from(resolution)) << RESOLUTION_SHIFT
            | u64::from(base.cell) << BASE_SHIFT
            | turn(address.digits, base.turns)
            | unused(resolution);
        Some(bits.cast_signed())
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
fn asked(at: LngLat, digits: u64) -> Option<Base> {
    let bits = at.cell(ASKED)?.to_i64().cast_unsigned();
    let theirs = bits & DIGITS & !unused(ASKED);
    let turns = (0..6).find(|turns| turn(digits, *turns) == theirs)?;
    Some(Base { cell: base_of(bits), turns })
}

#[cfg(test)]
mod tests {
    use super::super::face::faces;
    use super::*;

    #[test]
    fn every_base_cell_is_met() {
        let learned = Learned::from_h3o(&faces());
        let mut met: Vec<u8> = learned.0.iter().flatten().flatten().flatten().map(|base| base.cell).collect();
        met.sort_unstable();
        met.dedup();
        assert_eq!(met, (0..122).collect::<Vec<u8>>());
    }
}
