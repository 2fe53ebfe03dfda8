//! The alerts that are open, and what happens to one. Nothing is decided here.

use std::collections::BTreeMap;

use super::Condition;
use crate::model::{AlertId, Micros, QueryName};

/// One occurrence of a condition, from its raising to its clearing.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Its id: a condition that returns after clearing has another.
    pub id: AlertId,
    /// What holds, as the query last said.
    pub condition: Condition,
    /// When it was raised.
    pub raised: Micros,
    /// When it was last recorded to have changed.
    pub updated: Micros,
    /// When it went away; none while it is open.
    pub cleared: Option<Micros>,
}

/// What happened to an alert; each carries the alert as it stands afterwards.
#[derive(Debug, Clone, PartialEq)]
pub enum AlertEvent {
    /// A condition appeared.
    Raised(Alert),
    /// A condition changed.
    Updated(Alert),
    /// A condition went away.
    Cleared(Alert),
}

/// The kind of an alert's event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlertKind {
    /// A condition appeared.
    Raised,
    /// A condition changed.
    Updated,
    /// A condition went away.
    Cleared,
}

impl AlertKind {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Updated => "updated",
            Self::Cleared => "cleared",
        }
    }
}

impl AlertEvent {
    /// The alert as it stands after the event.
    pub fn alert(&self) -> &Alert {
        match self {
            Self::Raised(alert) | Self::Updated(alert) | Self::Cleared(alert) => alert,
        }
    }

    /// What kind of event it is.
    pub fn kind(&self) -> AlertKind {
        match self {
            Self::Raised(_) => AlertKind::Raised,
            Self::Updated(_) => AlertKind::Updated,
            Self::Cleared(_) => AlertKind::Cleared,
        }
    }
}

/// Every open alert: the fold of all alert events.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OpenAlerts {
    alerts: BTreeMap<AlertId, Alert>,
    keys: BTreeMap<QueryName, BTreeMap<String, AlertId>>,
    raised: u64,
}

impl OpenAlerts {
    /// The state after `event`. A change or a clearing of an alert that is not open changes nothing.
    #[must_use]
    pub fn evolve(mut self, event: &AlertEvent) -> Self {
        let alert = event.alert();
        let condition = &alert.condition;
        match event {
            AlertEvent::Raised(_) => {
                self.raised += 1;
                let keys = self.keys.entry(condition.query.clone()).or_default();
                if let Some(before) = keys.insert(condition.key.clone(), alert.id.clone()) {
                    self.alerts.remove(&before);
                }
                self.alerts.insert(alert.id.clone(), alert.clone());
            }
            AlertEvent::Updated(_) => {
                if let Some(open) = self.alerts.get_mut(&alert.id) {
                    open.clone_from(alert);
                }
            }
            AlertEvent::Cleared(_) => {
                if self.alerts.remove(&alert.id).is_some()
                    && let Some(keys) = self.keys.get_mut(&condition.query)
                {
                    keys.remove(&condition.key);
                    if keys.is_empty() {
                        self.keys.remove(&condition.query);
                    }
                }
            }
        }
        self
    }

    /// The open alert of that id.
    pub fn alert(&self, id: &AlertId) -> Option<&Alert> {
        self.alerts.get(id)
    }

    /// The open alert of a query's key.
    pub fn find(&self, query: &QueryName, key: &str) -> Option<&Alert> {
        self.alerts.get(self.keys.get(query)?.get(key)?)
    }

    /// All open alerts.
    pub fn iter(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.values()
    }

    /// The open alerts of one query, by key.
    pub fn of_query(&self, query: &QueryName) -> impl Iterator<Item = &Alert> {
        self.keys.get(query).into_iter().flat_map(|keys| keys.values()).filter_map(|id| self.alerts.get(id))
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.alerts.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.alerts.is_empty()
    }

    /// How many were ever raised. The next alert's id counts on from it, so ids are short enough to be
    /// spoken and never come twice.
    pub fn raised(&self) -> u64 {
        self.raised
    }
}

/// Since when an open alert's row has been missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Absence {
    /// The refresh that missed it first.
    pub since: Micros,
    /// How many refreshes in a row missed it.
    pub refreshes: u32,
    /// When it is cleared without a further refresh, where its rule counts seconds.
    pub until: Option<Micros>,
}

/// Open alerts whose rows are missing, but not for long enough to clear them. These are sightings and not
/// history: they are not recorded, and after a restart the count begins anew, so an alert may clear late but
/// never early.
pub type Absences = BTreeMap<AlertId, Absence>;
