//! What passes between the two processes: frames of a kind and a bounded length, rows among them as Arrow IPC.
//!
//! The child may have been taken over by the file that it reads. Nothing that it says is believed: lengths are bounded
//! before anything is kept, rows are checked to be the wanted columns, flat, and no longer than the bounds.

use std::io::{self, Read, Write};
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, Int64Array};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use serde::{Deserialize, Serialize};

use super::{Confinement, Confines};
use crate::decode::{Bound, Error, Limits, Packing, ReadAs, Request, Rows, Unreadable, with_unit};
use crate::model::{LONGEST_UNIT, UNIT};

/// The longest frame: a batch is bounded well below.
const MOST: usize = 96 << 20;
/// The longest text of a line that is no row, and of the reason.
const MOST_TOLD: usize = 4_096;
/// The column of the rows' numbers, beside the wanted ones.
const NUMBERS: &str = "_number";

/// What the child is asked to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) name: String,
    pub(super) request: Request,
    pub(super) confines: Confines,
}

/// Rows without their batch.
#[derive(Debug, Serialize, Deserialize)]
struct Beside {
    read: u64,
    unreadable: Vec<Unreadable>,
}

/// How the reading ended.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum End {
    Read(ReadAs),
    Unreadable { format: String, why: String },
    ColumnMissing { headers: Vec<String>, found: String },
    Beyond { bound: Bound, most: u64 },
    FormatUnknown(String),
    Scratch(String),
    Empty,
}

/// What the child says.
#[derive(Debug)]
pub(super) enum Said {
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

pub(super) fn write_confined(to: &mut impl Write, confinement: &Confinement) -> io::Result<()> {
    write(to, Kind::Confined, &[&serde_json::to_vec(confinement)?])
}

pub(super) fn write_end(to: &mut impl Write, end: &End) -> io::Result<()> {
    write(to, Kind::End, &[&serde_json::to_vec(end)?])
}

pub(super) fn write_rows(to: &mut impl Write, rows: Rows, read: u64) -> io::Result<()> {
    let beside = serde_json::to_vec(&Beside { read, unreadable: rows.unreadable })?;
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
pub(super) fn read_said(from: &mut impl Read, request: &Request) -> io::Result<Said> {
    let (kind, body) = read(from)?;
    if kind == Kind::Rows as u8 {
        return rows(body, request);
    }
    Ok(match kind {
        kind if kind == Kind::Confined as u8 => Said::Confined(serde_json::from_slice(&body)?),
        kind if kind == Kind::End as u8 => Said::End(serde_json::from_slice(&body)?),
        _ => return Err(broken("a frame of no known kind")),
    })
}

fn rows(body: Vec<u8>, request: &Request) -> io::Result<Said> {
    let body = Buffer::from_vec(body);
    let cut = |from: usize, length: usize| {
        let there = from.checked_add(length).is_some_and(|end| end <= body.len());
        if there { Ok(body.slice_with_length(from, length)) } else { Err(broken("a frame is cut")) }
    };
    let head = cut(0, 4)?.as_slice().try_into().map_err(broken)?;
    let head = u32::from_le_bytes(head) as usize;
    let Beside { read, unreadable } = serde_json::from_slice(&cut(4, head)?)?;
    if unreadable.iter().any(|line| line.text.len() > MOST_TOLD || line.why.len() > MOST_TOLD) {
        return Err(broken("a line is told at too great length"));
    }
    let batch = cut(4 + head, body.len().saturating_sub(4 + head))?;
    // Arrow's reader is made for files of friends.
    let batch = std::panic::catch_unwind(|| unpacked(batch))
        .map_err(|_| broken("a batch is no batch"))?
        .map_err(broken)?;
    let (batch, numbers) = checked(&batch, request).map_err(broken)?;
    Ok(Said::Rows { rows: Rows { batch, numbers, unreadable }, read })
}

fn unpacked(mut bytes: Buffer) -> Result<RecordBatch, ArrowError> {
    let mut decoder = StreamDecoder::new();
    let batch = decoder.decode(&mut bytes)?;
    batch.ok_or_else(|| ArrowError::IpcError("there is no batch".into()))
}

/// The wanted columns and the rows' numbers, where they are what was asked for.
fn checked(batch: &RecordBatch, request: &Request) -> Result<(RecordBatch, Vec<i64>), String> {
    let schema = batch.schema();
    let wanted = request.headers.iter().map(String::as_str).chain([NUMBERS]);
    if !schema.fields().iter().map(|field| field.name().as_str()).eq(wanted) {
        return Err("other columns than were asked for".into());
    }
    let (numbers, columns) = batch.columns().split_last().ok_or("no columns")?;
    let numbers = numbers.as_primitive_opt::<Int64Type>().filter(|numbers| numbers.null_count() == 0);
    let numbers = numbers.ok_or("rows without numbers")?.values().to_vec();
    for column in columns {
        fits(column, &request.limits)?;
    }
    let field = |field: &Arc<Field>| {
        let unit = field.metadata().get(UNIT).filter(|unit| unit.len() <= LONGEST_UNIT);
        with_unit(field.as_ref().clone(), unit)
    };
    let fields: Vec<Field> = schema.fields().iter().take(columns.len()).map(field).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.to_vec());
    Ok((batch.map_err(|error| error.to_string())?, numbers))
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

impl From<Result<ReadAs, Error>> for End {
    fn from(done: Result<ReadAs, Error>) -> Self {
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

impl From<End> for Result<ReadAs, Error> {
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
    while let Ok(said) = read_said(&mut bytes, request) {
        match said {
            Said::Rows { rows, .. } => {
                assert_eq!(rows.batch.num_columns(), request.headers.len(), "other columns than the wanted");
                assert_eq!(rows.batch.num_rows(), rows.numbers.len(), "rows without numbers");
                for column in rows.batch.columns() {
                    column.to_data().validate_full().expect("an array that holds together");
                }
            }
            Said::End(end) => drop(Result::from(end)),
            Said::Confined(_) => {}
        }
    }
    drop(read_job(&mut bytes));
}

/// A format's name as readers say it.
fn known(name: &str) -> &'static str {
    let names =
        ["Parquet", "CSV", "NDJSON", "GeoJSON", "Excel", "CAP", "GTFS-realtime", "Atom", "text", "one table"];
    let packings = [Packing::Gzip.name(), Packing::Zstd.name()];
    names.into_iter().chain(packings).find(|known| *known == name).unwrap_or("what it is called")
}
