//! A frame of equal boxes over the city, and a polygon's edges painted into it: the boxes that its edges come near, and those
//! wholly inside. No areas, no precedence.
//!
//! A polygon costs its edges' length in boxes and its envelope's boxes, never edges times boxes: edges are walked row by row,
//! and what lies between two of them is inside or not by the number of crossings to the west.

use geo::{BoundingRect, Coord, Line, Rect};

use super::shape::around_both;
use crate::model::LngLat;

/// An edge this near to a box, in box sides, touches it: far more than the rounding of a coordinate.
const SLACK: f64 = 1e-6;
/// A side below this (a centimetre) finds nothing more; in degrees.
const SMALLEST: f64 = 1e-7;
const EDGE: u8 = 1;
const CROSSING: u8 = 2;

/// Where the boxes lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    west: f64,
    south: f64,
    per_degree: f64,
    columns: usize,
    rows: usize,
}

impl Frame {
    /// Boxes with that side, or larger ones where it takes more than `most` to cover `around`.
    pub(super) fn over(around: &Rect, side: f64, most: usize) -> Self {
        let mut side = if side > SMALLEST { side } else { SMALLEST };
        loop {
            // One box more on each side, so that rounding pushes no point of the city out of the frame.
            let count = |length: f64| (length / side).ceil() + 2.0;
            let (columns, rows) = (count(around.width()), count(around.height()));
            if columns * rows <= most as f64 || side > 360.0 {
                let (west, south) = (around.min().x - side, around.min().y - side);
                let (columns, rows) = (columns as usize, rows as usize);
                return Self { west, south, per_degree: 1.0 / side, columns, rows };
            }
            side *= 1.1;
        }
    }

    pub(super) fn side(&self) -> f64 {
        1.0 / self.per_degree
    }

    pub(super) fn len(&self) -> usize {
        self.columns * self.rows
    }

    /// The box that holds the point; none outside the frame and for what is no point.
    #[inline]
    pub(super) fn box_of(&self, p: LngLat) -> Option<usize> {
        let Coord { x, y } = self.place(Coord { x: p.lng, y: p.lat });
        let within = x >= 0.0 && y >= 0.0 && x < self.columns as f64 && y < self.rows as f64;
        within.then(|| y as usize * self.columns + x as usize)
    }

    /// In box sides from the frame's south-western corner.
    fn place(&self, c: Coord) -> Coord {
        Coord { x: (c.x - self.west) * self.per_degree, y: (c.y - self.south) * self.per_degree }
    }
}

/// How a box lies to a polygon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Touch {
    Edge,
    Inside,
}

/// Paints one polygon after the other; its canvas is as large as the largest so far.
#[derive(Debug, Default)]
pub(super) struct Painter {
    canvas: Vec<u8>,
    west: usize,
    south: usize,
    columns: usize,
    rows: usize,
}

impl Painter {
    /// Tells every box that the polygon touches; the others lie outside it.
    pub(super) fn paint(&mut self, frame: &Frame, edges: &[Line], mut tell: impl FnMut(usize, Touch)) {
        let Some(around) = edges.iter().map(BoundingRect::bounding_rect).reduce(around_both) else { return };
        let (low, high) = (frame.place(around.min()), frame.place(around.max()));
        self.west = whole(low.x - SLACK).min(frame.columns);
        self.south = whole(low.y - SLACK).min(frame.rows);
        self.columns = (whole(high.x + SLACK) + 1).min(frame.columns).saturating_sub(self.west);
        self.rows = (whole(high.y + SLACK) + 1).min(frame.rows).saturating_sub(self.south);
        self.canvas.clear();
        self.canvas.resize(self.columns * self.rows, 0);
        for line in edges {
            self.edge(frame.place(line.start), frame.place(line.end));
        }
        for (row, marks) in (self.south..).zip(self.canvas.chunks(self.columns.max(1))) {
            let mut inside = false;
            for (column, mark) in (self.west..).zip(marks) {
                if mark & EDGE != 0 {
                    tell(row * frame.columns + column, Touch::Edge);
                } else if inside {
                    tell(row * frame.columns + column, Touch::Inside);
                }
                inside ^= mark & CROSSING != 0;
            }
        }
    }

