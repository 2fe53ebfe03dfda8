//! `GeoJSON` becomes areas: which property means what, and every way in which a file can be wrong.

use chrono::NaiveDate;
use geo::{Coord, LineString, MultiPolygon, Polygon};
use geojson::GeometryValue;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::areas::Area;
use super::crs::Crs;

/// Where an area's level stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LevelField {
    /// In this property of each feature.
    Property(String),
    /// The whole file is of this level.
    Fixed(String),
}

/// Which property of a feature holds what. The default is the names of `ref.areas`.
#[derive(Debug, Clone, PartialEq)]
pub struct AreaFields {
    /// The area's code: text or an integer.
    pub code: String,
    /// Its level.
    pub level: LevelField,
    /// The code of the area above it.
    pub parent: String,
    /// Its English name; where missing the Chinese one, then the code.
    pub name_en: String,
    /// Its Chinese name; where missing the English one, then the code.
    pub name_zh: String,
    /// The first day on which it holds, `yyyy-mm-dd`; null or missing: always did.
    pub valid_from: String,
    /// The first day on which it no longer holds; null or missing: holds on.
    pub valid_to: String,
    /// The system of the file's coordinates.
    pub crs: Crs,
}

impl Default for AreaFields {
    fn default() -> Self {
        let own = |name: &str| name.to_owned();
        Self {
            code: own("code"),
            level: LevelField::Property(own("level")),
            parent: own("parent"),
            name_en: own("name_en"),
            name_zh: own("name_zh"),
            valid_from: own("valid_from"),
            valid_to: own("valid_to"),
            crs: Crs::Wgs84,
        }
    }
}

/// Why a boundary file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AreasError {
    /// Not a JSON `FeatureCollection`.
    #[error("the boundaries are no GeoJSON FeatureCollection: {0}")]
    NotGeoJson(#[from] serde_json::Error),
    /// One feature is wrong; `feature` is its 1-based number and its code where it has one.
    #[error("{feature}: {why}")]
    Feature {
        /// Which one.
        feature: String,
        /// What is wrong and how to mend it.
        why: String,
    },
}

#[derive(Deserialize)]
struct Collection<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    features: Vec<Feature<'a>>,
}

/// The geometry stays text until its feature is known, so that an error in it can name the feature.
#[derive(Deserialize)]
struct Feature<'a> {
    properties: Option<Map<String, Value>>,
    #[serde(borrow)]
    geometry: Option<&'a RawValue>,
}

/// The areas of one file, in its order.
pub(super) fn read(text: &str, fields: &AreaFields) -> Result<Vec<Area>, AreasError> {
    let collection: Collection<'_> = serde_json::from_str(text)?;
    if collection.kind != "FeatureCollection" {
        let why = format!("its type is `{}`", collection.kind);
        return Err(AreasError::NotGeoJson(serde::de::Error::custom(why)));
    }
    let mut areas = Vec::with_capacity(collection.features.len());
    for (i, feature) in collection.features.iter().enumerate() {
        areas.push(
            area(feature, fields)
                .map_err(|why| AreasError::Feature { feature: label(i, feature, fields), why })?,
        );
    }
    Ok(areas)
}

fn label(i: usize, feature: &Feature<'_>, fields: &AreaFields) -> String {
    match feature.properties.as_ref().and_then(|p| text_of(p, &fields.code).ok().flatten()) {
        Some(code) => format!("feature {} (`{code}`)", i + 1),
        None => format!("feature {}", i + 1),
    }
}

fn area(feature: &Feature<'_>, fields: &AreaFields) -> Result<Area, String> {
    let properties = feature.properties.as_ref().ok_or("it has no properties")?;
    let code = text_of(properties, &fields.code)?.ok_or_else(|| {
        let there = properties.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        format!("it has no code in property `{}` (there are: {there})", fields.code)
    })?;
    let level = match &fields.level {
        LevelField::Fixed(level) => level.clone(),
        LevelField::Property(name) => {
            text_of(properties, name)?.ok_or_else(|| format!("it has no level in property `{name}`"))?
        }
    };
    let (en, zh) = (text_of(properties, &fields.name_en)?, text_of(properties, &fields.name_zh)?);
    let either = |first: &Option<String>, second: &Option<String>| {
        first.as_ref().or(second.as_ref()).unwrap_or(&code).clone()
    };
    let (from, to) = (day_of(properties, &fields.valid_from)?, day_of(properties, &fields.valid_to)?);
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        return Err(format!("it is valid from {from} to {to}, which is no day at all"));
    }
    let shape = shape(feature.geometry.ok_or("it has no geometry")?, &fields.crs)?;
    Ok(Area {
        level,
        parent: text_of(properties, &fields.parent)?,
        name_en: either(&en, &zh),
        name_zh: either(&zh, &en),
        valid_from: from,
        valid_to: to,
        shape,
        code,
    })
}

/// The property as text; none where missing, null or blank.
fn text_of(properties: &Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match properties.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim().to_owned())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(other) => Err(format!("property `{name}` must be text, not {other}")),
    }
}

fn day_of(properties: &Map<String, Value>, name: &str) -> Result<Option<NaiveDate>, String> {
    let Some(text) = text_of(properties, name)? else { return Ok(None) };
    match text.parse() {
        Ok(day) => Ok(Some(day)),
        Err(_) => Err(format!("property `{name}` is `{text}`, which is no date such as 2024-01-31")),
    }
}

fn shape(raw: &RawValue, crs: &Crs) -> Result<MultiPolygon, String> {
    let geometry: geojson::Geometry =
        serde_json::from_str(raw.get()).map_err(|e| format!("its geometry: {e}"))?;
    let parts = match geometry.value {
        GeometryValue::Polygon { coordinates } => vec![coordinates],
        GeometryValue::MultiPolygon { coordinates } => coordinates,
        other => {
            return Err(format!(
                "its geometry is a {}: areas are Polygon or MultiPolygon",
                other.type_name()
            ));
        }
    };
    if parts.is_empty() {
        return Err("its geometry is empty".into());
    }
    parts.iter().map(|rings| polygon(rings, crs)).collect::<Result<Vec<_>, _>>().map(MultiPolygon)
}

fn polygon(rings: &[Vec<geojson::Position>], crs: &Crs) -> Result<Polygon, String> {
    let mut rings = rings.iter().map(|ring| read_ring(ring, crs));
    let exterior = rings.next().ok_or("one of its polygons has no ring")??;
    Ok(Polygon::new(exterior, rings.collect::<Result<_, _>>()?))
}

/// One ring; it is closed where the file forgot to.
fn read_ring(ring: &[geojson::Position], crs: &Crs) -> Result<LineString, String> {
    let mut points: Vec<Coord> = Vec::with_capacity(ring.len());
    for position in ring {
        let &[x, y, ..] = position.as_slice() else {
            return Err("a position has fewer than two numbers".into());
        };
        let Some(p) = crs.to_wgs84(x, y) else {
            return Err(format!(
                "position [{x}, {y}] is not in {crs}: name the file's coordinate system in `crs`"
            ));
        };
        points.push(Coord { x: p.lng, y: p.lat });
    }
    points.dedup();
    let distinct =
        if points.len() > 1 && points.first() == points.last() { points.len() - 1 } else { points.len() };
    if distinct < 3 {
        return Err(format!("a ring has {distinct} distinct positions: it needs three"));
    }
    let mut ring = LineString(points);
    ring.close();
    Ok(ring)
}
