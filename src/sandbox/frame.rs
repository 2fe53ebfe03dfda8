//! What passes between the two processes: frames of a kind and a bounded length, rows among them as Arrow IPC.
//!
//! The child may have been taken over by the file that it reads. Nothing that it says is believed: lengths are bounded
//! before anything is kept, rows are checked to be wanted columns, flat, and no longer than the bounds.

use std::io::{self, Read, Write};
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, Int64Array};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Confinement, ResourceLimits};
use crate::decode::{
    Bound, Document, Error, Limits, Names, Packing, Payload, ReadAs, Request, Rows, Unreadable, with_unit,
};
use crate::model::{LONGEST_UNIT, UNIT};

/// The longest frame: a batch is bounded well below.
const MOST: usize = 96 << 20;
/// The longest text of a line that is no row, and of the reason.
const MOST_TOLD: usize = 4_096;
/// The column of the rows' numbers, beside the wanted ones.
const NUMBERS: &str = "_number";

/// What the child is for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Job {
    /// The file at its standard input.
    File { name: String, request: Request, resources: ResourceLimits },
    /// Documents of one source, as long as it is asked for them.
    Documents { names: Names, limits: Limits, resources: ResourceLimits },
}

/// What the child is asked for, of documents.
#[derive(Debug, Serialize, Deserialize)]
struct DocumentsHeader {
    document: Document,
    /// Of each payload its topic and its length.
    payloads: Vec<(String, usize)>,
}

/// What rows must be to be believed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expected<'a> {
    File(&'a Request),
    Documents(DocumentsRequest<'a>),
}

/// What is asked for of documents, and within which bounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct DocumentsRequest<'a> {
    pub(super) document: &'a Document,
    pub(super) names: &'a Names,
    pub(super) limits: &'a Limits,
}

/// Rows without their batch.
#[derive(Debug, Serialize, Deserialize)]
struct RowsHeader {
    read: u64,
    unreadable: Vec<Unreadable>,
}

/// How the reading ended.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum End {
    Read(Option<ReadAs>),
    Unreadable { format: String, why: String },
    ColumnMissing { headers: Vec<String>, found: String },
    Beyond { bound: Bound, most: u64 },
    FormatUnknown(String),
    Scratch(String),
    Empty,
}

/// What the child says.
#[derive(Debug)]
pub(super) enum Message {
    Confined(Confinement),
    Rows { rows: Rows, read: u64 },
    End(End),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Job = 1,
    Confined = 2,
    Rows = 3,
    End = 4,
    Documents = 5,
}

fn write(to: &mut impl Write, kind: Kind, parts: &[&[u8]]) -> io::Result<()> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let length = u32::try_from(length).ok().filter(|length| *length as usize <= MOST);
    let length = length.ok_or_else(|| io::Error::other("a frame is too long"))?;
    to.write_all(&[kind as u8])?;
    to.write_all(&length.to_le_bytes())?;
    parts.iter().try_for_each(|part| to.write_all(part))
}

fn read(from: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    from.read_exact(&mut head)?;
    let [kind, length @ ..] = head;
    let length = u32::from_le_bytes(length) as usize;
    if length > MOST {
        return Err(broken("a frame is too long"));
    }
    // What is claimed is not made room for before it comes.
    let mut body = Vec::new();
    from.take(length as u64).read_to_end(&mut body)?;
    if body.len() < length { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok((kind, body)) }
}

fn broken(why: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_string())
}

pub(super) fn write_job(to: &mut impl Write, job: &Job) -> io::Result<()> {
    write(to, Kind::Job, &[&serde_json::to_vec(job)?])
}

pub(super) fn read_job(from: &mut impl Read) -> io::Result<Job> {
    match read(from)? {
        (kind, body) if kind == Kind::Job as u8 => Ok(serde_json::from_slice(&body)?),
        _ => Err(broken("no job came")),
    }
}

/// Asks for the rows of a document, or of messages.
pub(super) fn write_documents(
    to: &mut impl Write,
    document: &Document,
    payloads: &[Payload],
) -> io::Result<()> {
    let told = payloads.iter().map(|payload| (payload.topic.clone(), payload.bytes.len())).collect();
    let head = serde_json::to_vec(&DocumentsHeader { document: document.clone(), payloads: told })?;
    let length = u32::try_from(head.len()).map_err(broken)?.to_le_bytes();
    let front = [length.as_slice(), &head];
    let bytes = payloads.iter().map(|payload| payload.bytes.as_ref());
    let all: Vec<&[u8]> = front.into_iter().chain(bytes).collect();
    write(to, Kind::Documents, &all)
}

