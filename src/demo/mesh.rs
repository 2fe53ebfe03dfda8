//! A map cut into faces that share their edges: points on a whole-number grid of 10⁻⁵ degree, cut again and again.
//!
//! A cut that ends on an edge puts its end into that edge for the neighbour too, so rounding never opens a gap.
//! Only additions, products and square roots: the same bytes on every machine.

use std::collections::HashMap;

use super::dice::Dice;

/// How many units make one degree.
pub const UNITS: f64 = 100_000.0;
/// A degree of longitude is this much of a degree of latitude at 32.1° north.
pub const LNG_SHRINK: f64 = 0.847;
/// A cut ends in a corner that lies this near.
const SNAP: f64 = 30.0;

/// A corner, in units east and north of 0°.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Point {
    /// Units east.
    pub x: i32,
    /// Units north.
    pub y: i32,
}

impl Point {
    /// The nearest corner to a place in degrees.
    #[expect(clippy::cast_possible_truncation, reason = "180° are 18 million units")]
    pub fn of(lng: f64, lat: f64) -> Self {
        Self { x: (lng * UNITS).round() as i32, y: (lat * UNITS).round() as i32 }
    }

    /// Degrees east and north.
    pub fn degrees(self) -> (f64, f64) {
        (f64::from(self.x) / UNITS, f64::from(self.y) / UNITS)
    }
}

/// A face: the numbers of its corners, counter-clockwise, the first not repeated.
pub type Face = Vec<u32>;

/// The plane that is being cut.
#[derive(Debug, Default)]
pub struct Mesh {
    points: Vec<Point>,
    numbers: HashMap<Point, u32>,
    /// The corner that was put into an edge (lower number first).
    inserted: HashMap<(u32, u32), u32>,
}

/// A straight cut: all places where `nx·x + ny·y = at`.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// The normal's east part.
    pub nx: f64,
    /// The normal's north part.
    pub ny: f64,
    /// How far along the normal.
    pub at: f64,
}

impl Line {
    /// The line through two places in degrees; its positive side is on the left of the way from `a` to `b`.
    pub fn through(a: (f64, f64), b: (f64, f64)) -> Self {
        let (nx, ny) = (-(b.1 - a.1), b.0 - a.0);
        Self { nx, ny, at: (nx * a.0 + ny * a.1) * UNITS }
    }

    fn side(self, p: Point) -> f64 {
        self.nx * f64::from(p.x) + self.ny * f64::from(p.y) - self.at
    }
}

struct Crossing {
    edge: usize,
    place: (f64, f64),
    along: f64,
}

impl Mesh {
    /// The number of a corner, new or known.
    #[expect(clippy::cast_possible_truncation, reason = "a city has fewer than 2³² corners")]
    pub fn number(&mut self, point: Point) -> u32 {
        *self.numbers.entry(point).or_insert_with(|| {
            self.points.push(point);
            self.points.len() as u32 - 1
        })
    }

    fn point(&self, number: u32) -> Point {
        self.points[number as usize]
    }

    /// The corners of a face, with every corner that neighbours have put into its edges.
    pub fn ring(&self, face: &[u32]) -> Vec<Point> {
        self.expanded(face).into_iter().map(|n| self.point(n)).collect()
    }

    fn expanded(&self, face: &[u32]) -> Face {
        let mut ring = Vec::with_capacity(face.len() + 4);
        for (i, &a) in face.iter().enumerate() {
            ring.push(a);
            self.fill(a, face[(i + 1) % face.len()], &mut ring);
        }
        ring
    }

    fn fill(&self, a: u32, b: u32, ring: &mut Face) {
        if let Some(&middle) = self.inserted.get(&(a.min(b), a.max(b))) {
            self.fill(a, middle, ring);
            ring.push(middle);
            self.fill(middle, b, ring);
        }
    }

