//! The icosahedron set upright, where mirrors tell the nearest face without a branch.
//!
//! Upright, the twelve corners are (0, ±1, ±φ) and what moving the axes round makes of them, so the planes between the axes are
//! mirrors: a point's absolute values lie on one of four faces, whatever its signs. Four centres are held against each
//! other instead of twenty, and the signs tell which of the faces it is. A mirror turns a face's corners the other way
//! round, so where it took an odd number of them i and j change places.

use h3o::{CellIndex, LatLng};

use super::face::{Face, Vector, cross, dot};

/// The golden ratio, and one divided by it.
const LONG: f64 = 1.618_033_988_749_895;
const SHORT: f64 = LONG - 1.0;
/// Corners next to each other on an icosahedron have a scalar product of 1/√5, all others a smaller one.
const ADJACENT: f64 = 0.4;
/// Faces that reach into one eighth of the globe.
const FACES: usize = 4;
/// Pairs of an eighth of the globe and a face in it; twelve of the twenty faces lie in two eighths.
pub(super) const SIDES: usize = 8 * FACES;

/// From the globe's axes to the upright icosahedron's, and the four faces there.
#[derive(Debug)]
pub(super) struct Upright {
    axes: [Vector; 3],
    faces: [Face; FACES],
}

/// The side of a point.
#[derive(Debug, Clone, Copy)]
pub(super) struct Side {
    /// Its number, below [`SIDES`]: the signs of a point's upright parts, then the nearest face's number.
    pub(super) number: u64,
    /// How far the point lies outward of that face: as [`Face::out`] says, but for the last two bits.
    pub(super) out: f64,
}

impl Side {
    /// Whether the point is so near to a face's centre that `h3o`'s arc cosine of almost 1 loses digits: 5·10⁻⁴ is 3 km.
    #[inline]
    pub(super) fn is_central(out: f64) -> bool {
        /// A centre lies √3 outward.
        const CENTRAL: f64 = 1.732_050_807_568_877_2 * (1.0 - 0.5 * 5e-4 * 5e-4);
        out >= CENTRAL
    }
}

impl Upright {
    /// As `h3o`'s pentagons stand: half-way between two neighbours lies one axis, along their edge another.
    pub(super) fn new() -> Self {
        let pentagons: Vec<Vector> = CellIndex::base_cells()
            .filter(|cell| cell.is_pentagon())
            .map(|cell| {
                let centre = LatLng::from(cell);
                let ((sin_lat, cos_lat), (sin_lng, cos_lng)) =
                    (centre.lat_radians().sin_cos(), centre.lng_radians().sin_cos());
                [cos_lng * cos_lat, sin_lng * cos_lat, sin_lat]
            })
            .collect();
        let a = pentagons.first().copied().unwrap_or_default();
        let b = pentagons.iter().copied().find(|b| (ADJACENT..0.9).contains(&dot(a, *b))).unwrap_or_default();
        let unit = |v: Vector| v.map(|part| part / dot(v, v).sqrt());
        let (z, y) = (unit([0, 1, 2].map(|n| a[n] + b[n])), unit([0, 1, 2].map(|n| a[n] - b[n])));
        // As long as makes a face's outward weights those of `side`.
        let face = |corners: [Vector; 3]| Face::new(corners.map(|corner| corner.map(|v| v * SHORT * SHORT)));
        let over_a_mirror = |round: usize| {
            let mut corners = [[0.0, 1.0, LONG], [0.0, -1.0, LONG], [LONG, 0.0, 1.0]];
            corners.iter_mut().for_each(|corner| corner.rotate_right(round));
            face(corners)
        };
        let between = face([[0.0, 1.0, LONG], [LONG, 0.0, 1.0], [1.0, LONG, 0.0]]);
        let faces = [between, over_a_mirror(0), over_a_mirror(1), over_a_mirror(2)];
        Self { axes: [cross(y, z), y, z], faces }
    }

    /// On which side a point of the unit sphere lies: the one whose face's centre is nearest, or hardly farther away.
    #[inline]
    pub(super) fn side(&self, vector: Vector) -> Side {
        let [to_x, to_y, to_z] = self.axes;
        let (x, y, z) = (dot(to_x, vector), dot(to_y, vector), dot(to_z, vector));
        let signs = x.to_bits() >> 63 << 2 | y.to_bits() >> 63 << 3 | z.to_bits() >> 63 << 4;
        let (x, y, z) = (x.abs(), y.abs(), z.abs());
        // The larger of two positive numbers has the larger bits, too.
        let nearer = |a: f64, b: f64| if a > b { a } else { b };
        let numbered = |out: f64, face: u64| f64::from_bits(out.to_bits() & !3 | face);
        let between = numbered(x + y + z, 0);
        let over_y = numbered(x * SHORT + z * LONG, 1);
        let over_z = numbered(y * SHORT + x * LONG, 2);
        let over_x = numbered(z * SHORT + y * LONG, 3);
        let out = nearer(nearer(between, over_y), nearer(over_z, over_x));
        Side { number: signs | out.to_bits() & 3, out }
    }

    /// Each side's face on the globe, by [`Side::number`].
    pub(super) fn on_globe(&self) -> [Face; SIDES] {
        let globe =
            |corner: Vector| [0, 1, 2].map(|n| (0..3).map(|axis| corner[axis] * self.axes[axis][n]).sum());
        std::array::from_fn(|side| {
            let signs = side / FACES;
            let mirror = |corner: Vector| {
                [0, 1, 2].map(|axis| if signs >> axis & 1 == 1 { -corner[axis] } else { corner[axis] })
            };
            let [a, b, c] = self.faces[side % FACES].corners.map(mirror).map(globe);
            Face::new(if signs.count_ones() % 2 == 1 { [b, a, c] } else { [a, b, c] })
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::sphere::unit_vector;
    use super::*;

    #[test]
    fn twenty_faces_meet_five_at_each_pentagon() {
        let mut faces: Vec<Face> = Vec::new();
        for face in Upright::new().on_globe() {
            if !faces.iter().any(|other| other.is(&face)) {
                faces.push(face);
            }
        }
        assert_eq!(faces.len(), 20);
        for pentagon in CellIndex::base_cells().filter(|cell| cell.is_pentagon()) {
            let centre = LatLng::from(pentagon);
            let at = unit_vector(centre.lng(), centre.lat());
            let cosine = |corner: &Vector| dot(*corner, at) / dot(*corner, *corner).sqrt();
            let here = |face: &&Face| face.corners.iter().any(|corner| cosine(corner) > 1.0 - 1e-13);
            assert_eq!(faces.iter().filter(here).count(), 5);
        }
    }

    proptest! {
        /// No other face's centre is nearer, and it is as near as is said.
        #[test]
        fn a_points_side_has_the_nearest_face(lng in -360.0..360.0f64, lat in -90.0..=90.0f64) {
            let (upright, vector) = (Upright::new(), unit_vector(lng, lat));
            let faces = upright.on_globe();
            let side = upright.side(vector);
            let out = dot(faces[side.number as usize].out, vector);
            prop_assert!((side.out - out).abs() < 1e-14, "{} {out}", side.out);
            let nearest = faces.iter().map(|face| dot(face.out, vector)).fold(0.0, f64::max);
            prop_assert!(nearest - out < 1e-14, "{nearest} {out}");
        }
    }
}
