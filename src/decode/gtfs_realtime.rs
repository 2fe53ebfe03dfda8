//! GTFS-realtime: vehicles, delays at stops and alerts of public transport, entity by entity in bounded memory.

mod messages;

use prost::Message as _;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Error, Record};
use messages::{Alert, Entity as Told, Header, TripDescriptor, TripUpdate, Vehicle};

const FORMAT: &str = "GTFS-realtime";
/// The largest entity, in bytes: an empty stop takes a hundred times its size once it is decoded.
const MAX_ENTITY: usize = 256 << 10;

/// What an entity tells of; each has columns of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Entity {
    /// Where vehicles are.
    Vehicles,
    /// When trips come to stops: a row for each stop.
    Delays,
    /// What passengers should know: a row for each thing that it is about.
    Alerts,
}

impl Entity {
    pub(super) const ALL: [Self; 3] = [Self::Vehicles, Self::Delays, Self::Alerts];

    /// The columns of its rows.
    pub(super) fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Vehicles => &VEHICLES,
            Self::Delays => &DELAYS,
            Self::Alerts => &ALERTS,
        }
    }
}

const VEHICLES: [&str; 21] = [
    "entity",
    "trip_id",
    "route_id",
    "direction_id",
    "start_date",
    "start_time",
    "trip_state",
    "vehicle_id",
    "label",
    "licence_plate",
    "lng",
    "lat",
    "bearing",
    "speed_ms",
    "odometer_m",
    "stop_sequence",
    "stop_id",
    "status",
    "at",
    "congestion",
    "occupancy",
];
const DELAYS: [&str; 18] = [
    "entity",
    "trip_id",
    "route_id",
    "direction_id",
    "start_date",
    "start_time",
    "trip_state",
    "vehicle_id",
    "label",
    "at",
    "trip_delay_s",
    "stop_sequence",
    "stop_id",
    "arrival_delay_s",
    "arrival",
    "departure_delay_s",
    "departure",
    "stop_state",
];
const ALERTS: [&str; 13] = [
    "entity",
    "from",
    "until",
    "agency_id",
    "route_id",
    "route_type",
    "direction_id",
    "trip_id",
    "stop_id",
    "cause",
    "effect",
    "header",
    "description",
];

