//! Verifies a log from outside: nothing is locked, nothing is written, and a running city is not disturbed.

use std::path::Path;
use std::str::FromStr;

use super::log::Scan;
use super::scan::segments;
use super::{Digest, Error, Record};
use crate::model::Micros;

/// What a whole log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Records, from 1.
    pub records: u64,
    /// The newest one's hash, which stands for all of them.
    pub tip: Digest,
    /// When the newest was written.
    pub newest: Micros,
    /// Bytes at the end of a write that is under way, or that a crash broke off.
    pub torn_bytes: u64,
}

/// A record that was written down elsewhere: a chain alone cannot tell that its end was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// Its number.
    pub seq: u64,
    /// Its hash, in hexadecimal.
    pub hash: String,
}

/// A text that is no anchor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an anchor is NUMBER:HASH, as `cityloom audit verify` prints it")]
pub struct InvalidAnchor;

impl FromStr for Anchor {
    type Err = InvalidAnchor;

    fn from_str(text: &str) -> Result<Self, InvalidAnchor> {
        let (seq, hash) = text.split_once(':').ok_or(InvalidAnchor)?;
        let seq = seq.parse().map_err(|_| InvalidAnchor)?;
        if hash.len() != 64 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(InvalidAnchor);
        }
        Ok(Self { seq, hash: hash.to_ascii_lowercase() })
    }
}

/// Reads the whole log in `dir`, link by link, and looks for the anchor in it.
///
/// # Errors
/// [`Error::Broken`], [`Error::Newer`], [`Error::Io`], or [`Error::Anchor`] where the anchored record is not there.
pub fn verify(dir: &Path, anchor: Option<&Anchor>) -> Result<Verified, Error> {
    let mut held = None;
    let (mut tip, mut newest) = (Digest::default(), Micros::default());
    let mut fold = |record: Record| {
        if anchor.is_some_and(|anchor| anchor.seq == record.seq) {
            held = Some(record.hash);
        }
        (tip, newest) = (record.hash, record.at);
    };
    let found = segments(dir)?;
    let mut scan = Scan::default();
    for (index, (first, path)) in found.iter().enumerate() {
        scan.segment(*first, path, index + 1 == found.len(), &mut fold)?;
    }
    let (records, torn_bytes) = scan.found();
    if let Some(anchor) =
        anchor.filter(|anchor| held.map(|hash| hash.to_string()).as_ref() != Some(&anchor.hash))
    {
        return Err(Error::Anchor { dir: dir.to_owned(), seq: anchor.seq });
    }
    Ok(Verified { records, tip, newest, torn_bytes })
}
