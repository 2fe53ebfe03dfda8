//! Lands live batches behind: each second those that have waited long enough, at the end all.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio_util::sync::CancellationToken;

use super::Workshop;
use crate::lake::Table;

/// How often it is looked whether a tail is old enough.
const LOOK: Duration = Duration::from_secs(1);

/// Lands what is due until `shutdown`.
pub(super) async fn run(workshop: Arc<Workshop>, shutdown: CancellationToken) -> Result<()> {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            _ = looks.tick() => {}
        }
        let now = workshop.clock.now();
        for table in tables(&workshop) {
            if shutdown.is_cancelled() {
                return Ok(());
            }
            match table.land_due(now).await {
                Ok(None) => {}
                Ok(Some(landed)) => {
                    tracing::debug!(table.name = %table.name(), batches = landed.records, rows = landed.rows, "live batches landed");
                }
                Err(error) => {
                    tracing::warn!(table.name = %table.name(), %error, "live batches wait in the log; they are tried again in a second");
                }
            }
        }
    }
}

/// Lands every tail, once nothing comes in any more. What cannot land stays in the log for the next start.
pub(super) async fn land_all(workshop: &Workshop) {
    for table in tables(workshop) {
        if let Err(error) = table.land_tail().await {
            tracing::warn!(table.name = %table.name(), %error, "live batches stay in the log until the next start");
        }
    }
}

fn tables(workshop: &Workshop) -> impl Iterator<Item = &Arc<Table>> {
    workshop.lander.feeds().values().flat_map(|feed| [&feed.table, &feed.quarantine])
}
