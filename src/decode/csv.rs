//! CSV: a header line, then rows. How it is written is told from its beginning (`dialect.rs`).

use std::borrow::Cow;
use std::io::{Cursor, Read};

use csv::{ByteRecord, ReaderBuilder};
use encoding_rs::UTF_8;
use encoding_rs_io::DecodeReaderBytesBuilder;

use super::budget::{Budget, MeteredReader};
use super::dialect::{Dialect, with_point};
use super::text_batch::TextBatch;
use super::{Bound, Error, Request, Selection, Sink, cut};

/// Bytes by which the dialect is told.
const SAMPLE: u64 = 256 << 10;

fn unreadable(why: impl ToString) -> Error {
    Error::Unreadable { format: "CSV", why: why.to_string() }
}

pub(super) fn decode(mut text: impl Read, request: &Request, sink: &mut Sink<'_>) -> Result<Dialect, Error> {
    let mut sample = Vec::new();
    text.by_ref().take(SAMPLE).read_to_end(&mut sample).map_err(unreadable)?;
    let whole = (sample.len() as u64) < SAMPLE;
    let dialect = Dialect::of(&sample, whole, request);
    let text = Cursor::new(sample).chain(text);
    // UTF-8 is read as it is, so that a line that is none can be told from one that is.
    let utf8 = dialect.encoding == UTF_8;
    let text: Box<dyn Read + '_> = if utf8 {
        Box::new(text)
    } else {
        Box::new(DecodeReaderBytesBuilder::new().encoding(Some(dialect.encoding)).build(text))
    };
    let budget = Budget::new();
    let metered = MeteredReader::new(text, budget.clone());
    let mut reader = ReaderBuilder::new()
        .delimiter(dialect.delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(metered);
    let mut record = ByteRecord::new();
    if !reader.read_byte_record(&mut record).map_err(unreadable)? {
        return Err(Error::Empty);
    }
    request.limits.holds(Bound::Columns, record.len() as u64)?;
    let headers = headers(&record)?;
    let Selection { indices: wanted, units } = request.resolve(&headers)?;
    let mut batch = TextBatch::new(request, sink);
    batch.in_units(&units);
    let mut number = 0;
    budget.renew();
    while reader.read_byte_record(&mut record).map_err(unreadable)? {
        budget.renew();
        number += 1;
        let raw = || cut(&record.iter().collect::<Vec<_>>().join(&dialect.delimiter));
        if record.len() != headers.len() {
            let why = format!("{} values under {} headers", record.len(), headers.len());
            batch.unreadable(number, raw(), why)?;
        } else if !reads(&record, utf8) {
            batch.unreadable(number, raw(), format!("not {}", dialect.encoding.name()))?;
        } else {
            let value = |index: &Option<usize>| {
                let text = index.and_then(|index| std::str::from_utf8(record.get(index)?).ok());
                text.filter(|text| !text.is_empty())
            };
            if dialect.decimal_comma {
                let pointed = wanted.iter().zip(&request.numeric).map(|(index, numeric)| {
                    let value = value(index)?;
                    let pointed = if *numeric { with_point(value) } else { None };
                    Some(pointed.map_or(Cow::Borrowed(value), Cow::Owned))
                });
                let row: Vec<Option<Cow<'_, str>>> = pointed.collect();
                batch.row(number, row.iter().map(Option::as_deref))?;
            } else {
                batch.row(number, wanted.iter().map(value))?;
            }
        }
    }
    batch.flush()?;
    Ok(dialect)
}

/// Whether every value is text; where another encoding was read, what was none has become a replacement character.
fn reads(record: &ByteRecord, utf8: bool) -> bool {
    let replaced = |text: &str| !utf8 && text.contains(char::REPLACEMENT_CHARACTER);
    record.iter().all(|value| std::str::from_utf8(value).is_ok_and(|text| !replaced(text)))
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
