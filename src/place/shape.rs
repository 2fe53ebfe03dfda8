//! Exact geometry of one area: is a point in it, does a box lie in it, beside it or on its edge. No index,
//! no areas.
//!
//! **Who owns an edge.** A point counts as moved by an immeasurably small step to the north and a still
//! smaller one to the east. So a shared edge or corner belongs to exactly one of the areas that meet there
//! (a square owns its south and west sides), whichever way their rings run. The predicate is exact for
//! every pair of floating-point numbers, so no point falls between two areas that share their vertices.

use geo::kernels::{Kernel, Orientation};
use geo::{BoundingRect, Coord, GeoNum, LineString, Polygon, Rect};

use crate::model::LngLat;

/// How a box lies to a polygon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BoxSide {
    Inside,
    Outside,
    OnEdge,
}

/// The point as geo writes it.
pub(super) fn coord(p: LngLat) -> Coord {
    Coord { x: p.lng, y: p.lat }
}

/// The smallest box around the polygon; none for an empty one.
pub(super) fn envelope(polygon: &Polygon) -> Option<Rect> {
    polygon.exterior().bounding_rect()
}

/// Whether the polygon owns the point.
pub(super) fn owns(polygon: &Polygon, p: Coord) -> bool {
    let crossings: usize =
        rings(polygon).map(|ring| ring.lines().filter(|l| is_left_of(p, l.start, l.end)).count()).sum();
    crossings % 2 == 1
}

/// How the closed box lies to the polygon. `OnEdge` may be said of a box that an edge only comes near to.
pub(super) fn side_of(polygon: &Polygon, area: &Rect) -> BoxSide {
    if rings(polygon).flat_map(LineString::lines).any(|l| may_touch(area, l.start, l.end)) {
        BoxSide::OnEdge
    } else if owns(polygon, area.min()) {
        BoxSide::Inside
    } else {
        BoxSide::Outside
    }
}

fn rings(polygon: &Polygon) -> impl Iterator<Item = &LineString> {
    std::iter::once(polygon.exterior()).chain(polygon.interiors())
}

fn orientation(a: Coord, b: Coord, p: Coord) -> Orientation {
    <f64 as GeoNum>::Ker::orient2d(a, b, p)
}

/// Whether a ray from the point to the east crosses the edge. The edge is looked at from its southern end
/// whichever way it runs, so two neighbours always get the same answer about the edge they share.
fn is_left_of(p: Coord, a: Coord, b: Coord) -> bool {
    let (low, high) = if a.y <= b.y { (a, b) } else { (b, a) };
    if p.y < low.y || p.y >= high.y || p.x > low.x.max(high.x) {
        return false;
    }
    p.x < low.x.min(high.x) || orientation(low, high, p) == Orientation::CounterClockwise
}

fn may_touch(area: &Rect, a: Coord, b: Coord) -> bool {
    let (min, max) = (area.min(), area.max());
    if a.x.max(b.x) < min.x || a.x.min(b.x) > max.x || a.y.max(b.y) < min.y || a.y.min(b.y) > max.y {
        return false;
    }
    if a == b {
        return true;
    }
    let corners = [min, Coord { x: max.x, y: min.y }, max, Coord { x: min.x, y: max.y }];
    let sides = corners.map(|c| orientation(a, b, c));
    !(sides.iter().all(|s| *s == Orientation::Clockwise)
        || sides.iter().all(|s| *s == Orientation::CounterClockwise))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn square(x: f64, y: f64, size: f64) -> Polygon {
        Rect::new(Coord { x, y }, Coord { x: x + size, y: y + size }).to_polygon()
    }

    #[test]
    fn a_square_owns_its_south_and_west_sides_only() {
        let s = square(0.0, 0.0, 1.0);
        for (x, y, is) in
            [(0.0, 0.0, true), (0.5, 0.0, true), (0.0, 0.5, true), (1.0, 0.5, false), (0.5, 1.0, false)]
        {
            assert_eq!(owns(&s, Coord { x, y }), is, "{x} {y}");
        }
    }

    #[test]
    fn a_hole_is_not_owned() {
        let hole = square(0.25, 0.25, 0.5).exterior().clone();
        let s = Polygon::new(square(0.0, 0.0, 1.0).exterior().clone(), vec![hole]);
        assert!(!owns(&s, Coord { x: 0.5, y: 0.5 }) && owns(&s, Coord { x: 0.1, y: 0.5 }));
    }

    #[test]
    fn degenerate_rings_and_nan_own_nothing() {
        let nan = Coord { x: f64::NAN, y: f64::NAN };
        let point = Polygon::new(LineString(vec![Coord { x: 1.0, y: 1.0 }]), vec![]);
        let flat = Polygon::new(LineString(vec![Coord { x: 0.0, y: 0.0 }, Coord { x: 2.0, y: 2.0 }]), vec![]);
        for p in [&point, &flat, &Polygon::empty()] {
            assert!(!owns(p, Coord { x: 1.0, y: 1.0 }) && !owns(p, nan));
        }
        assert!(!owns(&square(0.0, 0.0, 1.0), nan));
    }

    proptest! {
        /// Four triangles share a free centre: every point of the square, edges and corners too, has one
        /// owner.
        #[test]
        fn exactly_one_part_of_a_partition_owns_a_point(
            cx in 1..99i32, cy in 1..99i32, px in 0..100i32, py in 0..100i32, scale in 1e-7..1.0f64,
        ) {
            let at = |x: i32, y: i32| Coord { x: f64::from(x) * scale, y: f64::from(y) * scale };
            let (corners, centre) = ([at(0, 0), at(100, 0), at(100, 100), at(0, 100)], at(cx, cy));
            let owners = (0..4)
                .map(|i| Polygon::new(LineString(vec![corners[i], corners[(i + 1) % 4], centre]), vec![]))
                .filter(|triangle| owns(triangle, at(px, py)))
                .count();
            prop_assert_eq!(owners, 1);
        }

        #[test]
        fn a_box_beside_every_edge_has_one_answer_for_all_its_points(
            points in prop::collection::vec((0.0..1.0f64, 0.0..1.0f64), 3..9),
            x in 0.0..0.9f64, y in 0.0..0.9f64, dx in 0.0..=1.0f64, dy in 0.0..=1.0f64,
        ) {
            let polygon = Polygon::new(points.into_iter().map(|(x, y)| Coord { x, y }).collect(), vec![]);
            let area = Rect::new(Coord { x, y }, Coord { x: x + 0.1, y: y + 0.1 });
            let inside = owns(&polygon, Coord { x: x + dx * 0.1, y: y + dy * 0.1 });
            match side_of(&polygon, &area) {
                BoxSide::Inside => prop_assert!(inside),
                BoxSide::Outside => prop_assert!(!inside),
                BoxSide::OnEdge => {}
            }
        }
    }
}
