//! Which area owns a point, quickly: a frame of small boxes, each with its answer or the few polygons to ask.
//!
//! Built once and never changed. A box that lies wholly in the lowest area around it has that one polygon; one on a border has
//! a list of the polygons that touch it, lowest areas first. A polygon that could never answer, because one before it holds
//! all of the box on all of its days, is in no list.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;

use chrono::NaiveDate;
use geo::{Coord, Line, Rect};

use super::areas::{Area, AreaIdx};
use super::raster::{Frame, Painter, Touch};
use super::shape::{around_both, coord, envelope, lines, northward, own};
use crate::model::LngLat;

/// Boxes along the side of a usual lowest area.
const FINENESS: f64 = 8.0;
/// 2²⁰ boxes of four bytes.
const MOST_BOXES: usize = 1 << 20;
/// Polygons over all boxes: where areas lie on top of each other in great number, boxes get larger instead.
const MOST_TOUCHES: usize = 1 << 24;

/// Points whose boxes are fetched together.
const TOGETHER: usize = 256;
/// How many of a box's polygons are looked at to see that one more is not needed.
const LOOKED_AT: usize = 8;

/// One polygon of an area, all of it in one place: an area itself is seldom asked.
#[derive(Debug)]
struct Part {
    area: AreaIdx,
    /// Its edges in [`Index::edges`].
    edges: Range<u32>,
    /// The days on which its area holds.
    days: Range<i32>,
}

impl Part {
    #[inline]
    fn holds_on(&self, day: i32) -> bool {
        // Not `Range::contains`: the last day of all holds what has no end.
        self.days.start <= day && (day < self.days.end || self.days.end == i32::MAX)
    }

    fn outlasts(&self, other: &Self) -> bool {
        self.days.start <= other.days.start && other.days.end <= self.days.end
    }
}

/// A box's word: 0 nothing, else even: the number + 1 of the one polygon that holds it wholly, odd: where its list begins in
/// [`Index::lists`].
type Word = u32;

#[derive(Debug)]
pub(super) struct Index {
    codes: HashMap<String, Vec<AreaIdx>>,
    /// Lowest areas first, then in the order of the files.
    parts: Vec<Part>,
    edges: Vec<Line>,
    frame: Frame,
    boxes: Vec<Word>,
    /// Each list: its length, then for each polygon twice the part's number, and 1 more where the box is wholly inside.
    lists: Vec<u32>,
}

impl Index {
    /// `depths` says of each area how far below the top it lies.
    pub(super) fn new(areas: &[Area], depths: &[usize]) -> Self {
        let mut lowest_first: Vec<usize> = (0..areas.len()).collect();
        lowest_first.sort_by_key(|&i| (Reverse(depths[i]), i));
        let (mut parts, mut edges) = (Vec::with_capacity(areas.len()), Vec::new());
        for &i in &lowest_first {
            for polygon in &areas[i].shape {
                let first = number(edges.len());
                edges.extend(lines(polygon).map(northward));
                parts.push(Part {
                    area: number(i),
                    edges: first..number(edges.len()),
                    days: days(&areas[i]),
                });
            }
        }
        let mut codes: HashMap<String, Vec<AreaIdx>> = HashMap::with_capacity(areas.len());
        for (i, area) in areas.iter().enumerate() {
            codes.entry(area.code.clone()).or_default().push(number(i));
        }
        let around = areas.iter().flat_map(|area| &area.shape).filter_map(envelope).reduce(around_both);
        let around = around.unwrap_or_else(|| Rect::new(Coord { x: 0.0, y: 0.0 }, Coord { x: 0.0, y: 0.0 }));
        let mut side = usual_side(areas, depths) / FINENESS;
        loop {
            let frame = Frame::over(&around, side, MOST_BOXES);
            if let Some((boxes, lists)) = Touches::new(&parts, &edges, &frame).map(Touches::pack) {
                return Self { codes, parts, edges, frame, boxes, lists };
            }
            side = frame.side() * 2.0;
        }
    }

