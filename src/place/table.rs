//! The areas as the table `ref.areas`. What analysts join their cells with; no queries.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use chrono::NaiveDate;
use geo::{Coord, GeodesicArea, LineString, MultiPolygon, Orient, Polygon, orient::Direction};

use super::areas::{Area, Areas};
use super::shape::{envelope, owns};
use crate::model::LngLat;

impl Areas {
    /// The columns of `ref.areas`.
    pub fn table_schema() -> SchemaRef {
        let field = |name: &str, kind: DataType, null: bool| Field::new(name, kind, null);
        Arc::new(Schema::new(vec![
            field("code", DataType::Utf8, false),
            field("level", DataType::Utf8, false),
            field("parent", DataType::Utf8, true),
            field("name_en", DataType::Utf8, false),
            field("name_zh", DataType::Utf8, false),
            field("valid_from", DataType::Date32, true),
            field("valid_to", DataType::Date32, true),
            field("lng", DataType::Float64, false),
            field("lat", DataType::Float64, false),
            field("area_m2", DataType::Float64, false),
            field("wkt", DataType::Utf8, false),
        ]))
    }

    /// `ref.areas`: `lng` and `lat` are a point inside, `area_m2` is geodesic.
    ///
    /// # Errors
    /// Arrow's, which no list of areas reaches: the columns are made to the schema.
    pub fn to_record_batch(&self) -> Result<RecordBatch, ArrowError> {
        let text =
            |of: fn(&Area) -> &str| Arc::new(StringArray::from_iter_values(self.iter().map(of))) as ArrayRef;
        let date = |of: fn(&Area) -> Option<NaiveDate>| {
            Arc::new(self.iter().map(|a| of(a).map(|d| d.to_epoch_days())).collect::<Date32Array>())
                as ArrayRef
        };
        let number = |values: Vec<f64>| Arc::new(Float64Array::from(values)) as ArrayRef;
        let inside = self.inside();
        RecordBatch::try_new(
            Self::table_schema(),
            vec![
                text(|a| &a.code),
                text(|a| &a.level),
                Arc::new(self.iter().map(|a| a.parent.as_deref()).collect::<StringArray>()),
                text(|a| &a.name_en),
                text(|a| &a.name_zh),
                date(|a| a.valid_from),
                date(|a| a.valid_to),
                number(inside.iter().map(|p| p.lng).collect()),
                number(inside.iter().map(|p| p.lat).collect()),
                number(self.iter().map(|a| square_metres(&a.shape)).collect()),
                Arc::new(StringArray::from_iter_values(self.iter().map(|a| wkt(&a.shape)))),
            ],
        )
    }
}

/// Geodesic; the winding is put right first, or a clockwise ring would measure the rest of the globe.
fn square_metres(shape: &MultiPolygon) -> f64 {
    shape.iter().map(|part| part.orient(Direction::Default).geodesic_area_signed().abs()).sum()
}

/// A point that the area owns, where a label may stand: the middle of the widest stretch of one of a few
/// parallels. A shape without inside gives its first corner.
pub(super) fn point_inside(shape: &MultiPolygon) -> LngLat {
    let size = |part: &&Polygon| envelope(part).map_or(0.0, |r| r.width() * r.height());
    let largest = shape.iter().max_by(|a, b| size(a).total_cmp(&size(b)));
    let found = largest.and_then(|part| {
        let around = envelope(part)?;
        [0.5, 0.375, 0.625, 0.25, 0.75, 0.125, 0.875]
            .into_iter()
            .filter_map(|share| widest_middle(part, around.min().y + around.height() * share))
            .find(|p| owns(part, *p))
    });
    let corner =
        || shape.iter().flat_map(|part| part.exterior().coords().copied()).next().unwrap_or_default();
    let p = found.unwrap_or_else(corner);
    LngLat { lng: p.x, lat: p.y }
}

