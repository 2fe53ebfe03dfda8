//! Which area owns a point, quickly: a tree of outlines, and a bounded memory of small boxes that lie
//! wholly in one.
//!
//! A box of the memory is 1/1024 of a degree wide (some 100 m). Its bounds are exact binary numbers, so
//! unlike a hexagon it needs no margin: a point is in exactly one box, and what is true of the closed box
//! is true of the point.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use geo::{Coord, Rect};
use rstar::{AABB, RTree, RTreeObject};

use super::areas::{Area, AreaIdx, day_number};
use super::shape::{BoxSide, coord, envelope, owns, side_of};
use crate::model::LngLat;

const BOXES_PER_DEGREE: f64 = 1024.0;
/// 2²⁰ slots of eight bytes: a city of 10,000 km² fits, a larger one forgets what it has not seen for long.
const SLOT_BITS: u32 = 20;

/// One polygon of an area.
#[derive(Debug)]
struct Part {
    envelope: AABB<[f64; 2]>,
    area: AreaIdx,
    nth: u32,
    /// Lowest areas first, then in the order of the files.
    order: u32,
}

impl RTreeObject for Part {
    type Envelope = AABB<[f64; 2]>;

    fn envelope(&self) -> Self::Envelope {
        self.envelope
    }
}

/// What is known of a box on the days of one period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// An edge crosses it: ask exactly.
    Ask,
    Nowhere,
    In(AreaIdx),
}

#[derive(Debug)]
pub(super) struct Index {
    tree: RTree<Part>,
    codes: HashMap<String, Vec<AreaIdx>>,
    /// The days on which some area begins or ceases to hold, sorted; between two of them nothing changes.
    changes: Vec<i64>,
    boxes: Boxes,
}

impl Index {
    /// `depths` says of each area how far below the top it lies.
    pub(super) fn new(areas: &[Area], depths: &[usize]) -> Self {
        let mut lowest_first: Vec<usize> = (0..areas.len()).collect();
        lowest_first.sort_by_key(|&i| (Reverse(depths[i]), i));
        let mut parts = Vec::with_capacity(areas.len());
        for (order, &i) in (0..).zip(&lowest_first) {
            for (nth, polygon) in (0..).zip(&areas[i].shape) {
                let Some(around) = envelope(polygon) else { continue };
                parts.push(Part { envelope: aabb(&around), area: number(i), nth, order });
            }
        }
        let mut codes: HashMap<String, Vec<AreaIdx>> = HashMap::with_capacity(areas.len());
        for (i, area) in areas.iter().enumerate() {
            codes.entry(area.code.clone()).or_default().push(number(i));
        }
        let mut changes: Vec<i64> =
            areas.iter().flat_map(|a| [a.valid_from, a.valid_to]).flatten().map(day_number).collect();
        changes.sort_unstable();
        changes.dedup();
        Self { tree: RTree::bulk_load(parts), codes, changes, boxes: Boxes::default() }
    }

    pub(super) fn with_code(&self, code: &str) -> &[AreaIdx] {
        self.codes.get(code).map_or(&[], Vec::as_slice)
    }

    pub(super) fn locate(&self, areas: &[Area], point: LngLat, day: i64) -> Option<AreaIdx> {
        if !point.is_valid() {
            return None;
        }
        let period = self.changes.partition_point(|change| *change <= day);
        let answer = match BoxKey::of(point, period) {
            None => Answer::Ask,
            Some(key) => self.boxes.get(key).unwrap_or_else(|| {
                let answer = self.answer(areas, &key.bounds(), day);
                self.boxes.put(key, answer);
                answer
            }),
        };
        match answer {
            Answer::In(area) => Some(area),
            Answer::Nowhere => None,
            Answer::Ask => self.locate_exactly(areas, point, day),
        }
    }

    /// Without the memory of boxes.
    pub(super) fn locate_exactly(&self, areas: &[Area], point: LngLat, day: i64) -> Option<AreaIdx> {
        let mut best: Option<&Part> = None;
        for part in self.tree.locate_in_envelope_intersecting(AABB::from_point([point.lng, point.lat])) {
            if best.is_none_or(|b| part.order < b.order)
                && let Some(area) = areas.get(part.area as usize)
                && area.holds_on(day)
                && area.shape.0.get(part.nth as usize).is_some_and(|polygon| owns(polygon, coord(point)))
            {
                best = Some(part);
            }
        }
        best.map(|part| part.area)
    }

