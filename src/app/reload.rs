//! A saved query → the wall: watches `queries/` and loads it anew, a moment after the last change.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use notify_debouncer_mini::notify::{RecommendedWatcher, RecursiveMode};
use notify_debouncer_mini::{DebounceEventResult, Debouncer, new_debouncer};
use tokio::sync::watch;

/// Editors write a file in several steps; this long after the last one it is read.
const SETTLE: Duration = Duration::from_millis(300);

/// Counts up whenever a file below the folder has changed. The watcher lives as long as the handle.
pub(super) fn watch(folder: &Path) -> Result<(watch::Receiver<u64>, Debouncer<RecommendedWatcher>)> {
    let (sender, receiver) = watch::channel(0);
    let told = move |events: DebounceEventResult| match events {
        Ok(_) => sender.send_modify(|count| *count += 1),
        Err(error) => tracing::warn!(%error, "watching the queries folder"),
    };
    let mut watcher = new_debouncer(SETTLE, told).context("watching the queries folder")?;
    watcher
        .watcher()
        .watch(folder, RecursiveMode::Recursive)
        .with_context(|| format!("watching {}", folder.display()))?;
    Ok((receiver, watcher))
}
