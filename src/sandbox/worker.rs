//! The child: takes a job, gives up its rights, decodes, and says what it found.
//!
//! Standard output is a socket, on which the job comes and the rows go. Standard input is the file; documents of live
//! sources come on the socket, too, one after the other.

use std::fs::File;
use std::io::{self, BufWriter, Read as _, Seek as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::confine::confine;
use super::frame::{self, End, Job};
use crate::decode::{self, Error, Limits, Names, Progress, ReadAs, Request, Rows};

/// Does the job of the process that started this one.
///
/// # Errors
/// Where that process is gone.
pub fn run() -> io::Result<()> {
    let mut file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut socket = UnixStream::from(io::stdout().as_fd().try_clone_to_owned()?);
    let job = frame::read_job(&mut socket)?;
    // Whatever has to be opened is opened before nothing can be.
    let asked = socket.try_clone()?;
    let scratch = if is_packed(&mut file)? { tempfile::tempfile().ok() } else { None };
    let (resources, limits) = match &job {
        Job::File { resources, request, .. } => (resources, &request.limits),
        Job::Documents { resources, limits, .. } => (resources, limits),
    };
    let confinement = confine(resources, limits);
    let mut out = BufWriter::with_capacity(256 << 10, socket);
    frame::write_confined(&mut out, &confinement)?;
    out.flush()?;
    match job {
        Job::File { name, request, .. } => {
            let end = decode_file(&name, &request, file, scratch, &mut out).map(Some);
            frame::write_end(&mut out, &End::from(end))?;
            out.flush()
        }
        Job::Documents { names, limits, .. } => decode_documents(&names, &limits, asked, &mut out),
    }
}

/// Whether the file begins as gzip or zstd do.
fn is_packed(file: &mut File) -> io::Result<bool> {
    let mut head = [0; 2];
    let packed = file.read_exact(&mut head).is_ok() && matches!(head, [0x1f, 0x8b] | [0x28, 0xb5]);
    file.rewind().map(|()| packed)
}

fn decode_file(
    name: &str,
    request: &Request,
    file: File,
    scratch: Option<File>,
    out: &mut impl io::Write,
) -> Result<ReadAs, Error> {
    let progress = Arc::new(Progress::default());
    let mut sink = |rows: Rows| send(out, rows, progress.bytes.load(Ordering::Relaxed));
    decode::decode_named(name, file, scratch, request, &progress, &mut sink)
}

/// Reads what it is asked for until nobody asks any more.
fn decode_documents(
    names: &Names,
    limits: &Limits,
    mut asked: UnixStream,
    out: &mut impl io::Write,
) -> io::Result<()> {
    while let Some((document, payloads)) = frame::read_documents(&mut asked)? {
        let mut sink = |rows: Rows| send(out, rows, 0);
        let done = decode::read_document(&document, &payloads, names, limits, &mut sink);
        frame::write_end(out, &End::from(done.map(|()| None)))?;
        out.flush()?;
    }
    Ok(())
}

fn send(out: &mut impl io::Write, rows: Rows, read: u64) -> Result<(), Error> {
    let sent = frame::write_rows(out, rows, read).and_then(|()| out.flush());
    sent.map_err(|error| Error::Stopped(error.to_string()))
}
