//! Uploads that come in parts: their bytes and a note of each on the disk, so that a cut line or a restart loses nothing.
//!
//! `<id>.part` holds the bytes, `<id>.json` what is known: its feed, its length, and, once it has landed or was refused,
//! the answer. How parts come is the doors' business, when a complete upload lands is the wiring's.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{Bounds, Refusal, Units};
use crate::lake::{create_dirs, fsync_dir};
use crate::model::{FeedName, Micros};

/// What is known of an upload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// `<department>.<feed>`.
    pub feed: String,
    /// The file's name.
    pub file: String,
    /// Bytes in all.
    pub length: u64,
    /// The submission whose rejected rows it brings mended.
    pub mends: Option<String>,
    /// The version of the contract that it was made for.
    #[serde(default)]
    pub contract: Option<String>,
    /// The units of its columns.
    #[serde(default)]
    pub units: Units,
    /// What its sender said of it, given back as it came.
    pub metadata: Option<String>,
    /// When it is forgotten.
    pub expires_us: i64,
    /// The receipt or the refusal, once there is one.
    pub ended: Option<Value>,
}

/// An upload as it is now.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its id, and its submission's.
    pub id: Uuid,
    /// What is known of it.
    pub note: Note,
    /// Bytes that are on the disk.
    pub offset: u64,
}

/// All uploads in parts.
#[derive(Debug)]
pub struct Uploads {
    folder: PathBuf,
    bounds: Bounds,
    held: Arc<Mutex<HashSet<Uuid>>>,
    complete: Notify,
}

/// The right to write to an upload; what was not verified is taken back at its end.
#[derive(Debug)]
struct Hold {
    held: Arc<Mutex<HashSet<Uuid>>>,
    id: Uuid,
    /// The file, and the length that it has again unless the part is kept.
    back: Mutex<Option<(PathBuf, u64)>>,
}

/// A part on its way to the disk.
#[derive(Debug)]
pub struct Appending {
    file: Option<File>,
    hold: Arc<Hold>,
    offset: u64,
    length: u64,
}

impl Uploads {
    /// The uploads in `folder`, those of before a restart among them.
    ///
    /// # Errors
    /// Where the folder cannot be made.
    pub fn open(folder: PathBuf, bounds: Bounds) -> io::Result<Self> {
        create_dirs(&folder)?;
        Ok(Self { folder, bounds, held: Arc::default(), complete: Notify::new() })
    }

    fn path(&self, id: Uuid, extension: &str) -> PathBuf {
        self.folder.join(format!("{id}.{extension}"))
    }

    fn expires(&self, now: Micros) -> i64 {
        now.plus_seconds(i64::try_from(self.bounds.upload_seconds).unwrap_or(i64::MAX / 2_000_000)).0
    }

    /// Begins an upload; it is on the disk when this returns.
    ///
    /// # Errors
    /// A [`Refusal`] where the department has too many, or the disk too little room.
    pub fn begin(&self, feed: &FeedName, note: Note, now: Micros) -> Result<Part, Refusal> {
        let io = |source| Refusal::io(&note.file, source);
        self.bounds.room(&self.folder, note.length)?;
        let department = format!("{}.", feed.department());
        let open: Vec<Part> = self.all().into_iter().filter(|part| part.note.ended.is_none()).collect();
        let theirs = open.iter().filter(|part| part.note.feed.starts_with(&department));
        let bytes = theirs.clone().fold(note.length, |sum, part| sum.saturating_add(part.note.length));
        if theirs.count() >= self.bounds.uploads_each || bytes > self.bounds.uploads_bytes {
            let Bounds { uploads_each, uploads_bytes, .. } = self.bounds;
            return Err(Refusal::Quota { uploads: uploads_each, bytes: uploads_bytes });
        }
        let id = Uuid::now_v7();
        let note = Note { expires_us: self.expires(now), ended: None, ..note.clone() };
        File::create_new(self.path(id, "part")).and_then(|file| file.sync_all()).map_err(io)?;
        self.write(id, &note).map_err(io)?;
        Ok(Part { id, note, offset: 0 })
    }

    /// The note in its place, durable.
    fn write(&self, id: Uuid, note: &Note) -> io::Result<()> {
        let draft = self.path(id, "draft");
        let mut file = File::create(&draft)?;
        file.write_all(&serde_json::to_vec(note)?)?;
        file.sync_all()?;
        fs::rename(&draft, self.path(id, "json"))?;
        fsync_dir(&self.folder)
    }

    /// An upload of that feed, where there is one.
    pub fn get(&self, id: Uuid, feed: &FeedName) -> Option<Part> {
        self.read(id).filter(|part| part.note.feed == feed.to_string())
    }

    fn read(&self, id: Uuid) -> Option<Part> {
        let note: Note = serde_json::from_slice(&fs::read(self.path(id, "json")).ok()?).ok()?;
        let offset = match &note.ended {
            Some(_) => note.length,
            None => fs::metadata(self.path(id, "part")).ok()?.len(),
        };
        Some(Part { id, note, offset })
    }

