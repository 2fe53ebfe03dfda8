//! What others change beside the server: keys in their file, commits of other processes in the lake.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::Workshop;
use super::issuer::Issuer;
use super::lock::KeyWatch;
use crate::journal::{Audit, Audited};
use crate::server::{Guard, Renewal};

/// How often the key file is looked at.
const KEYS: Duration = Duration::from_secs(1);

/// Looks from now on; late ones are not made up for.
pub(super) fn looks(every: Duration) -> Interval {
    let mut looks = interval(every);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}

/// Looks for new keys until `shutdown`.
pub(super) async fn keys(
    workshop: Arc<Workshop>,
    guard: Arc<Guard>,
    audit: Audit,
    shutdown: CancellationToken,
) -> Result<()> {
    let mut keys = KeyWatch::new(&workshop);
    let mut looks = looks(KEYS);
    while shutdown.run_until_cancelled(looks.tick()).await.is_some() {
        for (what, outcome) in keys.look(&guard) {
            audit.note(Audited::by_city("reload", what, outcome), workshop.clock.now());
        }
    }
    Ok(())
}

/// Keeps the issuer's keys in force until `shutdown`; a city with a key file asks nobody.
pub(super) async fn issuer(
    workshop: Arc<Workshop>,
    issuer: Option<(Issuer, mpsc::Receiver<Renewal>)>,
    guard: Arc<Guard>,
    audit: Audit,
    shutdown: CancellationToken,
) -> Result<()> {
    match issuer {
        Some((issuer, wishes)) => issuer.run(&guard, wishes, &audit, workshop.clock.as_ref(), shutdown).await,
        None => {
            shutdown.cancelled().await;
            Ok(())
        }
    }
}

/// Reads on in every table's log until `shutdown`.
pub(super) async fn commits(workshop: Arc<Workshop>, shutdown: CancellationToken) -> Result<()> {
    let mut looks = looks(workshop.settings.lake.look);
    while shutdown.run_until_cancelled(looks.tick()).await.is_some() {
        for feed in workshop.lander.feeds().values() {
            for table in [&feed.table, &feed.quarantine] {
                if shutdown.is_cancelled() {
                    return Ok(());
                }
                if let Err(error) = table.catch_up().await {
                    tracing::warn!(table.name = %table.name(), %error, "could not read the log");
                }
            }
        }
    }
    Ok(())
}
