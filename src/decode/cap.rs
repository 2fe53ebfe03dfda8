//! Common Alerting Protocol 1.0 to 1.2: an alert becomes a row for each area of each of its texts.
//!
//! Updates and cancellations are rows as they come, with what they refer to; which alert holds is a query's to say.
//! CAP writes latitude first; the columns and the polygon say which is which.

use oasiscap::geo::Polygon;
use serde_json::{Map, Value, json};

use super::{Error, Record, xml};

const FORMAT: &str = "CAP";
/// How names stand in the crate's own form.
const SPACE: &str = "{urn:oasis:names:tc:emergency:cap:1.2;}cap:";

/// The columns of a row.
pub(super) const COLUMNS: [&str; 41] = [
    "identifier",
    "sender",
    "sent",
    "status",
    "msg_type",
    "source",
    "scope",
    "restriction",
    "addresses",
    "code",
    "note",
    "references",
    "incidents",
    "info",
    "language",
    "category",
    "event",
    "response_type",
    "urgency",
    "severity",
    "certainty",
    "audience",
    "event_code",
    "effective",
    "onset",
    "expires",
    "sender_name",
    "headline",
    "description",
    "instruction",
    "web",
    "contact",
    "parameter",
    "area",
    "area_desc",
    "polygon",
    "circle",
    "geocode",
    "lng",
    "lat",
    "altitude",
];

/// The rows of one document.
pub(super) fn records(bytes: &[u8]) -> Result<Vec<Record>, Error> {
    let refused = |why: String| Error::Unreadable { format: FORMAT, why };
    let text = xml::checked(FORMAT, bytes, xml::Texts::Apart)?;
    let alert: oasiscap::Alert = text.parse().map_err(|error| refused(format!("{error}")))?;
    let alert = alert.into_latest();
    let told = serde_json::to_value(&alert).map_err(|error| refused(error.to_string()))?;
    let mut head = Record::new();
    for (column, name) in HEAD {
        put(&mut head, column, &told, name);
    }
    if alert.info.is_empty() {
        return Ok(vec![head]);
    }
    let mut rows = Vec::new();
    for (number, info) in alert.info.iter().enumerate() {
        let told = serde_json::to_value(info).map_err(|error| refused(error.to_string()))?;
        let mut body = head.clone();
        body.insert("info".into(), json!(number + 1));
        for (column, name) in INFO {
            put(&mut body, column, &told, name);
        }
        if info.areas.is_empty() {
            rows.push(body);
            continue;
        }
        for (number, area) in info.areas.iter().enumerate() {
            let told = serde_json::to_value(area).map_err(|error| refused(error.to_string()))?;
            let mut row = body.clone();
            row.insert("area".into(), json!(number + 1));
            for (column, name) in AREA {
                put(&mut row, column, &told, name);
            }
            put_place(&mut row, &area.polygons, told.get(format!("{SPACE}circle")));
            rows.push(row);
        }
    }
    Ok(rows)
}

const HEAD: [(&str, &str); 13] = [
    ("identifier", "identifier"),
    ("sender", "sender"),
    ("sent", "sent"),
    ("status", "status"),
    ("msg_type", "msgType"),
    ("source", "source"),
    ("scope", "scope"),
    ("restriction", "restriction"),
    ("addresses", "addresses"),
    ("code", "code"),
    ("note", "note"),
    ("references", "references"),
    ("incidents", "incidents"),
];
const INFO: [(&str, &str); 19] = [
    ("language", "language"),
    ("category", "category"),
    ("event", "event"),
    ("response_type", "responseType"),
    ("urgency", "urgency"),
    ("severity", "severity"),
    ("certainty", "certainty"),
    ("audience", "audience"),
    ("event_code", "eventCode"),
    ("effective", "effective"),
    ("onset", "onset"),
    ("expires", "expires"),
    ("sender_name", "senderName"),
    ("headline", "headline"),
    ("description", "description"),
    ("instruction", "instruction"),
    ("web", "web"),
    ("contact", "contact"),
    ("parameter", "parameter"),
];
const AREA: [(&str, &str); 3] = [("area_desc", "areaDesc"), ("geocode", "geocode"), ("altitude", "altitude")];

/// Puts a value, in plain words: lists of words with a space between, pairs as `name=value`.
fn put(row: &mut Record, column: &str, told: &Value, name: &str) {
    let Some(value) = told.get(format!("{SPACE}{name}")).and_then(plain) else { return };
    row.insert(column.to_owned(), value);
}

