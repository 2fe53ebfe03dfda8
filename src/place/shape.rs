//! Exact geometry of one area: its edges, and whether it owns a point. No index, no areas.
//!
//! **Who owns an edge.** A point counts as moved by an immeasurably small step to the north and a still
//! smaller one to the east. So a shared edge or corner belongs to exactly one of the areas that meet there
//! (a square owns its south and west sides), whichever way their rings run. The predicate is exact for
//! every pair of floating-point numbers, so no point falls between two areas that share their vertices.

use geo::kernels::{Kernel, Orientation};
use geo::{BoundingRect, Coord, GeoNum, Line, LineString, Polygon, Rect};

use crate::model::LngLat;

/// A determinant's rounding error as a share of its two products, at most (Shewchuk 1997, with room to spare).
const ROUNDING: f64 = 4.0 * f64::EPSILON;

/// The point as geo writes it.
pub(super) fn coord(p: LngLat) -> Coord {
    Coord { x: p.lng, y: p.lat }
}

/// The smallest box around the polygon's rings; none for an empty one.
pub(super) fn envelope(polygon: &Polygon) -> Option<Rect> {
    rings(polygon).filter_map(BoundingRect::bounding_rect).reduce(around_both)
}

/// The smallest box around two.
pub(super) fn around_both(a: Rect, b: Rect) -> Rect {
    let (low, high) = ((a.min(), b.min()), (a.max(), b.max()));
    Rect::new(
        Coord { x: low.0.x.min(low.1.x), y: low.0.y.min(low.1.y) },
        Coord { x: high.0.x.max(high.1.x), y: high.0.y.max(high.1.y) },
    )
}

/// Whether the polygon owns the point.
pub(super) fn owns(polygon: &Polygon, p: Coord) -> bool {
    lines(polygon).filter(|l| is_left_of(p, l.start, l.end)).count() % 2 == 1
}

/// [`owns`] for edges that [`northward`] has turned, without a branch an edge: a point so near to the line of one that rounding
/// could decide is asked exactly.
#[expect(
    clippy::needless_bitwise_bool,
    clippy::neg_cmp_op_on_partial_ord,
    reason = "without a branch, and NaN is unsure"
)]
pub(super) fn own(edges: &[Line], p: Coord) -> bool {
    let (mut inside, mut unsure) = (false, false);
    for Line { start: low, end: high } in edges {
        let (a, b) = ((low.x - p.x) * (high.y - p.y), (low.y - p.y) * (high.x - p.x));
        let beside = (low.y <= p.y) & (p.y < high.y);
        inside ^= beside & (a > b);
        unsure |= beside & !((a - b).abs() > ROUNDING * (a.abs() + b.abs()));
    }
    if unsure { edges.iter().filter(|l| is_left_of(p, l.start, l.end)).count() % 2 == 1 } else { inside }
}

/// The edge from its southern end.
pub(super) fn northward(edge: Line) -> Line {
    if edge.start.y <= edge.end.y { edge } else { Line::new(edge.end, edge.start) }
}

/// All edges, of holes too.
pub(super) fn lines(polygon: &Polygon) -> impl Iterator<Item = Line> {
    rings(polygon).flat_map(LineString::lines)
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

        /// The quick way agrees with the exact one, on edges and corners and next to them.
        #[test]
        fn owning_without_branches_is_owning(
            outer in prop::collection::vec((0..30i32, 0..30i32), 3..12),
            points in prop::collection::vec((0..30i32, 0..30i32, -2..=2i32, -2..=2i32), 1..40), scale in 1e-6..10.0f64,
        ) {
            let at = |x: i32, y: i32| Coord { x: 120.0 + f64::from(x) * scale, y: 32.0 + f64::from(y) * scale };
            let polygon = Polygon::new(outer.into_iter().map(|(x, y)| at(x, y)).collect(), vec![]);
            let edges: Vec<Line> = lines(&polygon).map(northward).collect();
            for (x, y, dx, dy) in points {
                let step = |v: f64, n: i32| f64::from_bits(v.to_bits().wrapping_add_signed(n.into()));
                let p = Coord { x: step(at(x, y).x, dx), y: step(at(x, y).y, dy) };
                prop_assert_eq!(own(&edges, p), owns(&polygon, p));
            }
        }
    }
}
