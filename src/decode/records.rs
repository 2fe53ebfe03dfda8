//! Files whose formats are no tables: what they tell becomes rows of columns that are always called the same.

use std::borrow::Cow;
use std::io::Read;

use super::gtfs_realtime::{self, Entity};
use super::ndjson::as_text;
use super::text_batch::TextBatch;
use super::{Error, Record, Request, Sink, cap};

/// The largest document, in bytes: it is held whole.
pub(super) const MAX_BYTES: u64 = 64 << 20;

/// Reads a file of alerts.
pub(super) fn decode_cap(file: impl Read, request: &Request, sink: &mut Sink<'_>) -> Result<(), Error> {
    has_columns(request, &cap::COLUMNS)?;
    let mut rows = Batch { batch: TextBatch::new(request, sink), request, number: 0 };
    cap::records(&whole("CAP", file)?)?.iter().try_for_each(|row| rows.row(row))?;
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
