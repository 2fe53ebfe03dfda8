//! The log of live batches beside a table: segments of records, each durable before anybody is told of it.
//!
//! A record is its length, the checksum of its body, and the body: number, note as JSON, rows as a packed Arrow stream. A
//! reader takes records up to the first that is not whole: who wrote it was not told that it was taken. A writer never goes
//! on in a segment of another; it begins its own, so that what is damaged stays where it is until its records have landed.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::durable_fs::{create_dirs, fsync_dir};

/// Bytes before a record's body: its length and its checksum.
const HEAD: usize = 12;
/// Bytes before a record's note: its number and the note's length.
const FRONT: usize = 12;
/// Rows are packed fast: they live for a minute.
const LEVEL: i32 = 1;
const LOCK: &str = "lock";
const ENDING: &str = "log";

/// What a record says beside its rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Note {
    /// The table's own id: a log that was left behind by another table says nothing of this one.
    pub(super) table: String,
    /// What the landing of the rows will say.
    pub(super) landing: Value,
}

/// A record as it is read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    pub(super) sequence: i64,
    pub(super) note: Note,
    pub(super) rows: Option<RecordBatch>,
}

/// A segment as it is read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    /// The number that its first record has or was to have.
    pub(super) first: i64,
    pub(super) records: Vec<Record>,
    /// Bytes behind the last whole record.
    pub(super) cut: usize,
}

/// Appends a record to `into`.
pub(super) fn encode(
    sequence: i64,
    note: &Note,
    rows: Option<&RecordBatch>,
    into: &mut Vec<u8>,
) -> io::Result<()> {
    let text = serde_json::to_vec(note)?;
    let mut body = sequence.to_le_bytes().to_vec();
    body.extend_from_slice(&u32::try_from(text.len()).map_err(io::Error::other)?.to_le_bytes());
    body.extend_from_slice(&text);
    if let Some(rows) = rows {
        let mut writer = StreamWriter::try_new(Vec::new(), &rows.schema()).map_err(io::Error::other)?;
        writer.write(rows).map_err(io::Error::other)?;
        let stream = writer.into_inner().map_err(io::Error::other)?;
        body.extend_from_slice(&zstd::encode_all(stream.as_slice(), LEVEL)?);
    }
    into.extend_from_slice(&u32::try_from(body.len()).map_err(io::Error::other)?.to_le_bytes());
    into.extend_from_slice(&xxh3_64(&body).to_le_bytes());
    into.extend_from_slice(&body);
    Ok(())
}

/// The whole records at the beginning of `bytes`, and how many bytes come after them.
pub(super) fn decode(bytes: &[u8]) -> (Vec<Record>, usize) {
    let (mut records, mut rest) = (Vec::new(), bytes);
    while let Some((record, after)) = next(rest) {
        records.push(record);
        rest = after;
    }
    (records, rest.len())
}

fn next(bytes: &[u8]) -> Option<(Record, &[u8])> {
    let length = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    let checksum = u64::from_le_bytes(bytes.get(4..HEAD)?.try_into().ok()?);
    let body = bytes.get(HEAD..HEAD.checked_add(length)?)?;
    if xxh3_64(body) != checksum {
        return None;
    }
    let sequence = i64::from_le_bytes(body.get(..8)?.try_into().ok()?);
    let noted = u32::from_le_bytes(body.get(8..FRONT)?.try_into().ok()?) as usize;
    let note = serde_json::from_slice(body.get(FRONT..FRONT.checked_add(noted)?)?).ok()?;
    let packed = body.get(FRONT + noted..)?;
    let rows = if packed.is_empty() { None } else { Some(unpack(packed)?) };
    Some((Record { sequence, note, rows }, bytes.get(HEAD + length..)?))
}

fn unpack(packed: &[u8]) -> Option<RecordBatch> {
    let stream = zstd::decode_all(packed).ok()?;
    StreamReader::try_new(stream.as_slice(), None).ok()?.next()?.ok()
}

/// The segments of a log, in their order. `durable`: what is read is made durable first, because it may be all that is left
/// of a writer who was killed before it was.
pub(super) fn read(folder: &Path, durable: bool) -> io::Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for (path, first) in list(folder)? {
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            // Its records have landed in this very moment.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if durable {
            File::open(&path)?.sync_all()?;
        }
        let (records, cut) = decode(&bytes);
        segments.push(Segment { path, first, records, cut });
    }
    if durable && !segments.is_empty() {
        fsync_dir(folder)?;
    }
    Ok(segments)
}

/// The segments' paths and sizes: where they are the same, so is what they say.
pub(super) fn sizes(folder: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let sizes = list(folder)?.into_iter().filter_map(|(path, _)| {
        let size = fs::metadata(&path).ok()?.len();
        Some((path, size))
    });
    Ok(sizes.collect())
}

fn list(folder: &Path) -> io::Result<Vec<(PathBuf, i64)>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let is_log = path.extension().is_some_and(|ending| ending == ENDING);
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if let (true, Ok(first)) = (is_log, name.split('-').next().unwrap_or_default().parse()) {
            found.push((path, first));
        }
    }
    found.sort_by(|one, other| (one.1, &one.0).cmp(&(other.1, &other.0)));
    Ok(found)
}

/// The one writer of a log.
#[derive(Debug)]
pub(super) struct Writer {
    folder: PathBuf,
    /// Held for as long as this process writes.
    _lock: File,
    current: Option<(File, PathBuf)>,
    closed: Vec<PathBuf>,
    /// The number of the next record.
    pub(super) next: i64,
    /// How often it was made durable.
    pub(super) syncs: u64,
}

