//! What alerts and orders look like on the wire; the names are those of `docs/stream.md`.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::alert::{Detail, DetailValue};
use crate::journal::{AlertView, OrderView};

/// An alert.
pub fn alert(view: &AlertView) -> Value {
    json!({
        "id": view.id.as_str(),
        "key": view.key,
        "query": view.query.as_str(),
        "category": view.category,
        "severity": view.severity.as_str(),
        "state": view.state(),
        "title": { "en": view.title_en, "zh": view.title_zh },
        "detail": detail(&view.detail),
        "cell": view.cell.map(|cell| cell.to_string()),
        "area": view.area.as_ref().map(|area| area.as_str()),
        "lng": view.place.map(|place| place.lng),
        "lat": view.place.map(|place| place.lat),
        "raised_us": view.raised.0,
        "updated_us": view.updated.0,
        "cleared_us": view.cleared.map(|at| at.0),
        "order": view.order.as_ref().map(|order| order.as_str()),
    })
}

/// An order.
pub fn order(view: &OrderView) -> Value {
    json!({
        "id": view.id.as_str(),
        "alert": view.alert.as_str(),
        "category": view.category,
        "severity": view.severity.as_str(),
        "unit": view.unit.as_str(),
        "unit_name": { "en": view.unit_name_en, "zh": view.unit_name_zh },
        "area": view.area.as_ref().map(|area| area.as_str()),
        "title": { "en": view.title_en, "zh": view.title_zh },
        "state": view.state.as_str(),
        "lng": view.place.map(|place| place.lng),
        "lat": view.place.map(|place| place.lat),
        "dispatched_us": view.dispatched.0,
        "accepted_us": view.accepted.map(|at| at.0),
        "closed_us": view.closed.map(|at| at.0),
        "due_us": view.due.0,
        "by": view.by,
        "note": view.note,
    })
}

fn detail(detail: &Detail) -> Value {
    let value = |value: &DetailValue| match value {
        DetailValue::Text(text) => json!(text),
        DetailValue::Number(number) => json!(number),
        DetailValue::Flag(flag) => json!(flag),
        DetailValue::Null => Value::Null,
    };
    Value::Object(detail.iter().map(|(name, entry)| (name.clone(), value(entry))).collect::<Map<_, _>>())
}

/// A step of an order: who takes it, and what they say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The person; the token's where the city asks for one.
    pub by: Option<String>,
    /// A remark.
    pub note: Option<String>,
}
