//! Bytes of a file, or of what a live source tells, become Arrow batches in the columns that somebody wants: one file per
//! format.
//!
//! Text formats come out as text; what the values mean is decided by `contract`. A line that is no row is handed
//! on as unreadable; only a file that is not what its format says is an error.

mod answer;
mod bounded_file;
mod budget;
mod cap;
mod csv;
mod dialect;
mod documents;
mod feed;
mod geojson;
mod gtfs_realtime;
mod guard;
mod limits;
mod message;
mod named_batch;
mod ndjson;
mod parquet;
mod records;
mod rows;
mod text_batch;
mod units;
mod unpack;
mod xlsx;
mod xml;

pub use answer::RowPlace;
pub use documents::{Document, Payload, read_document};
pub use gtfs_realtime::Entity;
pub use limits::{Bound, Limits};
pub use message::{MessageFormat, MessageOptions};
pub use named_batch::Names;
pub use rows::{Rows, Unreadable};
pub use units::{Units, in_units, units_of, with_unit};

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, new_null_array};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use serde::{Deserialize, Serialize};

use crate::model::UNIT;
use unpack::Verdict;
pub use unpack::{Kind, Packing};

/// The longest row that is still read, in bytes.
pub const MAX_ROW_BYTES: u64 = 1 << 20;
/// Rows of a decoded batch.
const BATCH_ROWS: usize = 16_384;
/// Headers that an error names.
const LISTED: usize = 20;
/// Text of a decoded batch, in bytes.
const BATCH_BYTES: usize = 16 << 20;

/// A file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Apache Parquet.
    Parquet,
    /// Comma-, semicolon-, tab- or bar-separated values with a header line.
    Csv,
    /// A JSON object a line.
    Ndjson,
    /// A GeoJSON feature collection of points.
    GeoJson,
    /// An Excel workbook.
    Xlsx,
    /// An alert of the Common Alerting Protocol, 1.0 to 1.2.
    Cap,
    /// A feed of GTFS-realtime.
    GtfsRealtime,
}

/// What a document tells at once: names and values.
pub type Record = serde_json::Map<String, serde_json::Value>;

/// How a file was read: what nobody said and was told from its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadAs {
    /// The format.
    pub format: Format,
    /// How it was packed.
    pub packing: Option<Packing>,
    /// Of text: the encoding's name.
    pub encoding: Option<String>,
    /// Of text: it began with a byte order mark.
    pub byte_order_mark: bool,
    /// Of CSV: what stands between values.
    pub delimiter: Option<char>,
    /// Of CSV: numbers are written with a comma, as in `12,5`.
    pub decimal_comma: bool,
    /// Of workbooks: the sheet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
}

impl ReadAs {
    fn plain(kind: Kind) -> Self {
        let Kind { format, packing } = kind;
        Self {
            format,
            packing,
            encoding: None,
            byte_order_mark: false,
            delimiter: None,
            decimal_comma: false,
            sheet: None,
        }
    }
}

impl Format {
    /// The format that a file's name and its first bytes say; the bytes win.
    pub fn detect(name: &str, head: &[u8]) -> Option<Self> {
        if head.starts_with(b"PAR1") {
            return Some(Self::Parquet);
        }
        let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
        match extension.as_deref() {
            Some("csv" | "tsv" | "txt") => Some(Self::Csv),
            Some("ndjson" | "jsonl") => Some(Self::Ndjson),
            Some("geojson") => Some(Self::GeoJson),
            Some("xlsx") => Some(Self::Xlsx),
            Some("parquet") => Some(Self::Parquet),
            Some("cap") => Some(Self::Cap),
            Some("xml") if head.windows(31).any(|w| w == b"urn:oasis:names:tc:emergency:ca") => {
                Some(Self::Cap)
            }
            Some("pb" | "protobuf") => Some(Self::GtfsRealtime),
            Some("json") if head.windows(19).any(|w| w == b"\"FeatureCollection\"") => Some(Self::GeoJson),
            Some("json") => Some(Self::Ndjson),
            _ => None,
        }
    }
}

/// What is wanted of a file, and how much of it is taken.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// Headers in the file, in the order in which the columns are wanted.
    pub headers: Vec<String>,
    /// Which headers a file must have.
    pub required: Vec<bool>,
    /// Which columns hold numbers.
    pub numeric: Vec<bool>,
    /// Indices of the headers that a GeoJSON point fills (longitude, latitude).
    pub point: Option<(usize, usize)>,
    /// The bounds.
    pub limits: Limits,
    /// The sheet that is read where a workbook has it; else its first.
    pub sheet: Option<String>,
}

