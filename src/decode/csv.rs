//! CSV: a header line, then rows; the delimiter is the one whose header holds most of the wanted columns.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Seek as _};
use std::sync::Arc;

use csv::{ByteRecord, ReaderBuilder};

use super::budget::{Budget, Metered};
use super::text_batch::TextBatch;
use super::{Error, MAX_ROW_BYTES, Progress, Request, Sink, cut};

const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

fn unreadable(why: impl ToString) -> Error {
    Error::Unreadable { format: "CSV", why: why.to_string() }
}

pub(super) fn decode(
    mut file: File,
    request: &Request,
    progress: &Arc<Progress>,
    sink: &mut Sink<'_>,
) -> Result<(), Error> {
    let delimiter = delimiter(&mut file, request)?;
    let budget = Budget::new();
    let metered = Metered::new(file, budget.clone(), progress);
    let mut reader =
        ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(metered);
    let mut record = ByteRecord::new();
    if !reader.read_byte_record(&mut record).map_err(unreadable)? {
        return Err(Error::Empty);
    }
    let headers = headers(&record)?;
    let wanted = request.resolve(&headers)?;
    let mut batch = TextBatch::new(&request.headers, sink);
    let mut number = 0;
    budget.renew();
    while reader.read_byte_record(&mut record).map_err(unreadable)? {
        budget.renew();
        number += 1;
        let raw = || cut(&record.iter().collect::<Vec<_>>().join(&delimiter));
        if record.len() != headers.len() {
            let why = format!("{} values under {} headers", record.len(), headers.len());
            batch.unreadable(number, raw(), why)?;
        } else if record.iter().any(|value| std::str::from_utf8(value).is_err()) {
            batch.unreadable(number, raw(), "not UTF-8")?;
        } else {
            let value = |index: &Option<usize>| {
                let text = index.and_then(|index| std::str::from_utf8(record.get(index)?).ok());
                text.filter(|text| !text.is_empty())
            };
            batch.row(number, wanted.iter().map(value))?;
        }
    }
    batch.flush()
}

/// The header's names; the byte order mark that spreadsheets write is not part of the first.
fn headers(record: &ByteRecord) -> Result<Vec<String>, Error> {
    let mut names = Vec::with_capacity(record.len());
    for (index, name) in record.iter().enumerate() {
        let name = std::str::from_utf8(name).map_err(|_| unreadable("the header line is not UTF-8"))?;
        let name = if index == 0 { name.trim_start_matches('\u{feff}') } else { name };
        if names.iter().any(|known| known == name) && !name.is_empty() {
            return Err(unreadable(format!("the header `{name}` stands twice")));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

fn delimiter(file: &mut File, request: &Request) -> Result<u8, Error> {
    let mut line = Vec::new();
    BufReader::new(&mut *file).take(MAX_ROW_BYTES).read_until(b'\n', &mut line).map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    let hits = |delimiter: u8| {
        let mut reader =
            ReaderBuilder::new().delimiter(delimiter).has_headers(false).from_reader(line.as_slice());
        let mut record = ByteRecord::new();
        match reader.read_byte_record(&mut record) {
            Ok(true) => {
                request.headers.iter().filter(|h| record.iter().any(|name| name == h.as_bytes())).count()
            }
            _ => 0,
        }
    };
    // The first of equals wins, which is the comma.
    Ok(DELIMITERS.into_iter().rev().max_by_key(|&delimiter| hits(delimiter)).unwrap_or(b','))
}
