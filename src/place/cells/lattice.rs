//! The hexagons of one resolution on a face's plane: which one holds a point, and its digits up to the base cell.
//!
//! With i and j as the parts of an Eisenstein integer, going down a resolution multiplies by 2 − ω or its conjugate in
//! turn, and both together by 7. So the digits of two resolutions are known from the remainders of i and j by 7, of four
//! from those by 49, and the cell above them is the quotient: one look into a table and no search.

use std::sync::LazyLock;

use super::face::Flat;
use super::sphere::WHOLE;
use crate::model::Resolution;

/// Where rounding errors (ours and `h3o`'s, together below 2·10⁻¹³ in units of resolution 0) might decide.
const DOUBT: f64 = 4e-12;
/// Nearer to a face's centre than this, `h3o`'s arc cosine of almost 1 loses digits: 1.3·10⁻³ is 3 km.
const CENTRE: f64 = 1.3e-3;
/// Keeps coordinates positive while they are divided: more than any at resolution 15, and divisible by 7 at every step.
const BIAS: i32 = 40 * 7_i32.pow(8);
const DIGIT_BITS: u32 = 3;
/// Coordinates of resolution 1 on one face, each way.
const ONE: i32 = 8;
/// Coordinates of base cells on one face, each way.
const ZERO: i32 = 2;
/// How many base cells a face's table has room for.
pub(super) const BASES: usize = 25;

/// A cell by its lattice coordinates, as the bits of [`WHOLE`] numbers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spot {
    pub(super) i: u64,
    pub(super) j: u64,
    /// 1 where the point lies clearly inside that cell and clearly on that face, else 0; as wide as the others.
    pub(super) sure: u64,
}

impl Spot {
    pub(super) fn is_sure(self) -> bool {
        self.sure != 0
    }
}

/// A cell by its base on a face and its digits there, not yet turned as the base cell wants them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    /// The base cell's number on the face, below [`BASES`].
    pub(super) base: usize,
    /// Each digit at its place in the index; nothing at finer resolutions.
    pub(super) digits: u64,
}

/// The grid of one resolution.
#[derive(Debug)]
pub(super) struct Level {
    pub(super) resolution: Resolution,
    /// From coordinates of resolution 0 to this one's.
    scale: [[f64; 2]; 2],
    /// How far from its centre a point is clearly inside a hexagon whose edges lie at 1.
    inside: f64,
    tables: &'static Tables,
}

impl Level {
    pub(super) fn new(resolution: Resolution) -> Self {
        let r = i32::from(u8::from(resolution));
        let sevens = f64::from(7_i32.pow(r.unsigned_abs() / 2));
        let turned = if r % 2 == 1 { [[2.0, 1.0], [-1.0, 3.0]] } else { [[1.0, 0.0], [0.0, 1.0]] };
        let scale = turned.map(|row: [f64; 2]| row.map(|v| v * sevens));
        let inside = 1.0 - DOUBT * 7_f64.sqrt().powi(r);
        Self { resolution, scale, inside, tables: &TABLES }
    }

    /// The hexagon around a point.
    #[expect(clippy::needless_bitwise_bool, reason = "without branches several points are done at once")]
    #[inline]
    pub(super) fn spot(&self, flat: Flat) -> Spot {
        let [[ii, ij], [ji, jj]] = self.scale;
        let (i, j) = (ii * flat.i + ij * flat.j, ji * flat.i + jj * flat.j);
        let (mut near_i, mut near_j) = ((i + WHOLE) - WHOLE, (j + WHOLE) - WHOLE);
        // Rounding i and j apart leaves a point of a corner beyond the edge towards ±i or ±j: it is the next cell's.
        let (past_i, past_j) = edges(i - near_i, j - near_j);
        let (far_i, far_j) = (past_i.abs(), past_j.abs());
        near_i += if (far_i > 1.0) & (far_i >= far_j) { 1_f64.copysign(past_i) } else { 0.0 };
        near_j += if (far_j > 1.0) & (far_j > far_i) { 1_f64.copysign(past_j) } else { 0.0 };
        let (past_i, past_j) = edges(i - near_i, j - near_j);
        let in_cell = (past_i.abs() < self.inside)
            & (past_j.abs() < self.inside)
            & ((past_i + past_j).abs() < self.inside);
        let Flat { i, j, out } = flat;
        let on_face = (out > 0.0)
            & (2.0 - i - j > DOUBT)
            & (2.0 + i + i - j > DOUBT)
            & (2.0 - i + j + j > DOUBT)
            & (i * i - i * j + j * j > CENTRE * CENTRE);
        Spot {
            i: (near_i + WHOLE).to_bits(),
            j: (near_j + WHOLE).to_bits(),
            sure: u64::from(in_cell & on_face),
        }
    }

