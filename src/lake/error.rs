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
    /// The store of the lake cannot be reached, or refuses.
    #[error(
        "the lake at {root}: {source}; see that the bucket is there, and who this process is to its store \
         (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the machine's role)"
    )]
    Store {
        /// Where the lake is.
        root: String,
        /// What the store said.
        source: Box<object_store::Error>,
    },
    /// The store overwrites what it was asked to create only where it is not there yet.
    #[error(
        "the store of {root} does not honour If-None-Match: two writers could both make the same commit and rows would be \
         lost; a lake needs conditional writes (AWS, MinIO, Ceph and R2 have them)"
    )]
    NoConditionalCreate {
        /// Where the lake is.
        root: String,
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
    /// The log of live batches cannot be read or written.
    #[error("table {table}: the log of live batches (folder `_live` beside its files): {why}")]
    Live {
        /// Which table.
        table: TableName,
        /// What is wrong.
        why: String,
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

impl Error {
    /// Whether the disk is full: what could not be written can be once there is room.
    pub fn is_full(&self) -> bool {
        disk_is_full(self)
    }
}

/// Whether `error`, or what brought it about, is a disk, a quota or a file that has no more room.
pub fn disk_is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind;
    if let Some(io) = error.downcast_ref::<std::io::Error>() {
        if matches!(io.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge) {
            return true;
        }
        // What an io error wraps is not its source, but in its place.
        if let Some(inner) = io.get_ref() {
            return disk_is_full(inner);
        }
    }
    error.source().is_some_and(disk_is_full)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_full_disk_is_told_apart_however_deep_it_lies() {
        let table: TableName = TableName::Feed("traffic.speed".parse().unwrap());
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let stored =
            |source: io::Error| object_store::Error::Generic { store: "DurableFs", source: Box::new(source) };
        let parquet = parquet::errors::ParquetError::External(Box::new(io::Error::other(stored(full()))));
        assert!(Error::File { table: table.clone(), source: parquet }.is_full());
        let log = Error::Log { table: table.clone(), source: Box::new(stored(full()).into()) };
        assert!(log.is_full());
        let broken = stored(io::Error::from(io::ErrorKind::PermissionDenied));
        assert!(!Error::Log { table, source: Box::new(broken.into()) }.is_full());
    }
}
