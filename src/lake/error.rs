//! What can go wrong in the lake, by what the caller can do about it.

use std::path::PathBuf;

use super::TableName;

/// A failure of the lake.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk refuses: permissions, space, a path that is a file.
    #[error("folder {}: {source}", path.display())]
    Folder {
        /// Which folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The lake's folder has no absolute path.
    #[error("{} is not an absolute path", path.display())]
    NotAbsolute {
        /// Which path.
        path: PathBuf,
    },
    /// The table's log cannot be read or written.
    #[error("table {table}: {source}")]
    Log {
        /// Which table.
        table: TableName,
        /// What the Delta library said.
        source: Box<deltalake_core::DeltaTableError>,
    },
    /// The table in the lake has other columns than the contract.
    #[error(
        "table {table}: column `{column}` is {landed} in the lake and {wanted} in the contract; \
         give the changed column a new name, or move the table's folder away to start anew"
    )]
    SchemaChanged {
        /// Which table.
        table: TableName,
        /// The first column that differs.
        column: String,
        /// Its type in the lake.
        landed: String,
        /// Its type in the contract.
        wanted: String,
    },
    /// The log was cleaned up, and what it said is not written down where it should be.
    #[error(
        "table {table}: the beginning of its log was cleaned up, and nothing in its folder `_cityloom` that can be read \
         says what it said; bring that folder back from a copy: without it nobody knows which submissions have landed"
    )]
    MemoryLost {
        /// Which table.
        table: TableName,
    },
    /// What the log said cannot be put into a form that can be written down.
    #[error("table {table}: writing down its log: {source}")]
    Memory {
        /// Which table.
        table: TableName,
        /// What went wrong.
        source: std::io::Error,
    },
    /// A file of the table cannot be written.
    #[error("table {table}: {source}")]
    File {
        /// Which table.
        table: TableName,
        /// What the Parquet writer said.
        source: parquet::errors::ParquetError,
    },
}
