//! What is new in a list that is told anew every time: the rows that were not in the list before. Pure.
//!
//! A source tells of all that is going on, again and again. A row that has changed is another row, and new. A list that
//! is empty tells of nothing and makes nothing forgotten: what was in the list before it is not new after it.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::Row;

/// The fingerprints of the rows of one list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen(BTreeSet<u64>);

impl Seen {
    /// The rows that were not in the list before, and what is to be remembered of this one.
    pub(super) fn news(&self, rows: Vec<Row>) -> (Vec<Row>, Self) {
        if rows.is_empty() {
            return (rows, self.clone());
        }
        let mut now = Self::default();
        let fresh = |row: &Row| {
            let print = fingerprint(row);
            now.0.insert(print) && !self.0.contains(&print)
        };
        let news = rows.into_iter().filter(fresh).collect();
        (news, now)
    }

    /// Forgets rows: they are new again the next time.
    pub(super) fn forget(&mut self, rows: &[Row]) {
        for row in rows {
            self.0.remove(&fingerprint(row));
        }
    }

    /// Remembers what another list held, too.
    pub(super) fn join(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }

    /// As it stands in a cursor.
    pub(super) fn to_text(&self) -> String {
        let bytes: Vec<u8> = self.0.iter().flat_map(|print| print.to_be_bytes()).collect();
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Of a cursor; a text that is none was never seen.
    pub(super) fn from_text(text: &str) -> Self {
        let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        Self(bytes.as_chunks().0.iter().map(|print| u64::from_be_bytes(*print)).collect())
    }
}

/// Of the row's values, in whatever order they came.
fn fingerprint(row: &Row) -> u64 {
    let sorted: BTreeMap<&String, &Value> = row.iter().collect();
    xxhash_rust::xxh3::xxh3_64(serde_json::to_string(&sorted).unwrap_or_default().as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn rows(list: &[(u8, u8)]) -> Vec<Row> {
        list.iter()
            .map(|(id, units)| json!({"id": id, "units": units}).as_object().unwrap().clone())
            .collect()
    }

    fn step(seen: &mut Seen, list: &[(u8, u8)]) -> Vec<Row> {
        let (news, next) = seen.news(rows(list));
        *seen = Seen::from_text(&next.to_text());
        assert_eq!(*seen, next);
        news
    }

    #[test]
    fn a_changed_row_is_new_and_an_empty_list_forgets_nothing() {
        let mut seen = Seen::default();
        assert_eq!(step(&mut seen, &[(1, 1), (2, 1), (2, 1)]), rows(&[(1, 1), (2, 1)]));
        assert_eq!(step(&mut seen, &[(1, 1), (2, 1)]), rows(&[]));
        assert_eq!(step(&mut seen, &[(2, 3), (1, 1)]), rows(&[(2, 3)]));
        assert_eq!(step(&mut seen, &[]), rows(&[]));
        assert_eq!(step(&mut seen, &[(2, 3), (3, 1)]), rows(&[(3, 1)]));
        assert_eq!(step(&mut seen, &[(2, 1)]), rows(&[(2, 1)]), "back to what it was is a change, too");
        let turned = serde_json::from_str::<Row>(r#"{"units":1,"id":2}"#).unwrap();
        assert_eq!(seen.news(vec![turned]).0, Vec::<Row>::new());
        assert_eq!(Seen::from_text("no base64!"), Seen::default());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_unchanged_comes_twice(lists in prop::collection::vec(prop::collection::vec((0..5_u8, 0..3_u8), 0..8), 0..8)) {
            let mut seen = Seen::default();
            let mut before: BTreeSet<(u8, u8)> = BTreeSet::new();
            for list in lists {
                let news = step(&mut seen, &list);
                let now: BTreeSet<_> = list.iter().copied().collect();
                prop_assert_eq!(news.len(), now.difference(&before).count());
                if !now.is_empty() {
                    before = now;
                }
            }
        }
    }
}
