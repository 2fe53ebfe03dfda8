//! NDJSON: an object a line. Values become text; what they mean is the contract's.

use std::borrow::Cow;
use std::io::{BufRead, BufReader, Read};

use serde_json::{Map, Value};

use super::text_batch::TextBatch;
use super::{Bound, Error, Limits, MAX_ROW_BYTES, Request, Sink, cut};

pub(super) fn decode(text: impl Read, request: &Request, sink: &mut Sink<'_>) -> Result<(), Error> {
    let mut reader = BufReader::with_capacity(256 << 10, text);
    let mut batch = TextBatch::new(request, sink);
    let mut line = Vec::new();
    let mut number = 0;
    let mut seen = vec![false; request.headers.len()];
    if reader.fill_buf().map_err(failed)?.is_empty() {
        return Err(Error::Empty);
    }
    loop {
        let more = next_line(&mut reader, &mut line)?;
        let text = line.trim_ascii();
        if !text.is_empty() {
            number += 1;
            row(&mut batch, request, &mut seen, number, text)?;
        }
        if !more {
            break;
        }
    }
    if number > 0 && seen.iter().any(|seen| *seen) {
        let found: Vec<String> = request
            .headers
            .iter()
            .zip(&seen)
            .filter(|(_, seen)| **seen)
            .map(|(header, _)| header.clone())
            .collect();
        request.resolve(&found)?;
    }
    batch.flush()
}

fn failed(error: std::io::Error) -> Error {
    Error::Unreadable { format: "NDJSON", why: error.to_string() }
}

/// Reads one line. A line past the bound is skipped to its end and comes out cut, so that it is no JSON.
fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool, Error> {
    line.clear();
    reader.by_ref().take(MAX_ROW_BYTES).read_until(b'\n', line).map_err(failed)?;
    if line.len() as u64 == MAX_ROW_BYTES && line.last() != Some(&b'\n') {
        reader.skip_until(b'\n').map_err(failed)?;
    }
    Ok(!reader.fill_buf().map_err(failed)?.is_empty())
}

fn row(
    batch: &mut TextBatch<'_, '_>,
    request: &Request,
    seen: &mut [bool],
    number: i64,
    text: &[u8],
) -> Result<(), Error> {
    match serde_json::from_slice::<Map<String, Value>>(text) {
        Ok(object) => {
            if let Err(why) = bounded(&object, &request.limits) {
                return batch.unreadable(number, cut(text), why);
            }
            let values: Vec<Option<Cow<'_, str>>> =
                request.headers.iter().map(|header| object.get(header).and_then(as_text)).collect();
            for (seen, header) in seen.iter_mut().zip(&request.headers) {
                *seen |= object.contains_key(header);
            }
            batch.row(number, values.iter().map(Option::as_deref))
        }
        Err(error) => batch.unreadable(number, cut(text), format!("no JSON object: {error}")),
    }
}

/// Whether an object has no more names and levels than are taken.
pub(super) fn bounded(object: &Map<String, Value>, limits: &Limits) -> Result<(), String> {
    limits.holds(Bound::Columns, object.len() as u64).map_err(|_| "the row has too many names".to_owned())?;
    let levels = object.values().map(levels).max().unwrap_or(0) + 1;
    limits.holds(Bound::Nesting, levels).map_err(|error| error.to_string())
}

/// How deep a value is; the parser itself reads no more than 128 levels.
fn levels(value: &Value) -> u64 {
    match value {
        Value::Array(list) => 1 + list.iter().map(levels).max().unwrap_or(0),
        Value::Object(object) => 1 + object.values().map(levels).max().unwrap_or(0),
        _ => 0,
    }
}

/// A JSON value as the text that a CSV would hold.
pub(super) fn as_text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(Cow::Borrowed(text)),
        other => Some(Cow::Owned(other.to_string())),
    }
}
