//! One line of the journal and its link to the line before. What the event says is not looked at here.

use std::fmt;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::Digest as _;

use super::Breakage;

/// A SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest([u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[derive(Deserialize)]
struct Line<'a> {
    seq: u64,
    at_us: i64,
    #[serde(borrow)]
    event: &'a RawValue,
}

/// A line whose link was verified.
#[derive(Debug)]
pub(super) struct Link<'a> {
    pub(super) at_us: i64,
    pub(super) hash: Digest,
    pub(super) event: &'a str,
}

/// The line, newline included, and its hash.
pub(super) fn forge(seq: u64, at_us: i64, prev: Digest, event: &str) -> (String, Digest) {
    let mut hasher = sha2::Sha256::new();
    hasher.update(prev.to_string().as_bytes());
    hasher.update(format!("{{\"seq\":{seq},\"at_us\":{at_us},\"event\":{event}}}").as_bytes());
    let hash = Digest(hasher.finalize().into());
    let mut line = String::with_capacity(event.len() + 224);
    // Writing to a String cannot fail.
    let _ =
        writeln!(line, r#"{{"seq":{seq},"at_us":{at_us},"prev":"{prev}","hash":"{hash}","event":{event}}}"#);
    (line, hash)
}

/// Reads and verifies a line (without its newline): forged anew from what it says and from the line before,
/// it must come out letter for letter.
pub(super) fn verify(bytes: &[u8], seq: u64, prev: Digest) -> Result<Link<'_>, Breakage> {
    let text = std::str::from_utf8(bytes).map_err(|_| Breakage::Form)?;
    let line: Line<'_> = serde_json::from_str(text).map_err(|_| Breakage::Form)?;
    if line.seq != seq {
        return Err(Breakage::Sequence { expected: seq, found: line.seq });
    }
    let (forged, hash) = forge(seq, line.at_us, prev, line.event.get());
    if forged.trim_end_matches('\n') == text {
        return Ok(Link { at_us: line.at_us, hash, event: line.event.get() });
    }
    Err(if text.contains(&format!("\"prev\":\"{prev}\"")) { Breakage::Hash } else { Breakage::Link })
}

/// Reads a line that was verified before, when the journal was opened or written.
pub(super) fn trusted(bytes: &[u8]) -> Result<(u64, i64, &str, Digest), Breakage> {
    #[derive(Deserialize)]
    struct Whole<'a> {
        seq: u64,
        at_us: i64,
        hash: &'a str,
        #[serde(borrow)]
        event: &'a RawValue,
    }
    let whole: Whole<'_> = serde_json::from_slice(bytes).map_err(|_| Breakage::Form)?;
    let mut hash = [0; 32];
    for (index, byte) in hash.iter_mut().enumerate() {
        let digits = whole.hash.get(2 * index..2 * index + 2).ok_or(Breakage::Form)?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| Breakage::Form)?;
    }
    Ok((whole.seq, whole.at_us, whole.event.get(), Digest(hash)))
}
