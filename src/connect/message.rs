//! The rows of one message: an object, a list of them, or an observation of the OGC `SensorThings` API. Pure.

use serde_json::{Value, json};

use super::Row;
use super::json::value_of;

/// How messages are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// What they are.
    pub format: MessageFormat,
    /// JSON Pointer to the row or the list of rows; empty where the message is that.
    pub rows: String,
    /// JSON Pointer from an element of the list to the row; empty where the element is the row.
    pub row: String,
    /// The column that takes the topic or subject; none: it is not kept.
    pub topic: Option<String>,
}

/// What messages are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MessageFormat {
    /// JSON.
    #[default]
    Json,
    /// An `Observation` of the OGC `SensorThings` API.
    SensorThings,
}

impl Reading {
    /// The rows of a message. One that cannot be read is a row without values: the contract rejects it where it requires
    /// any, so that it is counted and holds up nothing.
    pub(super) fn rows_of(&self, topic: &str, payload: &[u8]) -> Vec<Row> {
        let mut rows = self.read(topic, payload).unwrap_or_else(|why| {
            tracing::warn!(message.topic = topic, "a message that cannot be read: {why}");
            vec![Row::new()]
        });
        if let Some(column) = &self.topic {
            for row in &mut rows {
                row.insert(column.clone(), json!(topic));
            }
        }
        rows
    }

    fn read(&self, topic: &str, payload: &[u8]) -> Result<Vec<Row>, String> {
        let message = value_of(payload).map_err(|error| error.to_string())?;
        let found = message.pointer(&self.rows).ok_or_else(|| format!("nothing is at `{}`", self.rows))?;
        let elements = match found {
            Value::Array(list) => list.iter().collect(),
            one => vec![one],
        };
        let row = |element: &Value| match element.pointer(&self.row) {
            Some(Value::Object(row)) => Ok(match self.format {
                MessageFormat::Json => row.clone(),
                MessageFormat::SensorThings => observation(topic, row),
            }),
            _ => Err(format!("no object is at `{}{}`", self.rows, self.row)),
        };
        elements.into_iter().map(row).collect()
    }
}

/// An observation in flat columns; what it lacks is not there.
fn observation(topic: &str, told: &Row) -> Row {
    let mut row = Row::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value.filter(|value| !value.is_null()) {
            row.insert(name.to_owned(), value);
        }
    };
    put("id", told.get("@iot.id").cloned());
    let datastream = told.get("Datastream").or_else(|| told.get("MultiDatastream"));
    let linked = told.get("Datastream@iot.navigationLink").and_then(Value::as_str).and_then(in_brackets);
    let named = datastream.and_then(|stream| stream.get("@iot.id").cloned());
    put("datastream", named.or(linked).or_else(|| in_brackets(topic)));
    // A time may be an interval, `start/end`.
    if let Some(time) = told.get("phenomenonTime").and_then(Value::as_str) {
        let (start, end) = time.split_once('/').unwrap_or((time, time));
        put("phenomenon_time", Some(json!(start)));
        put("phenomenon_end", Some(json!(end)));
    }
    put("result_time", told.get("resultTime").cloned());
    put("result", told.get("result").cloned());
    put("quality", told.get("resultQuality").cloned());
    put("parameters", told.get("parameters").cloned());
    let feature = told.get("FeatureOfInterest").and_then(|feature| feature.get("feature"));
    let point = feature.map(|feature| feature.get("geometry").unwrap_or(feature));
    if let Some(Value::Array(position)) = point.and_then(|point| point.get("coordinates")) {
        put("lng", position.first().filter(|value| value.is_number()).cloned());
        put("lat", position.get(1).filter(|value| value.is_number()).cloned());
    }
    row
}

/// The id of `…/Datastreams(42)/…` and of `Datastreams('air')`.
fn in_brackets(path: &str) -> Option<Value> {
    let (_, rest) = path.split_once("Datastreams(")?;
    let (id, _) = rest.split_once(')')?;
    Some(id.parse::<i64>().map_or_else(|_| json!(id.trim_matches('\'')), |number| json!(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(reading: &Reading, topic: &str, payload: &str) -> Value {
        json!(reading.rows_of(topic, payload.as_bytes()))
    }

    #[test]
    fn a_message_is_a_row_or_a_list_or_has_them_somewhere() {
        let plain = Reading::default();
        assert_eq!(rows(&plain, "t", r#"{"a":1}"#), json!([{"a": 1}]));
        assert_eq!(rows(&plain, "t", r#"[{"a":1},{"a":2}]"#), json!([{"a": 1}, {"a": 2}]));
        let deep = Reading { rows: "/data".into(), row: "/now".into(), ..Reading::default() };
        assert_eq!(rows(&deep, "t", r#"{"data":[{"now":{"a":1}}]}"#), json!([{"a": 1}]));
        assert_eq!(rows(&deep, "t", r#"{"data":{"now":{"a":1}}}"#), json!([{"a": 1}]));
        let topic = Reading { topic: Some("sensor".into()), ..Reading::default() };
        assert_eq!(rows(&topic, "air/7", r#"{"a":1}"#), json!([{"a": 1, "sensor": "air/7"}]));
    }

    #[test]
    fn what_cannot_be_read_is_one_row_that_the_contract_rejects() {
        let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
        for payload in ["", "<html>", "7", "[7]", "null", r#"{"a":"#, "\u{0}", &deep] {
            assert_eq!(rows(&Reading::default(), "t", payload), json!([{}]), "{payload}");
        }
        assert_eq!(rows(&Reading::default(), "t", "[]"), json!([]));
    }

    #[test]
    fn an_observation_becomes_flat() {
        let reading = Reading { format: MessageFormat::SensorThings, ..Reading::default() };
        let linked = r#"{"@iot.id":9,"phenomenonTime":"2026-01-01T00:00:00Z/2026-01-01T01:00:00Z","result":21.5,
            "resultTime":null,"Datastream@iot.navigationLink":"https://a.example/v1.1/Datastreams(42)"}"#;
        let row = json!({"id": 9, "datastream": 42, "phenomenon_time": "2026-01-01T00:00:00Z",
            "phenomenon_end": "2026-01-01T01:00:00Z", "result": 21.5});
        assert_eq!(rows(&reading, "any", linked), json!([row]));
        let expanded = r#"{"result":1,"Datastream":{"@iot.id":"air"},"FeatureOfInterest":{"feature":{"type":"Feature",
            "geometry":{"type":"Point","coordinates":[121.5,31.2]}}}}"#;
        let row = json!({"datastream": "air", "result": 1, "lng": 121.5, "lat": 31.2});
        assert_eq!(rows(&reading, "any", expanded), json!([row]));
        let told = rows(&reading, "v1.1/Datastreams('pm 25')/Observations", r#"{"result":3}"#);
        assert_eq!(told, json!([{"datastream": "pm 25", "result": 3}]));
    }
}