    /// The digits of a cell and its base; none beyond the face's base cells.
    #[inline]
    pub(super) fn climb(&self, spot: Spot) -> Option<Address> {
        let r = u32::from(u8::from(self.resolution));
        let biased = |bits: u64| (bits as u32).wrapping_add(BIAS.cast_unsigned());
        let (mut i, mut j, mut bias) = (biased(spot.i), biased(spot.j), BIAS);
        let (mut digits, mut place) = (0, (15 - r) * DIGIT_BITS);
        let Climb { pairs, fours } = &self.tables.climbs[(r % 2) as usize];
        for _ in 0..r / 4 {
            let (up_i, up_j) = (by_49(i), by_49(j));
            let step = fours[(((i - up_i * 49) << 6 | (j - up_j * 49)) & 0xfff) as usize];
            digits |= u64::from(step.digits) << place;
            place += 4 * DIGIT_BITS;
            (i, j) = (up_i.wrapping_add_signed(step.i.into()), up_j.wrapping_add_signed(step.j.into()));
            bias /= 49;
        }
        if r % 4 > 1 {
            let (up_i, up_j) = (by_7(i), by_7(j));
            let step = pairs[(((i - up_i * 7) << 3 | (j - up_j * 7)) & 0x3f) as usize];
            digits |= u64::from(step.digits) << place;
            place += 2 * DIGIT_BITS;
            (i, j) = (up_i.wrapping_add_signed(step.i.into()), up_j.wrapping_add_signed(step.j.into()));
            bias /= 7;
        }
        let (mut i, mut j) = (i.cast_signed() - bias, j.cast_signed() - bias);
        if r % 2 == 1 {
            let step = self.tables.first.get(number(i, j, ONE)?)?;
            digits |= u64::from(step.digits) << place;
            (i, j) = (step.i.into(), step.j.into());
        }
        Some(Address { base: number(i, j, ZERO)?, digits })
    }
}

/// Divisions of numbers below 2³¹, shorter than those that have to be right for all 32 bits.
#[inline]
fn by_7(v: u32) -> u32 {
    ((u64::from(v) * 2_454_267_027) >> 34) as u32
}

#[inline]
fn by_49(v: u32) -> u32 {
    ((u64::from(v) * 2_804_876_602) >> 37) as u32
}

/// How far a point lies from its hexagon's centre towards ±i and ±j, where an edge is at 1; towards ±k it is their sum.
#[inline]
fn edges(i: f64, j: f64) -> (f64, f64) {
    (i + i - j, j + j - i)
}

/// A place in a square table of coordinates up to `most` each way.
#[inline]
fn number(i: i32, j: i32, most: i32) -> Option<usize> {
    let (row, column) = (i + most, j + most);
    let side = 2 * most + 1;
    ((0..side).contains(&row) && (0..side).contains(&column)).then_some((row * side + column) as usize)
}

static TABLES: LazyLock<Tables> = LazyLock::new(Tables::new);

/// What going up does to a cell: the digits it leaves, and where it arrives (or what is to be added to the quotient).
#[derive(Debug, Clone, Copy, Default)]
struct Step {
    digits: u16,
    i: i8,
    j: i8,
}

/// Several resolutions up at once, by remainders.
#[derive(Debug)]
struct Climb {
    /// Two, by remainders of 7: 8 i + j.
    pairs: [Step; 64],
    /// Four, by remainders of 49: 64 i + j.
    fours: Box<[Step; 4_096]>,
}

#[derive(Debug)]
struct Tables {
    /// From an even resolution and from an odd one.
    climbs: [Climb; 2],
    /// From resolution 1 to 0, by coordinates.
    first: Vec<Step>,
}