/// What is asked for next; none where nobody asks any more.
pub(super) fn read_documents(from: &mut impl Read) -> io::Result<Option<(Document, Vec<Payload>)>> {
    let body = match read(from) {
        Ok((kind, body)) if kind == Kind::Documents as u8 => Bytes::from(body),
        Ok(_) => return Err(broken("no documents came")),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    let cut = |from: usize, length: usize| {
        let end = from.checked_add(length).filter(|end| *end <= body.len());
        end.map(|end| body.slice(from..end)).ok_or_else(|| broken("a frame is cut"))
    };
    let length = u32::from_le_bytes(cut(0, 4)?.as_ref().try_into().map_err(broken)?) as usize;
    let DocumentsHeader { document, payloads: told } = serde_json::from_slice(&cut(4, length)?)?;
    let (mut payloads, mut at) = (Vec::with_capacity(told.len()), 4 + length);
    for (topic, length) in told {
        payloads.push(Payload { topic, bytes: cut(at, length)? });
        at += length;
    }
    Ok(Some((document, payloads)))
}

pub(super) fn write_confined(to: &mut impl Write, confinement: &Confinement) -> io::Result<()> {
    write(to, Kind::Confined, &[&serde_json::to_vec(confinement)?])
}

pub(super) fn write_end(to: &mut impl Write, end: &End) -> io::Result<()> {
    write(to, Kind::End, &[&serde_json::to_vec(end)?])
}

pub(super) fn write_rows(to: &mut impl Write, rows: Rows, read: u64) -> io::Result<()> {
    let beside = serde_json::to_vec(&RowsHeader { read, unreadable: rows.unreadable })?;
    let length = u32::try_from(beside.len()).map_err(broken)?.to_le_bytes();
    let batch = packed(&rows.batch, rows.numbers).map_err(broken)?;
    write(to, Kind::Rows, &[&length, &beside, &batch])
}

fn packed(batch: &RecordBatch, numbers: Vec<i64>) -> Result<Vec<u8>, ArrowError> {
    let mut fields: Vec<Arc<Field>> = batch.schema().fields().to_vec();
    fields.push(Arc::new(Field::new(NUMBERS, DataType::Int64, false)));
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    columns.push(Arc::new(Int64Array::from(numbers)));
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema())?;
    writer.write(&batch)?;
    writer.into_inner()
}

/// The next thing that the child says; what is not as it must be is an error.
pub(super) fn read_message(from: &mut impl Read, expected: Expected<'_>) -> io::Result<Message> {
    let (kind, body) = read(from)?;
    if kind == Kind::Rows as u8 {
        return rows(body, expected);
    }
    Ok(match kind {
        kind if kind == Kind::Confined as u8 => Message::Confined(serde_json::from_slice(&body)?),
        kind if kind == Kind::End as u8 => Message::End(serde_json::from_slice(&body)?),
        _ => return Err(broken("a frame of no known kind")),
    })
}

fn rows(body: Vec<u8>, expected: Expected<'_>) -> io::Result<Message> {
    let body = Buffer::from_vec(body);
    let cut = |from: usize, length: usize| {
        let there = from.checked_add(length).is_some_and(|end| end <= body.len());
        if there { Ok(body.slice_with_length(from, length)) } else { Err(broken("a frame is cut")) }
    };
    let head = cut(0, 4)?.as_slice().try_into().map_err(broken)?;
    let head = u32::from_le_bytes(head) as usize;
    let RowsHeader { read, unreadable } = serde_json::from_slice(&cut(4, head)?)?;
    if unreadable.iter().any(|line| line.text.len() > MOST_TOLD || line.why.len() > MOST_TOLD) {
        return Err(broken("a line is told at too great length"));
    }
    let batch = cut(4 + head, body.len().saturating_sub(4 + head))?;
    // Arrow's reader is made for files of friends.
    let batch = std::panic::catch_unwind(|| unpacked(batch))
        .map_err(|_| broken("a batch is no batch"))?
        .map_err(broken)?;
    let (batch, numbers) = checked(&batch, expected).map_err(broken)?;
    Ok(Message::Rows { rows: Rows { batch, numbers, unreadable }, read })
}

fn unpacked(mut bytes: Buffer) -> Result<RecordBatch, ArrowError> {
    let mut decoder = StreamDecoder::new();
    let batch = decoder.decode(&mut bytes)?;
    batch.ok_or_else(|| ArrowError::IpcError("there is no batch".into()))
}

/// The wanted columns and the rows' numbers, where they are what was asked for.
fn checked(batch: &RecordBatch, expected: Expected<'_>) -> Result<(RecordBatch, Vec<i64>), String> {
    let schema = batch.schema();
    let (numbering, fields) = schema.fields().split_last().ok_or("no columns")?;
    if numbering.name() != NUMBERS || !expected.names(fields) {
        return Err("other columns than were asked for".into());
    }
    let (numbers, columns) = batch.columns().split_last().ok_or("no columns")?;
    let numbers = numbers.as_primitive_opt::<Int64Type>().filter(|numbers| numbers.null_count() == 0);
    let numbers = numbers.ok_or("rows without numbers")?.values().to_vec();
    for column in columns {
        expected.fits(column)?;
    }
    let field = |field: &Arc<Field>| {
        let unit = field.metadata().get(UNIT).filter(|unit| unit.len() <= LONGEST_UNIT);
        with_unit(field.as_ref().clone(), unit)
    };
    let schema = Schema::new(fields.iter().map(field).collect::<Vec<_>>());
    let options = RecordBatchOptions::new().with_row_count(Some(numbers.len()));
    let batch = RecordBatch::try_new_with_options(Arc::new(schema), columns.to_vec(), &options);
    Ok((batch.map_err(|error| error.to_string())?, numbers))
}

