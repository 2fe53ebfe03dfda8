//! The icosahedron: its faces between the twelve pentagons, and a point flattened onto one of them.
//!
//! H3 flattens a face from the globe's centre (gnomonic), so weights of a face's corners that add up to a point's vector
//! are, up to their sum, the point's i, j and k: no angle is needed. Which corner is i does not matter, because a third of
//! a turn about the face's centre maps every grid onto itself; what it changes in the digits is learned with the base cells.

use h3o::{CellIndex, LatLng};

/// Corners next to each other on an icosahedron have a scalar product of 1/√5, all others a smaller one.
const ADJACENT: f64 = 0.4;
/// The cosine between the centres of opposite faces is −1, of all others above −0.75.
const OPPOSITE: f64 = -0.9;
/// Half of the faces.
const AXES: usize = 10;

/// One of the twenty faces.
#[derive(Debug)]
pub(super) struct Face {
    /// Corner i, j and k, counter-clockwise seen from outside.
    pub(super) corners: [[f64; 3]; 3],
    /// Their weights in a vector, combined to the coordinates of [`Flat`].
    i: [f64; 3],
    j: [f64; 3],
    sum: [f64; 3],
}

/// A point on the plane of a face, in units of resolution 0, from the face's centre. The axes lie 120° apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flat {
    pub(super) i: f64,
    pub(super) j: f64,
    /// How far outward; not above 0 on the other half of the globe.
    pub(super) out: f64,
}

impl Face {
    fn new([a, b, c]: [[f64; 3]; 3]) -> Self {
        let volume = dot(cross(a, b), c);
        let weights = [cross(b, c), cross(c, a), cross(a, b)].map(|w| w.map(|v| v / volume));
        let [wi, wj, wk] = weights;
        // A corner lies two cells from the centre.
        let less = |w: [f64; 3]| [0, 1, 2].map(|n| 2.0 * (w[n] - wk[n]));
        let sum = [0, 1, 2].map(|n| wi[n] + wj[n] + wk[n]);
        Self { corners: [a, b, c], i: less(wi), j: less(wj), sum }
    }

    #[inline]
    pub(super) fn flatten(&self, vector: [f64; 3]) -> Flat {
        let out = dot(self.sum, vector);
        let shrink = 1.0 / out;
        Flat { i: dot(self.i, vector) * shrink, j: dot(self.j, vector) * shrink, out }
    }
}

/// The face whose centre is nearest, or one that is hardly farther away.
///
/// Faces `n` and `n + 10` lie opposite each other, so ten products tell all twenty. The larger of two positive numbers has
/// the larger bits, too, and the last four of them have room for the number of the axis.
#[inline]
pub(super) fn nearest(faces: &[Face], vector: [f64; 3]) -> usize {
    let mut best = 0;
    for (axis, face) in (0..).zip(faces.iter().take(AXES)) {
        best = best.max(dot(face.sum, vector).abs().to_bits() & !15 | axis);
    }
    let axis = (best & 15) as usize;
    let ahead = faces.get(axis).is_some_and(|face| dot(face.sum, vector) > 0.0);
    if ahead { axis } else { axis + AXES }
}

/// All faces, as `h3o`'s pentagons span them; those of the second half opposite to those of the first.
pub(super) fn faces() -> Vec<Face> {
    let corners: Vec<[f64; 3]> = CellIndex::base_cells()
        .filter(|cell| cell.is_pentagon())
        .map(|cell| {
            let centre = LatLng::from(cell);
            let ((sin_lat, cos_lat), (sin_lng, cos_lng)) =
                (centre.lat_radians().sin_cos(), centre.lng_radians().sin_cos());
            [cos_lng * cos_lat, sin_lng * cos_lat, sin_lat]
        })
        .collect();
    let mut faces: Vec<Face> = Vec::with_capacity(2 * AXES);
    let mut opposite = Vec::with_capacity(AXES);
    for (n, &a) in corners.iter().enumerate() {
        for (m, &b) in corners.iter().enumerate().take(n) {
            for &c in corners.iter().take(m) {
                if dot(a, b) > ADJACENT && dot(b, c) > ADJACENT && dot(c, a) > ADJACENT {
                    let outward = dot(cross(a, b), c) > 0.0;
                    let face = Face::new(if outward { [a, b, c] } else { [b, a, c] });
                    let is_behind =
                        |other: &Face| dot(face.sum, other.sum) < OPPOSITE * dot(face.sum, face.sum);
                    match faces.iter().position(is_behind) {
                        Some(axis) => opposite.push((axis, face)),
                        None => faces.push(face),
                    }
                }
            }
        }
    }
    opposite.sort_by_key(|(axis, _)| *axis);
    faces.extend(opposite.into_iter().map(|(_, face)| face));
    faces
}

#[inline]
fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_faces_meet_five_at_a_corner() {
        let faces = faces();
        assert_eq!(faces.len(), 20);
        for face in &faces {
            let sharing = |corner| faces.iter().filter(|other| other.corners.contains(corner)).count();
            assert!(face.corners.iter().all(|corner| sharing(corner) == 5));
        }
    }

    #[test]
    fn the_nearest_face_is_the_one_that_holds_the_point() {
        let faces = faces();
        for (n, face) in faces.iter().enumerate() {
            for weights in [[1.0, 1.0, 1.0], [8.0, 1.0, 1.0], [1.0, 5.0, 5.0], [0.1, 4.0, 0.1]] {
                let point = [0, 1, 2].map(|axis| (0..3).map(|m| weights[m] * face.corners[m][axis]).sum());
                assert_eq!(nearest(&faces, point), n);
            }
        }
    }

    #[test]
    fn a_faces_corners_lie_two_cells_from_its_centre() {
        for face in faces() {
            for (corner, (i, j)) in face.corners.iter().zip([(2.0, 0.0), (0.0, 2.0), (-2.0, -2.0)]) {
                let flat = face.flatten(*corner);
                assert!(
                    (flat.i - i).abs() < 1e-14 && (flat.j - j).abs() < 1e-14 && flat.out > 0.0,
                    "{flat:?}"
                );
            }
        }
    }
}
