//! The state that the journal's events add up to. Nothing is decided and nothing written here.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::{AlertView, Event, Heads, OrderView, Record};
use crate::alert::{AlertKind, OpenAlerts};
use crate::dispatch::{Order, OrderKind};
use crate::model::{AlertId, OrderId};

/// Open alerts, open orders, and the newest of the orders that have ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Book {
    pub(super) alerts: OpenAlerts,
    orders: HashMap<OrderId, Order>,
    /// Orders that have ended, oldest first.
    ended: VecDeque<OrderId>,
    keep_ended: usize,
    /// The order of each open alert, whether or not the order is still held.
    links: BTreeMap<AlertId, OrderId>,
    dispatched: u64,
    heads: Heads,
}

impl Book {
    /// An empty book that will hold at most `keep_ended` ended orders.
    pub fn new(keep_ended: usize) -> Self {
        Self {
            alerts: OpenAlerts::default(),
            orders: HashMap::new(),
            ended: VecDeque::new(),
            keep_ended,
            links: BTreeMap::new(),
            dispatched: 0,
            heads: Heads::default(),
        }
    }

    /// Takes in the next record.
    pub fn apply(&mut self, record: &Record) {
        self.heads.advance(record.seq, record.event.channel());
        match &record.event {
            Event::Founded { .. } | Event::Audited(_) => {}
            Event::Alert { event, .. } => {
                self.alerts = std::mem::take(&mut self.alerts).evolve(event);
                if event.kind() == AlertKind::Cleared {
                    self.links.remove(&event.alert().id);
                }
            }
            Event::Order { kind, order } => self.apply_order(*kind, order),
        }
    }

    fn apply_order(&mut self, kind: OrderKind, order: &Order) {
        if kind == OrderKind::Dispatched {
            self.dispatched += 1;
            if self.alerts.alert(&order.alert).is_some() {
                self.links.insert(order.alert.clone(), order.id.clone());
            }
        }
        self.orders.insert(order.id.clone(), order.clone());
        if !kind.is_open() {
            self.ended.push_back(order.id.clone());
        }
        while self.ended.len() > self.keep_ended {
            if let Some(oldest) = self.ended.pop_front() {
                self.orders.remove(&oldest);
            }
        }
    }

    /// The order of that id, while it is held.
    pub fn order(&self, id: &OrderId) -> Option<&Order> {
        self.orders.get(id)
    }

    /// The order that answers an open alert.
    pub fn order_of(&self, alert: &AlertId) -> Option<&OrderId> {
        self.links.get(alert)
    }

    /// How many orders were ever dispatched; ids count on from it.
    pub(super) fn dispatched(&self) -> u64 {
        self.dispatched
    }

    /// The newest sequences taken in.
    pub fn heads(&self) -> Heads {
        self.heads
    }

    /// The open alerts, worst first and then newest first.
    pub fn alert_views(&self) -> Vec<AlertView> {
        let mut views: Vec<_> = self.alerts.iter().map(|a| AlertView::of(a, self.links.get(&a.id))).collect();
        views.sort_by(|a, b| (a.severity, b.raised, &a.id).cmp(&(b.severity, a.raised, &b.id)));
        views
    }

    /// The open orders by deadline, then those that ended, newest first.
    pub fn order_views(&self) -> Vec<OrderView> {
        let mut open: Vec<_> =
            self.orders.values().filter(|o| o.kind().is_open()).map(OrderView::from).collect();
        open.sort_by(|a, b| (a.due, a.dispatched, &a.id).cmp(&(b.due, b.dispatched, &b.id)));
        open.extend(self.ended.iter().rev().filter_map(|id| self.orders.get(id)).map(OrderView::from));
        open
    }
}
