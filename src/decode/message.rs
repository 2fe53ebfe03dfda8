//! The rows of one message: an object, a list of them, or an observation of the OGC `SensorThings` API. Pure.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::named_batch::NamedBatch;
use super::{Error, Record, cut};

/// Rows of one message at most.
const MOST_ROWS: usize = 10_000;

/// How messages are read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageOptions {
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageFormat {
    /// JSON.
    #[default]
    Json,
    /// An `Observation` of the OGC `SensorThings` API.
    SensorThings,
}

/// Reads the rows of a message, which came as `packed`. What cannot be read is unreadable: it is counted and holds up
/// nothing.
pub(super) fn read(
    reading: &MessageOptions,
    topic: &str,
    packed: &[u8],
    bytes: Result<Cow<'_, [u8]>, Error>,
    rows: &mut NamedBatch<'_, '_>,
) -> Result<(), Error> {
    let value = bytes.map_err(|error| error.to_string());
    let value = value.and_then(|bytes| {
        serde_json::from_slice::<Value>(&bytes).map_err(|error| format!("it is no JSON ({error})"))
    });
    let elements = value.as_ref().map_err(Clone::clone).and_then(|message| reading.elements(message));
    let of_topic = |why: String| format!("a message of `{}`: {why}", cut(topic.as_bytes()));
    let elements = match elements {
        Ok(elements) => elements,
        Err(why) => return rows.unreadable(packed, of_topic(why)),
    };
    elements.iter().try_for_each(|element| match element.pointer(&reading.row) {
        Some(Value::Object(row)) => rows.row(&reading.row_of(topic, row)),
        _ => {
            let why = format!("no object is at `{}{}`", reading.rows, reading.row);
            rows.unreadable(element.to_string().as_bytes(), of_topic(why))
        }
    })
}

impl MessageOptions {
    /// What of a message should be rows.
    fn elements<'v>(&self, message: &'v Value) -> Result<&'v [Value], String> {
        let elements = match message.pointer(&self.rows) {
            None => return Err(format!("nothing is at `{}`", self.rows)),
            Some(Value::Array(list)) => list,
            Some(one) => std::slice::from_ref(one),
        };
        if elements.len() > MOST_ROWS {
            Err(format!("it has more than {MOST_ROWS} rows"))
        } else {
            Ok(elements)
        }
    }

    fn row_of(&self, topic: &str, told: &Record) -> Record {
        let mut row = match self.format {
            MessageFormat::Json => told.clone(),
            MessageFormat::SensorThings => observation(topic, told),
        };
        if let Some(column) = &self.topic {
            row.insert(column.clone(), json!(topic));
        }
        row
    }
}

