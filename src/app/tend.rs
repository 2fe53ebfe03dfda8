//! Tends the lake in the background: merges small files, keeps logs short, sweeps out what nobody can still want.

use std::sync::Arc;

use anyhow::Result;
use tokio_util::sync::CancellationToken;

use super::Workshop;
use crate::journal::{Audit, Audited};
use crate::lake::{Error, Table, Tending};
use crate::model::Micros;

/// Every so many looks the folders are swept.
const SWEEP_EVERY: u32 = 10;

/// Tends all tables, one after the other, until `shutdown`.
pub(super) async fn run(workshop: Arc<Workshop>, audit: Audit, shutdown: CancellationToken) -> Result<()> {
    let settings = &workshop.settings.lake;
    let tending = Tending {
        settled_s: i64::try_from(settings.settled.as_secs()).unwrap_or(i64::MAX),
        fewest: settings.merge_files,
        commits: settings.checkpoint_commits,
    };
    let mut looks = tokio::time::interval(settings.every);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut count = 0;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            _ = looks.tick() => {}
        }
        let now = workshop.clock.now();
        for feed in workshop.lander.feeds().values() {
            for table in [&feed.table, &feed.quarantine] {
                if shutdown.is_cancelled() {
                    return Ok(());
                }
                if let Some(kept) = feed.contract.retention_s
                    && let Err(error) = retire(table, now, kept, &audit).await
                {
                    tracing::warn!(table.name = %table.name(), %error, "rows past their time are still there");
                }
                if let Err(error) = tend(table, now, tending, count % SWEEP_EVERY == 0).await {
                    tracing::warn!(table.name = %table.name(), %error, "could not tend a table; it is as it was");
                }
            }
        }
        count += 1;
    }
}

async fn retire(table: &Table, now: Micros, kept_s: i64, audit: &Audit) -> Result<(), Error> {
    if let Some(gone) = table.retire(now.plus_seconds(-kept_s), now).await? {
        tracing::info!(table.name = %table.name(), files = gone.files, rows = gone.rows, "rows past their time left");
        let outcome = format!("{} rows in {} files, older than {kept_s} s", gone.rows, gone.files);
        audit.note(Audited::by_city("retire", table.name().to_string(), outcome), now);
    }
    Ok(())
}

async fn tend(table: &Table, now: Micros, tending: Tending, sweep: bool) -> Result<(), Error> {
    while let Some(done) = table.compact_as(now, tending).await? {
        tracing::info!(table.name = %table.name(), files = done.files, rows = done.rows, "small files merged");
    }
    if table.write_down(tending.commits).await? || sweep {
        let entries = table.shorten(now).await?;
        if entries > 0 {
            tracing::info!(table.name = %table.name(), entries, "log written down and shortened");
        }
    }
    if sweep {
        let swept = table.sweep(now).await?;
        if swept > 0 {
            tracing::info!(table.name = %table.name(), files = swept, "old files removed");
        }
    }
    Ok(())
}
