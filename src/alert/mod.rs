//! Rows of alert queries become alerts: raised, updated, cleared. Pure; the journal records what it decides.

mod condition;
mod open;
mod raise;

pub use condition::{Condition, Detail, DetailValue};
pub use open::{Absence, Absences, Alert, AlertEvent, AlertKind, OpenAlerts};
pub use raise::{ClearAfter, Refresh, Rule, Rules, Verdict, lapse, raise};

#[cfg(test)]
mod tests;
