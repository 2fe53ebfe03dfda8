//! Excel (.xlsx): the sheet that is called as the feed, or else the first; its first row of headers, then rows. Dates and
//! times come out as ISO 8601.
//!
//! A workbook is a packed folder: what is within is unpacked once within bounds before anything is made of it.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use calamine::{DataRef, ExcelDateTime, Reader as _, Xlsx};
use zip::ZipArchive;

use super::guard::guarded;
use super::text_batch::TextBatch;
use super::{Bound, Error, Limits, MAX_ROW_BYTES, Progress, Request, Selection, Sink, unpack};

/// A workbook holds at most so many bytes: its texts are kept in memory.
const MAX_BYTES: u64 = 512 << 20;
/// And at most so many parts.
const MAX_PARTS: usize = 4_096;

fn unreadable(why: impl ToString) -> Error {
    Error::Unreadable { format: "Excel", why: why.to_string() }
}

pub(super) fn decode(
    mut file: File,
    request: &Request,
    progress: &Arc<Progress>,
    sink: &mut Sink<'_>,
) -> Result<String, Error> {
    let bytes = file.metadata().map_err(unreadable)?.len();
    guarded("Excel", || within_bounds(&mut file, bytes, &request.limits))?;
    let (mut book, sheet) = guarded("Excel", || {
        let book = Xlsx::new(BufReader::new(file)).map_err(unreadable)?;
        let names = book.sheet_names();
        let sheet =
            names.iter().find(|name| Some(*name) == request.sheet.as_ref()).or(names.first()).cloned();
        Ok((book, sheet.ok_or_else(|| unreadable("there is no sheet"))?))
    })?;
    let mut cells = guarded("Excel", || book.worksheet_cells_reader(&sheet).map_err(unreadable))?;
    let mut rows =
        Rows { request, headers: Vec::new(), wanted: None, first: 0, values: Vec::new(), bytes: 0 };
    let mut batch = TextBatch::new(request, sink);
    let mut at = None;
    loop {
        let next = guarded("Excel", || {
            let cell = cells.next_cell().map_err(unreadable)?;
            Ok(cell.map(|cell| (cell.get_position(), text(cell.get_value()).map(Cow::into_owned))))
        })?;
        let Some(((row, column), value)) = next else { break };
        request.limits.holds(Bound::Columns, u64::from(column) + 1)?;
        if at.is_some_and(|at| at != row) {
            rows.end(at.unwrap_or(row), &mut batch)?;
        }
        at = Some(row);
        rows.take(column as usize, value)?;
    }
    if let Some(at) = at {
        rows.end(at, &mut batch)?;
    }
    if rows.wanted.is_none() {
        return Err(Error::Empty);
    }
    batch.flush()?;
    progress.bytes.store(progress.total.load(Ordering::Relaxed), Ordering::Relaxed);
    Ok(sheet)
}

/// Unpacks every part into nothing and counts: the sizes that a workbook claims are not to be trusted.
fn within_bounds(file: &mut File, bytes: u64, limits: &Limits) -> Result<(), Error> {
    let mut parts = ZipArchive::new(BufReader::new(&mut *file)).map_err(unreadable)?;
    if parts.len() > MAX_PARTS {
        return Err(unreadable(format!("a workbook of {} parts", parts.len())));
    }
    let mut out = 0;
    for index in 0..parts.len() {
        let mut part = parts.by_index(index).map_err(unreadable)?;
        let room = MAX_BYTES.saturating_sub(out) + 1;
        out += io::copy(&mut part.by_ref().take(room), &mut io::sink()).map_err(unreadable)?;
        if out > MAX_BYTES {
            return Err(Error::Beyond { bound: Bound::Unpacked, most: MAX_BYTES });
        }
        unpack::check(out, bytes, limits)?;
    }
    drop(parts);
    file.rewind().map_err(unreadable)
}

/// A row in the making.
struct Rows<'r> {
    request: &'r Request,
    headers: Vec<String>,
    /// Where in the sheet each wanted column is; none until the headers were read.
    wanted: Option<Vec<Option<usize>>>,
    first: u32,
    values: Vec<Option<String>>,
    bytes: u64,
}

impl Rows<'_> {
    fn take(&mut self, column: usize, value: Option<String>) -> Result<(), Error> {
        let Some(value) = value else { return Ok(()) };
        self.bytes += value.len() as u64;
        if self.bytes > MAX_ROW_BYTES {
            return Err(unreadable(format!("a row is longer than {MAX_ROW_BYTES} bytes")));
        }
        if self.wanted.is_none() {
            self.headers.resize((column + 1).max(self.headers.len()), String::new());
            if let Some(header) = self.headers.get_mut(column) {
                *header = value;
            }
            return Ok(());
        }
        // Cells beside the headers are nobody's.
        if let Some(slot) = self.values.get_mut(column) {
            *slot = Some(value);
        }
        Ok(())
    }

    /// The row is complete; empty ones are none.
    fn end(&mut self, row: u32, batch: &mut TextBatch<'_, '_>) -> Result<(), Error> {
        self.bytes = 0;
        let Some(wanted) = &self.wanted else {
            if self.headers.iter().all(String::is_empty) {
                return Ok(());
            }
            let Selection { indices, units } = self.request.resolve(&self.headers)?;
            batch.in_units(&units);
            self.wanted = Some(indices);
            self.first = row;
            self.values = vec![None; self.headers.len()];
            return Ok(());
        };
        if self.values.iter().any(Option::is_some) {
            let value = |index: &Option<usize>| index.and_then(|index| self.values.get(index)?.as_deref());
            batch.row(i64::from(row) - i64::from(self.first), wanted.iter().map(value))?;
        }
        self.values.fill(None);
        Ok(())
    }
}

/// A cell as the text that a CSV would hold.
fn text<'v>(value: &'v DataRef<'_>) -> Option<Cow<'v, str>> {
    match value {
        DataRef::Empty => None,
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => said(text),
        DataRef::SharedString(text) => said(text),
        DataRef::Int(number) => Some(Cow::Owned(number.to_string())),
        DataRef::Float(number) => Some(Cow::Owned(number.to_string())),
        DataRef::Bool(flag) => Some(Cow::Borrowed(if *flag { "true" } else { "false" })),
        DataRef::DateTime(instant) => Some(Cow::Owned(iso(instant))),
        DataRef::Error(error) => Some(Cow::Owned(error.to_string())),
    }
}

fn said(text: &str) -> Option<Cow<'_, str>> {
    (!text.is_empty()).then_some(Cow::Borrowed(text))
}

fn iso(instant: &ExcelDateTime) -> String {
    if !instant.is_datetime() {
        return instant.as_f64().to_string();
    }
    let (year, month, day, hour, minute, second, milli) = instant.to_ymd_hms_milli();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}")
}
