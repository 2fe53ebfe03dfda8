//! What a submission ends in: a receipt, or a refusal that says how to mend it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::contract::{ColumnUnit, Tolerance, UnitError};
use crate::decode::{self, ReadAs};
use crate::lake;

/// The answer to a submission. Names and numbers are fixed: scripts read them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// The submission's id.
    pub submission: String,
    /// `<department>.<feed>`.
    pub feed: String,
    /// The file's name, or the live source's.
    pub file: String,
    /// Rows in the file, readable or not.
    pub rows_read: u64,
    /// Rows that are in the feed now.
    pub rows_landed: u64,
    /// Rows that went to quarantine.
    pub rows_quarantined: u64,
    /// Quarantined rows by the code of their first reason.
    pub reasons: BTreeMap<String, u64>,
    /// The submission that landed the same content before; this one then landed nothing.
    pub duplicate_of: Option<String>,
    /// Bytes of the file.
    pub bytes: u64,
    /// Seconds from first byte to durable commit.
    pub seconds: f64,
    /// The contract's version that the rows were held against.
    pub contract_version: String,
    /// Headers of columns that the contract has today no longer: their values were left out.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// The submission whose rejected rows this one brings mended.
    #[serde(default)]
    pub mends: Option<String>,
    /// Columns whose numbers were brought into the contract's unit, by header.
    #[serde(default)]
    pub units: BTreeMap<String, Converted>,
    /// How the file was read: format, encoding, delimiter; none for live batches.
    #[serde(default)]
    pub read_as: Option<ReadAs>,
}

/// The units of a column whose numbers were converted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Converted {
    /// The file's.
    pub from: String,
    /// The contract's.
    pub to: String,
}

/// One of the things that are wrong with a file that was refused whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The stable code.
    pub code: String,
    /// The header that it concerns; empty where it is not one.
    pub column: String,
    /// What is wrong.
    pub detail: String,
}

/// Why a submission was refused whole: nothing of it landed.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No such feed.
    #[error("there is no feed `{feed}`{hint}")]
    UnknownFeed {
        /// What was asked for.
        feed: String,
        /// A suggestion, or the empty text.
        hint: String,
    },
    /// No such submission in that feed.
    #[error("`{feed}` has no submission `{submission}`")]
    UnknownSubmission {
        /// The feed.
        feed: String,
        /// What was asked for.
        submission: String,
    },
    /// The id is another submission's.
    #[error("`{submission}` is the id of another submission; choose a new one")]
    SubmissionTaken {
        /// The id.
        submission: String,
    },
    /// The submission was withdrawn.
    #[error("submission `{submission}` was withdrawn; send the whole file again instead")]
    SubmissionWithdrawn {
        /// The id.
        submission: String,
    },
    /// The contract has no such version.
    #[error("the contract of `{feed}` has no version `{version}`; files are taken under: {known}")]
    UnknownContract {
        /// The feed.
        feed: String,
        /// What was asked for.
        version: String,
        /// The versions that there are.
        known: String,
    },
    /// Nothing lands under that version any more.
    #[error("version {version} of the contract of `{feed}` is retired; files are taken under: {known}")]
    RetiredContract {
        /// The feed.
        feed: String,
        /// The version.
        version: String,
        /// The versions that there are.
        known: String,
    },
    /// Too many submissions at once.
    #[error("{running} submissions are being taken already; try again in a moment")]
    Busy {
        /// How many.
        running: usize,
    },
    /// The file is not what it should be.
    #[error("{0}")]
    File(#[from] decode::Error),
    /// A column is in a unit that cannot become the contract's.
    #[error("{0}; convert the values, or mend the unit in the file")]
    Unit(#[from] ColumnUnit),
    /// The file is larger than the configuration allows.
    #[error("the file has {bytes} bytes; at most {most} are taken")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The bound.
        most: u64,
    },
    /// More rows are rejected than the contract bears.
    #[error(
        "{rejected} of {read} rows are rejected, more than the contract's {}: {}", bound(*tolerance), counted(reasons)
    )]
    Intolerable {
        /// How many.
        rejected: u64,
        /// Of how many.
        read: u64,
        /// What the contract bears.
        tolerance: Tolerance,
        /// Rejected rows by the code of their first reason.
        reasons: BTreeMap<String, u64>,
    },
    /// The disk has too little room left.
    #[error(
        "the disk has {free} bytes free, and {kept} are kept free; nothing was taken, the city must make room"
    )]
    DiskFull {
        /// Bytes that are free.
        free: u64,
        /// Bytes that stay free.
        kept: u64,
    },
    /// The disk was full before all was written.
    #[error("the disk is full: {why}; nothing of it landed. Once the city has made room, send it again")]
    NoRoom {
        /// What could not be written.
        why: String,
    },
    /// The department has too many uploads open.
    #[error(
        "a department has at most {uploads} uploads of {bytes} bytes together open; finish or end one first"
    )]
    Quota {
        /// How many.
        uploads: usize,
        /// And of how many bytes.
        bytes: u64,
    },
    /// The file cannot be opened or read.
    #[error("{file}: {source}")]
    Io {
        /// Which file.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The lake cannot take it now; nothing landed, try again.
    #[error("the lake could not take it: {0}")]
    Lake(lake::Error),
    /// A fault of cityloom's own.
    #[error("landing failed: {0}")]
    Internal(String),
}

