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
    /// A file of the table cannot be written.
    #[error("table {table}: {source}")]
    File {
        /// Which table.
        table: TableName,
        /// What the Parquet writer said.
        source: parquet::errors::ParquetError,
    },
}
