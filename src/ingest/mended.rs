//! Which rows of a submission are rejected rows of an earlier one, mended, and so came when those did.
//!
//! A mended row agrees with the rejected one in its key, or, where there is none, in everything that was not wrong with
//! it; a rejected row is mended once. Any other row that comes along comes now, whatever its submission says it mends.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::error::ArrowError;
use futures::StreamExt as _;

use super::under::Under;
use super::{Feed, Refusal};
use crate::contract::{self, Code, Contract, OnLanding};
use crate::lake::Landing;

/// So many ways to be wrong are told apart; a rejected row beyond them counts as never come.
const MOST_WAYS: usize = 64;

/// Rejected rows that wait to be mended.
#[derive(Debug, Clone, Default)]
pub(super) struct Mended {
    /// By the columns in which a mended row must agree, and what stands in them: when they came, and how many they are.
    waiting: BTreeMap<Vec<usize>, HashMap<u128, (i64, u32)>>,
}

impl Mended {
    /// When each of those rows of `batch`, in the contract's columns, first came; none where it comes now.
    pub(super) fn came(
        &mut self,
        batch: &RecordBatch,
        rows: &[usize],
    ) -> Result<Vec<Option<i64>>, ArrowError> {
        let mut came = vec![None; rows.len()];
        // Lines that were no rows agree with anything, and so are asked last.
        for (columns, waiting) in self.waiting.iter_mut().rev() {
            let prints = contract::fingerprints(&batch.project(columns)?)?;
            for (row, came) in rows.iter().zip(&mut came).filter(|(_, came)| came.is_none()) {
                let Some((first, left)) = prints.get(*row).and_then(|print| waiting.get_mut(print)) else {
                    continue;
                };
                if let Some(fewer) = left.checked_sub(1) {
                    (*came, *left) = (Some(*first), fewer);
                }
            }
        }
        Ok(came)
    }

    /// Adds rejected rows as they were sent; those that mended rows in `earlier` came when those did, the rest `at`.
    fn wait(
        &mut self,
        today: &Contract,
        under: &Under,
        rejects: &RecordBatch,
        earlier: &mut Self,
        at: i64,
    ) -> Result<(), ArrowError> {
        let contract = &under.contract;
        let sent: Vec<usize> = (0..contract.columns.len()).collect();
        let sent = rejects.project(&sent)?;
        let units = contract::conversions(contract, &sent.schema());
        let units = units.map_err(|error| ArrowError::SchemaError(error.to_string()))?;
        let checked = contract::check(contract, &sent, &units)?;
        let codes = rejects.column_by_name("_codes").and_then(|codes| codes.as_string_opt::<i32>());
        let rows: Vec<usize> = (0..rejects.num_rows()).collect();
        let todays = under.in_todays(today, &checked.batch)?;
        let came = earlier.came(&todays, &rows)?;
        let mut ways: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
        for row in rows {
            let codes = codes.filter(|codes| codes.is_valid(row)).map_or("", |codes| codes.value(row));
            let unread = checked.rejects.get(&row).into_iter().flatten();
            let wrong = blamed(codes).chain(unread.map(|reject| reject.column.as_str())).collect();
            ways.entry(agreeing(today, under, codes, &wrong)).or_default().push(row);
        }
        for (columns, rows) in ways {
            if self.waiting.len() >= MOST_WAYS && !self.waiting.contains_key(&columns) {
                continue;
            }
            let prints = contract::fingerprints(&todays.project(&columns)?)?;
            let waiting = self.waiting.entry(columns).or_default();
            for row in rows {
                let came = came.get(row).copied().flatten().unwrap_or(at);
                let Some(print) = prints.get(row) else { continue };
                let (latest, count) = waiting.entry(*print).or_insert((came, 0));
                // Two that cannot be told apart came with the later of them: late is what nobody can deny.
                *latest = came.max(*latest);
                *count += 1;
            }
        }
        Ok(())
    }
}

/// The columns in which a mended row must agree with the rejected one; none where all of it may have been wrong.
fn agreeing(today: &Contract, under: &Under, codes: &str, wrong: &BTreeSet<&str>) -> Vec<usize> {
    if codes.contains(Code::RowUnreadable.as_str()) {
        return Vec::new();
    }
    let right = |index: &usize| {
        let name = under.name_of(*index);
        let column = today.columns.get(*index).filter(|_| name.is_some_and(|name| !wrong.contains(name)));
        // Of what is hashed, quarantine has the hash, and what is sent from there is hashed again.
        column.is_some_and(|column| column.on_landing == OnLanding::Keep)
    };
    let key: Vec<usize> = today.key.iter().copied().filter(right).collect();
    if key.is_empty() { (0..today.columns.len()).filter(right).collect() } else { key }
}

/// The columns in `CODE(column),CODE(column+column)`.
fn blamed(codes: &str) -> impl Iterator<Item = &str> {
    let within = |code| str::split_once(code, '(').map(|(_, within)| within.trim_end_matches(')'));
    codes.split(',').filter_map(within).flat_map(|columns| columns.split('+'))
}

