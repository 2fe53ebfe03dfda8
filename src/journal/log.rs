//! The journal's files: one writer, append, rotate, replay. What the events mean is the book's business.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::scan::{LINE_BYTES, Lines, Piece, segment_path, segments, unreadable};
use super::{Breakage, Digest, Error, Event, Heads, Record, chain, stored};
use crate::model::Micros;

/// Where the journal lies and how it is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalConfig {
    /// Its folder, made where there is none.
    pub dir: PathBuf,
    /// A segment of this size or more is followed by a new one.
    pub segment_bytes: u64,
}

impl JournalConfig {
    /// A journal in `dir` with segments of 64 MiB.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), segment_bytes: 64 * 1024 * 1024 }
    }
}

/// What opening found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replay {
    /// Records read.
    pub records: u64,
    /// Bytes cut off the end: a write that a crash interrupted, never acknowledged.
    pub torn_bytes: u64,
    /// The data folder's epoch.
    pub epoch: u32,
}

/// The open journal. Blocking; the desk's writer runs it where blocking is allowed.
#[derive(Debug)]
pub struct Journal {
    config: JournalConfig,
    path: PathBuf,
    file: File,
    size: u64,
    tip: Digest,
    heads: Heads,
    poisoned: Option<String>,
    _lock: File,
}

impl Journal {
    /// Locks the folder, verifies the whole chain, hands every record to `fold` in order, and cuts off what a
    /// crash left unfinished. A folder without a journal is given one, with an epoch of its own.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Broken`], [`Error::Newer`] or [`Error::Io`].
    pub fn open(
        config: JournalConfig,
        now: Micros,
        mut fold: impl FnMut(Record),
    ) -> Result<(Self, Replay), Error> {
        std::fs::create_dir_all(&config.dir).map_err(Error::io(&config.dir))?;
        let lock = lock(&config.dir)?;
        let mut found = segments(&config.dir)?;
        if found.is_empty() {
            found.push((1, segment_path(&config.dir, 1)));
        }
        let mut state = Scan::default();
        let newest = found.len() - 1;
        for (index, (first, path)) in found.iter().enumerate() {
            state.segment(*first, path, index == newest, &mut fold)?;
        }
        let (_, path) = found.swap_remove(newest);
        let file = open_for_append(&path, &config.dir)?;
        if state.torn_bytes > 0 {
            tracing::warn!(path = %path.display(), bytes = state.torn_bytes, "cut off an unfinished write that was never acknowledged");
            file.set_len(state.good).map_err(Error::io(&path))?;
        }
        // What a failed sync left in memory only must be on disk before anything builds upon it.
        file.sync_all().map_err(Error::io(&path))?;
        let Scan { good: size, tip, heads, torn_bytes, epoch, .. } = state;
        let mut journal = Self { config, path, file, size, tip, heads, poisoned: None, _lock: lock };
        if heads.journal == 0 {
            let epoch = u32::from_be_bytes(
                uuid::Uuid::new_v4().as_bytes().first_chunk().copied().unwrap_or_default(),
            );
            journal.append(vec![Event::Founded { epoch }], now)?.into_iter().for_each(&mut fold);
            return Ok((journal, Replay { records: 1, torn_bytes, epoch }));
        }
        Ok((journal, Replay { records: heads.journal, torn_bytes, epoch }))
    }

    /// Writes the events as one: after a crash either all of them are there or none. When this returns they
    /// are on disk.
    ///
    /// # Errors
    /// [`Error::TooLarge`] before anything is written; [`Error::Io`] when the disk fails, after which every
    /// append is [`Error::Poisoned`] until the journal is opened again.
    pub fn append(&mut self, events: Vec<Event>, now: Micros) -> Result<Vec<Record>, Error> {
        if let Some(why) = &self.poisoned {
            return Err(Error::Poisoned { why: why.clone() });
        }
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let (text, records, heads) = self.forge(events, now)?;
        if let Err(error) = self.write(text.as_bytes()) {
            // A full disk is no broken one: nothing of what was begun was promised, so it can be taken back.
            if !error.is_full() || self.take_back().is_err() {
                self.poisoned = Some(error.to_string());
            }
            return Err(error);
        }
        self.heads = heads;
        self.tip = records.last().map_or(self.tip, |record| record.hash);
        Ok(records)
    }

    /// The newest sequences.
    pub fn heads(&self) -> Heads {
        self.heads
    }