    fn all(&self) -> Vec<Part> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let id = |path: PathBuf| Uuid::parse_str(path.file_stem()?.to_str()?).ok();
        let notes = entries.flatten().map(|entry| entry.path());
        let notes = notes.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        let mut parts: Vec<Part> = notes.filter_map(id).filter_map(|id| self.read(id)).collect();
        parts.sort_by_key(|part| part.id);
        parts
    }

    /// Takes hold of an upload to write to it. With `verified`, what is appended counts only once it is kept.
    ///
    /// # Errors
    /// Where it cannot be written to; none where somebody else does so now.
    pub fn append(&self, part: &Part, verified: bool) -> io::Result<Option<Appending>> {
        if !self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(part.id) {
            return Ok(None);
        }
        let hold = Hold { held: Arc::clone(&self.held), id: part.id, back: Mutex::default() };
        let path = self.path(part.id, "part");
        let file = OpenOptions::new().append(true).open(&path)?;
        let offset = file.metadata()?.len();
        if verified {
            *hold.back.lock().unwrap_or_else(PoisonError::into_inner) = Some((path, offset));
        }
        Ok(Some(Appending { file: Some(file), hold: Arc::new(hold), offset, length: part.note.length }))
    }

    /// Says how long the upload is kept from now on; tells who lands them where it is complete.
    ///
    /// # Errors
    /// Where that cannot be written down.
    pub fn extend(&self, part: &Part, offset: u64, now: Micros) -> io::Result<Note> {
        let note = Note { expires_us: self.expires(now), ..part.note.clone() };
        self.write(part.id, &note)?;
        if offset == note.length {
            self.complete.notify_one();
        }
        Ok(note)
    }

    /// Forgets an upload.
    ///
    /// # Errors
    /// Where its files cannot be removed.
    pub fn forget(&self, id: Uuid) -> io::Result<()> {
        // Without its note there is no upload, whatever is left of it.
        remove(&self.path(id, "json"))?;
        remove(&self.path(id, "part"))?;
        fsync_dir(&self.folder)
    }

    /// Waits until an upload is complete.
    pub async fn completed(&self) {
        self.complete.notified().await;
    }

    /// Uploads that are complete and have not landed yet, with the files that hold them.
    pub fn to_land(&self) -> Vec<(Part, PathBuf)> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let complete = |part: &Part| part.note.ended.is_none() && part.offset == part.note.length;
        let parts = self.all().into_iter().filter(|part| complete(part) && !held.contains(&part.id));
        parts.map(|part| (part.clone(), self.path(part.id, "part"))).collect()
    }

    /// Notes what became of an upload; its bytes are no longer needed.
    ///
    /// # Errors
    /// Where that cannot be written down.
    pub fn end(&self, part: &Part, outcome: Value) -> io::Result<()> {
        self.write(part.id, &Note { ended: Some(outcome), ..part.note.clone() })?;
        remove(&self.path(part.id, "part"))
    }

    /// Forgets what has expired; how many.
    ///
    /// # Errors
    /// Where a file cannot be removed.
    pub fn expire(&self, now: Micros) -> io::Result<usize> {
        let expired: Vec<Part> = self.all().into_iter().filter(|part| part.note.expires_us < now.0).collect();
        expired.iter().try_for_each(|part| self.forget(part.id))?;
        Ok(expired.len())
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Appending {
    /// Bytes that the upload has now.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Appends bytes; more than the upload announced is an error of kind [`io::ErrorKind::FileTooLarge`].
    ///
    /// # Errors
    /// Where they are too many, or cannot be written.
    pub async fn push(&mut self, bytes: Bytes) -> io::Result<()> {
        let after = self.offset + bytes.len() as u64;
        if after > self.length {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut file = self.file.take().ok_or(io::ErrorKind::NotConnected)?;
        // The hold ends after the writing, whatever becomes of who waits for it.
        let hold = Arc::clone(&self.hold);
        let written = tokio::task::spawn_blocking(move || {
            let done = file.write_all(&bytes).map(|()| file);
            drop(hold);
            done
        });
        self.file = Some(written.await.map_err(io::Error::other)??);
        self.offset = after;
        Ok(())
    }

    /// Keeps what was appended: it is on the disk when this returns.
    ///
    /// # Errors
    /// Where the disk does not say so.
    pub async fn keep(&mut self) -> io::Result<u64> {
        let file = self.file.take().ok_or(io::ErrorKind::NotConnected)?;
        tokio::task::spawn_blocking(move || file.sync_data()).await.map_err(io::Error::other)??;
        self.hold.back.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(self.offset)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let back = self.back.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((path, length)) = back
            && let Err(error) =
                OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(length))
        {
            tracing::warn!(%error, "a part that was not verified could not be taken back");
        }
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
