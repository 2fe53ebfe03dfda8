//! One refresh of an alert query against what is open: what is raised, updated, cleared. No state is kept here.

use std::collections::{BTreeMap, BTreeSet};

use super::{Absence, Absences, Alert, AlertEvent, Condition, OpenAlerts};
use crate::model::{AlertId, Micros, QueryName};

/// How long a row must be missing before its alert clears, so that a flapping reading is one alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClearAfter {
    /// So many refreshes in a row without the row; 0 and 1 both clear at the first.
    Refreshes(u32),
    /// So many seconds since the first refresh without the row.
    Seconds(u32),
}

/// How the rows of one query become alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// A change of nothing but detail or place is recorded at most so often.
    pub detail_every_s: u32,
    /// How long a row must be missing.
    pub clear_after: ClearAfter,
    /// At most so many alerts of one query are open; what would go beyond is counted and not raised.
    pub max_open: usize,
}

impl Rule {
    /// What holds where nobody says otherwise: detail every 10 s, cleared at once, 10,000 open.
    pub const PLAIN: Self =
        Self { detail_every_s: 10, clear_after: ClearAfter::Refreshes(0), max_open: 10_000 };
}

/// The rule of every query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The rule of queries that have none of their own.
    pub otherwise: Rule,
    /// Rules of single queries.
    pub by_query: BTreeMap<QueryName, Rule>,
}

impl Rules {
    /// [`Rule::PLAIN`] for every query.
    pub const PLAIN: Self = Self { otherwise: Rule::PLAIN, by_query: BTreeMap::new() };

    /// The rule of one query.
    pub fn of(&self, query: &QueryName) -> Rule {
        self.by_query.get(query).copied().unwrap_or(self.otherwise)
    }
}

/// One refresh of one alert query.
#[derive(Debug, Clone, PartialEq)]
pub struct Refresh {
    /// The query that was refreshed; its rows speak for it whatever name they carry.
    pub query: QueryName,
    /// Its whole result.
    pub rows: Vec<Condition>,
    /// The instant of the refresh.
    pub now: Micros,
    /// How the rows become alerts.
    pub rule: Rule,
}

/// What comes of a refresh.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verdict {
    /// What happened, in the order of the rows and then of the keys that went away.
    pub events: Vec<AlertEvent>,
    /// The absences after this refresh, those of other queries untouched.
    pub absences: Absences,
    /// Rows whose key came before in the same result: the first wins.
    pub duplicates: usize,
    /// Rows not raised because the query has [`Rule::max_open`] alerts open.
    pub overflow: usize,
}

/// Compares one query's rows with its open alerts. Alerts of other queries are neither read nor touched.
pub fn raise(open: &OpenAlerts, absences: &Absences, refresh: Refresh) -> Verdict {
    let Refresh { query, rows, now, rule } = refresh;
    let mut verdict = Verdict { absences: absences.clone(), ..Verdict::default() };
    let mut seen = BTreeSet::new();
    let mut raised = 0;
    let already = open.of_query(&query).count();
    for row in rows {
        let row = Condition { query: query.clone(), ..row.bounded() };
        if !seen.insert(row.key.clone()) {
            verdict.duplicates += 1;
        } else if let Some(alert) = open.find(&query, &row.key) {
            verdict.absences.remove(&alert.id);
            verdict.events.extend(updated(alert, row, now, rule));
        } else if already + raised >= rule.max_open {
            verdict.overflow += 1;
        } else {
            raised += 1;
            let id = AlertId(format!("al-{}", open.raised() + raised as u64));
            verdict.events.push(AlertEvent::Raised(Alert {
                id,
                condition: row,
                raised: now,
                updated: now,
                cleared: None,
            }));
        }
    }
    for alert in open.of_query(&query).filter(|alert| !seen.contains(&alert.condition.key)) {
        let absence = missed(verdict.absences.get(&alert.id), now, rule.clear_after);
        if is_over(&absence, now, rule.clear_after) {
            verdict.absences.remove(&alert.id);
            verdict.events.push(cleared(alert, now));
        } else {
            verdict.absences.insert(alert.id.clone(), absence);
        }
    }
    verdict
}

/// Clears what has been missing for its rule's seconds, without waiting for a further refresh: a query whose
/// inputs no longer move is not refreshed.
pub fn lapse(open: &OpenAlerts, absences: &Absences, now: Micros) -> Verdict {
    let mut verdict = Verdict::default();
    for (id, absence) in absences {
        match open.alert(id) {
            Some(alert) if absence.until.is_some_and(|until| until <= now) => {
                verdict.events.push(cleared(alert, now));
            }
            Some(_) => {
                verdict.absences.insert(id.clone(), *absence);
            }
            None => {}
        }
    }
    verdict
}

fn updated(alert: &Alert, row: Condition, now: Micros, rule: Rule) -> Option<AlertEvent> {
    let due = alert.updated.plus_seconds(i64::from(rule.detail_every_s)) <= now;
    let changed = alert.condition.differs_in_substance(&row) || (due && alert.condition != row);
    // A clock that was set back must not make an alert older than it was.
    let updated = now.max(alert.updated);
    changed.then(|| AlertEvent::Updated(Alert { condition: row, updated, ..alert.clone() }))
}

fn cleared(alert: &Alert, now: Micros) -> AlertEvent {
    let at = now.max(alert.updated);
    AlertEvent::Cleared(Alert { updated: at, cleared: Some(at), ..alert.clone() })
}

fn missed(before: Option<&Absence>, now: Micros, clear_after: ClearAfter) -> Absence {
    let since = before.map_or(now, |absence| absence.since);
    let until = match clear_after {
        ClearAfter::Refreshes(_) => None,
        ClearAfter::Seconds(seconds) => Some(since.plus_seconds(i64::from(seconds))),
    };
    Absence { since, refreshes: before.map_or(1, |absence| absence.refreshes.saturating_add(1)), until }
}

fn is_over(absence: &Absence, now: Micros, clear_after: ClearAfter) -> bool {
    match clear_after {
        ClearAfter::Refreshes(refreshes) => absence.refreshes >= refreshes,
        ClearAfter::Seconds(_) => absence.until.is_some_and(|until| until <= now),
    }
}
