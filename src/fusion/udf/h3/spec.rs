//! What one SQL function is: the words that plan it, document it and compute it. No Arrow and no DataFusion.

use super::column::Row;
use super::value::Value;

/// One function of SQL.
#[derive(Debug)]
pub(super) struct Spec {
    /// Its name in SQL.
    pub name: &'static str,
    /// Other names for the same thing.
    pub aliases: &'static [&'static str],
    /// What it is called with.
    pub args: &'static [Arg],
    /// What comes back.
    pub returns: Shape,
    /// One sentence for `SHOW FUNCTIONS`.
    pub about: &'static str,
    /// A call that gives a value.
    pub example: &'static str,
    /// The arithmetic of one row.
    pub eval: fn(&Row<'_>) -> Answer,
}

/// A row's value, or why there is none.
pub(super) type Answer = Result<Value, Stop>;

/// Why a row has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Something was null or invalid: the row is null.
    Null,
    /// So many cells that the query must end.
    TooMany(u64),
}

macro_rules! invalid_is_null {
    ($($error:ty),+ $(,)?) => {
        $(impl From<$error> for Stop {
            fn from(_: $error) -> Self {
                Self::Null
            }
        })+
    };
}

invalid_is_null!(
    h3o::error::CompactionError,
    h3o::error::DissolutionError,
    h3o::error::InvalidGeometry,
    h3o::error::InvalidLatLng,
    h3o::error::InvalidVertex,
    h3o::error::LocalIjError,
    h3o::error::ResolutionMismatch,
    std::num::TryFromIntError,
);

/// One argument.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arg {
    pub name: &'static str,
    pub kind: Kind,
    pub about: &'static str,
}

impl Arg {
    pub(super) const fn new(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self { name, kind, about }
    }
}

pub(super) const CELL: Arg = Arg::new("cell", Kind::Index, "H3 cell, a BIGINT or hexadecimal text");
pub(super) const CELLS: Arg =
    Arg::new("cells", Kind::Indexes, "list of H3 cells; null elements do not count");
pub(super) const EDGE: Arg = Arg::new("edge", Kind::Index, "directed H3 edge, a BIGINT or hexadecimal text");
pub(super) const VERTEX: Arg = Arg::new("vertex", Kind::Index, "H3 vertex, a BIGINT or hexadecimal text");
pub(super) const RESOLUTION: Arg = Arg::new("resolution", Kind::Resolution, "H3 resolution, 0 to 15");
pub(super) const LAT: Arg = Arg::new("lat", Kind::Float, "degrees north, -90 to 90");
pub(super) const LNG: Arg = Arg::new("lng", Kind::Float, "degrees east, -360 to 360");
pub(super) const K: Arg = Arg::new("k", Kind::Int, "distance in cells, 0 or more");
pub(super) const LENGTH: Arg = Arg::new("unit", Kind::Length, "'km', 'm' or 'rads'");
pub(super) const AREA: Arg = Arg::new("unit", Kind::Area, "'km^2', 'm^2' or 'rads^2'");
pub(super) const WKT: Arg = Arg::new("wkt", Kind::Text, "POLYGON or MULTIPOLYGON in WGS 84, longitude first");

/// What an argument is allowed to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A cell, edge or vertex: an integer or hexadecimal text.
    Index,
    /// A list of them.
    Indexes,
    /// 0 to 15.
    Resolution,
    Int,
    Float,
    Text,
    /// The unit of a length.
    Length,
    /// The unit of an area.
    Area,
    /// How much of a cell a polygon must hold.
    Containment,
}

/// What a function returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Bool,
    Int,
    Float,
    Text,
    Ints,
    Floats,
    Index(Form),
    Indexes(Form),
    /// A list of indexes for each distance.
    Rings(Form),
}

/// How an index is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Int,
    Text,
    /// Text where the first index of the call is text, else an integer.
    AsGiven,
}

/// Units of lengths and areas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Km,
    M,
    Rads,
}

impl Unit {
    /// The unit of a length.
    pub(super) fn of_length(text: &str) -> Option<Self> {
        match text {
            "km" => Some(Self::Km),
            "m" => Some(Self::M),
            "rads" => Some(Self::Rads),
            _ => None,
        }
    }

    /// The unit of an area.
    pub(super) fn of_area(text: &str) -> Option<Self> {
        text.strip_suffix("^2").and_then(Self::of_length)
    }

    /// The one of three numbers that is meant.
    pub(super) fn pick(self, km: f64, m: f64, rads: f64) -> f64 {
        match self {
            Self::Km => km,
            Self::M => m,
            Self::Rads => rads,
        }
    }
}
