//! Files → lake: what is put into `drop/<department>/<feed>/` lands by itself.
//!
//! A file counts as complete when its size has not changed between two looks, or when `<name>.done` stands beside
//! it. It then moves to `landed/` or `refused/` beside it, with its answer as `<name>.receipt.json`. Where the folder is
//! a place in a bucket, `drop_bucket.rs` does the same there.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::Workshop;
use super::drop_bucket::DropBucket;
use super::look::looks;
use crate::config::DropPlace;
use crate::decode::Progress;
use crate::ingest::{Lander, Receipt, Refusal, Upload};
use crate::journal::{Audit, Audited};
use crate::model::SubmissionId;

/// Where things are dropped.
enum Place {
    Folder(DropFolder),
    Bucket(DropBucket),
}

/// Lands what is dropped until `shutdown`.
pub(super) async fn run(workshop: Arc<Workshop>, audit: Audit, shutdown: CancellationToken) -> Result<()> {
    let settings = &workshop.settings.drop;
    let mut place = match &settings.place {
        DropPlace::Data => Place::Folder(DropFolder::open(workshop.data.join("drop"), &workshop.lander)?),
        DropPlace::Folder(root) => Place::Folder(DropFolder::open(root.clone(), &workshop.lander)?),
        DropPlace::Bucket(bucket) => Place::Bucket(DropBucket::open(bucket, &workshop)?),
    };
    let mut looks = looks(settings.every);
    while shutdown.run_until_cancelled(looks.tick()).await.is_some() {
        let done = match &mut place {
            Place::Folder(folder) => folder.look(&workshop.lander).await,
            Place::Bucket(bucket) => bucket.look(&workshop.lander, &shutdown).await,
        };
        for entry in done {
            audit.note(entry, workshop.clock.now());
        }
    }
    Ok(())
}

/// What became of a dropped file: where it goes, what is written beside it, what the audit log says.
pub(super) struct Told {
    pub(super) folder: &'static str,
    pub(super) answer: Value,
    pub(super) entry: Audited,
}

/// Puts an answer into the log and into words; none where the fault is the city's own: the file stays and is tried again.
pub(super) fn tell(feed: &str, name: &str, landed: Result<Receipt, Refusal>) -> Option<Told> {
    let mut entry = Audited::by_city("submit", format!("{feed} from the drop folder: {name}"), "landed");
    match landed {
        Ok(receipt) => {
            tracing::info!(
                feed.id = feed,
                file.name = name,
                rows = receipt.rows_landed,
                quarantined = receipt.rows_quarantined,
                "file landed"
            );
            entry.submission = Some(SubmissionId(receipt.submission.clone()));
            let answer = serde_json::to_value(&receipt).unwrap_or_default();
            Some(Told { folder: "landed", answer, entry })
        }
        Err(refusal) if refusal.is_senders() => {
            let code = refusal.code();
            tracing::warn!(feed.id = feed, file.name = name, code, "file refused: {refusal}");
            entry.outcome = format!("refused {code}");
            let answer = json!({ "code": code, "message": refusal.to_string() });
            Some(Told { folder: "refused", answer, entry })
        }
        Err(refusal) => {
            tracing::error!(feed.id = feed, file.name = name, code = refusal.code(), "{refusal}");
            None
        }
    }
}

/// Whether something of that name is a file that somebody dropped, and neither a marker nor half a file.
pub(super) fn is_dropped(name: &str) -> bool {
    let extension = Path::new(name).extension();
    !name.starts_with('.') && !extension.is_some_and(|extension| extension == "done" || extension == "part")
}

/// Looks at the folder again and again.
struct DropFolder {
    root: PathBuf,
    sizes: HashMap<PathBuf, u64>,
}

impl DropFolder {
    /// Makes the folders of all feeds, so that officers see where to put things.
    fn open(root: PathBuf, lander: &Lander) -> Result<Self> {
        for name in lander.feeds().keys() {
            fs::create_dir_all(root.join(name.department()).join(name.feed()))?;
        }
        Ok(Self { root, sizes: HashMap::new() })
    }

    /// Lands what is complete. What became of it, for the audit log.
    async fn look(&mut self, lander: &Lander) -> Vec<Audited> {
        let (mut seen, mut done) = (HashMap::new(), Vec::new());
        for name in lander.feeds().keys() {
            let folder = self.root.join(name.department()).join(name.feed());
            for (file, size) in files(&folder) {
                let marked = done_marker(&file).exists();
                if marked || self.sizes.get(&file) == Some(&size) {
                    done.extend(land(lander, &name.to_string(), &file).await);
                } else {
                    seen.insert(file, size);
                }
            }
        }
        self.sizes = seen;
        done
    }
}

fn done_marker(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".done");
    file.with_file_name(name)
}

fn files(folder: &Path) -> Vec<(PathBuf, u64)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<(PathBuf, u64)> = entries
        .flatten()
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)))
        .filter(|(path, meta)| {
            meta.is_file() && is_dropped(&path.file_name().unwrap_or_default().to_string_lossy())
        })
        .map(|(path, meta)| (path, meta.len()))
        .collect();
    files.sort();
    files
}

async fn land(lander: &Lander, feed: &str, file: &Path) -> Option<Audited> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let upload =
        Upload { path: file.to_path_buf(), name: name.clone(), progress: Arc::new(Progress::default()) };
    let told = tell(feed, &name, lander.land_file(feed, upload).await)?;
    if let Err(error) = put_away(file, told.folder, &name, &told.answer) {
        tracing::error!(feed.id = feed, file.name = name, %error, "could not put the file away");
    }
    Some(told.entry)
}

fn put_away(file: &Path, folder: &str, name: &str, answer: &Value) -> std::io::Result<()> {
    let target = file.parent().unwrap_or(Path::new(".")).join(folder);
    fs::create_dir_all(&target)?;
    fs::write(target.join(format!("{name}.receipt.json")), serde_json::to_vec_pretty(answer)?)?;
    fs::rename(file, target.join(name))?;
    let marker = done_marker(file);
    if marker.exists() { fs::remove_file(marker) } else { Ok(()) }
}
