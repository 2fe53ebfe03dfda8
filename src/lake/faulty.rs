//! A store for tests that fails as stores do: now and then, all the time, or by lying.

use std::io;
use std::path::Path as FsPath;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use url::Url;

use super::Lake;
use super::durable_fs::DurableFs;
use super::root::Root;

/// How the store is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// As it should be.
    Calm,
    /// It fails, answers late, loses answers, answers wrongly as S3 does, and tears files.
    Stormy,
    /// Nothing more fits.
    Full,
    /// It overwrites what it should only create.
    Careless,
}

/// The durable store, behind a line that cannot be trusted.
#[derive(Debug)]
pub(crate) struct Faulty {
    inner: DurableFs,
    dice: Mutex<StdRng>,
    mood: Mutex<Mood>,
    faults: AtomicU64,
}

impl std::fmt::Display for Faulty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Faulty")
    }
}

impl Faulty {
    pub(crate) fn new(seed: u64, mood: Mood) -> Arc<Self> {
        let dice = Mutex::new(StdRng::seed_from_u64(seed));
        let (inner, faults) = (DurableFs::default(), AtomicU64::new(0));
        Arc::new(Self { inner, dice, mood: Mutex::new(mood), faults })
    }

    /// A lake in `folder`, reached over this store.
    pub(crate) fn lake(self: &Arc<Self>, folder: &FsPath) -> Lake {
        let url = Url::from_directory_path(folder.canonicalize().unwrap().join("lake")).unwrap();
        Lake::at(Root::over(url, Arc::clone(self) as Arc<dyn ObjectStore>))
    }

    pub(crate) fn turns(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(crate) fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    fn mood(&self) -> Mood {
        *self.mood.lock().unwrap()
    }

    /// A number below ten, after a while; none in fair weather.
    async fn throw(&self) -> Option<u32> {
        if self.mood() != Mood::Stormy {
            return None;
        }
        let (wait, thrown) = {
            let mut dice = self.dice.lock().unwrap();
            (dice.random_range(0..3), dice.random_range(0..10))
        };
        tokio::time::sleep(Duration::from_millis(wait)).await;
        Some(thrown)
    }

    fn fault(&self) -> Error {
        self.faults.fetch_add(1, Ordering::Relaxed);
        Error::Generic { store: "Faulty", source: "the line broke".into() }
    }

    /// What S3 says where two write at once (409), and where a request was sent again whose answer was lost (412).
    fn exists(&self, location: &Path) -> Error {
        self.faults.fetch_add(1, Ordering::Relaxed);
        Error::AlreadyExists { path: location.to_string(), source: "409 or 412".into() }
    }
}

fn no_room() -> Error {
    Error::Generic { store: "Faulty", source: Box::new(io::Error::from(io::ErrorKind::StorageFull)) }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        match self.mood() {
            Mood::Full => return Err(no_room()),
            Mood::Careless => return self.inner.put_opts(location, payload, PutOptions::default()).await,
            Mood::Calm | Mood::Stormy => {}
        }
        let creates = options.mode == PutMode::Create;
        match self.throw().await {
            Some(0) => Err(self.fault()),
            Some(1) => {
                self.inner.put_opts(location, payload, options).await?;
                Err(self.fault())
            }
            // Commits come whole or not at all, in every store that can hold a table; files may be torn.
            Some(2) if location.as_ref().ends_with(".parquet") => {
                let bytes = payload.iter().flat_map(|chunk| chunk.to_vec()).collect::<Vec<u8>>();
                let half = bytes[..bytes.len() / 2].to_vec();
                self.inner.put_opts(location, half.into(), options).await?;
                Err(self.fault())
            }
            Some(3) if creates => Err(self.exists(location)),
            Some(4) if creates => {
                self.inner.put_opts(location, payload, options).await?;
                Err(self.exists(location))
            }
            _ => self.inner.put_opts(location, payload, options).await,
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        if self.mood() == Mood::Full {
            return Ok(Box::new(NoRoom));
        }
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if self.throw().await == Some(0) {
            Err(self.fault())
        } else {
            self.inner.get_opts(location, options).await
        }
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// An upload of which no part fits.
#[derive(Debug)]
struct NoRoom;

#[async_trait]
impl MultipartUpload for NoRoom {
    fn put_part(&mut self, _data: PutPayload) -> UploadPart {
        Box::pin(async { Err(no_room()) })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        Err(no_room())
    }

    async fn abort(&mut self) -> Result<()> {
        Ok(())
    }
}
