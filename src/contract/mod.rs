//! A feed's promise (ODCS v3.1) and the vectorised check of batches against it.
//!
//! `spec.rs` is the YAML, `compile.rs` makes a [`Contract`] of it with every error at its line, `cast.rs` and
//! `check.rs` hold batches against it, `key.rs` remembers keys,
//! `unit.rs` converts units. `version.rs` keeps the versions of a contract together, `change.rs` says what differs between two. Where a row lies is `place`'s business.

mod cast;
mod change;
mod check;
mod compile;
mod key;
mod spec;
mod time_format;
mod types;
mod unit;
mod version;

pub use change::{Change, Grade, changes};
pub use check::{Checked, ColumnUnit, Reject, check, conversions};
pub use compile::{ContractError, parse};
pub(crate) use compile::{closest, unknown_key, yaml_message};
pub use key::{KeySet, Uniqueness, fingerprints};

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use chrono_tz::Tz;
use regex::Regex;

use crate::model::{FeedName, Resolution};
pub use time_format::{TimeFormat, midnight};
pub use unit::{Conversion, UnitError, known as unit_is_known};
pub use version::{Earlier, NoVersion, Version, WrongIn, with_earlier};

/// A compiled contract: what every row of the feed must be.
#[derive(Debug, Clone)]
pub struct Contract {
    /// `<department>.<feed>`.
    pub feed: FeedName,
    /// The contract's semantic version.
    pub version: Version,
    /// Line and column at which the file says so.
    pub version_at: (u32, u32),
    /// Whether nothing lands under it any more.
    pub retired: bool,
    /// Earlier versions whose files are known, newest first.
    pub earlier: Vec<Arc<Earlier>>,
    /// English and Chinese title.
    pub title: Title,
    /// The columns, in the contract's order.
    pub columns: Vec<Column>,
    /// Indices of the primary key's columns, in key order; empty where there is none.
    pub key: Vec<usize>,
    /// Whether a key may come again, and queries read its newest row; else it is rejected.
    pub latest: bool,
    /// Which column says when; none where `_event_time` stays null.
    pub event_time: Option<EventTime>,
    /// Where a row lies.
    pub place: Place,
    /// Past this many seconds without a row the feed is stale.
    pub freshness_s: Option<i64>,
    /// How long rows are kept, seconds; none: for ever.
    pub retention_s: Option<i64>,
    /// How many rejected rows a submission may have.
    pub tolerance: Tolerance,
}

/// How many rejected rows a submission may have before it is refused whole.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Tolerance {
    /// So many; none: any number.
    pub rows: Option<u64>,
    /// This part of all its rows, 0 to 1; none: all of them.
    pub share: Option<f64>,
}

impl Tolerance {
    /// Whether a submission with `rejected` of `read` rows may land.
    pub fn bears(self, rejected: u64, read: u64) -> bool {
        let few = self.rows.is_none_or(|most| rejected <= most);
        few && self.share.is_none_or(|most| rejected as f64 <= most * read as f64)
    }
}

/// A title in the product's two languages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Title {
    /// English.
    pub en: String,
    /// Chinese; English where the contract has none.
    pub zh: String,
}

/// One column and its rules.
#[derive(Debug, Clone)]
pub struct Column {
    /// The name in SQL.
    pub name: String,
    /// What it was called in an earlier version, where that was another name.
    pub was: Option<String>,
    /// The header in files.
    pub header: String,
    /// The type in the lake.
    pub data_type: DataType,
    /// No nulls.
    pub required: bool,
    /// No value twice in a file.
    pub unique: bool,
    /// Smallest and largest value.
    pub range: Range,
    /// Shortest and longest text, in characters.
    pub length: (Option<usize>, Option<usize>),
    /// What a text must match.
    pub pattern: Option<Regex>,
    /// The only values allowed.
    pub allowed: Option<Arc<HashSet<String>>>,
    /// How a date or timestamp is written.
    pub format: TimeFormat,
    /// The zone of times without an offset.
    pub timezone: Tz,
    /// The unit of its numbers.
    pub unit: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// public, internal, confidential or restricted.
    pub classification: Classification,
    /// What the lake gets of its values.
    pub on_landing: OnLanding,
}

/// What the lake gets of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnLanding {
    /// The values.
    #[default]
    Keep,
    /// A keyed hash of each: equal values stay equal, and nobody can read them.
    Hash,
    /// Nothing.
    Drop,
}

/// The bounds of a numeric column.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Range {
    /// `value >= minimum`.
    pub minimum: Option<f64>,
    /// `value <= maximum`.
    pub maximum: Option<f64>,
    /// `value > exclusive_minimum`.
    pub exclusive_minimum: Option<f64>,
    /// `value < exclusive_maximum`.
    pub exclusive_maximum: Option<f64>,
}