    pub(super) fn with_code(&self, code: &str) -> &[AreaIdx] {
        self.codes.get(code).map_or(&[], Vec::as_slice)
    }

    pub(super) fn locate(&self, point: LngLat, day: i64) -> Option<AreaIdx> {
        self.answer(self.word(point), point, whole_day(day))
    }

    /// [`Index::locate`] of a column, each point on the day of its place in it. The boxes of some points are fetched together
    /// before the first is looked at: they lie far apart in memory.
    pub(super) fn locate_all(
        &self,
        points: &[Option<LngLat>],
        day: impl Fn(usize) -> Option<i64>,
    ) -> Vec<Option<AreaIdx>> {
        let mut found = Vec::with_capacity(points.len());
        for (n, points) in points.chunks(TOGETHER).enumerate() {
            let mut words = [0; TOGETHER];
            for (word, point) in words.iter_mut().zip(points) {
                *word = point.map_or(0, |point| self.word(point));
            }
            found.extend(
                words.iter().zip(points).enumerate().map(|(i, (word, point))| {
                    self.answer(*word, (*point)?, whole_day(day(n * TOGETHER + i)?))
                }),
            );
        }
        found
    }

    /// The word of the box that holds the point; 0 outside all boxes.
    #[inline]
    fn word(&self, point: LngLat) -> Word {
        self.frame.box_of(point).and_then(|at| self.boxes.get(at)).copied().unwrap_or_default()
    }

    #[inline]
    fn answer(&self, word: Word, point: LngLat, day: i32) -> Option<AreaIdx> {
        match word {
            0 => None,
            word if word % 2 == 0 => {
                let part = self.parts.get(word as usize / 2 - 1)?;
                part.holds_on(day).then_some(part.area)
            }
            word => self.ask(word as usize / 2, point, day),
        }
    }

    /// The first of a list that holds on that day and owns the point.
    fn ask(&self, list: usize, point: LngLat, day: i32) -> Option<AreaIdx> {
        let length = *self.lists.get(list)? as usize;
        let polygons = self.lists.get(list + 1..list + 1 + length)?;
        polygons.iter().find_map(|&polygon| {
            let part = self.parts.get(polygon as usize / 2)?;
            let owned = || own(edges_of(&self.edges, part), coord(point));
            (part.holds_on(day) && (polygon % 2 == 1 || owned())).then_some(part.area)
        })
    }
}

/// Days since 1970 as parts keep them; the first and the last stand for all before and after.
fn whole_day(day: i64) -> i32 {
    i32::try_from(day).unwrap_or(if day < 0 { i32::MIN } else { i32::MAX })
}

fn edges_of<'a>(edges: &'a [Line], part: &Part) -> &'a [Line] {
    edges.get(part.edges.start as usize..part.edges.end as usize).unwrap_or_default()
}

/// The days on which an area holds; what has no beginning or end reaches to the last day that there is.
fn days(area: &Area) -> Range<i32> {
    let day = |date: Option<NaiveDate>| date.map(|date| date.to_epoch_days());
    day(area.valid_from).unwrap_or(i32::MIN)..day(area.valid_to).unwrap_or(i32::MAX)
}

/// The polygons of every box while they are gathered: a word as in [`Index`], but odd ones lead to the newest of a chain.
struct Touches {
    boxes: Vec<Word>,
    /// A polygon as in [`Index::lists`], and the word that the box had before.
    chain: Vec<(u32, Word)>,
}

impl Touches {
    /// None where it would take too much memory.
    fn new(parts: &[Part], edges: &[Line], frame: &Frame) -> Option<Self> {
        let mut touches = Self { boxes: vec![0; frame.len()], chain: Vec::new() };
        let mut painter = Painter::default();
        for (n, part) in (0..).zip(parts) {
            painter.paint(frame, edges_of(edges, part), |at, touch| touches.add(at, n, touch, parts));
            if touches.chain.len() > MOST_TOUCHES && frame.len() > parts.len() {
                return None;
            }
        }
        Some(touches)
    }

