//! One row of an alert query: a condition that holds now. What comes of it is `raise`'s business.

use std::collections::BTreeMap;

use crate::model::{AreaCode, Cell, LngLat, QueryName, Severity};

const KEY_CHARS: usize = 200;
const CATEGORY_CHARS: usize = 100;
const TITLE_CHARS: usize = 400;
const DETAIL_ENTRIES: usize = 64;
const DETAIL_NAME_CHARS: usize = 63;
const DETAIL_TEXT_CHARS: usize = 1000;

/// What a query says of a condition beyond the columns that every alert has, by column name.
pub type Detail = BTreeMap<String, DetailValue>;

/// One value of an alert's detail.
#[derive(Debug, Clone, PartialEq)]
pub enum DetailValue {
    /// Text, and every type that has no better form here (dates, times, cells).
    Text(String),
    /// A finite number; `raise` makes every other number `Null`.
    Number(f64),
    /// True or false.
    Flag(bool),
    /// No value.
    Null,
}

impl DetailValue {
    fn bounded(self) -> Self {
        match self {
            Self::Text(text) => Self::Text(clipped(text, DETAIL_TEXT_CHARS)),
            Self::Number(number) if !number.is_finite() => Self::Null,
            other => other,
        }
    }
}

/// A condition that holds now: one row of an alert query.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The query that says so.
    pub query: QueryName,
    /// What the condition is about, unique within its query's result.
    pub key: String,
    /// The kind of trouble; the duty list names who answers for it.
    pub category: String,
    /// How bad it is.
    pub severity: Severity,
    /// One line in English.
    pub title_en: String,
    /// One line in Chinese.
    pub title_zh: String,
    /// The cell it is in.
    pub cell: Option<Cell>,
    /// The exact place; where only the cell is known, `raise` puts the cell's centre.
    pub place: Option<LngLat>,
    /// The area that it is in, which says who answers.
    pub area: Option<AreaCode>,
    /// Everything else that the query selected.
    pub detail: Detail,
}

impl Condition {
    /// The row as the rules compare and keep it: texts and detail clipped to their bounds, numbers finite,
    /// a place on the globe. A query can select anything, and nothing that it selects may grow the log
    /// without bound or differ from itself (NaN does).
    pub(super) fn bounded(mut self) -> Self {
        self.key = clipped(self.key, KEY_CHARS);
        self.category = clipped(self.category, CATEGORY_CHARS);
        self.title_en = clipped(self.title_en, TITLE_CHARS);
        self.title_zh = clipped(self.title_zh, TITLE_CHARS);
        self.place = self.place.filter(|place| place.is_valid()).or_else(|| self.cell.map(centre));
        self.detail = self
            .detail
            .into_iter()
            .take(DETAIL_ENTRIES)
            .map(|(name, value)| (clipped(name, DETAIL_NAME_CHARS), value.bounded()))
            .collect();
        self
    }

    /// Whether `next` differs in what changes an answer: how bad, what kind, what it says, whose area.
    pub(super) fn differs_in_substance(&self, next: &Self) -> bool {
        self.severity != next.severity
            || self.category != next.category
            || self.title_en != next.title_en
            || self.title_zh != next.title_zh
            || self.area != next.area
    }
}

fn centre(cell: Cell) -> LngLat {
    let point = h3o::LatLng::from(cell.0);
    LngLat { lng: point.lng(), lat: point.lat() }
}

fn clipped(mut text: String, chars: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(chars) {
        text.truncate(end);
    }
    text
}
