//! The faces of the icosahedron, and a point flattened onto one of them.
//!
//! H3 flattens a face from the globe's centre (gnomonic), so weights of a face's corners that add up to a point's vector
//! are, up to their sum, the point's i, j and k: no angle is needed. Which corner is i does not matter, because a third of
//! a turn about the face's centre maps every grid onto itself; what it changes in the digits is learned with the base cells.

/// A vector's parts along three axes.
pub(super) type Vector = [f64; 3];

/// One of the twenty faces.
#[derive(Debug, Clone)]
pub(super) struct Face {
    /// Corner i, j and k, counter-clockwise seen from outside.
    pub(super) corners: [Vector; 3],
    /// Their weights in a vector, combined to the coordinates of [`Flat`].
    pub(super) i: Vector,
    pub(super) j: Vector,
    /// All weights together: 1 on the face's plane.
    pub(super) out: Vector,
}

/// A point on the plane of a face, in units of resolution 0, from the face's centre. The axes lie 120° apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flat {
    pub(super) i: f64,
    pub(super) j: f64,
}

impl Face {
    pub(super) fn new([a, b, c]: [Vector; 3]) -> Self {
        let volume = dot(cross(a, b), c);
        let weights = [cross(b, c), cross(c, a), cross(a, b)].map(|w| w.map(|v| v / volume));
        let [wi, wj, wk] = weights;
        // A corner lies two cells from the centre.
        let less = |w: Vector| [0, 1, 2].map(|n| 2.0 * (w[n] - wk[n]));
        let out = [0, 1, 2].map(|n| wi[n] + wj[n] + wk[n]);
        Self { corners: [a, b, c], i: less(wi), j: less(wj), out }
    }

    /// Whether it has the same corners in the same order.
    pub(super) fn is(&self, other: &Self) -> bool {
        let pairs = self.corners.iter().flatten().zip(other.corners.iter().flatten());
        pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-9)
    }

    pub(super) fn flatten(&self, vector: Vector) -> Flat {
        let out = dot(self.out, vector);
        Flat { i: dot(self.i, vector) / out, j: dot(self.j, vector) / out }
    }
}

#[inline]
pub(super) fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(super) fn cross(a: Vector, b: Vector) -> Vector {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

#[cfg(test)]
mod tests {
    use super::super::fold::Upright;

    #[test]
    fn a_faces_corners_lie_two_cells_from_its_centre() {
        for face in Upright::new().on_globe() {
            for (corner, (i, j)) in face.corners.iter().zip([(2.0, 0.0), (0.0, 2.0), (-2.0, -2.0)]) {
                let flat = face.flatten(*corner);
                assert!((flat.i - i).abs() < 1e-14 && (flat.j - j).abs() < 1e-14, "{flat:?}");
            }
        }
    }
}