    fn answer(&self, areas: &[Area], bounds: &Rect, day: i64) -> Answer {
        let mut near: Vec<&Part> = self.tree.locate_in_envelope_intersecting(aabb(bounds)).collect();
        near.sort_unstable_by_key(|part| part.order);
        for part in near {
            let Some(area) = areas.get(part.area as usize).filter(|area| area.holds_on(day)) else {
                continue;
            };
            let Some(polygon) = area.shape.0.get(part.nth as usize) else { continue };
            match side_of(polygon, bounds) {
                BoxSide::Inside => return Answer::In(part.area),
                BoxSide::OnEdge => return Answer::Ask,
                BoxSide::Outside => {}
            }
        }
        Answer::Nowhere
    }
}

/// Areas are numbered in 32 bits; no file that fits in memory holds more.
fn number(i: usize) -> AreaIdx {
    AreaIdx::try_from(i).unwrap_or(AreaIdx::MAX)
}

fn aabb(rect: &Rect) -> AABB<[f64; 2]> {
    AABB::from_corners(rect.min().into(), rect.max().into())
}

/// A box on the days of one period: 19 bits of column, 18 of row, 8 of period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct BoxKey(u64);

impl BoxKey {
    /// None for a city that was reorganised more than 255 times: it is asked exactly.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a valid point has 0 ≤ column < 2¹⁹, 0 ≤ row < 2¹⁸"
    )]
    fn of(p: LngLat, period: usize) -> Option<Self> {
        let period = u64::from(u8::try_from(period).ok()?);
        let column = ((p.lng * BOXES_PER_DEGREE).floor() + 180.0 * BOXES_PER_DEGREE) as u64;
        let row = ((p.lat * BOXES_PER_DEGREE).floor() + 90.0 * BOXES_PER_DEGREE) as u64;
        Some(Self(column << 26 | row << 8 | period))
    }

    #[expect(clippy::cast_precision_loss, reason = "19 bits fit")]
    fn bounds(self) -> Rect {
        let x = (self.0 >> 26) as f64 / BOXES_PER_DEGREE - 180.0;
        let y = (self.0 >> 8 & 0x3_ffff) as f64 / BOXES_PER_DEGREE - 90.0;
        let side = 1.0 / BOXES_PER_DEGREE;
        Rect::new(Coord { x, y }, Coord { x: x + side, y: y + side })
    }

    fn slot(self) -> usize {
        (self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - SLOT_BITS)) as usize
    }
}

/// The memory: each slot holds a key (45 bits) and its answer (19 bits); a newer box takes an older one's
/// slot. One word a slot, so threads need no lock: whatever they read was written whole.
#[derive(Debug, Default)]
struct Boxes(OnceLock<Box<[AtomicU64]>>);

impl Boxes {
    const ANSWER_BITS: u32 = 19;

    fn slot(&self, key: BoxKey) -> &AtomicU64 {
        &self.0.get_or_init(|| (0..1usize << SLOT_BITS).map(|_| AtomicU64::new(0)).collect())[key.slot()]
    }

    fn get(&self, key: BoxKey) -> Option<Answer> {
        let word = self.slot(key).load(Ordering::Relaxed);
        let answer = word & ((1 << Self::ANSWER_BITS) - 1);
        match answer {
            _ if word >> Self::ANSWER_BITS != key.0 => None,
            0 => None,
            1 => Some(Answer::Ask),
            2 => Some(Answer::Nowhere),
            area => AreaIdx::try_from(area - 3).ok().map(Answer::In),
        }
    }

    /// An area whose number does not fit is not remembered.
    fn put(&self, key: BoxKey, answer: Answer) {
        let answer = match answer {
            Answer::Ask => 1,
            Answer::Nowhere => 2,
            Answer::In(area) => u64::from(area) + 3,
        };
        if answer >> Self::ANSWER_BITS == 0 {
            self.slot(key).store(key.0 << Self::ANSWER_BITS | answer, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_point_lies_in_its_box(lng in -180.0..=180.0f64, lat in -90.0..=90.0f64) {
            let bounds = BoxKey::of(LngLat { lng, lat }, 7).unwrap().bounds();
            prop_assert!((bounds.min().x..bounds.max().x).contains(&lng));
            prop_assert!((bounds.min().y..bounds.max().y).contains(&lat));
        }
    }

    #[test]
    fn the_memory_gives_back_what_was_put_and_nothing_else() {
        let boxes = Boxes::default();
        let key = |lng| BoxKey::of(LngLat { lng, lat: 90.0 }, 255).unwrap();
        for answer in [Answer::Ask, Answer::Nowhere, Answer::In(0), Answer::In(500_000)] {
            boxes.put(key(180.0), answer);
            assert_eq!(boxes.get(key(180.0)), Some(answer));
            assert_eq!(boxes.get(key(179.0)), None);
        }
        boxes.put(key(1.0), Answer::In(AreaIdx::MAX));
        assert_eq!(boxes.get(key(1.0)), None);
        assert_eq!(BoxKey::of(LngLat { lng: 0.0, lat: 0.0 }, 256), None);
    }
}
