//! Starts children, takes their rows, and ends them: when they are done, when they use too much, when nobody wants more.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::frame::{self, DocumentsRequest, End, Expected, Job, Message};
use super::{Confinement, ResourceLimits};
use crate::decode::{
    Bound, Document, Error, Limits, Names, Payload, Progress, ReadAs, Request, Rows, Sink, Tally,
};

/// The subcommand that is the child.
const SUBCOMMAND: &str = "decode-worker";
/// Who has read more bytes at once than these is not asked again.
const LARGE: usize = 1 << 20;
/// The exit code of a panic.
const PANICKED: i32 = 101;

/// Children, so many at once of either kind: a source that is listened to does not wait for anybody's large files.
#[derive(Debug)]
pub(super) struct Pool {
    program: PathBuf,
    resources: ResourceLimits,
    files: Slots,
    documents: Slots,
}

/// Children that work.
#[derive(Debug, Default)]
struct Slots {
    working: Mutex<usize>,
    ended: Condvar,
}

impl Slots {
    /// Waits until fewer than so many work.
    fn take(&self, most: usize) -> Slot<'_> {
        let full = |working: &mut usize| *working >= most.max(1);
        let working = self.working.lock().unwrap_or_else(PoisonError::into_inner);
        *self.ended.wait_while(working, full).unwrap_or_else(PoisonError::into_inner) += 1;
        Slot(self)
    }
}

/// The right to have a child that works.
struct Slot<'p>(&'p Slots);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        *self.0.working.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.ended.notify_one();
    }
}

/// A child that is gone when this is.
#[derive(Debug)]
pub(super) struct ChildProcess {
    child: Child,
    socket: UnixStream,
    /// How long it has been waited for.
    waited: Duration,
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        // It may have ended; then there is nothing to kill, and its end is still fetched.
        let ended = self.child.kill().and_then(|()| self.child.wait());
        if let Err(error) = ended {
            tracing::warn!(%error, "a decoder could not be ended");
        }
    }
}

impl Pool {
    pub(super) fn new(program: PathBuf, resources: ResourceLimits) -> Self {
        Self { program, resources, files: Slots::default(), documents: Slots::default() }
    }

    pub(super) fn decode(
        &self,
        name: &str,
        file: File,
        request: &Request,
        progress: &Arc<Progress>,
        sink: &mut Sink<'_>,
    ) -> Result<ReadAs, Error> {
        let total = file.metadata().map_or(0, |metadata| metadata.len());
        progress.total.store(total, Ordering::Relaxed);
        let _slot = self.files.take(self.resources.children);
        let job = Job::File { name: name.to_owned(), request: request.clone(), resources: self.resources };
        let mut running = self.start(file, &job).map_err(|error| self.unable(&error))?;
        let end = self.listen(&mut running, Expected::File(request), &request.limits, |rows, read| {
            progress.bytes.store(read.min(total), Ordering::Relaxed);
            sink(rows)
        })?;
        let read_as = Result::from(end)?;
        read_as.ok_or_else(|| corrupt("its decoder does not say how it was read"))
    }

    /// Takes what a child tells until it comes to its end.
    fn listen(
        &self,
        running: &mut ChildProcess,
        expected: Expected<'_>,
        limits: &Limits,
        mut take: impl FnMut(Rows, u64) -> Result<(), Error>,
    ) -> Result<End, Error> {
        let mut tally = Tally::default();
        loop {
            match self.next(running, expected)? {
                Message::Confined(_) => {}
                Message::Rows { rows, read } => {
                    tally.count(&rows, limits)?;
                    take(rows, read)?;
                }
                Message::End(end) => return Ok(end),
            }
        }
    }

    /// Asks a child for the rows of documents: that one, or a new one. It comes back where it may be asked again.
    pub(super) fn documents(
        &self,
        known: Option<ChildProcess>,
        request: DocumentsRequest<'_>,
        payloads: &[Payload],
    ) -> (Option<ChildProcess>, Result<Vec<Rows>, Error>) {
        let _slot = self.documents.take(self.resources.children);
        let mut child = match known.map_or_else(|| self.start_reading(request), Ok) {
            Ok(child) => child,
            Err(error) => return (None, Err(self.unable(&error))),
        };
        match self.exchange(&mut child, request, payloads) {
            Ok(told) => (Some(child).filter(|child| self.is_fresh(child, payloads)), told),
            Err(error) => (None, Err(error)),
        }
    }

    fn start_reading(&self, request: DocumentsRequest<'_>) -> io::Result<ChildProcess> {
        let (names, limits) = (request.names.clone(), *request.limits);
        let job = Job::Documents { names, limits, resources: self.resources };
        self.start(File::open("/dev/null")?, &job)
    }