/// Why a file is refused whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is not what its format says.
    #[error("the file cannot be read as {format}: {why}")]
    Unreadable {
        /// The format's name.
        format: &'static str,
        /// What the reader said.
        why: String,
    },
    /// It lacks columns that the contract requires.
    #[error("the file has no column {}; it has: {found}", listed(headers))]
    ColumnMissing {
        /// The headers that are missing.
        headers: Vec<String>,
        /// The headers that are there.
        found: String,
    },
    /// There is more of something than the configuration allows.
    #[error("{}", bound.told(*most))]
    Beyond {
        /// Of what.
        bound: Bound,
        /// The bound, in its unit.
        most: u64,
    },
    /// Its format cannot be told.
    #[error(
        "`{0}` is neither Parquet, CSV (.csv), NDJSON (.ndjson), GeoJSON (.geojson), Excel (.xlsx), CAP (.cap) nor GTFS-realtime (.pb), \
         packed with gzip or zstd or not"
    )]
    FormatUnknown(String),
    /// There is no room for what is unpacked.
    #[error("there was no room to unpack the file: {0}")]
    Scratch(String),
    /// There is nothing in it.
    #[error("the file is empty")]
    Empty,
    /// Nothing could be decoded: a fault of the city's own.
    #[error("the file could not be decoded now: {0}")]
    Unable(String),
    /// The receiver wants no more: it has refused the file for a reason of its own.
    #[error("{0}")]
    Stopped(String),
}

/// Takes decoded rows, in order; an error ends the reading.
pub type Sink<'a> = dyn FnMut(Rows) -> Result<(), Error> + 'a;

/// How far the reading is, for progress bars.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes read.
    pub bytes: AtomicU64,
    /// Bytes in all.
    pub total: AtomicU64,
}

/// Reads a file of that name, whatever it is; see [`decode`].
///
/// # Errors
/// As [`decode`], and where the format cannot be told.
pub fn decode_named(
    name: &str,
    mut file: File,
    scratch: Option<File>,
    request: &Request,
    progress: &Arc<Progress>,
    sink: &mut Sink<'_>,
) -> Result<ReadAs, Error> {
    if file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
        return Err(Error::Empty);
    }
    let unreadable = |error: std::io::Error| Error::Scratch(error.to_string());
    let kind = Kind::recognise(name, &mut file).map_err(unreadable)?;
    let kind = kind.ok_or_else(|| Error::FormatUnknown(name.to_owned()))?;
    decode(kind, file, scratch, request, progress, sink)
}

/// Reads `file` and hands its rows to `sink`, in bounded memory. What comes back is how it was read. A packed file that
/// must be read in any order is unpacked into `scratch`, or into a temporary file where there is none.
///
/// # Errors
/// [`Error`] where the file as a whole is refused; rows handed over before are then void.
pub fn decode(
    kind: Kind,
    file: File,
    scratch: Option<File>,
    request: &Request,
    progress: &Arc<Progress>,
    sink: &mut Sink<'_>,
) -> Result<ReadAs, Error> {
    let bytes = file.metadata().map_or(0, |metadata| metadata.len());
    progress.total.store(bytes, Ordering::Relaxed);
    if bytes == 0 {
        return Err(Error::Empty);
    }
    let limits = &request.limits;
    let verdict = Verdict::default();
    let plain = ReadAs::plain(kind);
    let mut tally = Tally::default();
    let sink = &mut |rows: Rows| tally.count(&rows, limits).and_then(|()| sink(rows));
    let text = |file| unpack::open(file, kind.packing, limits, progress, &verdict);
    let seekable = |file| unpack::open_file(file, scratch, kind.packing, limits, progress, &verdict);
    let read = match kind.format {
        Format::Parquet => {
            seekable(file).and_then(|file| parquet::decode(file, request, progress, sink)).map(|()| plain)
        }
        Format::Xlsx => seekable(file)
            .and_then(|file| xlsx::decode(file, request, progress, sink))
            .map(|sheet| ReadAs { sheet: Some(sheet), ..plain }),
        Format::Csv => text(file).and_then(|text| csv::decode(text, request, sink)).map(|dialect| ReadAs {
            encoding: Some(dialect.encoding.name().to_owned()),
            byte_order_mark: dialect.byte_order_mark,
            delimiter: Some(char::from(dialect.delimiter)),
            decimal_comma: dialect.decimal_comma,
            ..plain
        }),
        Format::Ndjson => text(file).and_then(|text| ndjson::decode(text, request, sink)).map(|()| plain),
        Format::GeoJson => text(file).and_then(|text| geojson::decode(text, request, sink)).map(|()| plain),
        Format::Cap => text(file).and_then(|file| records::decode_cap(file, request, sink)).map(|()| plain),
        Format::GtfsRealtime => {
            text(file).and_then(|file| records::decode_gtfs(file, request, sink)).map(|()| plain)
        }
    };
    // Readers know only that their input failed; why it was ended is known here.
    read.map_err(|error| verdict.take().unwrap_or(error))
}