/// An observation in flat columns; what it lacks is not there.
fn observation(topic: &str, told: &Record) -> Record {
    let mut row = Record::new();
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
    use crate::decode::{Document, Limits, Names, Payload, Rows, read_document};

    const NAMES: [&str; 9] =
        ["a", "sensor", "id", "datastream", "phenomenon_time", "phenomenon_end", "result", "lng", "lat"];

    fn read(reading: &MessageOptions, topic: &str, payloads: &[&str]) -> Rows {
        let (names, mut told) = (NAMES.into_iter().collect::<Names>(), Vec::new());
        let document = Document::Messages(reading.clone());
        let payload = |text: &&str| Payload { topic: topic.into(), bytes: (*text).to_owned().into() };
        let payloads: Vec<Payload> = payloads.iter().map(payload).collect();
        let mut sink = |rows| {
            told.push(rows);
            Ok(())
        };
        read_document(&document, &payloads, &names, &Limits::default(), &mut sink).unwrap();
        Rows::joined(told).unwrap()
    }

    /// What each row says.
    fn rows(reading: &MessageOptions, topic: &str, payload: &str) -> Value {
        let read = read(reading, topic, &[payload]);
        assert_eq!(read.unreadable, [], "{payload}");
        let mut rows = vec![Record::new(); read.batch.num_rows()];
        for name in NAMES {
            for (row, text) in rows.iter_mut().zip(read.texts(name)) {
                row.extend(text.map(|text| (name.to_owned(), json!(text))));
            }
        }
        json!(rows)
    }

    #[test]
    fn a_message_is_a_row_or_a_list_or_has_them_somewhere() {
        let plain = MessageOptions::default();
        assert_eq!(rows(&plain, "t", r#"{"a":1}"#), json!([{"a": "1"}]));
        assert_eq!(rows(&plain, "t", r#"[{"a":1},{"a":2}]"#), json!([{"a": "1"}, {"a": "2"}]));
        let deep = MessageOptions { rows: "/data".into(), row: "/now".into(), ..MessageOptions::default() };
        assert_eq!(rows(&deep, "t", r#"{"data":[{"now":{"a":1}}]}"#), json!([{"a": "1"}]));
        assert_eq!(rows(&deep, "t", r#"{"data":{"now":{"a":1}}}"#), json!([{"a": "1"}]));
        let topic = MessageOptions { topic: Some("sensor".into()), ..MessageOptions::default() };
        assert_eq!(rows(&topic, "air/7", r#"{"a":1}"#), json!([{"a": "1", "sensor": "air/7"}]));
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_topic_and_holds_up_nothing() {
        let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
        let many = format!("[{}{{}}]", "{},".repeat(MOST_ROWS));
        for payload in ["", "<html>", "7", "[7]", "null", r#"{"a":"#, "\u{0}", "\u{1f}\u{8b}", &deep, &many] {
            let read = read(&MessageOptions::default(), "air/7", &[r#"{"a":1}"#, payload, r#"{"a":2}"#]);
            assert_eq!((read.batch.num_rows(), read.numbers.as_slice()), (2, [1, 3].as_slice()));
            let [line] = read.unreadable.as_slice() else { panic!("{:?}", read.unreadable) };
            assert!(line.number == 2 && line.why.contains("`air/7`"), "{line:?}");
        }
        assert!(read(&MessageOptions::default(), "t", &["[]"]).is_empty());
    }

    #[test]
    fn a_value_or_a_row_beyond_bounds_is_unreadable() {
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(300 << 10));
        let nested = format!(r#"{{"a":{}1{}}}"#, "[".repeat(20), "]".repeat(20));
        let wide: Record = (0..3_000).map(|number| (format!("n{number}"), json!(1))).collect();
        let wide = json!(wide).to_string();
        for (payload, why) in [(&long, "longer than"), (&nested, "nested"), (&wide, "too many names")] {
            let read = read(&MessageOptions::default(), "t", &[payload, r#"{"a":1}"#]);
            assert_eq!(read.texts("a").collect::<Vec<_>>(), [Some("1")]);
            assert!(read.unreadable[0].why.contains(why), "{:?}", read.unreadable);
        }
    }

    #[test]
    fn a_wanted_name_may_say_its_unit_and_no_other_name_is_kept() {
        let read = read(
            &MessageOptions::default(),
            "t",
            &[r#"{"a [mi/h]":1,"ab":2,"a]":3,"a []":4}"#, r#"{"a":null}"#],
        );
        let names: Vec<&str> = read.batch.schema_ref().fields().iter().map(|it| it.name().as_str()).collect();
        assert_eq!(names, ["a", "a [mi/h]"]);
        assert!(read.has("a") && !read.has("ab"));
        assert_eq!(read.texts("a [mi/h]").collect::<Vec<_>>(), [Some("1"), None]);
    }

    #[test]
    fn an_observation_becomes_flat() {
        let reading = MessageOptions { format: MessageFormat::SensorThings, ..MessageOptions::default() };
        let linked = r#"{"@iot.id":9,"phenomenonTime":"2026-01-01T00:00:00Z/2026-01-01T01:00:00Z","result":21.5,
            "resultTime":null,"Datastream@iot.navigationLink":"https://a.example/v1.1/Datastreams(42)"}"#;
        let row = json!({"id": "9", "datastream": "42", "phenomenon_time": "2026-01-01T00:00:00Z",
            "phenomenon_end": "2026-01-01T01:00:00Z", "result": "21.5"});
        assert_eq!(rows(&reading, "any", linked), json!([row]));
        let expanded = r#"{"result":1,"Datastream":{"@iot.id":"air"},"FeatureOfInterest":{"feature":{"type":"Feature",
            "geometry":{"type":"Point","coordinates":[121.5,31.2]}}}}"#;
        let row = json!({"datastream": "air", "result": "1", "lng": "121.5", "lat": "31.2"});
        assert_eq!(rows(&reading, "any", expanded), json!([row]));
        let told = rows(&reading, "v1.1/Datastreams('pm 25')/Observations", r#"{"result":3}"#);
        assert_eq!(told, json!([{"datastream": "pm 25", "result": "3"}]));
    }
}
