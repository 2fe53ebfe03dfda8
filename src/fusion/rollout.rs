//! What a change of the queries would do: which states go on, which are filled anew and from how many rows, and how the
//! results differ.

use std::collections::{BTreeMap, BTreeSet};

use arrow::error::ArrowError;
use arrow::util::display::array_value_to_string;

use super::{Change, Query};

/// So many rows that differ are shown of a result.
const SHOWN: usize = 5;

/// How a query is computed, as far as a change of it matters.
#[derive(Debug, Clone)]
pub struct Footprint {
    /// The query's name.
    pub query: String,
    /// The file's text.
    pub sql: String,
    /// `I`, `W`, `H` or `F`.
    pub class: char,
    /// Its states.
    pub states: Vec<StateFootprint>,
}

/// A state, and what filling it would read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFootprint {
    /// What it computes; equal ones are one state.
    pub id: String,
    /// Feeds and groups, for people.
    pub text: String,
    /// Rows of the feeds that count now.
    pub history_rows: u64,
}

/// What becomes of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// Its text is the same.
    Stays,
    /// Its text is another.
    Changes,
    /// There was none of its name.
    Comes,
    /// There is none of its name any more.
    Goes,
}

/// What becomes of a query and its states.
#[derive(Debug, Clone)]
pub struct Rollout {
    /// The query's name.
    pub query: String,
    /// What becomes of it.
    pub fate: Fate,
    /// Its new class; none where it goes.
    pub class: Option<char>,
    /// States that go on as they are.
    pub reused: Vec<StateFootprint>,
    /// States that are filled from the landed data.
    pub filled: Vec<StateFootprint>,
    /// States that nothing needs any more.
    pub dropped: Vec<StateFootprint>,
}

/// What becomes of each query between two loads, by name.
pub fn rollout(before: &[Footprint], after: &[Footprint]) -> Vec<Rollout> {
    let ids = |prints: &[Footprint]| -> BTreeSet<String> {
        prints.iter().flat_map(|print| &print.states).map(|state| state.id.clone()).collect()
    };
    let (had, has) = (ids(before), ids(after));
    let old: BTreeMap<&str, &Footprint> = before.iter().map(|print| (print.query.as_str(), print)).collect();
    let new: BTreeMap<&str, &Footprint> = after.iter().map(|print| (print.query.as_str(), print)).collect();
    let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    let of = |name: &str| {
        let (old, new) = (old.get(name), new.get(name));
        let fate = match (old, new) {
            (Some(old), Some(new)) if old.sql == new.sql => Fate::Stays,
            (Some(_), Some(_)) => Fate::Changes,
            (None, _) => Fate::Comes,
            (Some(_), None) => Fate::Goes,
        };
        let states = |print: Option<&&Footprint>| print.map_or_else(Vec::new, |print| print.states.clone());
        let (reused, filled) = states(new).into_iter().partition(|state| had.contains(&state.id));
        let dropped = states(old).into_iter().filter(|state| !has.contains(&state.id)).collect();
        Rollout { query: name.to_owned(), fate, class: new.map(|print| print.class), reused, filled, dropped }
    };
    names.into_iter().map(of).collect()
}

/// How two results of a query differ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Rows whose key is new.
    pub added: usize,
    /// Rows whose key is gone.
    pub gone: usize,
    /// Rows of one key that say something else.
    pub changed: usize,
    /// Some of them: key, before, after.
    pub sample: Vec<(String, String, String)>,
}

/// How a result differs from an earlier one, by the query's key; by whole rows where it has none.
///
/// # Errors
/// Where a value has no text form.
pub fn difference(query: &Query, before: &Change, after: &Change) -> Result<Difference, ArrowError> {
    let key = query.key().unwrap_or(if query.kind() == super::Kind::Alert { "key" } else { "" });
    let (old, new) = (by_key(key, before)?, by_key(key, after)?);
    let mut found = Difference::default();
    for key in old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))) {
        match (old.get(key), new.get(key)) {
            (Some(old), Some(new)) if old == new => continue,
            (Some(_), Some(_)) => found.changed += 1,
            (None, _) => found.added += 1,
            (Some(_), None) => found.gone += 1,
        }
        if found.sample.len() < SHOWN {
            let text = |rows: Option<&Vec<String>>| rows.map_or("-".to_owned(), |rows| rows.join(" / "));
            found.sample.push((key.clone(), text(old.get(key)), text(new.get(key))));
        }
    }
    Ok(found)
}

/// Rows as text by the text of a column, all rows of one key together; by themselves where there is no such column.
fn by_key(key: &str, change: &Change) -> Result<BTreeMap<String, Vec<String>>, ArrowError> {
    let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for batch in &change.rows {
        let at = batch.schema().index_of(key).ok();
        for row in 0..batch.num_rows() {
            let mut texts = Vec::with_capacity(batch.num_columns());
            for column in batch.columns() {
                texts.push(array_value_to_string(column, row)?);
            }
            let text = texts.join(", ");
            let key = at.and_then(|at| texts.get(at).cloned()).unwrap_or_else(|| text.clone());
            rows.entry(key).or_default().push(text);
        }
    }
    rows.values_mut().for_each(|rows| rows.sort());
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(query: &str, sql: &str, states: &[&str]) -> Footprint {
        let state = |id: &&str| StateFootprint { id: (*id).into(), text: String::new(), history_rows: 7 };
        let states = states.iter().map(state).collect();
        Footprint { query: query.into(), sql: sql.into(), class: 'I', states }
    }

    #[test]
    fn a_state_is_filled_where_no_query_had_it_and_dropped_where_none_needs_it() {
        let before = [print("a", "1", &["s", "t"]), print("b", "1", &["u"]), print("c", "1", &[])];
        let after = [print("a", "2", &["s", "v"]), print("d", "1", &["u"]), print("c", "1", &[])];
        let rolled = rollout(&before, &after);
        let told: Vec<_> = rolled
            .iter()
            .map(|r| (r.query.as_str(), r.fate, r.reused.len(), r.filled.len(), r.dropped.len()))
            .collect();
        assert_eq!(
            told,
            [
                ("a", Fate::Changes, 1, 1, 1),
                ("b", Fate::Goes, 0, 0, 0),
                ("c", Fate::Stays, 0, 0, 0),
                ("d", Fate::Comes, 1, 0, 0)
            ]
        );
    }
}
