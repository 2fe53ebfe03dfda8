//! The value of one row, and the bound on how much one row may unfold into.

use h3o::{CellIndex, DirectedEdgeIndex, VertexIndex};

use super::spec::Stop;

/// The most cells that one row may give. A polygon of 100,000 km² at resolution 9 still fits.
pub(super) const MAX_CELLS_PER_ROW: u64 = 1_000_000;

/// The most cells that one batch of rows may give: 160 MB of integers.
pub(super) const MAX_CELLS_PER_BATCH: u64 = 20_000_000;

/// What a row gives.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Ints(Vec<i64>),
    Floats(Vec<f64>),
    Index(u64),
    Indexes(Vec<u64>),
    Rings(Vec<Vec<u64>>),
}

impl Value {
    /// A list of cells, edges or vertices.
    pub(super) fn list<T: Into<u64>>(indexes: impl IntoIterator<Item = T>) -> Self {
        Self::Indexes(indexes.into_iter().map(Into::into).collect())
    }

    /// How many cells it adds to its batch.
    pub(super) fn cells(&self) -> u64 {
        match self {
            Self::Indexes(list) => list.len() as u64,
            Self::Rings(rings) => rings.iter().map(|ring| ring.len() as u64).sum(),
            _ => 0,
        }
    }
}

/// Refuses what would give too many cells, before any is made.
pub(super) fn allow(cells: u64) -> Result<(), Stop> {
    if cells > MAX_CELLS_PER_ROW { Err(Stop::TooMany(cells)) } else { Ok(()) }
}

/// An integer of SQL; counts of cells stay far below its end.
pub(super) fn count(n: u64) -> Value {
    i64::try_from(n).map_or(Value::Null, Value::Int)
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

macro_rules! value_from {
    ($($source:ty => $make:expr),+ $(,)?) => {
        $(impl From<$source> for Value {
            fn from(value: $source) -> Self {
                $make(value)
            }
        })+
    };
}

value_from!(
    bool => Self::Bool,
    f64 => Self::Float,
    String => Self::Text,
    u8 => |n: u8| Self::Int(n.into()),
    i32 => |n: i32| Self::Int(n.into()),
    CellIndex => |index: CellIndex| Self::Index(index.into()),
    DirectedEdgeIndex => |index: DirectedEdgeIndex| Self::Index(index.into()),
    VertexIndex => |index: VertexIndex| Self::Index(index.into()),
);