impl Tables {
    fn new() -> Self {
        let climbs = [false, true].map(|odd| {
            let (mut pairs, mut fours) = ([Step::default(); 64], Box::new([Step::default(); 4_096]));
            for (i, j) in (0..7).flat_map(|i| (0..7).map(move |j| (i, j))) {
                pairs[(i << 3 | j) as usize] = up_all(i, j, odd, 2);
            }
            for (i, j) in (0..49).flat_map(|i| (0..49).map(move |j| (i, j))) {
                fours[(i << 6 | j) as usize] = up_all(i, j, odd, 4);
            }
            Climb { pairs, fours }
        });
        let side = -ONE..=ONE;
        let first = side.clone().flat_map(|i| side.clone().map(move |j| up_all(i, j, true, 1))).collect();
        Self { climbs, first }
    }
}

/// Some resolutions up.
fn up_all(mut i: i32, mut j: i32, odd: bool, resolutions: u32) -> Step {
    let mut digits = 0;
    for n in 0..resolutions {
        let digit;
        (digit, i, j) = up(i, j, odd == (n % 2 == 0));
        digits |= digit << (n * DIGIT_BITS);
    }
    Step { digits, i: i as i8, j: j as i8 }
}

/// One resolution up, from an odd one or an even one: the digit is the neighbour's direction from its parent's centre.
fn up(i: i32, j: i32, odd: bool) -> (u16, i32, i32) {
    // Digit = 4 for a step along i, 2 along j, 1 along k; k is −i −j.
    let directions = [(0, 0), (-1, -1), (0, 1), (-1, 0), (1, 0), (0, -1), (1, 1)];
    for (digit, (di, dj)) in (0..).zip(directions) {
        let (i, j) = (i - di, j - dj);
        // Division by the factor is multiplication by its conjugate, then by 1/7.
        let (up_i, up_j) = if odd { (3 * i - j, i + 2 * j) } else { (2 * i + j, 3 * j - i) };
        if up_i % 7 == 0 && up_j % 7 == 0 {
            return (digit, up_i / 7, up_j / 7);
        }
    }
    // The seven directions are the seven remainders, so one of them has returned.
    (0, 0, 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Every cell has exactly one parent, and its digit leads back to it.
        #[test]
        fn going_up_and_down_again_arrives(i in -1000..1000i32, j in -1000..1000i32, odd: bool) {
            let (digit, up_i, up_j) = up(i, j, odd);
            let directions = [(0, 0), (-1, -1), (0, 1), (-1, 0), (1, 0), (0, -1), (1, 1)];
            let (di, dj) = directions[usize::from(digit)];
            let down =
                if odd { (2 * up_i + up_j, 3 * up_j - up_i) } else { (3 * up_i - up_j, up_i + 2 * up_j) };
            prop_assert_eq!((down.0 + di, down.1 + dj), (i, j));
        }

        /// The tables' long steps are as many single ones, at every resolution and for cells all over a face.
        #[test]
        fn climbing_by_fours_and_twos_is_climbing_one_by_one(r in 0..16u8, i in -1.0..1.0f64, j in -1.0..1.0f64) {
            let level = Level::new(Resolution::try_from(r).unwrap());
            let spot = level.spot(Flat { i, j, out: 1.0 });
            let (mut i, mut j, mut digits) = (spot.i as i32, spot.j as i32, 0);
            for r in (1..=r).rev() {
                let digit;
                (digit, i, j) = up(i, j, r % 2 == 1);
                digits |= u64::from(digit) << (3 * (15 - u32::from(r)));
            }
            prop_assert_eq!(level.climb(spot), number(i, j, ZERO).map(|base| Address { base, digits }));
        }

        #[test]
        fn the_short_divisions_are_divisions(v in 0..=i32::MAX.cast_unsigned()) {
            prop_assert_eq!((by_7(v), by_49(v)), (v / 7, v / 49));
        }
    }

    #[test]
    fn the_short_divisions_are_right_at_both_ends() {
        let ends = (0..1_000).chain(i32::MAX.cast_unsigned() - 1_000..=i32::MAX.cast_unsigned());
        for v in ends {
            assert_eq!((by_7(v), by_49(v)), (v / 7, v / 49));
        }
    }
}