fn widest_middle(part: &Polygon, y: f64) -> Option<Coord> {
    let rings = std::iter::once(part.exterior()).chain(part.interiors());
    let mut crossings: Vec<f64> = rings
        .flat_map(LineString::lines)
        .filter(|l| (l.start.y <= y) != (l.end.y <= y))
        .map(|l| l.start.x + (y - l.start.y) / (l.end.y - l.start.y) * (l.end.x - l.start.x))
        .collect();
    crossings.sort_unstable_by(f64::total_cmp);
    let widest =
        crossings.as_chunks::<2>().0.iter().max_by(|a, b| (a[1] - a[0]).total_cmp(&(b[1] - b[0])))?;
    Some(Coord { x: f64::midpoint(widest[0], widest[1]), y })
}

/// Well-known text with every digit that the outline has.
fn wkt(shape: &MultiPolygon) -> String {
    let mut text = String::new();
    let list = |text: &mut String, n: usize, each: &mut dyn FnMut(&mut String, usize)| {
        text.push('(');
        for i in 0..n {
            if i > 0 {
                text.push_str(", ");
            }
            each(text, i);
        }
        text.push(')');
    };
    let ring = |text: &mut String, ring: &LineString| {
        list(text, ring.0.len(), &mut |text, i| {
            let _ = write!(text, "{} {}", ring.0[i].x, ring.0[i].y);
        });
    };
    let polygon = |text: &mut String, part: &Polygon| {
        list(text, part.interiors().len() + 1, &mut |text, i| {
            ring(text, if i == 0 { part.exterior() } else { &part.interiors()[i - 1] });
        });
    };
    if let [only] = shape.0.as_slice() {
        text.push_str("POLYGON ");
        polygon(&mut text, only);
    } else {
        text.push_str("MULTIPOLYGON ");
        list(&mut text, shape.0.len(), &mut |text, i| polygon(text, &shape.0[i]));
    }
    text
}

#[cfg(test)]
mod tests {
    use geo::polygon;

    use super::*;

    #[test]
    fn a_crescent_and_a_ring_have_a_point_inside() {
        let crescent =
            polygon![(x: 0., y: 0.), (x: 4., y: 0.), (x: 4., y: 4.), (x: 0., y: 4.), (x: 3., y: 2.)];
        let ring = polygon!(
            exterior: [(x: 0., y: 0.), (x: 4., y: 0.), (x: 4., y: 4.), (x: 0., y: 4.)],
            interiors: [[(x: 1., y: 1.), (x: 3.5, y: 1.), (x: 3.5, y: 3.), (x: 1., y: 3.)]],
        );
        for shape in [crescent, ring] {
            let p = point_inside(&MultiPolygon(vec![shape.clone()]));
            assert!(owns(&shape, Coord { x: p.lng, y: p.lat }), "{p:?}");
        }
        assert_eq!(point_inside(&MultiPolygon(vec![])), LngLat { lng: 0.0, lat: 0.0 });
    }

    #[test]
    fn the_text_form_keeps_holes_parts_and_digits() {
        let one = polygon!(
            exterior: [(x: 0.1, y: 0.), (x: 4., y: 0.), (x: 4., y: 4.)],
            interiors: [[(x: 2., y: 1.), (x: 3., y: 1.), (x: 3., y: 2.)]],
        );
        let other = polygon![(x: 9., y: 9.), (x: 10., y: 9.), (x: 9., y: 10.)];
        let first = "((0.1 0, 4 0, 4 4, 0.1 0), (2 1, 3 1, 3 2, 2 1))";
        assert_eq!(wkt(&MultiPolygon(vec![one.clone()])), format!("POLYGON {first}"));
        let both = wkt(&MultiPolygon(vec![one, other]));
        assert_eq!(both, format!("MULTIPOLYGON ({first}, ((9 9, 10 9, 9 10, 9 9)))"));
    }

    #[test]
    fn a_square_degree_at_the_equator_has_its_known_size_whichever_way_its_ring_runs() {
        let square = polygon![(x: 0., y: 0.), (x: 1., y: 0.), (x: 1., y: 1.), (x: 0., y: 1.)];
        let turned = Polygon::new(square.exterior().coords().rev().copied().collect(), vec![]);
        for shape in [square, turned] {
            assert!((square_metres(&MultiPolygon(vec![shape])) - 12_308_778_361.469).abs() < 1.0);
        }
    }
}