/// What has come out of a file.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    rows: u64,
    bytes: u64,
}

impl Tally {
    /// Counts more rows.
    ///
    /// # Errors
    /// [`Error::Beyond`] where they are too many or too large.
    pub(crate) fn count(&mut self, rows: &Rows, limits: &Limits) -> Result<(), Error> {
        self.rows += (rows.batch.num_rows() + rows.unreadable.len()) as u64;
        let size = |column: &ArrayRef| column.to_data().get_slice_memory_size().unwrap_or(0) as u64;
        self.bytes += rows.batch.columns().iter().map(size).sum::<u64>();
        limits.holds(Bound::Rows, self.rows)?;
        limits.holds(Bound::Decoded, self.bytes)
    }
}

/// Where the wanted columns are among those of a file, and which unit its header names.
#[derive(Debug, Clone, Default)]
struct Selection {
    indices: Vec<Option<usize>>,
    units: Vec<Option<String>>,
}

impl Request {
    /// For each wanted header its index in `found`: the header itself, or, of numbers, with a unit: `speed [mi/h]`.
    fn resolve(&self, found: &[String]) -> Result<Selection, Error> {
        let mut wanted = Selection::default();
        for (header, numeric) in self.headers.iter().zip(&self.numeric) {
            let (index, unit) = match found.iter().position(|name| name == header) {
                Some(index) => (Some(index), None),
                None if *numeric => units::in_header(found, header)?.unzip(),
                None => (None, None),
            };
            wanted.indices.push(index);
            wanted.units.push(unit);
        }
        let missing = wanted.indices.iter().zip(&self.required).zip(&self.headers);
        let missing = missing.filter(|((index, required), _)| **required && index.is_none());
        let headers: Vec<String> = missing.map(|(_, header)| header.clone()).collect();
        if headers.is_empty() {
            Ok(wanted)
        } else {
            Err(Error::ColumnMissing { headers, found: listed(found) })
        }
    }

    /// A batch's columns by header, in the wanted order; a column that is not there is all null.
    ///
    /// # Errors
    /// Where a required column is missing.
    pub fn arrange(&self, batch: &RecordBatch) -> Result<RecordBatch, Error> {
        let found: Vec<String> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
        let Selection { indices, mut units } = self.resolve(&found)?;
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(indices.len());
        for ((index, unit), numeric) in indices.iter().zip(&mut units).zip(&self.numeric) {
            columns.push(match index {
                Some(index) => Arc::clone(batch.column(*index)),
                None => new_null_array(&DataType::Utf8, batch.num_rows()),
            });
            if let Some(index) = index.filter(|_| *numeric && unit.is_none()) {
                let said = batch.schema().field(index).metadata().get(UNIT).cloned();
                *unit = said.filter(|unit| !unit.trim().is_empty()).map(|unit| units::cut(&unit));
            }
        }
        let field = |((header, column), unit): ((&String, &ArrayRef), &Option<String>)| {
            with_unit(Field::new(header, column.data_type().clone(), true), unit.as_ref())
        };
        let fields: Vec<Field> = self.headers.iter().zip(&columns).zip(&units).map(field).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
            .map_err(|error| Error::Unreadable { format: "Arrow", why: error.to_string() })
    }
}

/// Headers for people: the first few and how many more there are.
fn listed(headers: &[String]) -> String {
    let mut words: Vec<String> =
        headers.iter().take(LISTED).map(|name| format!("`{}`", cut(name.as_bytes()))).collect();
    if headers.len() > LISTED {
        words.push(format!("{} more", headers.len() - LISTED));
    }
    words.join(", ")
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// A text cut for quarantine.
fn cut(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(512).collect()
}

#[cfg(test)]
mod tests;
