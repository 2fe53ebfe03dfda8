//! States on disk: segments of bucket rows, and manifests that name them and the versions of the feeds that they cover.
//!
//! The feeds are the truth; a checkpoint only spares reading them again. So nothing here is flushed: a manifest counts
//! where it and every segment that it names carry their checksums, else the one before it does, else the state starts
//! anew. A manifest is put only where there is none of its number, so two owners cannot mix their segments.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::FileWriter;
use arrow::record_batch::RecordBatch;
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::lake::Position;

/// Another layout is another format: older checkpoints are then as good as none.
const FORMAT: u32 = 2;
/// So many manifests are kept.
const KEPT: usize = 3;
/// Segments of more files than this are written anew as one.
const MOST_FILES: usize = 16;

/// A feed at a position: which table, how far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::fusion) struct Seen {
    pub(in crate::fusion) table: String,
    #[serde(flatten)]
    pub(in crate::fusion) at: Position,
}

/// The tables beside the feeds and what they held.
pub(in crate::fusion) type Prints = BTreeMap<String, String>;

/// A checkpoint read back.
#[derive(Debug)]
pub(in crate::fusion) struct Saved {
    pub(in crate::fusion) feeds: BTreeMap<String, Seen>,
    pub(super) beside: Prints,
    /// The first bucket of the window.
    pub(super) first: i64,
    pub(super) buckets: BTreeMap<i64, RecordBatch>,
    pub(super) home: Home,
}

/// What of a state is where on disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Home {
    sequence: u64,
    segments: BTreeMap<String, u64>,
    buckets: BTreeMap<i64, Place>,
}

/// A bucket's rows: a batch of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    segment: String,
    batch: usize,
}

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    /// The cut's text: two cuts whose folders collide are told apart by it.
    cut: String,
    engine: String,
    feeds: BTreeMap<String, Seen>,
    beside: Prints,
    first: i64,
    /// Segments and the checksums of their bytes.
    segments: BTreeMap<String, u64>,
    buckets: BTreeMap<i64, Place>,
}

/// What a checkpoint is of.
pub(super) struct Written<'a> {
    pub(super) cut: &'a str,
    pub(super) schema: &'a SchemaRef,
    pub(super) feeds: BTreeMap<String, Seen>,
    pub(super) beside: Prints,
    pub(super) first: i64,
}

/// Where checkpoints are.
#[derive(Debug, Clone)]
pub(in crate::fusion) struct Checkpoints {
    store: Arc<dyn ObjectStore>,
}

/// What stopped a checkpoint.
pub(in crate::fusion) type Error = Box<dyn std::error::Error + Send + Sync>;