    /// Parts come lowest first.
    fn add(&mut self, at: usize, n: u32, touch: Touch, parts: &[Part]) {
        let Some(&word) = self.boxes.get(at) else { return };
        let Some(part) = parts.get(n as usize) else { return };
        let hides = |n: u32| parts.get(n as usize).is_some_and(|before| before.outlasts(part));
        let polygon = n * 2 + u32::from(touch == Touch::Inside);
        if word == 0 && touch == Touch::Inside {
            self.boxes[at] = (n + 1) * 2;
            return;
        }
        // A box that had one polygon until now gets a chain that begins with it.
        let link = if word != 0 && word.is_multiple_of(2) {
            if hides(word / 2 - 1) {
                return;
            }
            self.link((word / 2 - 1) * 2 + 1, 0)
        } else {
            if self.links(word).take(LOOKED_AT).any(|before| before % 2 == 1 && hides(before / 2)) {
                return;
            }
            word
        };
        self.boxes[at] = self.link(polygon, link);
    }

    fn link(&mut self, polygon: u32, before: Word) -> Word {
        self.chain.push((polygon, before));
        number(self.chain.len() - 1) * 2 + 1
    }

    /// The polygons of a box's chain, the newest first.
    fn links(&self, word: Word) -> impl Iterator<Item = u32> {
        let next = |word: Word| self.chain.get(word as usize / 2).filter(|_| word % 2 == 1);
        std::iter::successors(next(word), move |(_, before)| next(*before)).map(|(polygon, _)| *polygon)
    }

    /// The chains as lists, each different one once.
    fn pack(mut self) -> (Vec<Word>, Vec<u32>) {
        let mut boxes = std::mem::take(&mut self.boxes);
        let (mut lists, mut known) = (Vec::new(), HashMap::<Vec<u32>, Word>::new());
        let mut list = Vec::new();
        for word in boxes.iter_mut().filter(|word| **word % 2 == 1) {
            list.clear();
            list.extend(self.links(*word));
            list.reverse();
            *word = if let Some(there) = known.get(&list) {
                *there
            } else {
                let there = number(lists.len()) * 2 + 1;
                lists.push(number(list.len()));
                lists.extend_from_slice(&list);
                known.insert(list.clone(), there);
                there
            };
        }
        (boxes, lists)
    }
}

/// Areas, parts and lists are numbered in 31 bits; no file that fits in memory holds more.
fn number(i: usize) -> u32 {
    u32::try_from(i).unwrap_or(u32::MAX)
}