impl Expected<'_> {
    fn names(&self, fields: &[Arc<Field>]) -> bool {
        let mut found = fields.iter().map(|field| field.name().as_str());
        match self {
            Self::File(request) => found.eq(request.headers.iter().map(String::as_str)),
            Self::Documents(request) => {
                let always = request.document.columns();
                let most = request.limits.columns.max(always.len() as u64);
                let each_once = found.clone().is_sorted_by(|one, next| one < next);
                let known = |name: &str| always.contains(&name) || request.names.want(name);
                fields.len() as u64 <= most && each_once && found.all(known)
            }
        }
    }

    fn fits(&self, column: &ArrayRef) -> Result<(), String> {
        match self {
            Self::File(request) => fits(column, &request.limits),
            Self::Documents(it) if *column.data_type() == DataType::Utf8 => fits(column, it.limits),
            Self::Documents(_) => Err(format!("a column of {}", column.data_type())),
        }
    }
}

fn fits(column: &ArrayRef, limits: &Limits) -> Result<(), String> {
    let longest = |offsets: &[i32]| offsets.windows(2).map(|pair| pair[1].abs_diff(pair[0])).max();
    let longest = match column.data_type() {
        DataType::Utf8 => longest(column.as_string::<i32>().value_offsets()),
        DataType::Binary => longest(column.as_binary::<i32>().value_offsets()),
        DataType::FixedSizeBinary(width) => u32::try_from(*width).ok(),
        kind if kind.is_primitive() || matches!(kind, DataType::Boolean | DataType::Null) => None,
        other => return Err(format!("a column of {other}")),
    };
    let fits = limits.holds(Bound::Cell, longest.unwrap_or(0).into());
    fits.map_err(|error| error.to_string())
}

impl From<Result<Option<ReadAs>, Error>> for End {
    fn from(done: Result<Option<ReadAs>, Error>) -> Self {
        match done {
            Ok(read_as) => Self::Read(read_as),
            Err(Error::Unreadable { format, why }) => Self::Unreadable { format: format.into(), why },
            Err(Error::ColumnMissing { headers, found }) => Self::ColumnMissing { headers, found },
            Err(Error::Beyond { bound, most }) => Self::Beyond { bound, most },
            Err(Error::FormatUnknown(name)) => Self::FormatUnknown(name),
            Err(Error::Scratch(why) | Error::Stopped(why) | Error::Unable(why)) => Self::Scratch(why),
            Err(Error::Empty) => Self::Empty,
        }
    }
}

impl From<End> for Result<Option<ReadAs>, Error> {
    fn from(end: End) -> Self {
        let cut = |why: String| why.chars().take(MOST_TOLD).collect();
        Err(match end {
            End::Read(read_as) => return Ok(read_as),
            End::Unreadable { format, why } => Error::Unreadable { format: known(&format), why: cut(why) },
            End::ColumnMissing { headers, found } => Error::ColumnMissing { headers, found: cut(found) },
            End::Beyond { bound, most } => Error::Beyond { bound, most },
            End::FormatUnknown(name) => Error::FormatUnknown(cut(name)),
            End::Scratch(why) => Error::Scratch(cut(why)),
            End::Empty => Error::Empty,
        })
    }
}

/// What a child might say, frame by frame: what is believed of it is as it was asked for.
#[cfg(feature = "fuzzing")]
pub fn fuzz(mut bytes: &[u8], request: &Request) {
    let document = Document::Messages(crate::decode::MessageOptions::default());
    let names: Names = request.headers.iter().cloned().collect();
    let documents =
        Expected::Documents(DocumentsRequest { document: &document, names: &names, limits: &request.limits });
    for (expected, mut said) in [(Expected::File(request), bytes), (documents, bytes)] {
        while let Ok(said) = read_message(&mut said, expected) {
            match said {
                Message::Rows { rows, .. } => believed(&rows, expected),
                Message::End(end) => drop(Result::from(end)),
                Message::Confined(_) => {}
            }
        }
    }
    drop(read_documents(&mut { bytes }));
    drop(read_job(&mut bytes));
}

#[cfg(feature = "fuzzing")]
fn believed(rows: &Rows, expected: Expected<'_>) {
    assert!(expected.names(rows.batch.schema_ref().fields()), "other columns than the wanted");
    assert_eq!(rows.batch.num_rows(), rows.numbers.len(), "rows without numbers");
    for column in rows.batch.columns() {
        column.to_data().validate_full().expect("an array that holds together");
    }
}

/// A format's name as readers say it.
fn known(name: &str) -> &'static str {
    let names = [
        "Parquet",
        "CSV",
        "NDJSON",
        "GeoJSON",
        "Excel",
        "CAP",
        "GTFS-realtime",
        "Atom",
        "JSON",
        "text",
        "one table",
    ];
    let packings = [Packing::Gzip.name(), Packing::Zstd.name()];
    names.into_iter().chain(packings).find(|known| *known == name).unwrap_or("what it is called")
}
