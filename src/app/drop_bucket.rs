//! Objects → lake: what is put into `<prefix>/<department>/<feed>/` of a bucket lands by itself.
//!
//! An object counts as complete when its size and its tag are the same at two looks, or when `<name>.done` is beside it. Its
//! bytes come to this machine and land as any file does. It is then copied to `landed/` or `refused/` with its answer beside
//! it, and deleted. Whatever breaks off between is done again: its content is known by then and does not land twice.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt as _};
use tokio::io::AsyncWriteExt as _;
use tokio_util::sync::CancellationToken;

use super::Workshop;
use super::drop_folder::{Told, is_dropped, tell};
use crate::decode::Progress;
use crate::ingest::{Lander, Refusal, Upload};
use crate::journal::Audited;
use crate::lake::Bucket;
use crate::model::FeedName;

/// What an object was at a look; a change of either says that somebody still writes.
type Settled = (u64, Option<String>);

/// Looks at the place again and again.
pub(super) struct DropBucket {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    spool: PathBuf,
    largest: u64,
    seen: HashMap<Path, Settled>,
}

/// The bytes of an object on this machine; gone with their holder.
struct Fetched {
    path: tempfile::TempPath,
}

impl DropBucket {
    /// The place, which need not hold anything yet.
    pub(super) fn open(bucket: &Bucket, workshop: &Workshop) -> Result<Self> {
        let spool = workshop.data.join("spool");
        std::fs::create_dir_all(&spool).with_context(|| spool.display().to_string())?;
        Ok(Self {
            store: bucket.store().with_context(|| format!("drop.folder {bucket}"))?,
            prefix: bucket.prefix().clone(),
            spool,
            largest: workshop.settings.limits.upload,
            seen: HashMap::new(),
        })
    }

    /// Lands what is complete. What became of it, for the audit log.
    pub(super) async fn look(&mut self, lander: &Lander, shutdown: &CancellationToken) -> Vec<Audited> {
        let (mut seen, mut done) = (HashMap::new(), Vec::new());
        for feed in lander.feeds().keys() {
            let listed = match shutdown.run_until_cancelled(self.listed(feed)).await {
                None => return done,
                Some(Ok(listed)) => listed,
                Some(Err(error)) => {
                    tracing::warn!(feed.id = %feed, %error, "could not look into the drop folder");
                    continue;
                }
            };
            let names: HashSet<&str> = listed.iter().filter_map(|meta| meta.location.filename()).collect();
            for meta in &listed {
                let Some(name) = meta.location.filename().filter(|name| is_dropped(name)) else { continue };
                let marker = format!("{name}.done");
                let marked = names.contains(marker.as_str());
                let now = (meta.size, meta.e_tag.clone());
                if marked || self.seen.get(&meta.location) == Some(&now) {
                    // What is broken off here begins anew after the restart.
                    let landed = Box::pin(self.land(lander, feed, name, meta, marked));
                    match shutdown.run_until_cancelled(landed).await {
                        None => return done,
                        Some(entry) => done.extend(entry),
                    }
                } else {
                    seen.insert(meta.location.clone(), now);
                }
            }
        }
        self.seen = seen;
        done
    }

    /// What lies in a feed's folder itself, and not in the folders below.
    async fn listed(&self, feed: &FeedName) -> object_store::Result<Vec<ObjectMeta>> {
        let folder: Path =
            self.prefix.parts().chain([feed.department().into(), feed.feed().into()]).collect();
        let mut found = self.store.list_with_delimiter(Some(&folder)).await?.objects;
        found.sort_by(|one, other| one.location.cmp(&other.location));
        Ok(found)
    }

    async fn land(
        &self,
        lander: &Lander,
        feed: &FeedName,
        name: &str,
        meta: &ObjectMeta,
        marked: bool,
    ) -> Option<Audited> {
        let feed = &feed.to_string();
        let landed = match self.fetch(lander, meta).await {
            Ok(Ok(file)) => {
                let path = file.path.to_path_buf();
                let upload = Upload { path, name: name.to_owned(), progress: Arc::new(Progress::default()) };
                lander.land_file(feed, upload).await
            }
            Ok(Err(refusal)) => Err(refusal),
            Err(error) => {
                tracing::warn!(feed.id = feed, file.name = name, "could not fetch: {error:#}");
                return None;
            }
        };
        let told = tell(feed, name, landed)?;
        if let Err(error) = self.put_away(meta, name, &told, marked).await {
            tracing::error!(feed.id = feed, file.name = name, "could not put the object away: {error:#}");
        }
        Some(told.entry)
    }

    /// The bytes that were looked at, and no others: who has written meanwhile is waited for.
    async fn fetch(&self, lander: &Lander, meta: &ObjectMeta) -> Result<Result<Fetched, Refusal>> {
        if meta.size > self.largest {
            return Ok(Err(Refusal::TooLarge { bytes: meta.size, most: self.largest }));
        }
        if let Err(refusal) = lander.running.bounds().room(&self.spool, meta.size) {
            return Ok(Err(refusal));
        }
        let options = GetOptions { if_match: meta.e_tag.clone(), ..GetOptions::default() };
        let mut bytes = self.store.get_opts(&meta.location, options).await?.into_stream();
        let (file, path) = tempfile::NamedTempFile::new_in(&self.spool)?.into_parts();
        let mut file = tokio::fs::File::from_std(file);
        while let Some(chunk) = bytes.try_next().await? {
            file.write_all(&chunk).await?;
        }
        file.flush().await?;
        Ok(Ok(Fetched { path }))
    }

    /// The answer first: an object that is gone without one would leave its sender in the dark.
    async fn put_away(&self, meta: &ObjectMeta, name: &str, told: &Told, marked: bool) -> Result<()> {
        let folder = meta.location.as_ref().strip_suffix(name).unwrap_or_default();
        let beside = |name: String| Path::parse(format!("{folder}{name}"));
        let receipt = beside(format!("{}/{name}.receipt.json", told.folder))?;
        self.store.put(&receipt, serde_json::to_vec_pretty(&told.answer)?.into()).await?;
        self.store.copy(&meta.location, &beside(format!("{}/{name}", told.folder))?).await?;
        // Somebody may have put another object in its place: that one is still to land.
        if self.store.head(&meta.location).await?.e_tag == meta.e_tag {
            self.store.delete(&meta.location).await?;
        }
        if marked {
            self.store.delete(&beside(format!("{name}.done"))?).await?;
        }
        Ok(())
    }
}
