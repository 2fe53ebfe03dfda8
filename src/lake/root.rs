//! Where the lake lies: a folder of this machine or a prefix in a bucket. Whoever opens a table asks here; nobody else
//! knows which of the two it is.

use std::path::Path as FsPath;
use std::sync::Arc;

use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use url::Url;

use super::durable_fs::{DurableFs, create_dirs};
use super::{Bucket, Error};

/// Where what is tried out at the start is written.
const PROBES: &str = "_cityloom_probe";

/// The place below which all tables are.
#[derive(Debug)]
pub(super) struct Root {
    /// It ends in a slash.
    url: Url,
    /// Rooted where the URL's path begins.
    store: Arc<dyn ObjectStore>,
}

impl Root {
    /// A folder, made where it is missing.
    pub(super) fn folder(path: &FsPath) -> Result<Self, Error> {
        let failed = |source| Error::Folder { path: path.to_path_buf(), source };
        create_dirs(path).map_err(failed)?;
        let path = path.canonicalize().map_err(failed)?;
        let url = Url::from_directory_path(&path).map_err(|()| Error::NotAbsolute { path })?;
        Ok(Self { url, store: Arc::new(DurableFs::default()) })
    }

    /// A prefix in a bucket, whose store has shown that it creates only what is not there.
    pub(super) async fn bucket(bucket: &Bucket) -> Result<Self, Error> {
        let failed = |source| Error::Store { root: bucket.to_string(), source: Box::new(source) };
        let url = bucket
            .url()
            .map_err(|error| failed(object_store::Error::Generic { store: "S3", source: Box::new(error) }))?;
        let store = bucket.store().map_err(failed)?;
        if !creates_only_what_is_new(store.as_ref(), bucket.prefix()).await.map_err(failed)? {
            return Err(Error::NoConditionalCreate { root: bucket.to_string() });
        }
        Ok(Self { url, store })
    }

    /// The address of a table in `folder`, and its log.
    pub(super) fn table(&self, folder: &str) -> Result<(Url, LogStoreRef), Error> {
        let failed = |why: Box<dyn std::error::Error + Send + Sync>| Error::Store {
            root: self.url.to_string(),
            source: Box::new(object_store::Error::Generic { store: "lake", source: why }),
        };
        let url = self.url.join(&format!("{folder}/")).map_err(|error| failed(Box::new(error)))?;
        let log = log_at(Arc::clone(&self.store), &url).map_err(|error| failed(Box::new(error)))?;
        Ok((url, log))
    }
}

/// The log of the table at `url`, in a store that is rooted where the URL's path begins.
fn log_at(store: Arc<dyn ObjectStore>, url: &Url) -> Result<LogStoreRef, object_store::path::Error> {
    let below = PrefixStore::new(Arc::clone(&store), Path::from_url_path(url.path())?);
    Ok(default_logstore(Arc::new(below), store, url, &StorageConfig::default()))
}

/// Creates the same key twice. A store that takes the second would let two commits of one version both succeed.
async fn creates_only_what_is_new(store: &dyn ObjectStore, prefix: &Path) -> object_store::Result<bool> {
    let name = uuid::Uuid::now_v7().to_string();
    let probe: Path = prefix.parts().chain([PROBES.into(), name.as_str().into()]).collect();
    let create = || PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    match store.put_opts(&probe, "first".into(), create()).await {
        // Its answer may have been lost and it was sent again: it is there.
        Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => {}
        Err(object_store::Error::NotImplemented { .. }) => return Ok(false),
        Err(error) => return Err(error),
    }
    let second = store.put_opts(&probe, "second".into(), create()).await;
    store.delete(&probe).await?;
    match second {
        Err(object_store::Error::AlreadyExists { .. }) => Ok(true),
        Ok(_) | Err(object_store::Error::NotImplemented { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
impl Root {
    /// A root in a store of a test's own.
    pub(super) fn over(url: Url, store: Arc<dyn ObjectStore>) -> Self {
        Self { url, store }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::faulty::{Faulty, Mood};

    #[tokio::test]
    async fn a_store_that_overwrites_what_it_should_only_create_is_found_out_and_left_clean() {
        let folder = tempfile::tempdir().unwrap();
        let prefix = Path::from_absolute_path(folder.path()).unwrap();
        for (mood, honest) in [(Mood::Calm, true), (Mood::Careless, false)] {
            let store = Faulty::new(1, mood);
            assert_eq!(creates_only_what_is_new(store.as_ref(), &prefix).await.unwrap(), honest, "{mood:?}");
            let left = std::fs::read_dir(folder.path().join(PROBES)).unwrap().count();
            assert_eq!(left, 0, "{mood:?}");
        }
        let full = Faulty::new(1, Mood::Full);
        assert!(creates_only_what_is_new(full.as_ref(), &prefix).await.is_err(), "it cannot be told");
    }
}
