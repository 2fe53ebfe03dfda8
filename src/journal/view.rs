//! Alerts and orders as screens are told of them: every field of the stream's bodies, in no wire form.

use crate::alert::{Alert, Detail};
use crate::dispatch::{Order, OrderKind, State};
use crate::model::{AlertId, AreaCode, Cell, LngLat, Micros, OrderId, QueryName, Severity, UnitId};

use super::{Event, Record};

/// An alert as a screen is told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertView {
    /// Its id.
    pub id: AlertId,
    /// The key of its condition within the query.
    pub key: String,
    /// The query that raised it.
    pub query: QueryName,
    /// The kind of trouble.
    pub category: String,
    /// How bad it is.
    pub severity: Severity,
    /// One line in English.
    pub title_en: String,
    /// One line in Chinese.
    pub title_zh: String,
    /// What else the query says.
    pub detail: Detail,
    /// Its cell.
    pub cell: Option<Cell>,
    /// Its area.
    pub area: Option<AreaCode>,
    /// Its place.
    pub place: Option<LngLat>,
    /// When it was raised.
    pub raised: Micros,
    /// When it last changed.
    pub updated: Micros,
    /// When it cleared; its state on the wire is `open` without and `cleared` with it.
    pub cleared: Option<Micros>,
    /// The order that answers it; none where nobody was on duty.
    pub order: Option<OrderId>,
}

impl AlertView {
    /// The word for its state.
    pub fn state(&self) -> &'static str {
        if self.cleared.is_some() { "cleared" } else { "open" }
    }

    pub(super) fn of(alert: &Alert, order: Option<&OrderId>) -> Self {
        let condition = alert.condition.clone();
        Self {
            id: alert.id.clone(),
            key: condition.key,
            query: condition.query,
            category: condition.category,
            severity: condition.severity,
            title_en: condition.title_en,
            title_zh: condition.title_zh,
            detail: condition.detail,
            cell: condition.cell,
            area: condition.area,
            place: condition.place,
            raised: alert.raised,
            updated: alert.updated,
            cleared: alert.cleared,
            order: order.cloned(),
        }
    }
}

/// An order as a screen is told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderView {
    /// Its id.
    pub id: OrderId,
    /// The alert that it answers.
    pub alert: AlertId,
    /// The kind of trouble.
    pub category: String,
    /// How bad it was at dispatch.
    pub severity: Severity,
    /// Who leads.
    pub unit: UnitId,
    /// The unit's name in English.
    pub unit_name_en: String,
    /// The unit's name in Chinese.
    pub unit_name_zh: String,
    /// Who helps.
    pub helpers: Vec<UnitId>,
    /// Its area.
    pub area: Option<AreaCode>,
    /// One line in English.
    pub title_en: String,
    /// One line in Chinese.
    pub title_zh: String,
    /// How far it has come.
    pub state: OrderKind,
    /// Its place.
    pub place: Option<LngLat>,
    /// When it was sent.
    pub dispatched: Micros,
    /// When it was taken.
    pub accepted: Option<Micros>,
    /// When it ended, closed or cancelled.
    pub closed: Option<Micros>,
    /// The deadline that runs now, or ran last.
    pub due: Micros,
    /// Who took the last step.
    pub by: Option<String>,
    /// What they said; for a cancelled order the reason.
    pub note: Option<String>,
}

impl From<&Order> for OrderView {
    fn from(order: &Order) -> Self {
        let (closed, by, note) = match &order.state {
            State::Dispatched => (None, None, None),
            State::Accepted(mark) => (None, Some(mark.by.clone()), mark.note.clone()),
            State::Closed { closed, .. } => (Some(closed.at), Some(closed.by.clone()), closed.note.clone()),
            State::Cancelled { at, reason } => (Some(*at), None, Some(reason.as_str().to_owned())),
        };
        Self {
            id: order.id.clone(),
            alert: order.alert.clone(),
            category: order.category.clone(),
            severity: order.severity,
            unit: order.duty.unit.clone(),
            unit_name_en: order.duty.unit_name_en.clone(),
            unit_name_zh: order.duty.unit_name_zh.clone(),
            helpers: order.duty.helpers.clone(),
            area: order.area.clone(),
            title_en: order.title_en.clone(),
            title_zh: order.title_zh.clone(),
            state: order.kind(),
            place: order.place,
            dispatched: order.dispatched,
            accepted: order.accepted().map(|mark| mark.at),
            closed,
            due: order.due(),
            by,
            note,
        }
    }
}

/// What a record shows.
#[derive(Debug, Clone, PartialEq)]
pub enum View {
    /// An alert, for the channel `alerts`.
    Alert(Box<AlertView>),
    /// An order, for the channel `orders`.
    Order(Box<OrderView>),
}

impl Record {
    /// The thing as it stood after this record; none for the record that only begins the journal.
    pub fn view(&self) -> Option<View> {
        match &self.event {
            Event::Founded { .. } | Event::Audited(_) => None,
            Event::Alert { event, order } => {
                Some(View::Alert(Box::new(AlertView::of(event.alert(), order.as_ref()))))
            }
            Event::Order { order, .. } => Some(View::Order(Box::new(OrderView::from(&**order)))),
        }
    }

    /// What happened, in the word of the wire.
    pub fn kind(&self) -> &'static str {
        match &self.event {
            Event::Founded { .. } => "founded",
            Event::Audited(_) => "audited",
            Event::Alert { event, .. } => event.kind().as_str(),
            Event::Order { kind, .. } => kind.as_str(),
        }
    }

    /// The id of the alert or order that it is about; empty for the record that only begins the journal.
    pub fn key(&self) -> &str {
        match &self.event {
            Event::Founded { .. } | Event::Audited(_) => "",
            Event::Alert { event, .. } => event.alert().id.as_str(),
            Event::Order { order, .. } => order.id.as_str(),
        }
    }
}