impl Feed {
    /// The rejected rows of a submission that wait to be mended. Nobody asks where rows may come however late.
    pub(super) async fn waiting(&self, submission: &str) -> Result<Mended, Refusal> {
        let mut mended = Mended::default();
        if self.contract.event_time.as_ref().is_none_or(|rule| rule.late_us.is_none()) {
            return Ok(mended);
        }
        let failed = |error: ArrowError| Refusal::Internal(format!("rejected rows of {submission}: {error}"));
        for landing in self.line(submission) {
            let mut earlier = std::mem::take(&mut mended);
            let under = self.landed_under(&landing.submission);
            let mut rejects = self.rejects(&landing.submission);
            while let Some(batch) = rejects.next().await {
                let waits = mended.wait(&self.contract, &under, &batch?, &mut earlier, landing.landed_at);
                waits.map_err(failed)?;
            }
        }
        Ok(mended)
    }

    /// A submission and those that it mends in turn, the first of them first.
    fn line(&self, submission: &str) -> Vec<Landing> {
        let state = self.table.state();
        let mut line: Vec<Landing> = Vec::new();
        let mut next = state.landing(submission);
        while let Some(landing) = next {
            // What is mended landed before its mend, so times only fall and the way ends.
            let earlier = landing.receipt.get("mends").and_then(|first| state.landing(first.as_str()?));
            next = earlier.filter(|earlier| earlier.landed_at < landing.landed_at);
            line.push(landing.clone());
        }
        line.reverse();
        line
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};

    use super::*;

    #[test]
    fn a_code_names_the_columns_that_it_blames() {
        let codes = "OUT_OF_RANGE(speed),PLACE_INVALID(lng+lat),ROW_UNREADABLE()";
        assert_eq!(blamed(codes).collect::<Vec<_>>(), ["speed", "lng", "lat", ""]);
        assert_eq!(blamed("").count(), 0);
    }

    /// Rows of the contract's columns with the codes of their rejection.
    fn rows(contract: &Contract, rows: &[([&str; 5], &str)]) -> RecordBatch {
        let headers = contract.columns.iter().map(|column| column.header.as_str());
        let text = |index: usize| {
            let column = rows.iter().map(|(row, _)| (!row[index].is_empty()).then_some(row[index]));
            Arc::new(column.collect::<StringArray>()) as ArrayRef
        };
        let codes: StringArray = rows.iter().map(|(_, codes)| Some(*codes)).collect();
        let columns = headers.enumerate().map(|(index, header)| (header, text(index)));
        RecordBatch::try_from_iter_with_nullable(
            columns
                .chain([("_codes", Arc::new(codes) as ArrayRef)])
                .map(|(name, column)| (name, column, true)),
        )
        .unwrap()
    }

    fn came(contract: &Contract, mended: &mut Mended, row: [&str; 5]) -> Option<i64> {
        let sent = rows(contract, &[(row, "")]).project(&[0, 1, 2, 3, 4]).unwrap();
        mended.came(&contract::check(contract, &sent, &[]).unwrap().batch, &[0]).unwrap()[0]
    }

    #[test]
    fn a_mended_row_is_known_by_its_key_or_by_what_was_right_and_only_once() {
        let yaml = include_str!("../contract/testdata/air.odcs.yaml");
        let mut contract = contract::parse(&"environment.air".parse().unwrap(), yaml).unwrap();
        let wrong = ["AQ-001", "2026-03-01T08:00:00Z", "32.0", "-5", "ok"];
        let mended_row = ["AQ-001", "2026-03-01T08:00:00Z", "32.0", "5", "ok"];
        let moved = ["AQ-001", "2026-03-01T08:00:00Z", "31.0", "5", "ok"];
        let other = ["AQ-002", "2026-03-01T08:00:00Z", "32.0", "5", "ok"];
        for (key, agrees) in [(vec![], false), (vec![0, 1], true)] {
            contract.key = key;
            let mut waiting = Mended::default();
            let rejects = rows(&contract, &[(wrong, "OUT_OF_RANGE(pm25)")]);
            let under = Under { contract: Arc::new(contract.clone()), earlier: None };
            waiting.wait(&contract, &under, &rejects, &mut Mended::default(), 7).unwrap();
            assert_eq!(came(&contract, &mut waiting.clone(), moved), agrees.then_some(7));
            assert_eq!(came(&contract, &mut waiting, other), None);
            assert_eq!(came(&contract, &mut waiting, mended_row), Some(7));
            assert_eq!(came(&contract, &mut waiting, mended_row), None, "it was one row");
        }
    }

    #[test]
    fn a_line_that_was_no_row_stands_for_one_row() {
        let yaml = include_str!("../contract/testdata/air.odcs.yaml");
        let contract = contract::parse(&"environment.air".parse().unwrap(), yaml).unwrap();
        let mut waiting = Mended::default();
        let rejects = rows(&contract, &[([""; 5], "ROW_UNREADABLE()")]);
        let under = Under { contract: Arc::new(contract.clone()), earlier: None };
        waiting.wait(&contract, &under, &rejects, &mut Mended::default(), 7).unwrap();
        let row = ["AQ-001", "2026-03-01T08:00:00Z", "32.0", "5", "ok"];
        assert_eq!([(); 2].map(|()| came(&contract, &mut waiting, row)), [Some(7), None]);
    }
}