    fn edge(&mut self, a: Coord, b: Coord) {
        let (low, high) = if a.y <= b.y { (a, b) } else { (b, a) };
        let (least, most) = (low.x.min(high.x), low.x.max(high.x));
        let rise = high.y - low.y;
        let at = |y: f64| {
            let share = if rise > 0.0 { (y - low.y) / rise } else { 0.0 };
            (low.x + share * (high.x - low.x)).clamp(least, most)
        };
        for row in whole(low.y - SLACK)..=whole(high.y + SLACK) {
            let (floor, ceiling) = (row as f64 - SLACK, row as f64 + 1.0 + SLACK);
            // A flat edge runs through its row from end to end.
            let (from, to) = if rise < SLACK {
                (least, most)
            } else {
                let (from, to) = (at(floor.max(low.y)), at(ceiling.min(high.y)));
                (from.min(to), from.max(to))
            };
            for column in whole(from - SLACK)..=whole(to + SLACK) {
                self.mark(column, row, |mark| mark | EDGE);
            }
            let middle = row as f64 + 0.5;
            if low.y <= middle && middle < high.y {
                self.mark(whole(at(middle)), row, |mark| mark ^ CROSSING);
            }
        }
    }

    fn mark(&mut self, column: usize, row: usize, how: impl FnOnce(u8) -> u8) {
        let (Some(x), Some(y)) = (column.checked_sub(self.west), row.checked_sub(self.south)) else { return };
        if x < self.columns
            && let Some(mark) = self.canvas.get_mut(y * self.columns + x)
        {
            *mark = how(*mark);
        }
    }
}

/// The box that a coordinate lies in; 0 for those before the first.
fn whole(v: f64) -> usize {
    v as usize
}

#[cfg(test)]
mod tests {
    use geo::{LineString, Polygon};
    use proptest::prelude::*;

    use super::super::shape::{lines, owns};
    use super::*;

    fn ring(points: &[(f64, f64)]) -> LineString {
        points.iter().map(|&(x, y)| Coord { x, y }).collect()
    }

    proptest! {
        /// A point has its polygon's answer wherever its box knows one: stars with holes, edges along boxes' sides too.
        #[test]
        fn what_a_box_says_is_true_of_its_points(
            outer in prop::collection::vec((0..=40u8, 0..=40u8), 3..12),
            hole in prop::collection::vec((5..=35u8, 5..=35u8), 3..6),
            side in 0.3..6.0f64,
            points in prop::collection::vec((-2.0..42.0f64, -2.0..42.0f64, any::<bool>()), 1..60),
        ) {
            let places = |all: &[(u8, u8)]| {
                ring(&all.iter().map(|&(x, y)| (f64::from(x), f64::from(y))).collect::<Vec<_>>())
            };
            let polygon = Polygon::new(places(&outer), vec![places(&hole)]);
            let around = Rect::new(Coord { x: 0.0, y: 0.0 }, Coord { x: 40.0, y: 40.0 });
            let frame = Frame::over(&around, side, 10_000);
            let mut said = vec![None; frame.len()];
            Painter::default().paint(&frame, &lines(&polygon).collect::<Vec<_>>(), |at, touch| said[at] = Some(touch));
            for (x, y, on_line) in points {
                let p = if on_line { Coord { x: x.round(), y: y.round() } } else { Coord { x, y } };
                let owned = owns(&polygon, p);
                match frame.box_of(LngLat { lng: p.x, lat: p.y }).map(|at| said[at]) {
                    Some(Some(Touch::Edge)) => {}
                    Some(Some(Touch::Inside)) => prop_assert!(owned, "{p:?}"),
                    Some(None) | None => prop_assert!(!owned, "{p:?}"),
                }
            }
        }
    }

    #[test]
    fn a_square_has_an_edge_of_boxes_and_an_inside() {
        let around = Rect::new(Coord { x: 0.0, y: 0.0 }, Coord { x: 10.0, y: 10.0 });
        let frame = Frame::over(&around, 1.0, 1_000);
        let (mut edge, mut inside) = (0, 0);
        let square = lines(&Rect::new((2.5, 2.5), (7.5, 7.5)).to_polygon()).collect::<Vec<_>>();
        Painter::default().paint(&frame, &square, |_, touch| match touch {
            Touch::Edge => edge += 1,
            Touch::Inside => inside += 1,
        });
        assert_eq!((edge, inside), (20, 16));
    }

    #[test]
    fn a_frame_has_no_more_boxes_than_allowed_and_no_point_beside_it() {
        let around = Rect::new(Coord { x: -180.0, y: -90.0 }, Coord { x: 180.0, y: 90.0 });
        for side in [0.0, f64::NAN, 1e-300, 0.001, 1.0] {
            let frame = Frame::over(&around, side, 1 << 20);
            assert!(frame.len() <= 1 << 20, "{} boxes", frame.len());
            for (lng, lat) in [(-180.0, -90.0), (180.0, 90.0), (0.0, 0.0)] {
                assert!(frame.box_of(LngLat { lng, lat }).is_some_and(|at| at < frame.len()));
            }
            assert_eq!(frame.box_of(LngLat { lng: f64::NAN, lat: 0.0 }), None);
        }
    }
}
