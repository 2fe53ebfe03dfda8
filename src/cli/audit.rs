//! `audit`: whether the hash-chained logs are what was written.

use std::path::Path;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::Result;
use clap::Subcommand;

use super::{FOUND_WRONG, text};
use crate::journal::{Anchor, InvalidAnchor, verify};

/// The logs of a data folder, by the folders that hold them.
const LOGS: [&str; 2] = ["journal", "audit"];

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Verify every link of the journal and of the audit log, and print an anchor of each to keep elsewhere.
    Verify {
        /// An anchor that was printed before, <LOG:NUMBER:HASH>: what it stands for must still be there.
        #[arg(long = "anchor", value_name = "ANCHOR")]
        anchors: Vec<Kept>,
    },
}

/// An anchor with the log that it is of.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    log: String,
    anchor: Anchor,
}

impl FromStr for Kept {
    type Err = InvalidAnchor;

    fn from_str(text: &str) -> Result<Self, InvalidAnchor> {
        let (log, anchor) = text.split_once(':').ok_or(InvalidAnchor)?;
        if !LOGS.contains(&log) {
            return Err(InvalidAnchor);
        }
        Ok(Self { log: log.to_owned(), anchor: anchor.parse()? })
    }
}

pub(super) fn audit(data: &Path, command: AuditCommand) -> ExitCode {
    let AuditCommand::Verify { anchors } = command;
    let mut broken = false;
    for log in LOGS {
        let kept: Vec<&Anchor> =
            anchors.iter().filter(|kept| kept.log == log).map(|kept| &kept.anchor).collect();
        match checked(log, &data.join(log), &kept) {
            Ok(line) => text::out(&format!("{log}: {line}")),
            Err(error) => {
                text::err(&format!("{log}: {error:#}"));
                broken = true;
            }
        }
    }
    if broken { ExitCode::from(FOUND_WRONG) } else { ExitCode::SUCCESS }
}

fn checked(log: &str, folder: &Path, anchors: &[&Anchor]) -> Result<String> {
    if anchors.is_empty() && !folder.exists() {
        return Ok("there is none yet".into());
    }
    let mut found = verify(folder, None)?;
    for anchor in anchors {
        found = verify(folder, Some(anchor))?;
    }
    let torn = match found.torn_bytes {
        0 => String::new(),
        bytes => format!(" ({bytes} bytes of a write that is under way or was broken off)"),
    };
    let (records, newest) = (found.records, found.newest.to_rfc3339());
    Ok(format!(
        "{records} records, whole; the newest of {newest}{torn}; anchor {log}:{records}:{}",
        found.tip
    ))
}