    /// Cuts a face in two along `line` and bends the cut by `bend` of its length: (left, right) of the line, or
    /// none where the line misses the face or only nicks a corner.
    pub fn cut(&mut self, face: &[u32], line: Line, bend: Option<(f64, &mut Dice)>) -> Option<(Face, Face)> {
        let mut ring = self.expanded(face);
        let (first, second) = self.longest_chord(&ring, line)?;
        let (low, high) = if first.edge < second.edge { (first, second) } else { (second, first) };
        // The later edge first: inserting there leaves the earlier edge's position as it is.
        let far = self.end_on(&mut ring, &high);
        let near = self.end_on(&mut ring, &low);
        let from = ring.iter().position(|&n| n == near)?;
        let to = ring.iter().position(|&n| n == far)?;
        let apart = from.abs_diff(to);
        if apart < 2 || apart > ring.len() - 2 {
            return None;
        }
        ring.rotate_left(from);
        let to = ring.iter().position(|&n| n == far)?;
        let middle = self.bent(&ring, near, far, bend);
        let mut one: Face = ring[..=to].to_vec();
        one.extend(middle.iter().rev());
        let mut two: Face = ring[to..].to_vec();
        two.push(near);
        two.extend(&middle);
        let (one_area, two_area) = (self.doubled_area(&one), self.doubled_area(&two));
        if one_area <= 0 || two_area <= 0 {
            return None;
        }
        let (lng, lat) = centre(&one.iter().map(|&n| self.point(n)).collect::<Vec<_>>());
        let left = line.nx * lng + line.ny * lat > line.at / UNITS;
        Some(if left { (one, two) } else { (two, one) })
    }

    fn longest_chord(&self, ring: &[u32], line: Line) -> Option<(Crossing, Crossing)> {
        let mut crossings = Vec::new();
        for (edge, &a) in ring.iter().enumerate() {
            let (a, b) = (self.point(a), self.point(ring[(edge + 1) % ring.len()]));
            let (side_a, side_b) = (line.side(a), line.side(b));
            if (side_a >= 0.0) != (side_b >= 0.0) {
                let t = side_a / (side_a - side_b);
                let place =
                    (f64::from(a.x) + t * f64::from(b.x - a.x), f64::from(a.y) + t * f64::from(b.y - a.y));
                crossings.push(Crossing { edge, place, along: place.1 * line.nx - place.0 * line.ny });
            }
        }
        crossings.sort_by(|a, b| a.along.total_cmp(&b.along));
        let mut chords = Vec::new();
        let mut rest = crossings.into_iter();
        while let (Some(a), Some(b)) = (rest.next(), rest.next()) {
            chords.push((a, b));
        }
        chords.into_iter().max_by(|(a, b), (c, d)| (b.along - a.along).total_cmp(&(d.along - c.along)))
    }

    /// The corner in which a cut ends: one nearby, or a new one put into the edge.
    fn end_on(&mut self, ring: &mut Face, crossing: &Crossing) -> u32 {
        let (a, b) = (ring[crossing.edge], ring[(crossing.edge + 1) % ring.len()]);
        for corner in [a, b] {
            let p = self.point(corner);
            let (dx, dy) = (f64::from(p.x) - crossing.place.0, f64::from(p.y) - crossing.place.1);
            if dx * dx + dy * dy < SNAP * SNAP {
                return corner;
            }
        }
        let point = Point::of(crossing.place.0 / UNITS, crossing.place.1 / UNITS);
        let number = self.number(point);
        if number != a && number != b {
            self.inserted.insert((a.min(b), a.max(b)), number);
            ring.insert(crossing.edge + 1, number);
        }
        number
    }

    /// The corners between the two ends of a cut: displaced midpoints, or none where they would touch the ring.
    fn bent(&mut self, ring: &[u32], near: u32, far: u32, bend: Option<(f64, &mut Dice)>) -> Face {
        let Some((bend, dice)) = bend else {
            return Face::new();
        };
        let (a, b) = (self.point(near), self.point(far));
        let (dx, dy) = (f64::from(b.x - a.x), f64::from(b.y - a.y));
        let mut shift = [0.0; 17];
        for step in [8usize, 4, 2, 1] {
            #[expect(clippy::cast_precision_loss, reason = "at most 8")]
            let size = bend * step as f64 / 8.0;
            for k in (step..16).step_by(2 * step) {
                shift[k] = f64::midpoint(shift[k - step], shift[k + step]) + dice.between(-size, size);
            }
        }
        let bent: Vec<Point> = (1..16u8)
            .map(|k| {
                let (t, s) = (f64::from(k) / 16.0, shift[usize::from(k)]);
                let (x, y) = (f64::from(a.x) + t * dx - s * dy, f64::from(a.y) + t * dy + s * dx);
                Point::of(x / UNITS, y / UNITS)
            })
            .collect();
        let path: Vec<Point> = [a].into_iter().chain(bent.iter().copied()).chain([b]).collect();
        let fresh = bent.iter().all(|p| !self.numbers.contains_key(p));
        if !fresh || self.touches(ring, &path, near, far) {
            return Face::new();
        }
        bent.into_iter().map(|p| self.number(p)).collect()
    }

