//! Files → lake: what is put into `drop/<department>/<feed>/` lands by itself.
//!
//! A file counts as complete when its size has not changed between two looks, or when `<name>.done` stands beside
//! it. It then moves to `landed/` or `refused/` beside it, with its answer as `<name>.receipt.json`.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use crate::decode::Progress;
use crate::ingest::{Lander, Upload};
use crate::journal::Audited;
use crate::model::SubmissionId;

/// Looks at the folder again and again.
pub(super) struct DropFolder {
    root: PathBuf,
    sizes: HashMap<PathBuf, u64>,
}

impl DropFolder {
    /// Makes the folders of all feeds, so that officers see where to put things.
    pub(super) fn open(root: PathBuf, lander: &Lander) -> Result<Self> {
        for name in lander.feeds().keys() {
            fs::create_dir_all(root.join(name.department()).join(name.feed()))?;
        }
        Ok(Self { root, sizes: HashMap::new() })
    }

    /// Lands what is complete. What became of it, for the audit log.
    pub(super) async fn look(&mut self, lander: &Lander) -> Vec<Audited> {
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
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            meta.is_file() && !name.starts_with('.') && !name.ends_with(".done") && !name.ends_with(".part")
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
    let mut entry = Audited::by_city("submit", format!("{feed} from the drop folder: {name}"), "landed");
    let (folder, answer) = match lander.land_file(feed, upload).await {
        Ok(receipt) => {
            tracing::info!(
                feed.id = feed,
                file.name = name,
                rows = receipt.rows_landed,
                quarantined = receipt.rows_quarantined,
                "file landed"
            );
            entry.submission = Some(SubmissionId(receipt.submission.clone()));
            ("landed", serde_json::to_value(&receipt).unwrap_or_default())
        }
        Err(refusal) if refusal.is_senders() => {
            tracing::warn!(
                feed.id = feed,
                file.name = name,
                code = refusal.code(),
                "file refused: {refusal}"
            );
            entry.outcome = format!("refused {}", refusal.code());
            ("refused", json!({ "code": refusal.code(), "message": refusal.to_string() }))
        }
        // The city's own trouble: the file stays and is tried again.
        Err(refusal) => {
            tracing::error!(feed.id = feed, file.name = name, code = refusal.code(), "{refusal}");
            return None;
        }
    };
    if let Err(error) = put_away(file, folder, &name, &answer) {
        tracing::error!(feed.id = feed, file.name = name, %error, "could not put the file away");
    }
    Some(entry)
}

fn put_away(file: &Path, folder: &str, name: &str, answer: &serde_json::Value) -> std::io::Result<()> {
    let target = file.parent().unwrap_or(Path::new(".")).join(folder);
    fs::create_dir_all(&target)?;
    fs::write(target.join(format!("{name}.receipt.json")), serde_json::to_vec_pretty(answer)?)?;
    fs::rename(file, target.join(name))?;
    let marker = done_marker(file);
    if marker.exists() { fs::remove_file(marker) } else { Ok(()) }
}
