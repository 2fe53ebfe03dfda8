//! How much of a file is taken, by what it is made of. Each bound has a refusal code of its own.

use serde::{Deserialize, Serialize};

use super::Error;

/// The bounds of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes that a packed file holds.
    pub unpacked: u64,
    /// How many times its own size a packed file holds.
    pub ratio: u64,
    /// Rows, readable or not.
    pub rows: u64,
    /// Columns, wanted or not.
    pub columns: u64,
    /// Bytes of one value.
    pub cell: u64,
    /// Levels of a JSON row; columns of other formats are flat.
    pub nesting: u64,
    /// Bytes of all values once they are decoded.
    pub decoded: u64,
    /// Row groups of a Parquet file.
    pub row_groups: u64,
    /// Bytes of a row group's wanted columns, unpacked.
    pub row_group: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unpacked: 20 << 30,
            ratio: 200,
            rows: 200_000_000,
            columns: 2_000,
            cell: 256 << 10,
            nesting: 16,
            decoded: 20 << 30,
            row_groups: 20_000,
            row_group: 2 << 30,
        }
    }
}

/// What there can be too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bound {
    /// [`Limits::unpacked`].
    Unpacked,
    /// [`Limits::ratio`].
    Ratio,
    /// [`Limits::rows`].
    Rows,
    /// [`Limits::columns`].
    Columns,
    /// [`Limits::cell`].
    Cell,
    /// [`Limits::nesting`].
    Nesting,
    /// [`Limits::decoded`].
    Decoded,
    /// [`Limits::row_groups`].
    RowGroups,
    /// [`Limits::row_group`].
    RowGroup,
    /// Bytes of memory while it is decoded.
    Memory,
    /// Seconds of decoding.
    Time,
}

impl Limits {
    /// Whether there is not too much.
    ///
    /// # Errors
    /// [`Error::Beyond`] where there is.
    pub fn holds(&self, bound: Bound, there: u64) -> Result<(), Error> {
        let most = self.most(bound);
        if there > most { Err(Error::Beyond { bound, most }) } else { Ok(()) }
    }

    fn most(&self, bound: Bound) -> u64 {
        match bound {
            Bound::Unpacked => self.unpacked,
            Bound::Ratio => self.ratio,
            Bound::Rows => self.rows,
            Bound::Columns => self.columns,
            Bound::Cell => self.cell,
            Bound::Nesting => self.nesting,
            Bound::Decoded => self.decoded,
            Bound::RowGroups => self.row_groups,
            Bound::RowGroup => self.row_group,
            // Who watches over the decoding knows these.
            Bound::Memory | Bound::Time => u64::MAX,
        }
    }
}

impl Bound {
    /// The stable code of the refusal.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unpacked => "UNPACKED_TOO_LARGE",
            Self::Ratio => "RATIO_TOO_HIGH",
            Self::Rows => "TOO_MANY_ROWS",
            Self::Columns => "TOO_MANY_COLUMNS",
            Self::Cell => "VALUE_TOO_LONG",
            Self::Nesting => "TOO_DEEP",
            Self::Decoded => "DECODED_TOO_LARGE",
            Self::RowGroups => "TOO_MANY_ROW_GROUPS",
            Self::RowGroup => "ROW_GROUP_TOO_LARGE",
            Self::Memory => "TOO_MUCH_MEMORY",
            Self::Time => "TOO_SLOW",
        }
    }

    /// What is wrong and how to mend it.
    pub(super) fn told(self, most: u64) -> String {
        match self {
            Self::Unpacked => format!("unpacked the file has more than {most} bytes; send it in parts"),
            Self::Ratio => {
                format!("unpacked the file is more than {most} times as large; send it unpacked")
            }
            Self::Rows => format!("the file has more than {most} rows; send it in parts"),
            Self::Columns => {
                format!("the file has more than {most} columns; send those that the contract names")
            }
            Self::Cell => format!("a value is longer than {most} bytes; shorten it or leave it out"),
            Self::Nesting => format!("values are nested deeper than {most} levels; send them flat"),
            Self::Decoded => format!("the file's values are more than {most} bytes; send it in parts"),
            Self::RowGroups => {
                format!("the file has more than {most} row groups; write it with larger ones")
            }
            Self::RowGroup => {
                format!("a row group has more than {most} bytes; write it with smaller ones")
            }
            Self::Memory => {
                format!("decoding the file needs more than {most} bytes of memory; send it in parts")
            }
            Self::Time => format!("decoding the file takes longer than {most} s; send it in parts"),
        }
    }
}