    fn touches(&self, ring: &[u32], path: &[Point], near: u32, far: u32) -> bool {
        ring.iter().enumerate().any(|(i, &a)| {
            let b = ring[(i + 1) % ring.len()];
            let (p, q) = (self.point(a), self.point(b));
            path.windows(2).enumerate().any(|(k, piece)| {
                let at_start = k == 0 && (a == near || b == near);
                let at_end = k + 2 == path.len() && (a == far || b == far);
                !at_start && !at_end && segments_meet(p, q, piece[0], piece[1])
            })
        })
    }

    /// Twice the area in square units; positive, because faces run counter-clockwise.
    pub fn doubled_area(&self, face: &[u32]) -> i64 {
        doubled_area(&face.iter().map(|&n| self.point(n)).collect::<Vec<_>>())
    }
}

/// Twice the signed area of a ring, exactly.
pub fn doubled_area(ring: &[Point]) -> i64 {
    let Some(&origin) = ring.first() else {
        return 0;
    };
    let near = |p: Point| (i64::from(p.x) - i64::from(origin.x), i64::from(p.y) - i64::from(origin.y));
    ring.windows(2)
        .map(|pair| {
            let ((ax, ay), (bx, by)) = (near(pair[0]), near(pair[1]));
            ax * by - bx * ay
        })
        .sum()
}

/// The centre of a ring's area, in degrees.
#[expect(clippy::cast_precision_loss, reason = "a city's coordinates and areas are far below 2⁵³")]
pub fn centre(ring: &[Point]) -> (f64, f64) {
    let Some(&origin) = ring.first() else {
        return (0.0, 0.0);
    };
    let (mut area, mut cx, mut cy) = (0i64, 0.0, 0.0);
    for pair in ring.windows(2) {
        let (ax, ay) = (i64::from(pair[0].x - origin.x), i64::from(pair[0].y - origin.y));
        let (bx, by) = (i64::from(pair[1].x - origin.x), i64::from(pair[1].y - origin.y));
        let cross = ax * by - bx * ay;
        area += cross;
        cx += ((ax + bx) * cross) as f64;
        cy += ((ay + by) * cross) as f64;
    }
    if area == 0 {
        return origin.degrees();
    }
    let thrice = 3.0 * area as f64;
    ((f64::from(origin.x) + cx / thrice) / UNITS, (f64::from(origin.y) + cy / thrice) / UNITS)
}

/// Whether a place lies inside a ring; of two faces that share an edge exactly one holds a place on it.
pub fn holds(ring: &[Point], lng: f64, lat: f64) -> bool {
    let (x, y) = (lng * UNITS, lat * UNITS);
    let mut inside = false;
    for (i, a) in ring.iter().enumerate() {
        // Every edge is taken from its lower end, so that both of its faces compute the same crossing.
        let b = &ring[(i + 1) % ring.len()];
        let (a, b) = if (a.y, a.x) <= (b.y, b.x) { (a, b) } else { (b, a) };
        if (f64::from(a.y) > y) != (f64::from(b.y) > y) {
            let t = (y - f64::from(a.y)) / f64::from(b.y - a.y);
            inside ^= x < f64::from(a.x) + t * f64::from(b.x - a.x);
        }
    }
    inside
}

fn turn(a: Point, b: Point, c: Point) -> i64 {
    let (abx, aby) = (i64::from(b.x - a.x), i64::from(b.y - a.y));
    let (acx, acy) = (i64::from(c.x - a.x), i64::from(c.y - a.y));
    (abx * acy - aby * acx).signum()
}

fn segments_meet(a: Point, b: Point, c: Point, d: Point) -> bool {
    turn(a, b, c) * turn(a, b, d) <= 0 && turn(c, d, a) * turn(c, d, b) <= 0
}