impl Writer {
    /// Takes the log; none where another process has it.
    pub(super) fn lock(folder: &Path) -> io::Result<Option<Self>> {
        create_dirs(folder)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let folder = folder.to_path_buf();
        Ok(Some(Self { folder, _lock: lock, current: None, closed: Vec::new(), next: 1, syncs: 0 }))
    }

    /// Goes on behind what was read: those segments go once their records have landed.
    pub(super) fn follow(&mut self, segments: &[Segment], next: i64) {
        self.closed = segments.iter().map(|segment| segment.path.clone()).collect();
        self.next = next;
    }

    /// Writes whole records, the first of which has the number `first`; when this returns they are durable.
    pub(super) fn append(&mut self, first: i64, records: &[u8]) -> io::Result<()> {
        let (file, _) = match &mut self.current {
            Some(current) => current,
            None => {
                let name = format!("{first:020}-{}.{ENDING}", uuid::Uuid::now_v7().simple());
                let path = self.folder.join(name);
                let file = OpenOptions::new().create_new(true).append(true).open(&path)?;
                self.current.insert((file, path))
            }
        };
        let begins = file.metadata()?.len() == 0;
        file.write_all(records)?;
        file.sync_data()?;
        self.syncs += 1;
        if begins { fsync_dir(&self.folder) } else { Ok(()) }
    }

    /// Ends the segment: what follows begins another. The segments that may go when all that was written has landed.
    pub(super) fn rotate(&mut self) -> Vec<PathBuf> {
        self.closed.extend(self.current.take().map(|(_, path)| path));
        self.closed.clone()
    }

    /// Forgets segments that are gone.
    pub(super) fn forget(&mut self, gone: &[PathBuf]) {
        self.closed.retain(|path| !gone.contains(path));
    }
}

/// Deletes segments. Those that cannot be stay: their records are passed over by their numbers.
pub(super) fn delete(segments: &[PathBuf]) {
    for path in segments {
        if let Err(error) = fs::remove_file(path) {
            tracing::warn!(file.path = %path.display(), %error, "a segment whose records have landed stays");
        }
    }
}

/// A segment of any bytes: what is read of it is what its whole records say, and written again reads the same.
#[cfg(feature = "fuzzing")]
pub fn fuzz(bytes: &[u8]) {
    let (records, cut) = decode(bytes);
    assert!(cut <= bytes.len(), "more was cut than there is");
    let mut again = Vec::new();
    for record in &records {
        encode(record.sequence, &record.note, record.rows.as_ref(), &mut again)
            .expect("what was read can be written");
    }
    assert_eq!(decode(&again), (records, 0), "records change by being written");
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use serde_json::json;

    use super::*;

    fn note(number: i64) -> Note {
        Note { table: "t".into(), landing: json!({ "submission": format!("s{number}") }) }
    }

    fn record(number: i64) -> Record {
        let columns: [(&str, ArrayRef); 2] = [
            ("n", Arc::new(Int64Array::from_iter_values(0..number))),
            ("s", Arc::new((0..number).map(|n| Some(format!("{n}"))).collect::<StringArray>())),
        ];
        let rows = (number % 3 != 0).then(|| RecordBatch::try_from_iter(columns).unwrap());
        Record { sequence: number, note: note(number), rows }
    }

    fn bytes(record: &Record) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(record.sequence, &record.note, record.rows.as_ref(), &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_log_cut_or_flipped_at_any_byte_gives_the_records_before_it_and_no_other() {
        let records: Vec<Record> = (1..5).map(record).collect();
        let parts: Vec<Vec<u8>> = records.iter().map(bytes).collect();
        let whole = parts.concat();
        assert_eq!(decode(&whole), (records.clone(), 0));
        let ends: Vec<usize> = parts
            .iter()
            .scan(0, |end, part| {
                *end += part.len();
                Some(*end)
            })
            .collect();
        for at in 0..whole.len() {
            let kept = ends.iter().filter(|end| **end <= at).count();
            let start = if kept == 0 { 0 } else { ends[kept - 1] };
            assert_eq!(decode(&whole[..at]), (records[..kept].to_vec(), at - start), "cut at {at}");
            for bit in [1, 0x80] {
                let mut flipped = whole.clone();
                flipped[at] ^= bit;
                let found = decode(&flipped);
                assert_eq!(found, (records[..kept].to_vec(), whole.len() - start), "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn one_process_writes_and_the_next_begins_a_segment_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("_live");
        assert_eq!(read(&folder, true).unwrap(), []);
        let mut first = Writer::lock(&folder).unwrap().unwrap();
        first.append(1, &bytes(&record(1))).unwrap();
        first.append(2, &bytes(&record(2))).unwrap();
        assert!(Writer::lock(&folder).unwrap().is_none());
        drop(first);
        let mut second = Writer::lock(&folder).unwrap().unwrap();
        let found = read(&folder, true).unwrap();
        assert_eq!(found.len(), 1);
        second.follow(&found, 3);
        second.append(3, &bytes(&record(3))).unwrap();
        let found = read(&folder, false).unwrap();
        let numbers: Vec<Vec<i64>> =
            found.iter().map(|segment| segment.records.iter().map(|it| it.sequence).collect()).collect();
        assert_eq!(numbers, [vec![1, 2], vec![3]]);
        assert_eq!(found.iter().map(|segment| segment.first).collect::<Vec<_>>(), [1, 3]);
        let old = second.rotate();
        assert_eq!(old.len(), 2);
        second.append(4, &bytes(&record(4))).unwrap();
        delete(&old);
        second.forget(&old);
        assert_eq!(read(&folder, false).unwrap()[0].records, [record(4)]);
        assert_eq!(second.rotate().len(), 1);
    }
}
