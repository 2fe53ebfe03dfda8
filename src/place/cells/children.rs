//! Cells to their descendants of one resolution, a column at a time: every hexagon's have the same digits below its own.

use super::index::{RESOLUTION_SHIFT, first, set, unused};
use super::parents::{DELETED, PENTAGONS, below, is_cell, is_pentagon};
use crate::model::Resolution;

/// The descendants of a column of cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Children {
    /// Of all cells one after the other, each cell's in ascending order.
    pub cells: Vec<i64>,
    /// How many each cell has: none where it is finer than the resolution or no cell, itself where it has it.
    pub counts: Vec<usize>,
}

/// Each cell's descendants; none where one cell has more than `most_each` or all together have more than `most`.
pub fn children(cells: &[i64], resolution: Resolution, most_each: usize, most: usize) -> Option<Children> {
    let pentagons = *PENTAGONS;
    let deepest = i64::from(u8::from(resolution));
    // How many resolutions lie between; −1 for what has no descendants.
    let depth = |cell: i64| {
        let depth = deepest - (cell >> RESOLUTION_SHIFT & 15);
        if is_cell(cell.cast_unsigned(), pentagons) { depth.max(-1) } else { -1 }
    };
    let hexagons = |depth: i64| u32::try_from(depth).map_or(0, |depth| 7_u64.pow(depth));
    let count = |cell: i64| {
        let all = hexagons(depth(cell));
        if is_pentagon(cell.cast_unsigned(), pentagons) { all - all.saturating_sub(1) / 6 } else { all }
    };
    let (mut counts, mut total, mut widest) = (Vec::with_capacity(cells.len()), 0_usize, 0);
    for &cell in cells {
        let many = usize::try_from(count(cell)).ok().filter(|many| *many <= most_each)?;
        total = total.checked_add(many).filter(|total| *total <= most)?;
        widest = widest.max(hexagons(depth(cell)));
        counts.push(many);
    }
    let all = digits(widest, resolution);
    let mut found = Vec::with_capacity(total);
    for (&cell, &many) in cells.iter().zip(&counts) {
        if many == 0 {
            continue;
        }
        let bits = cell.cast_unsigned();
        // A hexagon's first digits of the longest list are all that it needs: the coarser ones are 0 there.
        let digits = all.get(..hexagons(depth(cell)) as usize).unwrap_or_default();
        let own = 15 << RESOLUTION_SHIFT | below(bits);
        let start = bits & !own | deepest.cast_unsigned() << RESOLUTION_SHIFT | unused(resolution);
        if is_pentagon(bits, pentagons) {
            let there = digits.iter().filter(|digits| first(**digits, set(**digits)) != DELETED);
            found.extend(there.map(|digits| (start | digits).cast_signed()));
        } else {
            found.extend(digits.iter().map(|digits| (start | digits).cast_signed()));
        }
    }
    Some(Children { cells: found, counts })
}

/// That many combinations of digits, a power of 7, in ascending order, at their places down to the resolution.
fn digits(many: u64, resolution: Resolution) -> Vec<u64> {
    let mut digits = vec![0];
    let mut place = 3 * (15 - u32::from(u8::from(resolution)));
    while (digits.len() as u64) < many {
        let finer = digits.len();
        for digit in 1..7 {
            digits.extend_from_within(..finer);
            for coarser in digits.iter_mut().rev().take(finer) {
                *coarser |= digit << place;
            }
        }
        place += 3;
    }
    digits
}

#[cfg(test)]
mod tests {
    use h3o::CellIndex;
    use proptest::prelude::*;

    use super::*;
    use crate::place::NO_CELL;

    const PLENTY: usize = 1_000_000;

    fn expected(cells: &[i64], resolution: Resolution) -> Children {
        let of = |cell: &i64| -> Vec<i64> {
            let cell = CellIndex::try_from(cell.cast_unsigned()).ok();
            let cell = cell.filter(|cell| cell.resolution() <= resolution);
            let all = cell.into_iter().flat_map(|cell| cell.children(resolution));
            all.map(|cell| u64::from(cell).cast_signed()).collect()
        };
        let all: Vec<Vec<i64>> = cells.iter().map(of).collect();
        Children { counts: all.iter().map(Vec::len).collect(), cells: all.concat() }
    }

    proptest! {
        /// Hexagons, pentagons and their descendants of several resolutions beside each other, and numbers that are no cells.
        #[test]
        fn descendants_are_those_that_h3o_says(
            places in prop::collection::vec((-180.0..180.0f64, -90.0..90.0f64, 0..=5u8, any::<bool>(), 0..30u32), 0..12),
            to in 0..16u8,
        ) {
            let to = Resolution::try_from(to).unwrap();
            let cell = |(lng, lat, up, on_pentagon, flip): (f64, f64, u8, bool, u32)| {
                let r = Resolution::try_from(u8::from(to).saturating_sub(up)).unwrap();
                let cell = h3o::LatLng::new(lat, lng).unwrap().to_cell(r);
                let five = r.pentagons().nth(lng.abs() as usize % 12).unwrap();
                let bits = u64::from(if on_pentagon { five } else { cell });
                if flip < 2 { (bits ^ 1 << (10 * flip + 51)).cast_signed() } else { bits.cast_signed() }
            };
            let cells: Vec<i64> = places.into_iter().map(cell).chain([NO_CELL, -1]).collect();
            prop_assert_eq!(children(&cells, to, PLENTY, PLENTY), Some(expected(&cells, to)));
        }
    }

    #[test]
    fn what_would_be_too_many_is_not_made() {
        let hexagon = CellIndex::base_cells().find(|cell| !cell.is_pentagon()).unwrap();
        let cell = u64::from(hexagon).cast_signed();
        assert!(children(&[cell], Resolution::Fifteen, PLENTY, PLENTY).is_none());
        assert!(children(&[cell, cell], Resolution::Two, 49, 97).is_none());
        assert!(children(&[cell, cell], Resolution::Two, 48, 98).is_none());
        assert!(children(&[cell, cell], Resolution::Two, 49, 98).is_some());
    }
}