/// The middle one of the lowest areas' sizes, in degrees.
fn usual_side(areas: &[Area], depths: &[usize]) -> f64 {
    let lowest = depths.iter().max();
    let of_lowest = areas.iter().zip(depths).filter(|(_, depth)| Some(*depth) == lowest);
    let size = |around: Rect| f64::midpoint(around.width(), around.height());
    let mut sizes: Vec<f64> =
        of_lowest.flat_map(|(area, _)| &area.shape).filter_map(envelope).map(size).collect();
    sizes.sort_unstable_by(f64::total_cmp);
    sizes.get(sizes.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use geo::{LineString, MultiPolygon, Polygon};
    use proptest::prelude::*;

    use super::super::shape::owns;
    use super::*;

    fn rectangle(x: u8, y: u8, width: u8, height: u8) -> LineString {
        let at = |x: u8, y: u8| Coord { x: f64::from(x), y: f64::from(y) };
        let (east, north) = (x.saturating_add(width), y.saturating_add(height));
        LineString(vec![at(x, y), at(east, y), at(east, north), at(x, north), at(x, y)])
    }

    fn area(n: usize, level: usize, from: Option<u8>, to: Option<u8>, shape: Vec<Polygon>) -> Area {
        let date = |day: u8| NaiveDate::from_epoch_days(i32::from(day));
        Area {
            code: format!("{n}"),
            level: ["city", "county", "town", "grid"][level].into(),
            parent: None,
            name_en: String::new(),
            name_zh: String::new(),
            valid_from: from.and_then(date),
            valid_to: to.and_then(date),
            shape: MultiPolygon(shape),
        }
    }

    /// The rule: of all areas that hold and own the point, the lowest, then the first.
    fn asked_each(areas: &[Area], depths: &[usize], p: LngLat, day: i64) -> Option<AreaIdx> {
        let owners = (0..areas.len()).filter(|&i| {
            areas[i].holds_on(day) && areas[i].shape.iter().any(|polygon| owns(polygon, coord(p)))
        });
        owners.min_by_key(|&i| (Reverse(depths[i]), i)).map(number)
    }

    /// A level, a rectangle, a hole in it, a second part, and the days on which it holds.
    type Drawn = (usize, [u8; 4], Option<[u8; 4]>, Option<[u8; 4]>, Option<u8>, Option<u8>);

    fn drawn() -> impl Strategy<Value = Drawn> {
        let side = || [0..30u8, 0..30u8, 1..20u8, 1..20u8];
        let maybe = || prop::option::weighted(0.3, side());
        (
            0..4usize,
            side(),
            maybe(),
            maybe(),
            prop::option::weighted(0.3, 0..4u8),
            prop::option::weighted(0.3, 4..8u8),
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Areas of all levels on top of each other, with holes, parts and days; points on corners, on edges and anywhere,
        /// on every day; boxes of all sizes, since the lowest areas are of all sizes.
        #[test]
        fn the_boxes_say_what_asking_each_area_says(
            drawings in prop::collection::vec(drawn(), 0..14),
            points in prop::collection::vec((-20..420i32, -20..420i32, any::<bool>()), 1..60),
        ) {
            let polygon = |[x, y, w, h]: [u8; 4], hole: Option<[u8; 4]>| {
                let holes = hole.map(|[x, y, w, h]| rectangle(x, y, w, h)).into_iter().collect();
                Polygon::new(rectangle(x, y, w, h), holes)
            };
            let areas: Vec<Area> = drawings
                .into_iter()
                .enumerate()
                .map(|(n, (level, outer, hole, more, from, to))| {
                    let parts = std::iter::once(polygon(outer, hole)).chain(more.map(|part| polygon(part, None)));
                    area(n, level, from, to, parts.collect())
                })
                .collect();
            let depths: Vec<usize> =
                areas.iter().map(|area| area.known_level().map_or(0, |level| level as usize)).collect();
            let index = Index::new(&areas, &depths);
            for (x, y, whole) in points {
                let at = |v: i32| if whole { f64::from(v / 10) } else { f64::from(v) / 10.0 + 0.013 };
                let p = LngLat { lng: at(x), lat: at(y) };
                for day in 0..9 {
                    prop_assert_eq!(index.locate(p, day), asked_each(&areas, &depths, p, day), "{:?} {}", p, day);
                }
            }
        }
    }

    #[test]
    fn many_areas_on_top_of_each_other_take_larger_boxes_not_more_memory() {
        let tiny = area(
            0,
            3,
            None,
            None,
            vec![Polygon::new(
                LineString(vec![
                    Coord { x: 0.0, y: 0.0 },
                    Coord { x: 0.001, y: 0.0 },
                    Coord { x: 0.0, y: 0.001 },
                ]),
                Vec::new(),
            )],
        );
        let large =
            |n| area(n, 0, None, u8::try_from(n).ok(), vec![Polygon::new(rectangle(0, 0, 1, 1), Vec::new())]);
        let areas: Vec<Area> = std::iter::once(tiny).chain((1..=240).map(large)).collect();
        let depths: Vec<usize> = (0..areas.len()).map(|n| if n == 0 { 3 } else { 0 }).collect();
        let index = Index::new(&areas, &depths);
        assert!(index.boxes.len() * 240 <= MOST_TOUCHES * 2, "{} boxes", index.boxes.len());
        let at = |lng, day| index.locate(LngLat { lng, lat: 0.0001 }, day);
        assert_eq!((at(0.0001, 0), at(0.5, 0), at(0.5, 9), at(1.5, 0)), (Some(0), Some(1), Some(10), None));
    }
}
