//! GeoJSON: the features of a collection, one by one; the collection itself is never held.

use std::borrow::Cow;
use std::fmt;
use std::io::{BufReader, Read};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::budget::{Budget, MeteredReader};
use super::ndjson::{as_text, bounded};
use super::text_batch::TextBatch;
use super::{Error, Request, Sink, cut};

pub(super) fn decode(text: impl Read, request: &Request, sink: &mut Sink<'_>) -> Result<(), Error> {
    let budget = Budget::new();
    let metered = MeteredReader::new(text, budget.clone());
    let batch = TextBatch::new(request, sink);
    let seen = vec![false; request.headers.len()];
    let mut features = Features { request, batch, budget, number: 0, seen, failure: None };
    let mut json = serde_json::Deserializer::from_reader(BufReader::with_capacity(64 << 10, metered));
    let read = (&mut features).deserialize(&mut json).and_then(|()| json.end());
    if let Some(failure) = features.failure {
        return Err(failure);
    }
    read.map_err(|error| Error::Unreadable { format: "GeoJSON", why: error.to_string() })?;
    let seen = request.headers.iter().zip(&features.seen).filter(|(_, seen)| **seen).map(|(h, _)| h.clone());
    if features.number > 0 {
        request.resolve(&seen.collect::<Vec<_>>())?;
    }
    features.batch.flush()
}

/// Walks the collection; each feature becomes a row.
struct Features<'r, 'a, 'b> {
    request: &'r Request,
    batch: TextBatch<'a, 'b>,
    budget: Budget,
    number: i64,
    seen: Vec<bool>,
    /// The sink's refusal, which serde's error would lose.
    failure: Option<Error>,
}

impl Features<'_, '_, '_> {
    fn feature(&mut self, feature: &Value) -> Result<(), Error> {
        self.number += 1;
        let point = match point(&feature["geometry"]) {
            Ok(point) => point,
            Err(why) => return self.batch.unreadable(self.number, cut(feature.to_string().as_bytes()), why),
        };
        let properties = &feature["properties"];
        if let Some(Err(why)) = properties.as_object().map(|object| bounded(object, &self.request.limits)) {
            return self.batch.unreadable(self.number, cut(feature.to_string().as_bytes()), why);
        }
        let mut values: Vec<Option<Cow<'_, str>>> =
            self.request.headers.iter().map(|header| properties.get(header).and_then(as_text)).collect();
        for (seen, header) in self.seen.iter_mut().zip(&self.request.headers) {
            *seen |= properties.get(header).is_some();
        }
        if let (Some((x, y)), Some((lng, lat))) = (self.request.point, point) {
            for (index, coordinate) in [(x, lng), (y, lat)] {
                if let (Some(slot), Some(seen)) = (values.get_mut(index), self.seen.get_mut(index)) {
                    *slot = Some(Cow::Owned(coordinate.to_string()));
                    *seen = true;
                }
            }
        }
        self.batch.row(self.number, values.iter().map(Option::as_deref))
    }
}

fn point(geometry: &Value) -> Result<Option<(f64, f64)>, String> {
    if geometry.is_null() {
        return Ok(None);
    }
    let kind = geometry["type"].as_str().unwrap_or("nothing");
    if kind != "Point" {
        return Err(format!("the geometry is {kind}; rows need a Point"));
    }
    let coordinates = &geometry["coordinates"];
    match (coordinates[0].as_f64(), coordinates[1].as_f64()) {
        (Some(lng), Some(lat)) => Ok(Some((lng, lat))),
        _ => Err("the Point has no two coordinates".into()),
    }
}

impl<'de> DeserializeSeed<'de> for &mut Features<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Features<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a GeoJSON FeatureCollection")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut found = false;
        while let Some(key) = map.next_key::<String>()? {
            if key == "features" {
                found = true;
                map.next_value_seed(FeatureList(&mut *self))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        if found { Ok(()) } else { Err(serde::de::Error::custom("there is no `features` list")) }
    }
}

struct FeatureList<'f, 'r, 'a, 'b>(&'f mut Features<'r, 'a, 'b>);

impl<'de> DeserializeSeed<'de> for FeatureList<'_, '_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for FeatureList<'_, '_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of features")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut features: A) -> Result<(), A::Error> {
        while let Some(feature) = features.next_element::<Value>()? {
            self.0.budget.renew();
            if let Err(failure) = self.0.feature(&feature) {
                self.0.failure = Some(failure);
                return Err(serde::de::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}