impl Checkpoints {
    pub(in crate::fusion) fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }

    /// The newest checkpoint of a cut that is whole. What is broken is logged and passed over.
    pub(in crate::fusion) async fn newest(&self, cut: &str, schema: &SchemaRef) -> Option<Saved> {
        let folder = folder(cut);
        let mut manifests = self.manifests(&folder).await.ok()?;
        while let Some((sequence, path)) = manifests.pop() {
            match self.read(&folder, sequence, &path, cut, schema).await {
                Ok(saved) => return saved,
                Err(error) => {
                    tracing::warn!(checkpoint.path = %path, %error, "checkpoint passed over");
                }
            }
        }
        None
    }

    async fn read(
        &self,
        folder: &Path,
        sequence: u64,
        path: &Path,
        cut: &str,
        schema: &SchemaRef,
    ) -> Result<Option<Saved>, Error> {
        let bytes = self.store.get(path).await?.bytes().await?;
        let manifest: Manifest = serde_json::from_slice(&bytes)?;
        if manifest.format != FORMAT
            || manifest.cut != cut
            || manifest.engine != datafusion::DATAFUSION_VERSION
        {
            return Ok(None);
        }
        let mut segments: BTreeMap<&str, Vec<RecordBatch>> = BTreeMap::new();
        for (name, checksum) in &manifest.segments {
            let bytes = self.store.get(&folder.clone().join(name.as_str())).await?.bytes().await?;
            if xxh3_64(&bytes) != *checksum {
                return Err(format!("segment {name} is not what was written").into());
            }
            let reader = FileReader::try_new(std::io::Cursor::new(bytes), None)?;
            if reader.schema().fields() != schema.fields() {
                return Ok(None);
            }
            segments.insert(name, reader.collect::<Result<_, _>>()?);
        }
        let mut buckets = BTreeMap::new();
        for (bucket, place) in &manifest.buckets {
            let rows = segments.get(place.segment.as_str()).and_then(|batches| batches.get(place.batch));
            buckets.insert(*bucket, rows.ok_or("a bucket is in no segment")?.clone());
        }
        let home = Home { sequence, segments: manifest.segments, buckets: manifest.buckets };
        Ok(Some(Saved {
            feeds: manifest.feeds,
            beside: manifest.beside,
            first: manifest.first,
            buckets,
            home,
        }))
    }

    /// Writes the `changed` buckets of a state and the manifest that names these and those that are on disk already.
    /// `rows` gives the rows of a bucket, none where it has gone.
    pub(super) async fn write(
        &self,
        of: Written<'_>,
        home: &Home,
        live: &BTreeSet<i64>,
        changed: &BTreeSet<i64>,
        rows: impl Fn(i64) -> Result<RecordBatch, Error>,
    ) -> Result<Home, Error> {
        let folder = folder(of.cut);
        let sequence = match home.sequence {
            0 => self.manifests(&folder).await?.last().map_or(1, |(newest, _)| newest + 1),
            known => known + 1,
        };
        let all = home.segments.len() >= MOST_FILES;
        let mut buckets: BTreeMap<i64, Place> = home
            .buckets
            .iter()
            .filter(|(bucket, _)| !all && live.contains(bucket) && !changed.contains(bucket))
            .map(|(bucket, place)| (*bucket, place.clone()))
            .collect();
        let fresh: Vec<i64> = live.iter().copied().filter(|bucket| !buckets.contains_key(bucket)).collect();
        let mut segments = home.segments.clone();
        if !fresh.is_empty() {
            let mut writer = FileWriter::try_new(Vec::new(), of.schema)?;
            let name = format!("{sequence:020}-{}.arrow", uuid::Uuid::now_v7().simple());
            for (batch, bucket) in fresh.into_iter().enumerate() {
                writer.write(&rows(bucket)?)?;
                buckets.insert(bucket, Place { segment: name.clone(), batch });
            }
            let bytes = writer.into_inner()?;
            segments.insert(name.clone(), xxh3_64(&bytes));
            self.store.put(&folder.clone().join(name.as_str()), bytes.into()).await?;
        }
        segments.retain(|name, _| buckets.values().any(|place| place.segment == *name));
        let manifest = Manifest {
            format: FORMAT,
            cut: of.cut.to_owned(),
            engine: datafusion::DATAFUSION_VERSION.to_owned(),
            feeds: of.feeds,
            beside: of.beside,
            first: of.first,
            segments: segments.clone(),
            buckets: buckets.clone(),
        };
        let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let path = folder.clone().join(format!("{sequence:020}.json"));
        self.store.put_opts(&path, serde_json::to_vec(&manifest)?.into(), create).await?;
        self.tidy(&folder).await?;
        Ok(Home { sequence, segments, buckets })
    }

    /// Manifests, oldest first.
    async fn manifests(&self, folder: &Path) -> Result<Vec<(u64, Path)>, Error> {
        let files: Vec<_> = self.store.list(Some(folder)).try_collect().await?;
        let number = |path: &Path| path.filename()?.strip_suffix(".json")?.parse().ok();
        let mut manifests: Vec<(u64, Path)> =
            files.into_iter().filter_map(|file| Some((number(&file.location)?, file.location))).collect();
        manifests.sort();
        Ok(manifests)
    }

    /// Deletes manifests but the newest, and segments that the kept ones do not name.
    async fn tidy(&self, folder: &Path) -> Result<(), Error> {
        let manifests = self.manifests(folder).await?;
        let (old, kept) = manifests.split_at(manifests.len().saturating_sub(KEPT));
        let mut named: BTreeSet<String> = BTreeSet::new();
        for (_, path) in kept {
            let bytes = self.store.get(path).await?.bytes().await?;
            let Ok(manifest) = serde_json::from_slice::<Manifest>(&bytes) else { continue };
            named.extend(manifest.segments.into_keys());
        }
        for (_, path) in old {
            self.store.delete(path).await?;
        }
        let files: Vec<_> = self.store.list(Some(folder)).try_collect().await?;
        let is_segment = |name: &str| name.strip_suffix(".arrow").is_some();
        for file in files {
            let name = file.location.filename().unwrap_or_default();
            if is_segment(name) && !named.contains(name) {
                self.store.delete(&file.location).await?;
            }
        }
        Ok(())
    }
}

/// A cut's folder.
fn folder(cut: &str) -> Path {
    Path::from(format!("{:032x}", xxh3_128(cut.as_bytes())))
}
