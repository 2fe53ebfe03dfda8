//! Live sources → lake: one connector after the other is started, and what is heard of it goes on the board.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Workshop;
use super::board::Board;
use crate::config::Connector;
use crate::connect::{Health, Runner};
use crate::journal::{Audit, Audited};
use crate::model::{Problem, SubmissionId};

/// So often in a row a source may fail before the wall says so: a single miss is everyday.
const TOLD_AFTER: u32 = 3;

/// Asks all connectors of the city until `shutdown`.
pub(super) async fn run(
    workshop: Arc<Workshop>,
    board: Arc<Board>,
    audit: Audit,
    shutdown: CancellationToken,
) -> Result<()> {
    let mut asked = JoinSet::new();
    for connector in &workshop.settings.connectors {
        let runner = runner(&workshop, connector)?;
        let feed = connector.feed.to_string();
        let (clock, board, audit) = (Arc::clone(&workshop.clock), Arc::clone(&board), audit.clone());
        let heard = move |name: &str, health: &Health| {
            let now = clock.now();
            match health {
                Health::Quiet => board.source(name, now, None),
                Health::Landed(receipt) => {
                    tracing::info!(
                        feed.id = feed,
                        source.name = name,
                        rows = receipt.rows_landed,
                        quarantined = receipt.rows_quarantined,
                        "rows landed"
                    );
                    let submission = Some(SubmissionId(receipt.submission.clone()));
                    let on = format!("{feed} from the connector {name}");
                    audit.note(Audited { submission, ..Audited::by_city("submit", on, "landed") }, now);
                    board.source(name, now, None);
                }
                Health::Failing { times, why } => {
                    tracing::warn!(feed.id = feed, source.name = name, times, "{why}");
                    if *times >= TOLD_AFTER {
                        let message = format!("connector {name}: {why}");
                        board.source(name, now, Some(Problem::of_file("cityloom.toml", "CN001", message)));
                    }
                }
            }
        };
        asked.spawn(runner.run(Arc::clone(&workshop.lander), shutdown.clone(), heard));
    }
    // A city without live sources is no reason to end.
    shutdown.cancelled().await;
    while let Some(ended) = asked.join_next().await {
        ended?;
    }
    Ok(())
}

fn runner(workshop: &Workshop, connector: &Connector) -> Result<Runner> {
    let Connector { name, feed, units, every, source } = connector.clone();
    let what = || format!("[[connectors]] `{name}` in cityloom.toml");
    let feed = feed.to_string();
    let reader = workshop.lander.reader(&feed).with_context(what)?;
    let connector = source.connector(&workshop.clock, reader).with_context(what)?;
    Ok(Runner { name, feed, units, every, connector })
}
