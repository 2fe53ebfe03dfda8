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

/// The lowest bit of each digit that is not 0.
#[inline]
pub(super) fn set(digits: u64) -> u64 {
    (digits | digits >> 1 | digits >> 2) & ONES
}

/// The first digit that is not 0, where [`set`] is known; 0 where all are.
#[inline]
pub(super) fn first(digits: u64, set: u64) -> usize {
    // The highest bit of anything, so that no digit at all gives 0.
    (digits >> (set | 1).ilog2() & 7) as usize
}

/// A turn of the grid by sixths, as a third's number and a half's: twice as many thirds, and one more for a half.
pub(super) type Turn = u8;

/// All of them; 0 is none.
pub(super) const TURNS: std::ops::Range<Turn> = 0..6;

/// Digits after a turn, where [`set`] is known. A digit's bits are i, j and k: a third of a turn moves them round by one,
/// half a turn makes each what it was not. 0 stays 0.
#[inline]
pub(super) fn turned(digits: u64, set: u64, turn: Turn) -> u64 {
    /// The bits that a move to the left leaves in their digit.
    const STAY: [u64; 4] = [DIGITS, DIGITS - ONES, ONES << 2, 0];
    // Without a branch: points of the world take turns of all sizes.
    let thirds = turn >> 1 & 3;
    let stay = STAY[usize::from(thirds)];
    let moved = digits << thirds & stay | digits >> (3 - thirds) & (DIGITS ^ stay);
    moved ^ ((set << 3) - set) & u64::from(turn & 1).wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn once(digits: u64, turn: Turn) -> u64 {
        turned(digits, set(digits), turn)
    }

    #[test]
    fn turns_lead_from_axis_to_axis() {
        let round = [1, 5, 4, 6, 2, 3];
        for turn in TURNS {
            let sixths = round.iter().position(|axis| *axis == once(1, turn)).unwrap();
            for (n, axis) in round.iter().enumerate() {
                assert_eq!(once(*axis, turn), round[(n + sixths) % 6]);
                assert_eq!(once(axis << 21 | axis << 42, turn), once(*axis, turn) * (1 << 21 | 1 << 42));
            }
            assert_eq!(once(0, turn), 0);
        }
        let all: std::collections::BTreeSet<u64> = TURNS.map(|turn| once(1, turn)).collect();
        assert_eq!(all.len(), 6);
    }

    #[test]
    fn the_first_digit_is_the_coarsest_that_is_not_zero() {
        let first = |digits: u64| first(digits, set(digits));
        assert_eq!([0, 0o7, 0o50, 0o4_000_000, 0o306, 0o200_000_000_000_000].map(first), [0, 7, 5, 4, 3, 2]);
    }
}
