//! The child: takes a job, gives up its rights, decodes what stands at its standard input, and says what it found.
//!
//! Standard input is the file; standard output is a socket, on which the job comes and the rows go.

use std::fs::File;
use std::io::{self, BufWriter, Read as _, Seek as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::confine::confine;
use super::frame::{self, End, Job};
use crate::decode::{self, Error, Progress, Rows};

/// Does the job of the process that started this one.
///
/// # Errors
/// Where that process is gone.
pub fn run() -> io::Result<()> {
    let mut file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut socket = UnixStream::from(io::stdout().as_fd().try_clone_to_owned()?);
    let job = frame::read_job(&mut socket)?;
    // Whatever has to be opened is opened before nothing can be.
    let scratch = if is_packed(&mut file)? { tempfile::tempfile().ok() } else { None };
    let confinement = confine(&job.confines, &job.request.limits);
    let mut out = BufWriter::with_capacity(256 << 10, socket);
    frame::write_confined(&mut out, &confinement)?;
    out.flush()?;
    let end = End::from(decode(&job, file, scratch, &mut out));
    frame::write_end(&mut out, &end)?;
    out.flush()
}

/// Whether the file begins as gzip or zstd do.
fn is_packed(file: &mut File) -> io::Result<bool> {
    let mut head = [0; 2];
    let packed = file.read_exact(&mut head).is_ok() && matches!(head, [0x1f, 0x8b] | [0x28, 0xb5]);
    file.rewind().map(|()| packed)
}

fn decode(
    job: &Job,
    file: File,
    scratch: Option<File>,
    out: &mut impl io::Write,
) -> Result<decode::ReadAs, Error> {
    let progress = Arc::new(Progress::default());
    let mut sink = |rows: Rows| {
        let read = progress.bytes.load(Ordering::Relaxed);
        let sent = frame::write_rows(out, rows, read).and_then(|()| out.flush());
        sent.map_err(|error| Error::Stopped(error.to_string()))
    };
    decode::decode_named(&job.name, file, scratch, &job.request, &progress, &mut sink)
}