    fn forge(&self, events: Vec<Event>, now: Micros) -> Result<(String, Vec<Record>, Heads), Error> {
        let (mut text, mut heads, mut tip) = (String::new(), self.heads, self.tip);
        let mut left = u32::try_from(events.len()).unwrap_or(u32::MAX);
        let mut records = Vec::with_capacity(events.len());
        for event in events {
            left = left.saturating_sub(1);
            let (seq, channel) = (heads.journal + 1, event.channel());
            let previous = channel.map_or(0, |channel| heads.of(channel));
            let stored = stored::write(&event, previous, left)
                .map_err(|error| Error::Io { path: self.path.clone(), source: error.into() })?;
            let (line, hash) = chain::forge(seq, now.0, tip, &stored);
            if line.len() > LINE_BYTES {
                return Err(Error::TooLarge { bytes: line.len() });
            }
            text.push_str(&line);
            heads.advance(seq, channel);
            tip = hash;
            records.push(Record { seq, previous, left, at: now, hash, event });
        }
        Ok((text, records, heads))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.size >= self.config.segment_bytes {
            let path = segment_path(&self.config.dir, self.heads.journal + 1);
            self.file = open_for_append(&path, &self.config.dir)?;
            (self.path, self.size) = (path, 0);
        }
        self.file.write_all(bytes).map_err(Error::io(&self.path))?;
        self.file.sync_data().map_err(Error::io(&self.path))?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Cuts off what a write began behind the last whole one.
    fn take_back(&mut self) -> Result<(), Error> {
        let file = open_for_append(&self.path, &self.config.dir)?;
        file.set_len(self.size).and_then(|()| file.sync_all()).map_err(Error::io(&self.path))?;
        self.file = file;
        Ok(())
    }
}

#[cfg(test)]
impl Journal {
    /// From now on the disk is full, as the system's own full device is.
    pub(super) fn fill_disk(&mut self) {
        self.file = OpenOptions::new().append(true).open("/dev/full").unwrap();
    }
}

/// Locks the folder for this process, and says which one it is.
fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join("lock");
    let mut options = OpenOptions::new();
    let mut file =
        options.create(true).truncate(false).read(true).write(true).open(&path).map_err(Error::io(&path))?;
    match file.try_lock() {
        Ok(()) => {
            // The lock holds without it; a number that was not written is only not told.
            let noted = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
            if let Err(error) = noted {
                tracing::debug!(path = %path.display(), %error, "the lock does not say whose it is");
            }
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut said = String::new();
            let holder = file.read_to_string(&mut said).ok().and_then(|_| said.trim().parse().ok());
            Err(Error::Locked { path, holder })
        }
        Err(TryLockError::Error(source)) => Err(Error::Io { path, source }),
    }
}

/// The file at its end; its name is on disk when this returns.
fn open_for_append(path: &Path, dir: &Path) -> Result<File, Error> {
    let file = OpenOptions::new().create(true).append(true).open(path).map_err(Error::io(path))?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(Error::io(dir))?;
    Ok(file)
}

/// The state of reading a journal from its beginning. Only the records of one write are held at a time.
#[derive(Default)]
pub(super) struct Scan {
    heads: Heads,
    tip: Digest,
    epoch: u32,
    /// Where the last whole write of this segment ends.
    good: u64,
    torn_bytes: u64,
    /// Records of a write whose end has not come yet.
    pending: Vec<Record>,
}

impl Scan {
    /// Records read, and bytes of an unfinished write behind them.
    pub(super) fn found(&self) -> (u64, u64) {
        (self.heads.journal, self.torn_bytes)
    }

    /// Reads the next segment; only the newest may end in an unfinished write.
    pub(super) fn segment(
        &mut self,
        first: u64,
        path: &Path,
        newest: bool,
        fold: &mut impl FnMut(Record),
    ) -> Result<(), Error> {
        self.good = 0;
        if first != self.heads.journal + 1 {
            let why = Breakage::Sequence { expected: self.heads.journal + 1, found: first };
            return Err(Error::Broken { path: path.to_owned(), line: 1, why });
        }
        if !path.exists() {
            return Ok(());
        }
        let mut lines = Lines::open(path)?;
        let (mut seq, mut tip, mut number) = (self.heads.journal, self.tip, 0);
        let mut buffer = Vec::new();
        loop {
            let piece = lines.next(&mut buffer).map_err(Error::io(path))?;
            number += 1;
            let broken = |why| Error::Broken { path: path.to_owned(), line: number, why };
            match piece {
                Piece::Whole => {
                    let link = chain::verify(&buffer, seq + 1, tip).map_err(broken)?;
                    let envelope = stored::read(link.event).map_err(|why| unreadable(why, path, number))?;
                    (seq, tip) = (seq + 1, link.hash);
                    let stored::Envelope { previous, left, event } = envelope;
                    let record = Record { seq, previous, left, at: Micros(link.at_us), hash: tip, event };
                    self.take(record, lines.offset, fold);
                }
                Piece::End | Piece::Torn if newest => {
                    // A whole line of a write whose last line is missing is as unfinished as half a line.
                    self.pending.clear();
                    self.torn_bytes = lines.offset - self.good;
                    return Ok(());
                }
                Piece::End if self.pending.is_empty() => return Ok(()),
                Piece::End | Piece::Torn | Piece::TooLong => return Err(broken(Breakage::Form)),
            }
        }
    }

    fn take(&mut self, record: Record, end: u64, fold: &mut impl FnMut(Record)) {
        let finished = record.left == 0;
        self.pending.push(record);
        if !finished {
            return;
        }
        for record in self.pending.drain(..) {
            if let Event::Founded { epoch } = record.event {
                self.epoch = epoch;
            }
            self.heads.advance(record.seq, record.event.channel());
            self.tip = record.hash;
            fold(record);
        }
        self.good = end;
    }
}
