//! Formats whose documents are no tables: what a document tells becomes rows of columns that are always called the same.

use std::borrow::Cow;
use std::io::Read;

use serde::{Deserialize, Serialize};

use super::gtfs_realtime::{self, Entity};
use super::ndjson::as_text;
use super::text_batch::TextBatch;
use super::{Error, Record, Request, Sink, cap, feed};

/// The largest document, in bytes: it is held whole.
const MAX_BYTES: u64 = 64 << 20;
/// The rows of one answer of a live source.
pub const MOST_RECORDS: usize = 50_000;

/// What a live source answers that is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Document {
    /// An alert of the Common Alerting Protocol.
    Cap,
    /// An Atom feed, which lists documents.
    Atom,
    /// A feed of GTFS-realtime, of which one kind of entity is wanted.
    GtfsRealtime(Entity),
}

impl Document {
    /// The columns of its rows.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Cap => &cap::COLUMNS,
            Self::Atom => &feed::COLUMNS,
            Self::GtfsRealtime(entity) => entity.columns(),
        }
    }

    /// What a file of it would be called.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Cap => "answer.cap",
            Self::Atom => "answer.atom",
            Self::GtfsRealtime(_) => "answer.pb",
        }
    }
}

/// Reads a file of alerts.
pub(super) fn decode_cap(file: impl Read, request: &Request, sink: &mut Sink<'_>) -> Result<(), Error> {
    has_columns(request, &cap::COLUMNS)?;
    all(&cap::records(&whole("CAP", file)?)?, request, sink)
}

/// Reads what a feed lists.
pub(super) fn decode_atom(file: impl Read, request: &Request, sink: &mut Sink<'_>) -> Result<(), Error> {
    has_columns(request, &feed::COLUMNS)?;
    all(&feed::records(&whole("Atom", file)?)?, request, sink)
}

fn all(records: &[Record], request: &Request, sink: &mut Sink<'_>) -> Result<(), Error> {
    let mut rows = Batch { batch: TextBatch::new(request, sink), request, number: 0 };
    records.iter().try_for_each(|row| rows.row(row))?;
    rows.batch.flush()
}

/// Reads a file of vehicles, delays or alerts: of that whose columns the contract requires.
pub(super) fn decode_gtfs(file: impl Read, request: &Request, sink: &mut Sink<'_>) -> Result<(), Error> {
    let suits = |entity: &Entity| has_columns(request, entity.columns()).is_ok();
    let Some(entity) = Entity::ALL.into_iter().find(suits) else {
        return has_columns(request, Entity::Vehicles.columns());
    };
    let bytes = whole("GTFS-realtime", file)?;
    let mut rows = Batch { batch: TextBatch::new(request, sink), request, number: 0 };
    gtfs_realtime::records(&bytes, entity, |row| rows.row(&row))?;
    rows.batch.flush()
}

struct Batch<'r, 'a, 'b> {
    batch: TextBatch<'a, 'b>,
    request: &'r Request,
    number: i64,
}

impl Batch<'_, '_, '_> {
    fn row(&mut self, row: &Record) -> Result<(), Error> {
        self.number += 1;
        let headers = &self.request.headers;
        let values: Vec<Option<Cow<'_, str>>> =
            headers.iter().map(|header| row.get(header).and_then(as_text)).collect();
        self.batch.row(self.number, values.iter().map(Option::as_deref))
    }
}

fn has_columns(request: &Request, columns: &[&str]) -> Result<(), Error> {
    let found: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
    request.resolve(&found).map(|_| ())
}

fn whole(format: &'static str, file: impl Read) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let read = file.take(MAX_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| Error::Unreadable { format, why: error.to_string() })?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Error::Unreadable { format, why: format!("it is larger than {MAX_BYTES} bytes") });
    }
    Ok(bytes)
}