    /// What the child tells of documents. Without an end of its telling it is the child's end.
    fn exchange(
        &self,
        running: &mut ChildProcess,
        request: DocumentsRequest<'_>,
        payloads: &[Payload],
    ) -> Result<Result<Vec<Rows>, Error>, Error> {
        match frame::write_documents(&mut running.socket, request.document, payloads) {
            // It is gone; why is told when it is listened to.
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(Error::Unable(format!("the decoder takes nothing: {error}"))),
            Ok(()) => {}
        }
        let (limits, mut all) = (request.document.within(request.limits), Vec::new());
        let end = self.listen(running, Expected::Documents(request), &limits, |rows, _| {
            all.push(rows);
            Ok(())
        })?;
        Ok(Result::from(end).map(|_| all))
    }

    /// Whether a child may be asked again: its time is for all that it reads, and what it held it may not give back.
    fn is_fresh(&self, child: &ChildProcess, payloads: &[Payload]) -> bool {
        let bytes: usize = payloads.iter().map(|payload| payload.bytes.len()).sum();
        child.waited < self.resources.patience() / 2 && bytes <= LARGE
    }

    /// Asks a child for nothing, to learn what holds it.
    pub(super) fn probe(&self) -> Result<Confinement, Error> {
        let request = DocumentsRequest {
            document: &Document::Cap,
            names: &Names::default(),
            limits: &Limits::default(),
        };
        let mut child = self.start_reading(request).map_err(|error| self.unable(&error))?;
        match self.next(&mut child, Expected::Documents(request))? {
            Message::Confined(confinement) => Ok(confinement),
            _ => Err(Error::Unable("the decoder does not say what holds it".into())),
        }
    }

    fn unable(&self, error: &io::Error) -> Error {
        Error::Unable(format!("{} could not be started as a decoder: {error}", self.program.display()))
    }

    fn start(&self, file: File, job: &Job) -> io::Result<ChildProcess> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = Command::new(&self.program);
        // What the city knows from its environment is nobody's business in there.
        command.env_clear();
        if let Some(scratch) = std::env::var_os("TMPDIR") {
            command.env("TMPDIR", scratch);
        }
        let child = command
            .arg(SUBCOMMAND)
            .stdin(Stdio::from(file))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .stderr(Stdio::null())
            .spawn()?;
        // The command holds a copy of the child's end, without which the child's death would go unheard.
        drop(command);
        let mut running = ChildProcess { child, socket: ours, waited: Duration::ZERO };
        running.socket.set_write_timeout(Some(self.resources.patience()))?;
        match frame::write_job(&mut running.socket, job) {
            // It is gone already; why is told when it is listened to.
            Err(error) if is_gone(&error) => Ok(running),
            Err(error) => Err(error),
            Ok(()) => Ok(running),
        }
    }

    /// The next thing that the child says, or what became of it.
    fn next(&self, running: &mut ChildProcess, expected: Expected<'_>) -> Result<Message, Error> {
        let mut patient = DeadlineReader { running, most: self.resources.patience() };
        let error = match frame::read_message(&mut patient, expected) {
            Ok(said) => return Ok(said),
            Err(error) => error,
        };
        if error.kind() == io::ErrorKind::TimedOut {
            return Err(self.too_slow());
        }
        if !matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) {
            return Err(corrupt(&format!("its decoder said what no decoder says: {error}")));
        }
        let ended = running.child.wait().map_err(|error| Error::Unable(error.to_string()))?;
        Err(self.end_of(ended))
    }

    fn too_slow(&self) -> Error {
        Error::Beyond { bound: Bound::Time, most: self.resources.seconds }
    }

    /// What the end of a child that was not done says of the file.
    fn end_of(&self, ended: ExitStatus) -> Error {
        use rustix::process::Signal;
        let signal = ended.signal();
        let by = |signals: &[Signal]| signals.iter().any(|known| signal == Some(known.as_raw()));
        if by(&[Signal::XCPU]) {
            self.too_slow()
        } else if by(&[Signal::ABORT, Signal::KILL]) {
            // An allocation that failed aborts; a machine that runs out of memory kills.
            Error::Beyond { bound: Bound::Memory, most: self.resources.memory }
        } else if ended.code() == Some(PANICKED) || by(&[Signal::SEGV, Signal::BUS, Signal::FPE, Signal::ILL])
        {
            corrupt("it is corrupt: the reader could not make sense of it")
        } else {
            corrupt(&format!("its decoder ended with {ended}"))
        }
    }
}

/// Whether nobody is at the other end any more.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

fn corrupt(why: &str) -> Error {
    Error::Unreadable { format: "what it is called", why: why.to_owned() }
}

/// A socket that is waited for only so long in all.
struct DeadlineReader<'r> {
    running: &'r mut ChildProcess,
    most: Duration,
}

impl io::Read for DeadlineReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.most.saturating_sub(self.running.waited);
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.running.socket.set_read_timeout(Some(left))?;
        let begun = Instant::now();
        let read = self.running.socket.read(buffer);
        self.running.waited += begun.elapsed();
        read.map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
            _ => error,
        })
    }
}
