//! The stored form of events, version 1: JSON that stays readable whatever becomes of the types of the rules.
//!
//! `{"v":1,"kind":"alert_raised","pq":812,"left":0,"body":{…}}`. Numbers are kept as raw JSON and parsed by the
//! standard library, which returns every float bit for bit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::{Audited, Event};
use crate::alert::{Alert, AlertKind, Condition, DetailValue};
use crate::dispatch::{CancelReason, Duty, Mark, Order, OrderKind, State};
use crate::model::{AlertId, Cell, LngLat, Micros, OrderId, Severity, SubmissionId, UnitId};

/// The form that this program writes.
const FORM: u32 = 1;

/// Why stored text is no event.
#[derive(Debug)]
pub(super) enum Unreadable {
    Newer(u32),
    Event(String),
}

/// An event with what its record adds.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) previous: u64,
    pub(super) left: u32,
    pub(super) event: Event,
}

#[derive(Serialize, Deserialize)]
struct Form {
    v: u32,
    kind: String,
    pq: u64,
    left: u32,
    body: Box<RawValue>,
}

#[derive(Serialize, Deserialize)]
struct Founding {
    epoch: u32,
}

#[derive(Serialize, Deserialize)]
struct AuditBody {
    who: String,
    from: String,
    deed: String,
    on: String,
    outcome: String,
    submission: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct AlertBody {
    id: String,
    query: String,
    key: String,
    category: String,
    severity: String,
    title_en: String,
    title_zh: String,
    cell: Option<String>,
    place: Option<[Box<RawValue>; 2]>,
    area: Option<String>,
    detail: BTreeMap<String, Box<RawValue>>,
    raised_us: i64,
    updated_us: i64,
    cleared_us: Option<i64>,
    order: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct OrderBody {
    id: String,
    alert: String,
    category: String,
    severity: String,
    title_en: String,
    title_zh: String,
    area: Option<String>,
    place: Option<[Box<RawValue>; 2]>,
    duty: DutyBody,
    dispatched_us: i64,
    accepted: Option<MarkBody>,
    closed: Option<MarkBody>,
    cancelled_us: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct DutyBody {
    category: String,
    area: String,
    unit: String,
    name_en: String,
    name_zh: String,
    accept_within_s: u32,
    close_within_s: u32,
    helpers: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct MarkBody {
    at_us: i64,
    by: String,
    note: Option<String>,
}

/// The event as text.
pub(super) fn write(event: &Event, previous: u64, left: u32) -> Result<String, serde_json::Error> {
    let (kind, body) = match event {
        Event::Founded { epoch } => ("founded".to_owned(), to_raw_value(&Founding { epoch: *epoch })?),
        Event::Alert { event, order } => (
            format!("alert_{}", event.kind().as_str()),
            to_raw_value(&alert_body(event.alert(), order.as_ref())?)?,
        ),
        Event::Order { kind, order } => {
            (format!("order_{}", kind.as_str()), to_raw_value(&order_body(order)?)?)
        }
        Event::Audited(entry) => ("audited".to_owned(), to_raw_value(&audit_body(entry))?),
    };
    serde_json::to_string(&Form { v: FORM, kind, pq: previous, left, body })
}

/// The event of a text.
pub(super) fn read(text: &str) -> Result<Envelope, Unreadable> {
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    let version: Version = serde_json::from_str(text).map_err(unreadable)?;
    if version.v > FORM {
        return Err(Unreadable::Newer(version.v));
    }
    let form: Form = serde_json::from_str(text).map_err(unreadable)?;
    let body = form.body.get();
    let event = match form.kind.as_str() {
        "founded" => {
            Event::Founded { epoch: serde_json::from_str::<Founding>(body).map_err(unreadable)?.epoch }
        }
        "audited" => Event::Audited(Box::new(audited(serde_json::from_str(body).map_err(unreadable)?))),
        "alert_raised" => alert_event(AlertKind::Raised, body)?,
        "alert_updated" => alert_event(AlertKind::Updated, body)?,
        "alert_cleared" => alert_event(AlertKind::Cleared, body)?,
        "order_dispatched" => order_event(OrderKind::Dispatched, body)?,
        "order_accepted" => order_event(OrderKind::Accepted, body)?,
        "order_closed" => order_event(OrderKind::Closed, body)?,
        "order_cancelled" => order_event(OrderKind::Cancelled, body)?,
        other => return Err(Unreadable::Event(format!("`{other}` is no kind of event"))),
    };
    Ok(Envelope { previous: form.pq, left: form.left, event })
}

fn unreadable(error: impl ToString) -> Unreadable {
    Unreadable::Event(error.to_string())
}

fn audit_body(entry: &Audited) -> AuditBody {
    let Audited { who, from, deed, on, outcome, submission } = entry.clone();
    AuditBody { who, from, deed, on, outcome, submission: submission.map(|id| id.0) }
}

fn audited(body: AuditBody) -> Audited {
    let AuditBody { who, from, deed, on, outcome, submission } = body;
    Audited { who, from, deed, on, outcome, submission: submission.map(SubmissionId) }
}

fn place_body(place: Option<LngLat>) -> Result<Option<[Box<RawValue>; 2]>, serde_json::Error> {
    place.map(|place| Ok([to_raw_value(&place.lng)?, to_raw_value(&place.lat)?])).transpose()
}

fn place_of(body: Option<[Box<RawValue>; 2]>) -> Result<Option<LngLat>, Unreadable> {
    let Some([lng, lat]) = body else { return Ok(None) };
    let (lng, lat) = (lng.get().parse().map_err(unreadable)?, lat.get().parse().map_err(unreadable)?);
    Ok(Some(LngLat { lng, lat }))
}

fn detail_value(raw: &RawValue) -> Result<DetailValue, Unreadable> {
    Ok(match raw.get() {
        "null" => DetailValue::Null,
        "true" => DetailValue::Flag(true),
        "false" => DetailValue::Flag(false),
        text if text.starts_with('"') => DetailValue::Text(serde_json::from_str(text).map_err(unreadable)?),
        number => DetailValue::Number(number.parse().map_err(unreadable)?),
    })
}

fn detail_body(value: &DetailValue) -> Result<Box<RawValue>, serde_json::Error> {
    match value {
        DetailValue::Text(text) => to_raw_value(text),
        DetailValue::Number(number) => to_raw_value(number),
        DetailValue::Flag(flag) => to_raw_value(flag),
        DetailValue::Null => to_raw_value(&()),
    }
}

fn alert_body(alert: &Alert, order: Option<&OrderId>) -> Result<AlertBody, serde_json::Error> {
    let condition = &alert.condition;
    let detail = condition.detail.iter().map(|(name, value)| Ok((name.clone(), detail_body(value)?)));
    Ok(AlertBody {
        id: alert.id.to_string(),
        query: condition.query.to_string(),
        key: condition.key.clone(),
        category: condition.category.clone(),
        severity: condition.severity.to_string(),
        title_en: condition.title_en.clone(),
        title_zh: condition.title_zh.clone(),
        cell: condition.cell.map(|cell| cell.to_string()),
        place: place_body(condition.place)?,
        area: condition.area.as_ref().map(ToString::to_string),
        detail: detail.collect::<Result<_, serde_json::Error>>()?,
        raised_us: alert.raised.0,
        updated_us: alert.updated.0,
        cleared_us: alert.cleared.map(|at| at.0),
        order: order.map(ToString::to_string),
    })
}

fn severity(text: &str) -> Severity {
    text.parse().unwrap_or(Severity::Unknown)
}

fn alert_event(kind: AlertKind, body: &str) -> Result<Event, Unreadable> {
    let body: AlertBody = serde_json::from_str(body).map_err(unreadable)?;
    let detail = body.detail.iter().map(|(name, raw)| Ok((name.clone(), detail_value(raw)?)));
    let condition = Condition {
        query: body.query.parse().map_err(unreadable)?,
        key: body.key,
        category: body.category,
        severity: severity(&body.severity),
        title_en: body.title_en,
        title_zh: body.title_zh,
        cell: body.cell.map(|cell| cell.parse::<Cell>()).transpose().map_err(unreadable)?,
        place: place_of(body.place)?,
        area: body.area.map(|area| area.parse()).transpose().map_err(unreadable)?,
        detail: detail.collect::<Result<_, Unreadable>>()?,
    };
    let alert = Alert {
        id: AlertId(body.id),
        condition,
        raised: Micros(body.raised_us),
        updated: Micros(body.updated_us),
        cleared: body.cleared_us.map(Micros),
    };
    Ok(Event::of_alert(kind, alert, body.order.map(OrderId)))
}

fn mark_body(mark: &Mark) -> MarkBody {
    MarkBody { at_us: mark.at.0, by: mark.by.clone(), note: mark.note.clone() }
}

fn mark(body: MarkBody) -> Mark {
    Mark { at: Micros(body.at_us), by: body.by, note: body.note }
}

fn order_body(order: &Order) -> Result<OrderBody, serde_json::Error> {
    let duty = &order.duty;
    let (closed, cancelled_us) = match &order.state {
        State::Dispatched | State::Accepted(_) => (None, None),
        State::Closed { closed, .. } => (Some(mark_body(closed)), None),
        State::Cancelled { at, reason: CancelReason::ConditionCleared } => (None, Some(at.0)),
    };
    Ok(OrderBody {
        id: order.id.to_string(),
        alert: order.alert.to_string(),
        category: order.category.clone(),
        severity: order.severity.to_string(),
        title_en: order.title_en.clone(),
        title_zh: order.title_zh.clone(),
        area: order.area.as_ref().map(ToString::to_string),
        place: place_body(order.place)?,
        duty: DutyBody {
            category: duty.category.clone(),
            area: duty.area.clone(),
            unit: duty.unit.to_string(),
            name_en: duty.unit_name_en.clone(),
            name_zh: duty.unit_name_zh.clone(),
            accept_within_s: duty.accept_within_s,
            close_within_s: duty.close_within_s,
            helpers: duty.helpers.iter().map(ToString::to_string).collect(),
        },
        dispatched_us: order.dispatched.0,
        accepted: order.accepted().map(mark_body),
        closed,
        cancelled_us,
    })
}

fn order_event(kind: OrderKind, body: &str) -> Result<Event, Unreadable> {
    let body: OrderBody = serde_json::from_str(body).map_err(unreadable)?;
    let state = match (body.accepted, body.closed, body.cancelled_us) {
        (None, None, None) => State::Dispatched,
        (Some(accepted), None, None) => State::Accepted(mark(accepted)),
        (Some(accepted), Some(closed), None) => {
            State::Closed { accepted: mark(accepted), closed: mark(closed) }
        }
        (None, None, Some(at)) => State::Cancelled { at: Micros(at), reason: CancelReason::ConditionCleared },
        _ => return Err(Unreadable::Event(format!("order {} is in no state that there is", body.id))),
    };
    let duty = Duty {
        category: body.duty.category,
        area: body.duty.area,
        unit: UnitId(body.duty.unit),
        unit_name_en: body.duty.name_en,
        unit_name_zh: body.duty.name_zh,
        accept_within_s: body.duty.accept_within_s,
        close_within_s: body.duty.close_within_s,
        helpers: body.duty.helpers.into_iter().map(UnitId).collect(),
    };
    let order = Order {
        id: OrderId(body.id),
        alert: AlertId(body.alert),
        category: body.category,
        severity: severity(&body.severity),
        title_en: body.title_en,
        title_zh: body.title_zh,
        area: body.area.map(|area| area.parse()).transpose().map_err(unreadable)?,
        place: place_of(body.place)?,
        duty,
        dispatched: Micros(body.dispatched_us),
        state,
    };
    Ok(Event::Order { kind, order: Box::new(order) })
}
