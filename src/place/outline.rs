//! The areas of one level as `GeoJSON` for a map: simplified, and neighbours still share their edges.
//!
//! Rings are cut where three outlines meet, and each piece is simplified in a direction of its own, not of
//! the ring it was met in. So both sides of a border keep the same points, and no sliver opens between
//! them.

use std::collections::HashMap;

use geo::{Coord, LineString, MultiPolygon, Simplify};
use serde_json::json;

use super::areas::{Area, Areas};
use super::shape::envelope;
use crate::model::Micros;

/// A piece of outline may stray by this share of the mean size of the level's areas.
const STRAY: f64 = 1.0 / 400.0;

type Key = (u64, u64);

impl Areas {
    /// A `FeatureCollection` of the level's areas that hold at that instant: properties `code`, `level`,
    /// `parent`, `name_en`, `name_zh`, outlines simplified, coordinates to 0.1 m. An unknown level has no
    /// features.
    pub fn geojson(&self, level: &str, at: Micros) -> String {
        let areas: Vec<&Area> = self.iter().filter(|a| a.level == level && a.is_valid_at(at)).collect();
        let tolerance = mean_size(&areas) * STRAY;
        let crossroads = Crossroads::of(areas.iter().map(|a| &a.shape));
        let features: Vec<_> = areas
            .iter()
            .map(|area| {
                json!({
                    "type": "Feature",
                    "properties": {
                        "code": area.code, "level": area.level, "parent": area.parent,
                        "name_en": area.name_en, "name_zh": area.name_zh,
                    },
                    "geometry": { "type": "MultiPolygon", "coordinates": crossroads.simplified(&area.shape, tolerance) },
                })
            })
            .collect();
        json!({ "type": "FeatureCollection", "features": features }).to_string()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count of areas")]
fn mean_size(areas: &[&Area]) -> f64 {
    let around = areas.iter().flat_map(|a| &a.shape).filter_map(envelope);
    around.map(|r| r.width().hypot(r.height())).sum::<f64>() / areas.len().max(1) as f64
}

fn key(c: Coord) -> Key {
    (c.x.to_bits(), c.y.to_bits())
}

/// How many different neighbours each vertex has, over all outlines: two on a plain border, more (or fewer)
/// where borders meet.
struct Crossroads(HashMap<Key, Vec<Key>>);

impl Crossroads {
    fn of<'a>(shapes: impl Iterator<Item = &'a MultiPolygon>) -> Self {
        let mut neighbours: HashMap<Key, Vec<Key>> = HashMap::new();
        for ring in shapes.flat_map(rings) {
            for line in ring.lines() {
                for (a, b) in [(key(line.start), key(line.end)), (key(line.end), key(line.start))] {
                    let of = neighbours.entry(a).or_default();
                    if !of.contains(&b) {
                        of.push(b);
                    }
                }
            }
        }
        Self(neighbours)
    }

    fn is_at(&self, c: Coord) -> bool {
        self.0.get(&key(c)).is_some_and(|neighbours| neighbours.len() != 2)
    }

    fn simplified(&self, shape: &MultiPolygon, tolerance: f64) -> Vec<Vec<Vec<[f64; 2]>>> {
        let ring = |ring: &LineString| {
            self.ring(ring, tolerance).iter().map(|c| [rounded(c.x), rounded(c.y)]).collect()
        };
        shape.iter().map(|p| std::iter::once(p.exterior()).chain(p.interiors()).map(ring).collect()).collect()
    }

    /// The ring, piece by piece; as it was where too little of it would be left.
    fn ring(&self, ring: &LineString, tolerance: f64) -> Vec<Coord> {
        let open = ring.0.get(..ring.0.len().saturating_sub(1)).unwrap_or_default();
        // A ring that meets no other starts at a vertex that does not depend on where its file began it.
        let least = || (0..open.len()).min_by_key(|&i| key(open[i]));
        let Some(start) = open.iter().position(|c| self.is_at(*c)).or_else(least) else {
            return ring.0.clone();
        };
        let mut turned: Vec<Coord> = open.iter().copied().cycle().skip(start).take(open.len()).collect();
        turned.push(open[start]);
        let mut whole = vec![open[start]];
        let mut from = 0;
        for to in 1..turned.len() {
            if to + 1 == turned.len() || self.is_at(turned[to]) {
                whole.extend(piece(&turned[from..=to], tolerance).into_iter().skip(1));
                from = to;
            }
        }
        if whole.len() < 4 { ring.0.clone() } else { whole }
    }
}

/// One piece between two crossroads, simplified in the direction of its lesser end.
fn piece(coords: &[Coord], tolerance: f64) -> Vec<Coord> {
    let forward = coords.iter().map(|c| key(*c));
    let turn = forward.clone().gt(forward.rev());
    let mut coords = coords.to_vec();
    if turn {
        coords.reverse();
    }
    let mut simple = LineString(coords).simplify(tolerance).0;
    if turn {
        simple.reverse();
    }
    simple
}

fn rings(shape: &MultiPolygon) -> impl Iterator<Item = &LineString> {
    shape.iter().flat_map(|part| std::iter::once(part.exterior()).chain(part.interiors()))
}

/// To a millionth of a degree.
fn rounded(v: f64) -> f64 {
    (v * 1e6).round() / 1e6
}
