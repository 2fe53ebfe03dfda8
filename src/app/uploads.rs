//! Complete uploads → lake: each lands as a submission of its own id; what became of it is kept beside it until it expires.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::Workshop;
use crate::ingest::{Note, Part, Refusal, Terms, Ticket, UnderWay, Upload, Uploads};
use crate::journal::{Audit, Audited};
use crate::model::SubmissionId;

/// How often expired uploads are looked for, and those tried again that the city could not take.
const LOOK: Duration = Duration::from_mins(1);

/// Lands what is complete, the first time what was complete before a restart.
pub(super) async fn run(
    workshop: Arc<Workshop>,
    uploads: Arc<Uploads>,
    audit: Audit,
    shutdown: CancellationToken,
) -> Result<()> {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = uploads.completed() => {}
            _ = looks.tick() => {}
        }
        if let Err(error) = uploads.expire(workshop.clock.now()) {
            tracing::warn!(%error, "expired uploads could not be removed");
        }
        for (part, path) in uploads.to_land() {
            // Where too many are under way at once, it lands unwatched rather than late.
            let ticket = under_way(&workshop, &part);
            let progress = ticket.as_ref().map_or_else(Arc::default, Ticket::reading);
            let upload = Upload { path, name: part.note.file.clone(), progress };
            let Note { mends, contract, units, .. } = part.note.clone();
            let terms = Terms { id: Some(part.id), mends, contract, units };
            let landed = tokio::select! {
                // It lands after the restart.
                () = shutdown.cancelled() => return Ok(()),
                landed = workshop.lander.land_with(&part.note.feed, upload, terms) => landed,
            };
            let outcome = match landed {
                Ok(receipt) => json!({ "state": "landed", "receipt": receipt }),
                Err(refusal) if refusal.is_senders() => refused(&refusal),
                Err(refusal) => {
                    tracing::error!(
                        code = refusal.code(),
                        "an upload could not land, and is tried again: {refusal}"
                    );
                    continue;
                }
            };
            audit.note(entry(&part, &outcome), workshop.clock.now());
            if let Err(error) = uploads.end(&part, outcome) {
                tracing::error!(%error, "what became of an upload could not be written down");
            }
        }
    }
}

/// Lets the upload be followed by its id while it is read.
fn under_way(workshop: &Workshop, part: &Part) -> Option<Ticket> {
    let upload = UnderWay::new(part.note.feed.parse().ok()?, part.note.file.clone(), Some(part.note.length));
    let ticket = workshop.lander.running.begin(part.id, upload).ok()?;
    ticket.received(part.note.length);
    Some(ticket)
}

fn refused(refusal: &Refusal) -> Value {
    json!({
        "state": "refused", "code": refusal.code(), "detail": refusal.to_string(),
        "violations": refusal.violations(),
    })
}

fn entry(part: &Part, outcome: &Value) -> Audited {
    let state = outcome["state"].as_str().unwrap_or_default();
    let code = outcome["code"].as_str().unwrap_or_default();
    let on = format!("{} from upload {}: {}", part.note.feed, part.id, part.note.file);
    let mut entry = Audited::by_city("submit", on, format!("{state} {code}").trim_end());
    entry.submission = outcome["receipt"]["submission"].as_str().map(|id| SubmissionId(id.to_owned()));
    entry
}
