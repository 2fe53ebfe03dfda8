//! Tends the lake in the background: merges small files, sweeps out what nobody can still want.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio_util::sync::CancellationToken;

use super::Workshop;
use crate::lake::{Error, Table};
use crate::model::Micros;

/// How often each table is looked at.
const EVERY: Duration = Duration::from_mins(1);
/// Every so many looks the folders are swept.
const SWEEP_EVERY: u32 = 60;

/// Tends all tables, one after the other, until `shutdown`.
pub(super) async fn run(workshop: Arc<Workshop>, shutdown: CancellationToken) -> Result<()> {
    let mut looks = tokio::time::interval(EVERY);
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
                if let Err(error) = tend(table, now, count % SWEEP_EVERY == 0).await {
                    tracing::warn!(table.name = %table.name(), %error, "could not tend a table; it is as it was");
                }
            }
        }
        count += 1;
    }
}

async fn tend(table: &Table, now: Micros, sweep: bool) -> Result<(), Error> {
    while let Some(done) = table.compact(now).await? {
        tracing::info!(table.name = %table.name(), files = done.files, rows = done.rows, "small files merged");
    }
    if sweep {
        let swept = table.sweep(now).await?;
        if swept > 0 {
            tracing::info!(table.name = %table.name(), files = swept, "old files removed");
        }
    }
    Ok(())
}
