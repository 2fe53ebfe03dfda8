//! Segments as files: their names, their lines one at a time in bounded memory. No chain is verified here.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Error, Record, chain, stored};
use crate::model::Micros;

/// No line is longer; a longer one is no line of ours.
pub(super) const LINE_BYTES: usize = 1024 * 1024;

/// A segment's path.
pub(super) fn segment_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("journal-{first:020}.ndjson"))
}

/// The segments of a folder, oldest first, by the sequence that each begins with.
pub(super) fn segments(dir: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io(dir))? {
        let entry = entry.map_err(Error::io(dir))?;
        let name = entry.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix("journal-")?.strip_suffix(".ndjson"));
        if let Some(first) = digits.filter(|digits| digits.len() == 20).and_then(|digits| digits.parse().ok())
        {
            found.push((first, entry.path()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// What stood at the reader's place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A line with its newline, which the buffer is without.
    Whole,
    /// The file ends without a newline.
    Torn,
    /// More than a line may hold.
    TooLong,
    /// Nothing is left.
    End,
}

/// The lines of one segment.
pub(super) struct Lines {
    reader: BufReader<File>,
    /// Bytes read so far, which is where the next line begins.
    pub(super) offset: u64,
}

impl Lines {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::io(path))?;
        Ok(Self { reader: BufReader::with_capacity(256 * 1024, file), offset: 0 })
    }

    /// Reads the next line into `line`, never more of it than a line may hold.
    pub(super) fn next(&mut self, line: &mut Vec<u8>) -> std::io::Result<Piece> {
        line.clear();
        let mut length = 0;
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok(if length == 0 { Piece::End } else { Piece::Torn });
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let part = &buffer[..end.unwrap_or(buffer.len())];
            length += part.len();
            if length <= LINE_BYTES {
                line.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            self.reader.consume(used);
            self.offset += used as u64;
            if end.is_some() {
                return Ok(if length <= LINE_BYTES { Piece::Whole } else { Piece::TooLong });
            }
        }
    }
}

/// At most `limit` records after `since` and not beyond `head`, from the segments; none where the segments no
/// longer reach back so far.
pub(super) fn read_since(
    dir: &Path,
    since: u64,
    head: u64,
    limit: usize,
) -> Result<Option<Vec<Arc<Record>>>, Error> {
    let all = segments(dir)?;
    let Some(start) = all.iter().rposition(|(first, _)| *first <= since + 1) else { return Ok(None) };
    let mut records = Vec::new();
    let mut buffer = Vec::new();
    for (_, path) in &all[start..] {
        let mut lines = Lines::open(path)?;
        let mut number = 0;
        while records.len() < limit && lines.next(&mut buffer).map_err(Error::io(path))? == Piece::Whole {
            number += 1;
            let broken = |why| Error::Broken { path: path.clone(), line: number, why };
            let (seq, at_us, text, hash) = chain::trusted(&buffer).map_err(broken)?;
            if seq > head {
                return Ok(Some(records));
            }
            if seq > since {
                let found = stored::read(text).map_err(|why| unreadable(why, path, number))?;
                let stored::Envelope { previous, left, event } = found;
                records.push(Arc::new(Record { seq, previous, left, at: Micros(at_us), hash, event }));
            }
        }
    }
    Ok(Some(records))
}

pub(super) fn unreadable(why: stored::Unreadable, path: &Path, line: u64) -> Error {
    let path = path.to_owned();
    match why {
        stored::Unreadable::Newer(form) => Error::Newer { path, line, form },
        stored::Unreadable::Event(why) => Error::Broken { path, line, why: super::Breakage::Event(why) },
    }
}
