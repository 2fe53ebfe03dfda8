//! Cells to their ancestors of one resolution, a column at a time: digits are cut off, nothing is unpacked.

use std::sync::LazyLock;

use h3o::CellIndex;

use super::NO_CELL;
use super::index::{CELL_MODE, DIGITS, ONES, RESOLUTION_SHIFT, base_of, first, set, unused};
use crate::model::Resolution;

const BASES: u8 = 122;
/// The digit that a pentagon's children do not have.
pub(super) const DELETED: usize = 1;

/// Which base cells are pentagons, a bit each.
pub(super) static PENTAGONS: LazyLock<u128> = LazyLock::new(|| {
    CellIndex::base_cells()
        .filter(|cell| cell.is_pentagon())
        .map(|cell| 1 << base_of(cell.into()))
        .fold(0, |all: u128, one: u128| all | one)
});

/// Each cell's ancestor, or the cell itself where it has that resolution; [`NO_CELL`] where it is coarser, and for numbers
/// that are no cells.
pub fn parents(cells: &[i64], resolution: Resolution) -> Vec<i64> {
    let pentagons = *PENTAGONS;
    let cut = unused(resolution);
    let of = u64::from(u8::from(resolution)) << RESOLUTION_SHIFT;
    let parent = |cell: &i64| {
        let bits = cell.cast_unsigned();
        let finer = (bits >> RESOLUTION_SHIFT & 15) >= u64::from(u8::from(resolution));
        if finer && is_cell(bits, pentagons) {
            (bits & !(15 << RESOLUTION_SHIFT) | of | cut).cast_signed()
        } else {
            NO_CELL
        }
    };
    cells.iter().map(parent).collect()
}

/// Whether the bits are a cell's: the mode, a base cell, digits 0 to 6 down to its resolution and 7 below.
pub(super) fn is_cell(bits: u64, pentagons: u128) -> bool {
    let below = below(bits);
    let digits = bits & DIGITS & !below;
    let sevens = digits & digits >> 1 & digits >> 2 & ONES;
    let base = base_of(bits);
    bits >> 56 == CELL_MODE >> 56
        && base < BASES
        && bits & below == below
        && sevens == 0
        && (pentagons >> base & 1 == 0 || first(digits, set(digits)) != DELETED)
}

/// Whether a cell is a pentagon.
#[inline]
pub(super) fn is_pentagon(bits: u64, pentagons: u128) -> bool {
    pentagons >> base_of(bits) & 1 == 1 && bits & DIGITS & !below(bits) == 0
}

/// All ones at the digits finer than a cell's resolution.
#[inline]
pub(super) fn below(bits: u64) -> u64 {
    (1 << (45 - 3 * (bits >> RESOLUTION_SHIFT & 15))) - 1
}

#[cfg(test)]
mod tests {
    use h3o::CellIndex;
    use proptest::prelude::*;

    use super::super::index::BASE_SHIFT as BASE;
    use super::*;

    fn expected(bits: u64, resolution: Resolution) -> i64 {
        let parent = CellIndex::try_from(bits).ok().and_then(|cell| cell.parent(resolution));
        parent.map_or(NO_CELL, |cell| u64::from(cell).cast_signed())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        /// Numbers that are nearly cells: any base, any digits, a bit or two wrong.
        #[test]
        fn an_ancestor_is_the_one_that_h3o_says(
            r in 0..16u8, to in 0..16u8, base in 0..128u64, digits in prop::collection::vec(0..8u64, 15),
            clean: bool, flips in prop::collection::vec(0..64u32, 0..3),
        ) {
            let (resolution, to) = (Resolution::try_from(r).unwrap(), Resolution::try_from(to).unwrap());
            let digit = |d: &u64| if clean { d % 7 } else { *d };
            let digits = digits.iter().fold(0, |all, d| all << 3 | digit(d));
            let bits = CELL_MODE | u64::from(r) << RESOLUTION_SHIFT | base << BASE | digits | unused(resolution);
            let spoiled = flips.iter().fold(bits, |bits, flip| bits ^ 1 << flip);
            for bits in [bits, spoiled] {
                prop_assert_eq!(parents(&[bits.cast_signed()], to), [expected(bits, to)], "{:x}", bits);
            }
        }

        #[test]
        fn any_number_has_the_ancestor_that_h3o_says(bits: u64, to in 0..16u8) {
            let to = Resolution::try_from(to).unwrap();
            prop_assert_eq!(parents(&[bits.cast_signed()], to), [expected(bits, to)]);
        }
    }

    #[test]
    fn pentagons_have_children_in_five_directions_only() {
        for resolution in [Resolution::One, Resolution::Five] {
            for pentagon in resolution.pentagons() {
                let children = pentagon.children(Resolution::Six).map(|cell| u64::from(cell).cast_signed());
                let found = parents(&children.collect::<Vec<_>>(), resolution);
                assert!(found.iter().all(|cell| cell.cast_unsigned() == u64::from(pentagon)));
            }
        }
    }
}
