//! Who answers for which trouble where. The list is a feed like any other; reading it is not done here.

use std::collections::BTreeMap;

use super::Refusal;
use crate::model::{AreaCode, UnitId};

/// The category of a duty that answers for whatever no other duty names.
const EVERY_CATEGORY: &str = "*";
/// A duty for this many digits or fewer answers for the whole city.
const CITY_DIGITS: usize = 4;

/// One row of the duty list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duty {
    /// The kind of trouble, `*` for every kind that has no row of its own.
    pub category: String,
    /// The beginning of the area codes that it covers; empty covers everywhere.
    pub area: String,
    /// Who leads.
    pub unit: UnitId,
    /// The unit's name in English.
    pub unit_name_en: String,
    /// The unit's name in Chinese.
    pub unit_name_zh: String,
    /// How soon after dispatch the unit must accept.
    pub accept_within_s: u32,
    /// How soon after dispatch the unit must close; never counted as sooner than acceptance.
    pub close_within_s: u32,
    /// Who helps.
    pub helpers: Vec<UnitId>,
}

/// Why a row of the duty list is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DutyFlaw {
    /// Nobody is named.
    #[error("duty list row {row}: names no unit; give the unit's id")]
    NoUnit {
        /// The row, from 1.
        row: usize,
    },
    /// The area is no beginning of a code.
    #[error(
        "duty list row {row}: `{area}` is no beginning of an area code; use at most 15 digits, empty for everywhere"
    )]
    NotAnArea {
        /// The row, from 1.
        row: usize,
        /// What it says.
        area: String,
    },
    /// Another row answers for the same.
    #[error(
        "duty list row {row}: `{category}` in `{area}` is given to a unit by an earlier row; keep one of them"
    )]
    Repeated {
        /// The row, from 1.
        row: usize,
        /// Its category.
        category: String,
        /// Its area.
        area: String,
    },
}

/// The duty list, found by category and area.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DutyList(BTreeMap<String, BTreeMap<String, Duty>>);

impl DutyList {
    /// The list of those rows that can be used, and what is wrong with the others: one bad row must not leave
    /// a city without its list.
    pub fn new(rows: Vec<Duty>) -> (Self, Vec<DutyFlaw>) {
        let mut list = Self::default();
        let mut flaws = Vec::new();
        for (index, duty) in rows.into_iter().enumerate() {
            let row = index + 1;
            let areas = list.0.entry(duty.category.clone()).or_default();
            if duty.unit.as_str().trim().is_empty() {
                flaws.push(DutyFlaw::NoUnit { row });
            } else if duty.area.len() > 15 || !duty.area.bytes().all(|b| b.is_ascii_digit()) {
                flaws.push(DutyFlaw::NotAnArea { row, area: duty.area });
            } else if areas.contains_key(&duty.area) {
                flaws.push(DutyFlaw::Repeated { row, category: duty.category, area: duty.area });
            } else {
                areas.insert(duty.area.clone(), duty);
            }
        }
        (list, flaws)
    }

    /// Who leads: of the exact category the most specific area that contains `area`, then the same of `*`.
    /// Trouble without an area is the whole city's.
    ///
    /// # Errors
    /// [`Refusal::NobodyOnDuty`] where no row covers it.
    pub fn lead(&self, category: &str, area: Option<&AreaCode>) -> Result<&Duty, Refusal> {
        [category, EVERY_CATEGORY]
            .into_iter()
            .find_map(|name| self.most_specific(name, area))
            .ok_or_else(|| Refusal::NobodyOnDuty { category: category.to_owned(), area: area.cloned() })
    }

    fn most_specific(&self, category: &str, area: Option<&AreaCode>) -> Option<&Duty> {
        let areas = self.0.get(category)?;
        match area.map(AreaCode::as_str) {
            Some(code) => (0..=code.len()).rev().find_map(|digits| areas.get(code.get(..digits)?)),
            None => areas
                .iter()
                .filter(|(prefix, _)| prefix.len() <= CITY_DIGITS)
                .max_by_key(|(p, _)| p.len())
                .map(|(_, d)| d),
        }
    }

    /// How many rows are used.
    pub fn len(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
    }

    /// Whether no row is used.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
