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
/// Keeps coordinates positive while they are divided: more than any at resolution 15, and divisible by 7 at every step.
const BIAS: u32 = 40 * 7_u32.pow(8);
const DIGIT_BITS: u32 = 3;
/// Coordinates of resolution 1 on one face lie above its negative and below it: a power of 2.
const ONE: i32 = 16;
const FIRSTS: usize = (4 * ONE * ONE) as usize;
/// Coordinates of base cells on one face, each way.
const ZERO: i32 = 2;
/// How many base cells a face's table has room for: 25, and those that no cell on the face has.
pub(super) const BASES: usize = 32;

/// A cell by its lattice coordinates, plus [`BIAS`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spot {
    pub(super) i: u32,
    pub(super) j: u32,
    /// Whether the point lies clearly inside that cell.
    pub(super) sure: bool,
}

/// The ways of some cells from their resolution up to 0, column by column, where `i` and `j` begin as a [`Spot`]'s.
#[derive(Debug)]
pub(super) struct Climb<const N: usize> {
    pub(super) i: [u32; N],
    pub(super) j: [u32; N],
    /// Each digit at its place in the index, not yet turned as the base cell wants them; nothing at finer resolutions.
    pub(super) digits: [u64; N],
    /// The base cell's number on the face, below [`BASES`]; any where the cell does not lie on it.
    pub(super) base: [u32; N],
}

impl<const N: usize> Default for Climb<N> {
    fn default() -> Self {
        Self { i: [0; N], j: [0; N], digits: [0; N], base: [0; N] }
    }
}

/// The grid of one resolution.
#[derive(Debug)]
pub(super) struct Level {
    pub(super) resolution: Resolution,
    /// From coordinates of resolution 0 to how far a point lies towards i and j, where the edges of the cell at 0 lie at 1.
    scale: [[f64; 2]; 2],
    /// How far from its centre a point is clearly inside a hexagon whose edges lie at 1.
    inside: f64,
    tables: &'static Tables,
}

impl Level {
    pub(super) fn new(resolution: Resolution) -> Self {
        let r = i32::from(u8::from(resolution));
        let sevens = f64::from(7_i32.pow(r.unsigned_abs() / 2));
        let turned = if r % 2 == 1 { [[5.0, -1.0], [-4.0, 5.0]] } else { [[2.0, -1.0], [-1.0, 2.0]] };
        let scale = turned.map(|row: [f64; 2]| row.map(|v| v * sevens));
        let inside = 1.0 - DOUBT * 7_f64.sqrt().powi(r);
        Self { resolution, scale, inside, tables: &TABLES }
    }

    /// The hexagon around a point.
    #[inline]
    pub(super) fn spot(&self, flat: Flat) -> Spot {
        let [[ai, aj], [bi, bj]] = self.scale;
        let (a, b) = (ai * flat.i + aj * flat.j, bi * flat.i + bj * flat.j);
        // Lines a whole number apart across i, j and k cut the plane into triangles; the six around a centre are a hexagon.
        let (below_a, below_b, below_c) = ((a - 0.5) + WHOLE, (b - 0.5) + WHOLE, (-0.5 - (a + b)) + WHOLE);
        let i = ((below_a - below_c) * (1.0 / 3.0) + WHOLE) - WHOLE;
        let j = ((below_b - below_c) * (1.0 / 3.0) + WHOLE) - WHOLE;
        let (past_a, past_b) = (a - (i + i - j), b - (j + j - i));
        let sure = (past_a.abs() < self.inside)
            & (past_b.abs() < self.inside)
            & ((past_a + past_b).abs() < self.inside);
        let biased = |v: f64| (v + (WHOLE + f64::from(BIAS))).to_bits() as u32;
        Spot { i: biased(i), j: biased(j), sure }
    }

    /// Finds the digits of cells and their bases.
    #[inline]
    pub(super) fn climb<const N: usize>(&self, cells: &mut Climb<N>) {
        let r = u32::from(u8::from(self.resolution));
        let Tables { pairs, fours, first } = self.tables;
        let (mut place, mut bias) = ((15 - r) * DIGIT_BITS, BIAS);
        cells.digits.fill(0);
        for _ in 0..r / 4 {
            cells.step::<49>(&fours[(r % 2) as usize], place);
            place += 4 * DIGIT_BITS;
            bias /= 49;
        }
        if r % 4 > 1 {
            cells.step::<7>(&pairs[(r % 2) as usize], place);
            place += 2 * DIGIT_BITS;
            bias /= 7;
        }
        if r % 2 == 1 {
            cells.last(first, place, bias);
            bias = 0;
        }
        for n in 0..N {
            cells.base[n] = number(cells.i[n].wrapping_sub(bias), cells.j[n].wrapping_sub(bias));
        }
    }
}

impl Climb<1> {
    /// Of one cell.
    pub(super) fn of(spot: Spot) -> Self {
        Self { i: [spot.i], j: [spot.j], ..Self::default() }
    }
}

impl<const N: usize> Climb<N> {
    /// Up by two resolutions or four: the quotient by 7 or 49, and what the remainder adds.
    #[inline]
    fn step<const BY: u32>(&mut self, table: &[Step; STEPS], place: u32) {
        let mut remainders = [0; N];
        for (n, remainder) in remainders.iter_mut().enumerate() {
            let (i, j) = (self.i[n], self.j[n]);
            let (up_i, up_j) = (divided::<BY>(i), divided::<BY>(j));
            let rest = |v: u32, up: u32| v.wrapping_sub(up.wrapping_mul(BY));
            *remainder = (rest(i, up_i) << 6).wrapping_add(rest(j, up_j));
            (self.i[n], self.j[n]) = (up_i, up_j);
        }
        for (n, at) in remainders.into_iter().enumerate() {
            let step = table[at as usize % STEPS];
            self.digits[n] |= u64::from(step.digits) << place;
            self.i[n] = self.i[n].wrapping_add_signed(step.i.into());
            self.j[n] = self.j[n].wrapping_add_signed(step.j.into());
        }
    }

