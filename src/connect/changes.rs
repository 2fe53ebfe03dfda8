//! What is new in a list that is told anew every time: the rows that were not in the list before. Pure.
//!
//! A source tells of all that is going on, again and again. A row that has changed is another row, and new. A list that
//! is empty tells of nothing and makes nothing forgotten: what was in the list before it is not new after it.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::{PollError, Rows};

/// The fingerprints of the rows of one list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RowFingerprints(BTreeSet<u64>);

impl RowFingerprints {
    /// The rows that were not in the list before, and what is to be remembered of this one.
    pub(super) fn news(&self, rows: Rows) -> Result<(Rows, Self), PollError> {
        if rows.is_empty() {
            return Ok((rows, self.clone()));
        }
        let mut now = Self::default();
        let mut is_new = |fingerprint: u64| now.0.insert(fingerprint) && !self.0.contains(&fingerprint);
        let fresh: Vec<bool> = fingerprints(&rows).into_iter().map(&mut is_new).collect();
        let news = rows.kept(&fresh, |line| is_new(of_text(&line.text)))?;
        Ok((news, now))
    }

    /// Forgets rows: they are new again the next time.
    pub(super) fn forget(&mut self, rows: &Rows) {
        for fingerprint in fingerprints(rows) {
            self.0.remove(&fingerprint);
        }
    }

    /// Remembers what another list held, too.
    pub(super) fn join(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }

    /// As it stands in a cursor.
    pub(super) fn to_text(&self) -> String {
        let bytes: Vec<u8> = self.0.iter().flat_map(|fingerprint| fingerprint.to_be_bytes()).collect();
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Of a cursor; a text that is none was never seen.
    pub(super) fn from_text(text: &str) -> Self {
        let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        Self(bytes.as_chunks().0.iter().map(|fingerprint| u64::from_be_bytes(*fingerprint)).collect())
    }
}

/// Of each row's names and values, in whatever order its columns came.
fn fingerprints(rows: &Rows) -> Vec<u64> {
    let schema = rows.batch.schema();
    let names: BTreeSet<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let mut texts = vec![Vec::new(); rows.batch.num_rows()];
    for name in names {
        for (text, value) in texts.iter_mut().zip(rows.texts(name)) {
            let Some(value) = value else { continue };
            for part in [name, value] {
                text.extend(part.len().to_le_bytes());
                text.extend(part.as_bytes());
            }
        }
    }
    texts.iter().map(|text| xxh3_64(text)).collect()
}

/// Of what is no row.
fn of_text(text: &str) -> u64 {
    xxh3_64_with_seed(text.as_bytes(), 1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, RecordBatch, StringArray};
    use proptest::prelude::*;

    use super::*;
    use crate::decode::Unreadable;

    fn rows(list: &[(u8, u8)]) -> Rows {
        let column = |texts: Vec<Option<String>>| Arc::new(StringArray::from(texts)) as ArrayRef;
        let ids = column(list.iter().map(|(id, _)| Some(id.to_string())).collect());
        let units = column(list.iter().map(|(_, units)| (*units > 0).then(|| units.to_string())).collect());
        let batch = RecordBatch::try_from_iter_with_nullable([("units", units, true), ("id", ids, true)]);
        Rows { batch: batch.unwrap(), numbers: (1..).take(list.len()).collect(), unreadable: Vec::new() }
    }

    fn step(seen: &mut RowFingerprints, list: &[(u8, u8)]) -> Vec<(u8, u8)> {
        let (news, next) = seen.news(rows(list)).unwrap();
        *seen = RowFingerprints::from_text(&next.to_text());
        assert_eq!(*seen, next);
        let number = |text: Option<&str>| text.map_or(0, |text| text.parse().unwrap());
        news.texts("id").map(number).zip(news.texts("units").map(number)).collect()
    }

    #[test]
    fn a_changed_row_is_new_and_an_empty_list_forgets_nothing() {
        let mut seen = RowFingerprints::default();
        assert_eq!(step(&mut seen, &[(1, 1), (2, 1), (2, 1)]), [(1, 1), (2, 1)]);
        assert_eq!(step(&mut seen, &[(1, 1), (2, 1)]), []);
        assert_eq!(step(&mut seen, &[(2, 3), (1, 1)]), [(2, 3)]);
        assert_eq!(step(&mut seen, &[]), []);
        assert_eq!(step(&mut seen, &[(2, 3), (3, 1)]), [(3, 1)]);
        assert_eq!(step(&mut seen, &[(2, 1)]), [(2, 1)], "back to what it was is a change, too");
        assert_eq!(step(&mut seen, &[(2, 0)]), [(2, 0)], "and so is a value that is gone");
        assert_eq!(RowFingerprints::from_text("no base64!"), RowFingerprints::default());
    }

    #[test]
    fn columns_in_another_order_and_one_that_nobody_fills_are_no_change() {
        let mut seen = RowFingerprints::default();
        step(&mut seen, &[(1, 1), (2, 0)]);
        let list = rows(&[(1, 1), (2, 0)]);
        let turned = Rows { batch: list.batch.project(&[1, 0]).unwrap(), ..list };
        let wider = turned.with("note", StringArray::new_null(2)).unwrap();
        assert!(seen.news(wider).unwrap().0.is_empty());
    }

    #[test]
    fn what_is_no_row_is_told_once() {
        let line = |text: &str| Unreadable { number: 3, text: text.into(), why: "why".into() };
        let list = |text: &str| Rows { unreadable: vec![line(text)], ..rows(&[(1, 1)]) };
        let (news, seen) = RowFingerprints::default().news(list("7")).unwrap();
        assert_eq!(news, list("7"));
        assert!(seen.news(list("7")).unwrap().0.is_empty());
        assert_eq!(seen.news(list("8")).unwrap().0.unreadable, [line("8")]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_unchanged_comes_twice(lists in prop::collection::vec(prop::collection::vec((0..5_u8, 0..3_u8), 0..8), 0..8)) {
            let mut seen = RowFingerprints::default();
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