fn bound(tolerance: Tolerance) -> String {
    let rows = tolerance.rows.map(|rows| format!("{rows} rows"));
    let share = tolerance.share.map(|share| format!("{} %", share * 100.0));
    [rows, share].into_iter().flatten().collect::<Vec<_>>().join(" or ")
}

fn counted(reasons: &BTreeMap<String, u64>) -> String {
    reasons.iter().map(|(code, rows)| format!("{code} {rows}")).collect::<Vec<_>>().join(", ")
}

impl From<lake::Error> for Refusal {
    fn from(error: lake::Error) -> Self {
        if error.is_full() { Self::NoRoom { why: error.to_string() } } else { Self::Lake(error) }
    }
}

impl Refusal {
    /// A file that cannot be read or written.
    pub fn io(file: &str, source: std::io::Error) -> Self {
        let file = file.to_owned();
        if lake::disk_is_full(&source) {
            return Self::NoRoom { why: format!("{file}: {source}") };
        }
        Self::Io { file, source }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownFeed { .. } => "FEED_UNKNOWN",
            Self::UnknownSubmission { .. } => "SUBMISSION_UNKNOWN",
            Self::SubmissionTaken { .. } => "SUBMISSION_TAKEN",
            Self::SubmissionWithdrawn { .. } => "SUBMISSION_WITHDRAWN",
            Self::UnknownContract { .. } => "CONTRACT_UNKNOWN",
            Self::RetiredContract { .. } => "CONTRACT_RETIRED",
            Self::Busy { .. } => "TOO_BUSY",
            Self::File(decode::Error::ColumnMissing { .. }) => "COLUMN_MISSING",
            Self::File(decode::Error::Empty) => "EMPTY_FILE",
            Self::File(decode::Error::Beyond { bound, .. }) => bound.code(),
            Self::File(decode::Error::FormatUnknown(_)) => "FORMAT_UNKNOWN",
            Self::File(decode::Error::Scratch(_)) => "FILE_NOT_READ",
            Self::File(decode::Error::Unable(_)) => "DECODER_UNAVAILABLE",
            Self::File(_) => "FILE_UNREADABLE",
            Self::Unit(ColumnUnit { why: UnitError::Unknown { .. }, .. }) => "UNIT_UNKNOWN",
            Self::Unit(_) => "UNIT_MISMATCH",
            Self::TooLarge { .. } => "FILE_TOO_LARGE",
            Self::Intolerable { .. } => "TOO_MANY_REJECTED",
            Self::DiskFull { .. } | Self::NoRoom { .. } => "DISK_FULL",
            Self::Quota { .. } => "QUOTA_EXCEEDED",
            Self::Io { .. } => "FILE_NOT_READ",
            Self::Lake(_) => "LAKE_UNAVAILABLE",
            Self::Internal(_) => "INTERNAL",
        }
    }

    /// Each thing that is wrong, where a column is to blame: those that are missing, or in another unit.
    pub fn violations(&self) -> Vec<Violation> {
        match self {
            Self::File(decode::Error::ColumnMissing { headers, .. }) => {
                let violation = |header: &String| Violation {
                    code: self.code().to_owned(),
                    column: header.clone(),
                    detail: format!("the file has no column `{header}`"),
                };
                headers.iter().map(violation).collect()
            }
            Self::Unit(ColumnUnit { header, why }) => vec![Violation {
                code: self.code().to_owned(),
                column: header.clone(),
                detail: why.to_string(),
            }],
            Self::Intolerable { reasons, .. } => {
                let violation = |(code, rows): (&String, &u64)| Violation {
                    code: code.clone(),
                    column: String::new(),
                    detail: format!("{code}: {rows} rows"),
                };
                reasons.iter().map(violation).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether the sender can mend it; the rest is the city's own trouble.
    pub fn is_senders(&self) -> bool {
        let ours = matches!(
            self,
            Self::Lake(_)
                | Self::Internal(_)
                | Self::Io { .. }
                | Self::Busy { .. }
                | Self::DiskFull { .. }
                | Self::NoRoom { .. }
        );
        !ours && !matches!(self, Self::File(decode::Error::Scratch(_) | decode::Error::Unable(_)))
    }
}