fn plain(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::String(text) => (!text.trim().is_empty()).then(|| json!(text.trim())),
        Value::Array(list) => {
            let words: Vec<String> = list.iter().filter_map(plain).map(|word| text_of(&word)).collect();
            (!words.is_empty()).then(|| json!(words.join(" ")))
        }
        Value::Object(pair) => {
            let part = |name: &str| pair.get(&format!("{SPACE}{name}")).and_then(Value::as_str);
            match (part("valueName"), part("value")) {
                (Some(name), Some(value)) => Some(json!(format!("{name}={value}"))),
                _ => pair.values().next().and_then(plain),
            }
        }
        other => Some(other.clone()),
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The area as WKT, longitude first, and a point of it: the middle of its box or of its circle.
fn put_place(row: &mut Map<String, Value>, polygons: &[Polygon], circles: Option<&Value>) {
    let mut bounds: Option<[f64; 4]> = None;
    let mut parts = Vec::new();
    for polygon in polygons {
        let mut corners = Vec::new();
        for point in polygon {
            let (lng, lat) = (point.longitude(), point.latitude());
            corners.push(format!("{lng} {lat}"));
            let [west, south, east, north] = bounds.unwrap_or([lng, lat, lng, lat]);
            bounds = Some([west.min(lng), south.min(lat), east.max(lng), north.max(lat)]);
        }
        parts.push(format!("(({}))", corners.join(", ")));
    }
    if !parts.is_empty() {
        row.insert("polygon".into(), json!(format!("MULTIPOLYGON({})", parts.join(", "))));
    }
    let circles = circles.and_then(plain).map(|circles| text_of(&circles));
    if let Some(circles) = &circles {
        row.insert("circle".into(), json!(circles));
    }
    let middle = match (bounds, circles) {
        (Some([west, south, east, north]), _) => {
            Some((f64::midpoint(west, east), f64::midpoint(south, north)))
        }
        (None, Some(circles)) => circles.split_whitespace().next().and_then(|centre| {
            let (lat, lng) = centre.split_once(',')?;
            Some((lng.parse().ok()?, lat.parse().ok()?))
        }),
        (None, None) => None,
    };
    if let Some((lng, lat)) = middle {
        row.insert("lng".into(), json!(lng));
        row.insert("lat".into(), json!(lat));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(body: &str) -> String {
        format!(
            "<?xml version='1.0' encoding='UTF-8'?><alert xmlns='urn:oasis:names:tc:emergency:cap:1.2'>\
             <identifier>A1</identifier><sender>w@x.example</sender><sent>2026-05-01T08:00:00+08:00</sent>\
             <status>Actual</status>{body}</alert>"
        )
    }

    const INFO_OF: &str = "<category>Met</category><category>Geo</category><event>Rain</event><urgency>Immediate</urgency>\
        <severity>Severe</severity><certainty>Likely</certainty>";

    /// Found by random bytes: the reader of others waited for ever.
    #[test]
    fn text_beside_an_area_s_polygon_is_refused() {
        let body = "<msgType>Alert</msgType><scope>Public</scope><info><category>Met</category><event>Rain</event>\
             <urgency>Immediate</urgency><severity>Severe</severity><certainty>Likely</certainty><area><areaDesc>Town</areaDesc>\
             <polygon>32,121 32.1,121 32.1,121.1 32,121</polygon>2222</area></info>";
        let told = records(alert(body).as_bytes()).unwrap_err().to_string();
        assert!(told.ends_with("it has text between elements"), "{told}");
    }

    #[test]
    fn an_alert_is_a_row_for_each_area_of_each_text() {
        let area = |name: &str, place: &str| format!("<area><areaDesc>{name}</areaDesc>{place}</area>");
        let body = format!(
            "<msgType>Update</msgType><scope>Public</scope><references>w@x.example,A0,2026-05-01T07:00:00+08:00</references>\
             <info><language>en-US</language>{INFO_OF}<eventCode><valueName>SAME</valueName><value>FFW</value></eventCode>{}{}</info>\
             <info><language>zh-CN</language>{INFO_OF}</info>",
            area("North", "<polygon>31.0,121.0 31.2,121.0 31.2,121.4 31.0,121.0</polygon>"),
            area("South", "<circle>30.5,121.5 2.0</circle>"),
        );
        let rows = records(alert(&body).as_bytes()).unwrap();
        assert_eq!(rows.len(), 3);
        let north = &rows[0];
        assert_eq!(north["references"], "w@x.example,A0,2026-05-01T07:00:00+08:00");
        assert_eq!((&north["msg_type"], &north["category"]), (&json!("Update"), &json!("Met Geo")));
        assert_eq!(north["event_code"], "SAME=FFW");
        assert_eq!(north["polygon"], "MULTIPOLYGON(((121 31, 121 31.2, 121.4 31.2, 121 31)))");
        assert_eq!((north["lng"].as_f64(), north["lat"].as_f64()), (Some(121.2), Some(31.1)));
        assert_eq!((rows[1]["lng"].as_f64(), rows[1]["lat"].as_f64()), (Some(121.5), Some(30.5)));
        assert_eq!((&rows[2]["language"], rows[2].get("area")), (&json!("zh-CN"), None));
        for row in &rows {
            assert!(row.keys().all(|name| COLUMNS.contains(&name.as_str())), "{row:?}");
        }
    }

    #[test]
    fn a_cancellation_is_a_row_without_text() {
        let rows = records(
            alert("<msgType>Cancel</msgType><scope>Public</scope><references>w@x.example,A0,2026-05-01T07:00:00+08:00</references>")
                .as_bytes(),
        );
        let rows = rows.unwrap();
        assert_eq!((rows.len(), &rows[0]["msg_type"], rows[0].get("info")), (1, &json!("Cancel"), None));
    }

    #[test]
    fn what_is_no_alert_is_refused() {
        let good = alert("<msgType>Alert</msgType><scope>Public</scope>");
        assert!(records(good.as_bytes()).is_ok());
        for bad in [
            good.replace("<status>Actual</status>", ""),
            good.replace("Actual", "Perhaps"),
            good.replace("cap:1.2", "cap:9.9"),
            good.replace("<alert", "<!DOCTYPE alert><alert"),
            good.replace("A1", "&evil;"),
            good.replace("2026-05-01", "tomorrow"),
            String::new(),
        ] {
            let refusal = records(bad.as_bytes()).unwrap_err();
            assert!(matches!(refusal, Error::Unreadable { format: "CAP", .. }), "{bad}: {refusal}");
        }
        let swapped = "<msgType>Alert</msgType><scope>Public</scope><info>".to_owned()
            + INFO_OF
            + "<area><areaDesc>x</areaDesc><polygon>121,31 121,32 122,32 121,31</polygon></area></info>";
        assert!(records(alert(&swapped).as_bytes()).unwrap_err().to_string().contains("out of range"));
    }
}