    /// From resolution 1 to 0.
    #[inline]
    fn last(&mut self, table: &[Step; FIRSTS], place: u32, bias: u32) {
        for n in 0..N {
            let beside = |v: u32| v.wrapping_sub(bias).wrapping_add_signed(ONE);
            let at = beside(self.i[n]).wrapping_mul(2 * ONE.unsigned_abs()).wrapping_add(beside(self.j[n]));
            let step = table[at as usize % FIRSTS];
            self.digits[n] |= u64::from(step.digits) << place;
            (self.i[n], self.j[n]) = (i32::from(step.i).cast_unsigned(), i32::from(step.j).cast_unsigned());
        }
    }
}

/// Division by 7 or 49 of numbers below 2³¹, shorter than one that has to be right for all 32 bits.
#[inline]
fn divided<const BY: u32>(v: u32) -> u32 {
    let product = u64::from(v) * if BY == 7 { 2_454_267_027 } else { 2_804_876_602 };
    (product >> if BY == 7 { 34 } else { 37 }) as u32
}

/// A base cell's place in the square of those on a face.
#[inline]
fn number(i: u32, j: u32) -> u32 {
    let side = 2 * ZERO.unsigned_abs() + 1;
    let at = i.wrapping_add_signed(ZERO).wrapping_mul(side).wrapping_add(j).wrapping_add_signed(ZERO);
    at % BASES as u32
}

static TABLES: LazyLock<Tables> = LazyLock::new(Tables::new);

/// What going up does to a cell: the digits it leaves, and where it arrives (or what is to be added to the quotient).
#[derive(Debug, Clone, Copy, Default)]
struct Step {
    digits: u16,
    i: i8,
    j: i8,
}

/// Steps by remainders: 64 i + j.
const STEPS: usize = 64 * 64;

#[derive(Debug)]
struct Tables {
    /// Two resolutions up, from an even one and from an odd one.
    pairs: [Box<[Step; STEPS]>; 2],
    /// Four.
    fours: [Box<[Step; STEPS]>; 2],
    /// From resolution 1 to 0, by coordinates.
    first: Box<[Step; FIRSTS]>,
}

impl Tables {
    fn new() -> Self {
        let steps = |by: i32, resolutions| {
            [false, true].map(|odd| {
                let mut steps = Box::new([Step::default(); STEPS]);
                for (i, j) in (0..by).flat_map(|i| (0..by).map(move |j| (i, j))) {
                    steps[(i << 6 | j) as usize] = up_all(i, j, odd, resolutions);
                }
                steps
            })
        };
        let mut first = Box::new([Step::default(); FIRSTS]);
        let coordinates = (-ONE..ONE).flat_map(|i| (-ONE..ONE).map(move |j| (i, j)));
        for (step, (i, j)) in first.iter_mut().zip(coordinates) {
            *step = up_all(i, j, true, 1);
        }
        Self { pairs: steps(7, 2), fours: steps(49, 4), first }
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
            let spot = level.spot(Flat { i, j });
            let (mut i, mut j, mut digits) = (spot.i.wrapping_sub(BIAS) as i32, spot.j.wrapping_sub(BIAS) as i32, 0);
            for r in (1..=r).rev() {
                let digit;
                (digit, i, j) = up(i, j, r % 2 == 1);
                digits |= u64::from(digit) << (3 * (15 - u32::from(r)));
            }
            let mut climb = Climb::<1>::of(spot);
            level.climb(&mut climb);
            prop_assert_eq!((climb.base[0], climb.digits[0]), (number(i as u32, j as u32), digits));
        }

        /// The hexagon found is the one whose centre is nearest.
        #[test]
        fn a_point_lies_in_the_hexagon_with_the_nearest_centre(r in 0..16u8, i in -2.0..2.0f64, j in -2.0..2.0f64) {
            let level = Level::new(Resolution::try_from(r).unwrap());
            let spot = level.spot(Flat { i, j });
            let turned = if r % 2 == 1 { (2.0 * i + j, 3.0 * j - i) } else { (i, j) };
            let sevens = 7_f64.powi(i32::from(r) / 2);
            let (i, j) = (turned.0 * sevens, turned.1 * sevens);
            let far = |di: i32, dj: i32| {
                let from = |v: f64, of: u32, d: i32| v - f64::from(of.wrapping_sub(BIAS).wrapping_add_signed(d) as i32);
                let (i, j) = (from(i, spot.i, di), from(j, spot.j, dj));
                i * i - i * j + j * j
            };
            for (di, dj) in [(1, 1), (0, 1), (1, 0), (-1, -1), (0, -1), (-1, 0)] {
                prop_assert!(!spot.sure || far(0, 0) < far(di, dj));
            }
            prop_assert!(far(0, 0) < 1.0 / 3.0 + 1e-6);
        }

        #[test]
        fn the_short_divisions_are_divisions(v in 0..=i32::MAX.cast_unsigned()) {
            prop_assert_eq!((divided::<7>(v), divided::<49>(v)), (v / 7, v / 49));
        }
    }

    #[test]
    fn the_short_divisions_are_right_at_both_ends() {
        let ends = (0..1_000).chain(i32::MAX.cast_unsigned() - 1_000..=i32::MAX.cast_unsigned());
        for v in ends {
            assert_eq!((divided::<7>(v), divided::<49>(v)), (v / 7, v / 49));
        }
    }
}