/// Who may see a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Classification {
    /// Anybody.
    Public,
    /// The city's staff.
    #[default]
    Internal,
    /// Those who need it.
    Confidential,
    /// Named persons.
    Restricted,
}

/// Which column says when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventTime {
    /// Index into the contract's columns.
    pub column: usize,
    /// How far ahead of landing an event may lie, in microseconds.
    pub future_us: i64,
    /// How long after its event a row may land, in microseconds; none: however late.
    pub late_us: Option<i64>,
}

/// Where a row lies.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// Nowhere: a table without places.
    Nowhere,
    /// Two coordinate columns in a declared system.
    Point {
        /// Index of the east (x) column.
        x: usize,
        /// Index of the north (y) column.
        y: usize,
        /// The declared system's name, resolved by `place::Crs`.
        crs: String,
        /// Resolution of `_cell`.
        resolution: Resolution,
        /// A point in no area goes to quarantine.
        quarantine_outside: bool,
    },
    /// A column with an area's code.
    Area {
        /// Index of the code column.
        column: usize,
        /// Resolution of `_cell` (the cell of the area's inner point).
        resolution: Resolution,
    },
    /// A column that holds the cell itself.
    Cell {
        /// Index of the cell column.
        column: usize,
        /// Resolution of `_cell`.
        resolution: Resolution,
    },
}

/// Why a row was rejected: stable, documented in `docs/contracts.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// The value cannot be read as the contract's type.
    TypeMismatch,
    /// A required value is missing.
    NullRequired,
    /// Below or above the range.
    OutOfRange,
    /// Text shorter than `minLength`.
    TooShort,
    /// Text longer than `maxLength`.
    TooLong,
    /// Text that does not match `pattern`.
    Pattern,
    /// None of the allowed values.
    NotInSet,
    /// A `unique` value that came before in the file.
    NotUnique,
    /// A primary key that came before in the file.
    KeyDuplicate,
    /// A primary key that is in the lake already.
    KeyLanded,
    /// The event lies too far ahead.
    EventTimeFuture,
    /// The event lies further back than the contract waits.
    TooLate,
    /// No place on the globe, no area code, no cell.
    PlaceInvalid,
    /// In no area of the city.
    OutsideCity,
    /// The line is no row.
    RowUnreadable,
}

impl Code {
    /// The code as it stands in receipts and quarantine.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TypeMismatch => "TYPE_MISMATCH",
            Self::NullRequired => "NULL_REQUIRED",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::TooShort => "TOO_SHORT",
            Self::TooLong => "TOO_LONG",
            Self::Pattern => "PATTERN",
            Self::NotInSet => "NOT_IN_SET",
            Self::NotUnique => "NOT_UNIQUE",
            Self::KeyDuplicate => "KEY_DUPLICATE",
            Self::KeyLanded => "KEY_LANDED",
            Self::EventTimeFuture => "EVENT_TIME_FUTURE",
            Self::TooLate => "TOO_LATE",
            Self::PlaceInvalid => "PLACE_INVALID",
            Self::OutsideCity => "OUTSIDE_CITY",
            Self::RowUnreadable => "ROW_UNREADABLE",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Names of the columns that landing adds, in their order behind the contract's.
pub const SYSTEM_COLUMNS: [&str; 6] = ["_cell", "_area", "_event_time", "_landed_at", "_submission", "_row"];

/// The lake's type for instants.
pub fn instant_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

impl Contract {
    /// The columns whose values together may come but once; empty where there are none.
    pub fn once(&self) -> &[usize] {
        if self.latest { &[] } else { &self.key }
    }

    /// The columns as the contract names and types them, without the system columns.
    pub fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.columns.iter().map(Column::field).collect::<Vec<_>>()))
    }

    /// The feed's table: the contract's columns, then [`SYSTEM_COLUMNS`].
    pub fn table_schema(&self) -> SchemaRef {
        let mut fields: Vec<Field> = self.columns.iter().map(Column::field).collect();
        fields.extend([
            Field::new("_cell", DataType::Int64, true),
            Field::new("_area", DataType::Utf8, true),
            Field::new("_event_time", instant_type(), true),
            Field::new("_landed_at", instant_type(), true),
            Field::new("_submission", DataType::Utf8, true),
            Field::new("_row", DataType::Int64, true),
        ]);
        Arc::new(Schema::new(fields))
    }
}

impl Column {
    /// Nullable in the lake always: what is required is checked on landing and may be loosened later.
    fn field(&self) -> Field {
        Field::new(&self.name, self.data_type.clone(), true)
    }
}
