//! A local object store whose success means "on the disk": bytes and directory entry are fsynced before it answers.
//!
//! object_store 0.13 never calls fsync; a power cut could leave a zero-length commit and with it an unreadable
//! table. Reading is left to the library's own local store.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt as _};
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};

use crate::model::Micros;

static STAGED: AtomicU64 = AtomicU64::new(0);

/// The fsyncing local store.
#[derive(Debug, Clone, Default)]
pub struct DurableFs {
    inner: Arc<LocalFileSystem>,
}

impl std::fmt::Display for DurableFs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DurableFs")
    }
}

fn failed(source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Generic { store: "DurableFs", source: Box::new(source) }
}

/// Makes the entries of a directory durable.
pub fn fsync_dir(dir: &FsPath) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn parent(path: &FsPath) -> io::Result<&FsPath> {
    path.parent().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a path without a folder"))
}

/// Creates `dir` and what is missing above it, each entry durable.
pub fn create_dirs(dir: &FsPath) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let above = parent(dir)?;
    if !above.as_os_str().is_empty() {
        create_dirs(above)?;
    }
    match fs::create_dir(dir) {
        Ok(()) if above.as_os_str().is_empty() => fsync_dir(FsPath::new(".")),
        Ok(()) => fsync_dir(above),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// A new file beside `dest`; `name#N` is the pattern that the library's listing leaves out.
fn stage(dest: &FsPath) -> io::Result<(File, PathBuf)> {
    create_dirs(parent(dest)?)?;
    loop {
        let number = (u64::from(std::process::id()) << 32) | STAGED.fetch_add(1, Ordering::Relaxed);
        let path = PathBuf::from(format!("{}#{number}", dest.display()));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Removes staged files of a folder that nobody has written to since `until`: their writers were killed. Their number.
pub(super) fn remove_staged(folder: &FsPath, until: Micros) -> io::Result<usize> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut removed = 0;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.rsplit_once('#')).map(|(_, number)| number);
        if number.is_none_or(|number| number.parse::<u64>().is_err()) {
            continue;
        }
        // It may get its name in this very moment.
        let Ok(meta) = entry.metadata() else { continue };
        if meta.mtime() < until.seconds() && fs::remove_file(entry.path()).is_ok() {
            removed += 1;
        }
    }
    Ok(removed)
}

/// Gives the synced staged file its name; `create` refuses where the name is taken.
fn publish(staged: &FsPath, dest: &FsPath, create: bool) -> Result<()> {
    let named = if create {
        let linked = fs::hard_link(staged, dest);
        fs::remove_file(staged).map_err(failed)?;
        linked
    } else {
        fs::rename(staged, dest)
    };
    match named {
        Ok(()) => parent(dest).and_then(fsync_dir).map_err(failed),
        Err(error) if create && error.kind() == io::ErrorKind::AlreadyExists => {
            Err(Error::AlreadyExists { path: dest.display().to_string(), source: Box::new(error) })
        }
        Err(error) => Err(failed(error)),
    }
}

fn write_whole(dest: &FsPath, payload: &PutPayload, create: bool) -> Result<()> {
    let (mut file, staged) = stage(dest).map_err(failed)?;
    let written = payload.iter().try_for_each(|chunk| file.write_all(chunk)).and_then(|()| file.sync_all());
    drop(file);
    if let Err(error) = written {
        let _removed = fs::remove_file(&staged);
        return Err(failed(error));
    }
    publish(&staged, dest, create)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}

#[async_trait]
impl ObjectStore for DurableFs {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let dest = self.inner.path_to_filesystem(location)?;
        let create = match options.mode {
            PutMode::Create => true,
            PutMode::Overwrite => false,
            PutMode::Update(_) => return self.inner.put_opts(location, payload, options).await,
        };
        blocking(move || write_whole(&dest, &payload, create)).await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let dest = self.inner.path_to_filesystem(location)?;
        let (file, staged) = stage(&dest).map_err(failed)?;
        Ok(Box::new(Upload { file: Arc::new(file), staged, dest, offset: 0, published: false }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[std::ops::Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await?;
        self.settle(to).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await?;
        self.settle(to).await
    }
}

impl DurableFs {
    /// Syncs a file that the library wrote, and its directory.
    async fn settle(&self, location: &Path) -> Result<()> {
        let dest = self.inner.path_to_filesystem(location)?;
        blocking(move || {
            File::open(&dest).and_then(|file| file.sync_all()).map_err(failed)?;
            parent(&dest).and_then(fsync_dir).map_err(failed)
        })
        .await
    }
}

#[derive(Debug)]
struct Upload {
    file: Arc<File>,
    staged: PathBuf,
    dest: PathBuf,
    offset: u64,
    published: bool,
}

/// What will not be finished takes no room: the disk may be full.
impl Drop for Upload {
    fn drop(&mut self) {
        if !self.published {
            let _removed = fs::remove_file(&self.staged);
        }
    }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let file = Arc::clone(&self.file);
        let mut at = self.offset;
        self.offset += data.content_length() as u64;
        blocking(move || {
            for chunk in &data {
                file.write_all_at(chunk, at).map_err(failed)?;
                at += chunk.len() as u64;
            }
            Ok(())
        })
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let (file, staged, dest) = (Arc::clone(&self.file), self.staged.clone(), self.dest.clone());
        blocking(move || {
            file.sync_all().map_err(failed)?;
            publish(&staged, &dest, false)
        })
        .await?;
        self.published = true;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn abort(&mut self) -> Result<()> {
        fs::remove_file(&self.staged).map_err(failed)
    }
}
