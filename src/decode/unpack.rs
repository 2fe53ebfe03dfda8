//! What a file is and how it is packed, by its name and its first bytes; and unpacking within bounds.
//!
//! A packed file of a few bytes may hold more than any disk: what comes out is counted, and so is how much that is for
//! what went in.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use flate2::read::MultiGzDecoder;
use serde::{Deserialize, Serialize};

use super::{Bound, Error, Format, Limits, Progress};

/// Few bytes may be any number of times more: short files of one value.
const RATIO_FROM: u64 = 16 << 20;
/// Bytes by which a format is told.
const HEAD: u64 = 4096;
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Packing {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

/// What a file is, and how it is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// The format within.
    pub format: Format,
    /// None where it is not packed.
    pub packing: Option<Packing>,
}

impl Kind {
    /// What `file` is, where that can be told. It stands at its beginning before and after.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn recognise(name: &str, file: &mut File) -> io::Result<Option<Self>> {
        let head = head(&mut *file)?;
        file.rewind()?;
        let packing = Packing::of(&head);
        let Some(packed) = packing else {
            return Ok(Format::detect(name, &head).map(|format| Self { format, packing }));
        };
        // What is no packing after all is told when it is read.
        let within = unpacking(packed, head.as_slice()).and_then(self::head).unwrap_or_default();
        let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name);
        Ok(Format::detect(name, &within).map(|format| Self { format, packing }))
    }
}

/// As much of the beginning as can be read.
fn head(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    match reader.take(HEAD).read_to_end(&mut head) {
        // The head of a packed file ends in the middle of it.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(head),
        Err(error) => Err(error),
        Ok(_) => Ok(head),
    }
}

fn unpacking<'r>(packing: Packing, reader: impl Read + 'r) -> io::Result<Box<dyn Read + 'r>> {
    Ok(match packing {
        Packing::Gzip => Box::new(MultiGzDecoder::new(reader)),
        Packing::Zstd => Box::new(zstd::Decoder::new(reader)?),
    })
}

/// Why the unpacking was ended, for who sees only that a reader failed.
#[derive(Debug, Clone, Default)]
pub(super) struct Verdict(Arc<Mutex<Option<Error>>>);

impl Verdict {
    pub(super) fn take(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn pass(&self, error: Error) -> io::Error {
        let told = error.to_string();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        io::Error::new(io::ErrorKind::InvalidData, told)
    }
}

/// The bytes within what `reader` reads; how many were read of it is told to `progress`.
pub(super) fn open<'r>(
    reader: impl Read + 'r,
    packing: Option<Packing>,
    limits: &Limits,
    progress: &Arc<Progress>,
    verdict: &Verdict,
) -> Result<Box<dyn Read + 'r>, Error> {
    let counted = CountingReader { inner: reader, progress: Arc::clone(progress) };
    let Some(packing) = packing else { return Ok(Box::new(counted)) };
    let inner = unpacking(packing, BufReader::with_capacity(256 << 10, counted))
        .map_err(|error| Error::Unreadable { format: packing.name(), why: error.to_string() })?;
    let (progress, verdict) = (Arc::clone(progress), verdict.clone());
    Ok(Box::new(LimitedReader { inner, packing, limits: *limits, progress, verdict, out: 0 }))
}

/// The bytes within `file` as a file that can be read in any order.
pub(super) fn open_file(
    file: File,
    scratch: Option<File>,
    packing: Option<Packing>,
    limits: &Limits,
    progress: &Arc<Progress>,
    verdict: &Verdict,
) -> Result<File, Error> {
    if packing.is_none() {
        return Ok(file);
    }
    let mut packed = open(file, packing, limits, progress, verdict)?;
    let mut unpacked = match scratch {
        Some(scratch) => scratch,
        None => tempfile::tempfile().map_err(|error| Error::Scratch(error.to_string()))?,
    };
    let copied = io::copy(&mut packed, &mut unpacked).and_then(|_| unpacked.rewind());
    copied.map_err(|error| verdict.take().unwrap_or_else(|| Error::Scratch(error.to_string())))?;
    Ok(unpacked)
}

/// What `bytes` hold, in memory: those of a document, which is never large.
pub(super) fn whole<'b>(bytes: &'b [u8], limits: &Limits) -> Result<Cow<'b, [u8]>, Error> {
    let packing = Packing::of(bytes);
    if packing.is_none() {
        return limits.holds(Bound::Unpacked, bytes.len() as u64).map(|()| Cow::Borrowed(bytes));
    }
    let (verdict, mut unpacked) = (Verdict::default(), Vec::new());
    let read = open(bytes, packing, limits, &Arc::default(), &verdict)?.read_to_end(&mut unpacked);
    let told = |error: io::Error| Error::Scratch(error.to_string());
    read.map_err(|error| verdict.take().unwrap_or_else(|| told(error)))?;
    Ok(Cow::Owned(unpacked))
}

impl Packing {
    fn of(head: &[u8]) -> Option<Self> {
        if head.starts_with(GZIP) {
            Some(Self::Gzip)
        } else if head.starts_with(ZSTD) {
            Some(Self::Zstd)
        } else {
            None
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// Counts what is read of a file.
struct CountingReader<R> {
    inner: R,
    progress: Arc<Progress>,
}

impl<R: Read> Read for CountingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.progress.bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Ends the unpacking where too much comes out.
struct LimitedReader<'r> {
    inner: Box<dyn Read + 'r>,
    packing: Packing,
    limits: Limits,
    progress: Arc<Progress>,
    verdict: Verdict,
    out: u64,
}

impl Read for LimitedReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let format = self.packing.name();
        let read = self
            .inner
            .read(buffer)
            .map_err(|error| self.verdict.pass(Error::Unreadable { format, why: error.to_string() }))?;
        self.out += read as u64;
        let packed = self.progress.bytes.load(Ordering::Relaxed);
        check(self.out, packed, &self.limits).map_err(|error| self.verdict.pass(error))?;
        Ok(read)
    }
}

/// Whether `out` bytes of `packed` ones are within bounds.
pub(super) fn check(out: u64, packed: u64, limits: &Limits) -> Result<(), Error> {
    limits.holds(Bound::Unpacked, out)?;
    if out > RATIO_FROM && out / limits.ratio.max(1) > packed {
        return Err(Error::Beyond { bound: Bound::Ratio, most: limits.ratio });
    }
    Ok(())
}
