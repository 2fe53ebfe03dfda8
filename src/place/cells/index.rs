//! The bits of an H3 index: mode, resolution, base cell and fifteen digits of three bits.

use crate::model::Resolution;

pub(super) const BASE_SHIFT: u32 = 45;
pub(super) const RESOLUTION_SHIFT: u32 = 52;
/// The bits that say "a cell".
pub(super) const CELL_MODE: u64 = 1 << 59;
/// The lowest bit of each digit.
pub(super) const ONES: u64 = 0o111_111_111_111_111;
pub(super) const DIGITS: u64 = 7 * ONES;

/// The number of the base cell.
#[inline]
pub(super) fn base_of(bits: u64) -> u8 {
    (bits >> BASE_SHIFT & 0x7f) as u8
}

/// All ones at the digits that a resolution does not have.
#[inline]
pub(super) fn unused(resolution: Resolution) -> u64 {
    (1 << (3 * (15 - u32::from(u8::from(resolution))))) - 1
}

/// The first digit that is not 0; 0 where all are.
#[inline]
pub(super) fn first(digits: u64) -> usize {
    // The highest bit of anything, so that no digit at all gives 0.
    let highest = (digits | 1).ilog2();
    (digits >> (highest / 3 * 3) & 7) as usize
}

/// Digits after some sixths of a turn, counter-clockwise. A digit's bits are i, j and k: a third of a turn moves them
/// round by one, half a turn makes each what it was not. 0 stays 0.
#[inline]
pub(super) fn turn(digits: u64, sixths: u8) -> u64 {
    let third = |digits: u64| (digits & (DIGITS - ONES)) >> 1 | (digits & ONES) << 2;
    let once = third(digits);
    let twice = third(once);
    // Without a branch: points of the world take turns of all sizes.
    let turned = if sixths.is_multiple_of(3) { digits } else { once };
    let turned = if sixths % 3 == 1 { twice } else { turned };
    let there = (turned | turned >> 1 | turned >> 2) & ONES;
    turned ^ (there * 7 * u64::from(sixths & 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sixth_of_a_turn_leads_from_axis_to_axis() {
        for (before, after) in [(0, 0), (1, 5), (5, 4), (4, 6), (6, 2), (2, 3), (3, 1)] {
            assert_eq!(turn(before, 1), after);
            assert_eq!((0..6).fold(before << 21, |digits, _| turn(digits, 1)), before << 21);
            for sixths in 0..6 {
                assert_eq!((0..sixths).fold(before, |digits, _| turn(digits, 1)), turn(before, sixths));
            }
        }
    }

    #[test]
    fn the_first_digit_is_the_coarsest_that_is_not_zero() {
        assert_eq!([0, 0o7, 0o50, 0o4_000_000, 0o306].map(first), [0, 7, 5, 4, 3]);
    }
}