/// Hands on the rows of a feed, one by one.
pub(super) fn records(
    bytes: &[u8],
    wanted: Entity,
    mut each: impl FnMut(Record) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut feed = Feed { rest: bytes, told_at: None, begun: false };
    while let Some(entity) = feed.next()? {
        if entity.is_deleted.unwrap_or(false) {
            continue;
        }
        let mut head = Record::new();
        put(&mut head, "entity", Some(entity.id));
        match (wanted, entity.vehicle, entity.trip_update, entity.alert) {
            (Entity::Vehicles, Some(vehicle), _, _) => each(of_vehicle(head, vehicle, feed.told_at))?,
            (Entity::Delays, _, Some(update), _) => {
                of_update(&head, update, feed.told_at).into_iter().try_for_each(&mut each)?;
            }
            (Entity::Alerts, _, _, Some(alert)) => {
                of_alert(&head, alert).into_iter().try_for_each(&mut each)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// A feed that is read from its beginning.
struct Feed<'a> {
    rest: &'a [u8],
    told_at: Option<u64>,
    begun: bool,
}

impl Feed<'_> {
    fn next(&mut self) -> Result<Option<Told>, Error> {
        let refused = |why: String| Error::Unreadable { format: FORMAT, why };
        let broken = |error: prost::DecodeError| refused(error.to_string());
        while !self.rest.is_empty() {
            let (field, wire) = decode_key(&mut self.rest).map_err(broken)?;
            if !matches!((field, wire), (1 | 2, WireType::LengthDelimited)) {
                if matches!(field, 1 | 2) {
                    return Err(refused("the header or an entity is no message".into()));
                }
                skip_field(wire, field, &mut self.rest, DecodeContext::default()).map_err(broken)?;
                continue;
            }
            let length = decode_varint(&mut self.rest).map_err(broken)?;
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let Some((part, rest)) = self.rest.split_at_checked(length) else {
                return Err(refused("it breaks off".into()));
            };
            self.rest = rest;
            if length > MAX_ENTITY {
                return Err(refused(format!("an entity is larger than {MAX_ENTITY} bytes")));
            }
            if field == 2 && self.begun {
                return Told::decode(part).map(Some).map_err(broken);
            }
            if field == 2 {
                return Err(refused("it does not begin with a header".into()));
            }
            let header = Header::decode(part).map_err(broken)?;
            if !header.gtfs_realtime_version.starts_with(['1', '2']) {
                return Err(refused(format!("its version is `{}`", header.gtfs_realtime_version)));
            }
            (self.told_at, self.begun) = (header.timestamp, true);
        }
        if self.begun { Ok(None) } else { Err(refused("it has no header".into())) }
    }
}

/// What has no time of its own was told when the feed was.
fn of_vehicle(mut row: Record, vehicle: Vehicle, told_at: Option<u64>) -> Record {
    put_trip(&mut row, vehicle.trip);
    if let Some(descriptor) = vehicle.vehicle {
        put(&mut row, "vehicle_id", descriptor.id);
        put(&mut row, "label", descriptor.label);
        put(&mut row, "licence_plate", descriptor.license_plate);
    }
    if let Some(position) = vehicle.position {
        put(&mut row, "lng", number(position.longitude));
        put(&mut row, "lat", number(position.latitude));
        put(&mut row, "bearing", position.bearing.and_then(number));
        put(&mut row, "speed_ms", position.speed.and_then(number));
        put(&mut row, "odometer_m", position.odometer);
    }
    put(&mut row, "stop_sequence", vehicle.current_stop_sequence);
    put(&mut row, "stop_id", vehicle.stop_id);
    put(&mut row, "status", word(vehicle.current_status, &["INCOMING_AT", "STOPPED_AT", "IN_TRANSIT_TO"]));
    put(&mut row, "at", vehicle.timestamp.or(told_at).and_then(time));
    put(&mut row, "congestion", word(vehicle.congestion_level, &CONGESTION));
    put(&mut row, "occupancy", word(vehicle.occupancy_status, &OCCUPANCY));
    row
}

fn of_update(head: &Record, update: TripUpdate, told_at: Option<u64>) -> Vec<Record> {
    let mut head = head.clone();
    put_trip(&mut head, update.trip);
    if let Some(descriptor) = update.vehicle {
        put(&mut head, "vehicle_id", descriptor.id);
        put(&mut head, "label", descriptor.label);
    }
    put(&mut head, "at", update.timestamp.or(told_at).and_then(time));
    put(&mut head, "trip_delay_s", update.delay);
    if update.stop_time_update.is_empty() {
        return vec![head];
    }
    let stops = update.stop_time_update.into_iter().map(|stop| {
        let mut row = head.clone();
        put(&mut row, "stop_sequence", stop.stop_sequence);
        put(&mut row, "stop_id", stop.stop_id);
        let of = |event: Option<messages::StopTimeEvent>| {
            event
                .map_or((None, None), |event| (event.delay, event.time.and_then(|at| u64::try_from(at).ok())))
        };
        let (delay, at) = of(stop.arrival);
        put(&mut row, "arrival_delay_s", delay);
        put(&mut row, "arrival", at.and_then(time));
        let (delay, at) = of(stop.departure);
        put(&mut row, "departure_delay_s", delay);
        put(&mut row, "departure", at.and_then(time));
        put(&mut row, "stop_state", word(stop.schedule_relationship, &STOP_STATES));
        row
    });
    stops.collect()
}

fn of_alert(head: &Record, alert: Alert) -> Vec<Record> {
    let mut head = head.clone();
    let period = alert.active_period.first();
    put(&mut head, "from", period.and_then(|period| period.start).and_then(time));
    put(&mut head, "until", period.and_then(|period| period.end).and_then(time));
    put(&mut head, "cause", word(alert.cause, &CAUSES));
    put(&mut head, "effect", word(alert.effect, &EFFECTS));
    put(&mut head, "header", first_text(alert.header_text));
    put(&mut head, "description", first_text(alert.description_text));
    if alert.informed_entity.is_empty() {
        return vec![head];
    }
    let about = alert.informed_entity.into_iter().map(|about| {
        let mut row = head.clone();
        put(&mut row, "agency_id", about.agency_id);
        put(
            &mut row,
            "route_id",
            about.route_id.or(about.trip.as_ref().and_then(|trip| trip.route_id.clone())),
        );
        put(&mut row, "route_type", about.route_type);
        put(&mut row, "direction_id", about.direction_id);
        put(&mut row, "trip_id", about.trip.and_then(|trip| trip.trip_id));
        put(&mut row, "stop_id", about.stop_id);
        row
    });
    about.collect()
}

fn put_trip(row: &mut Record, trip: Option<TripDescriptor>) {
    let Some(trip) = trip else { return };
    put(row, "trip_id", trip.trip_id);
    put(row, "route_id", trip.route_id);
    put(row, "direction_id", trip.direction_id);
    put(row, "start_date", trip.start_date);
    put(row, "start_time", trip.start_time);
    put(row, "trip_state", word(trip.schedule_relationship, &TRIP_STATES));
}

fn put(row: &mut Record, column: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value.map(Into::into) {
        row.insert(column.to_owned(), value);
    }
}

/// A number as it was written: `52.4` and not what comes after it in sixty-four bits.
fn number(value: f32) -> Option<Value> {
    value.to_string().parse::<f64>().ok().filter(|value| value.is_finite()).map(|value| json!(value))
}

/// Seconds since 1970 as a time; nothing and what is beyond every calendar is none.
fn time(seconds: u64) -> Option<String> {
    let seconds = i64::try_from(seconds).ok().filter(|seconds| *seconds > 0)?;
    chrono::DateTime::from_timestamp(seconds, 0)
        .map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}

/// The name of an enumeration's value; one that is not known is its number.
fn word(value: Option<i32>, names: &[&str]) -> Option<String> {
    let value = value?;
    let name = usize::try_from(value).ok().and_then(|at| names.get(at)).filter(|name| !name.is_empty());
    Some(name.map_or_else(|| value.to_string(), |name| (*name).to_owned()))
}

/// English where there is a choice, else the first.
fn first_text(text: Option<messages::TranslatedString>) -> Option<String> {
    let translations = text?.translation;
    let english = translations.iter().position(|one| one.language.as_deref() == Some("en")).unwrap_or(0);
    translations.into_iter().nth(english).map(|one| one.text)
}

const CONGESTION: [&str; 5] =
    ["UNKNOWN_CONGESTION_LEVEL", "RUNNING_SMOOTHLY", "STOP_AND_GO", "CONGESTION", "SEVERE_CONGESTION"];
const OCCUPANCY: [&str; 9] = [
    "EMPTY",
    "MANY_SEATS_AVAILABLE",
    "FEW_SEATS_AVAILABLE",
    "STANDING_ROOM_ONLY",
    "CRUSHED_STANDING_ROOM_ONLY",
    "FULL",
    "NOT_ACCEPTING_PASSENGERS",
    "NO_DATA_AVAILABLE",
    "NOT_BOARDABLE",
];
const TRIP_STATES: [&str; 9] =
    ["SCHEDULED", "ADDED", "UNSCHEDULED", "CANCELED", "", "REPLACEMENT", "DUPLICATED", "DELETED", "NEW"];
const STOP_STATES: [&str; 4] = ["SCHEDULED", "SKIPPED", "NO_DATA", "UNSCHEDULED"];
const CAUSES: [&str; 13] = [
    "",
    "UNKNOWN_CAUSE",
    "OTHER_CAUSE",
    "TECHNICAL_PROBLEM",
    "STRIKE",
    "DEMONSTRATION",
    "ACCIDENT",
    "HOLIDAY",
    "WEATHER",
    "MAINTENANCE",
    "CONSTRUCTION",
    "POLICE_ACTIVITY",
    "MEDICAL_EMERGENCY",
];
const EFFECTS: [&str; 12] = [
    "",
    "NO_SERVICE",
    "REDUCED_SERVICE",
    "SIGNIFICANT_DELAYS",
    "DETOUR",
    "ADDITIONAL_SERVICE",
    "MODIFIED_SERVICE",
    "OTHER_EFFECT",
    "UNKNOWN_EFFECT",
    "STOP_MOVED",
    "NO_EFFECT",
    "ACCESSIBILITY_ISSUE",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(bytes: &[u8], wanted: Entity) -> Result<Vec<Record>, Error> {
        let mut rows = Vec::new();
        records(bytes, wanted, |row| {
            rows.push(row);
            Ok(())
        })?;
        Ok(rows)
    }

    /// A message of these fields, whatever they hold.
    fn message(fields: &[(u8, &[u8])]) -> Vec<u8> {
        fields
            .iter()
            .flat_map(|(field, bytes)| {
                let length = u8::try_from(bytes.len()).unwrap();
                [&[field << 3 | 2, length], *bytes].concat()
            })
            .collect()
    }

    fn feed(entity: &[u8]) -> Vec<u8> {
        message(&[(1, &message(&[(1, b"2.0")])), (2, entity)])
    }

    #[test]
    fn a_vehicle_is_a_row() {
        let mut position = vec![0x0d];
        position.extend(31.2_f32.to_le_bytes());
        position.push(0x15);
        position.extend(121.47_f32.to_le_bytes());
        let trip = message(&[(1, b"T1"), (5, b"71")]);
        let vehicle = message(&[(1, &trip), (2, &position), (8, &message(&[(1, b"V9")]))]);
        let vehicle = [vehicle, vec![0x20, 1, 0x28, 0xc2, 0xca, 0xe8, 0xcb, 0x06]].concat();
        let bytes = feed(&message(&[(1, b"e1"), (4, &vehicle)]));
        let rows = rows(&bytes, Entity::Vehicles).unwrap();
        let row = json!({"entity": "e1", "trip_id": "T1", "route_id": "71", "vehicle_id": "V9", "lng": 121.47,
            "lat": 31.2, "status": "STOPPED_AT", "at": "2026-01-28T15:03:30Z"});
        let told = json!(rows);
        for (name, value) in row.as_object().unwrap() {
            assert_eq!(&told[0][name], value, "{name}");
        }
        assert_eq!(told.as_array().unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_feed_is_refused_and_bounded() {
        let good = feed(&message(&[(1, b"e1")]));
        assert_eq!(rows(&good, Entity::Alerts), Ok(vec![]));
        let why = |bytes: &[u8]| rows(bytes, Entity::Vehicles).unwrap_err().to_string();
        assert!(why(b"").contains("no header"));
        assert!(why(&good[..good.len() - 1]).contains("breaks off"));
        assert!(why(&message(&[(2, &message(&[(1, b"e1")]))])).contains("begin with a header"));
        assert!(why(b"PK\x03\x04 a zip file").contains("GTFS-realtime"));
        assert!(why(b"<html>Service unavailable</html>").contains("GTFS-realtime"));
        // It says that 2 GB follow.
        let claim = [&good[..], &[0x12, 0xff, 0xff, 0xff, 0xff, 0x07]].concat();
        assert!(why(&claim).contains("breaks off"));
        let large = [&good[..], &[0x12, 0x80, 0x80, 0x20], &vec![0; 1 << 19]].concat();
        assert!(why(&large).contains("larger than"));
    }
}
