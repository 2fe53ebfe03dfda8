//! Asks a connector again and again, and lands what it gives. The only place that decides when to ask.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::StringArray;
use arrow::error::ArrowError;
use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use tokio_util::sync::CancellationToken;

use super::{Connector, PollError, PollOutcome, Rows};
use crate::ingest::{Cursor, Lander, Receipt, Refusal, Units, in_units};

/// The first wait after a failure, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(5));

/// How it goes with a connector.
#[derive(Debug, Clone, PartialEq)]
pub enum Health {
    /// It was asked and had nothing new.
    Quiet,
    /// Rows landed, or went to quarantine.
    Landed(Box<Receipt>),
    /// It could not be asked, or what it gave could not land.
    Failing {
        /// How often in a row.
        times: u32,
        /// What is wrong.
        why: String,
    },
}

/// A connector with where its rows go.
pub struct Runner {
    /// What it is called, in receipts, cursors and messages: one name for one source, for ever.
    pub name: String,
    /// `<department>.<feed>`.
    pub feed: String,
    /// The units of its columns, by header, where they are not the contract's.
    pub units: Units,
    /// How often it is asked.
    pub every: Duration,
    /// What is asked.
    pub connector: Box<dyn Connector>,
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").field("name", &self.name).field("feed", &self.feed).finish_non_exhaustive()
    }
}

impl Runner {
    /// Asks until `shutdown`, from where the feed's last commit stands, and tells `heard` how each asking went.
    pub async fn run(
        mut self,
        lander: Arc<Lander>,
        shutdown: CancellationToken,
        mut heard: impl FnMut(&str, &Health) + Send,
    ) {
        let mut backoff = waits();
        let (mut times, mut cursor) = (0, None);
        let mut wait = Duration::ZERO;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
            // A landing that has begun is not broken off; an asking is.
            let polled = tokio::select! {
                () = shutdown.cancelled() => return,
                polled = self.ask(&lander, &mut cursor) => polled,
            };
            let outcome = match polled {
                Ok(polled) => self.take(&lander, polled, &mut cursor).await,
                Err(trouble) => Err(trouble),
            };
            let health = match outcome {
                Ok(health) => {
                    (times, backoff, wait) = (0, waits(), self.every);
                    health
                }
                Err(trouble) => {
                    times += 1;
                    wait = pause(&trouble, &mut backoff, self.every);
                    Health::Failing { times, why: trouble.to_string() }
                }
            };
            heard(&self.name, &health);
        }
    }

    async fn ask(
        &mut self,
        lander: &Lander,
        cursor: &mut Option<serde_json::Value>,
    ) -> Result<PollOutcome, PollError> {
        if cursor.is_none() {
            let feed = lander.feed(&self.feed).map_err(|refusal| permanent(&refusal))?;
            *cursor = feed.table.state().cursors.get(&self.name).map(|cursor| cursor.as_ref().clone());
        }
        self.connector.poll(cursor.as_ref()).await
    }

    /// Lands what came. The cursor moves only with it.
    async fn take(
        &mut self,
        lander: &Lander,
        polled: PollOutcome,
        cursor: &mut Option<serde_json::Value>,
    ) -> Result<Health, PollError> {
        let PollOutcome::Rows { mut rows, cursor: next } = polled else { return Ok(Health::Quiet) };
        if rows.is_empty() {
            *cursor = Some(next);
            return Ok(Health::Quiet);
        }
        let feed = lander.feed(&self.feed).map_err(|refusal| permanent(&refusal))?;
        let measured = |header: &String| {
            feed.contract.columns.iter().any(|it| it.header == *header && it.data_type.is_numeric())
        };
        if let Some(header) = self.units.keys().find(|header| !measured(header)) {
            return Err(PollError::Permanent(format!(
                "units: the contract has no column of numbers `{header}`"
            )));
        }
        if self.connector.by_message() {
            rows = with_all_columns(rows, feed.contract.columns.iter().map(|column| column.header.as_str()))
                .map_err(|error| PollError::Permanent(error.to_string()))?;
        }
        rows.batch =
            in_units(rows.batch, &self.units).map_err(|error| PollError::Permanent(error.to_string()))?;
        let mark = Cursor { source: self.name.clone(), state: Arc::new(next.clone()) };
        let landed = lander.land_live(&self.feed, rows, &self.name, Some(mark)).await;
        let receipt = landed.map_err(|refusal| {
            if refusal.is_senders() { permanent(&refusal) } else { PollError::transient(refusal.to_string()) }
        })?;
        *cursor = Some(next);
        Ok(Health::Landed(Box::new(receipt)))
    }
}

/// A column that no message has is one that each message lacks, and no reason to refuse them together.
fn with_all_columns<'a>(rows: Rows, mut headers: impl Iterator<Item = &'a str>) -> Result<Rows, ArrowError> {
    let missing = StringArray::new_null(rows.batch.num_rows());
    headers.try_fold(
        rows,
        |rows, header| {
            if rows.has(header) { Ok(rows) } else { rows.with(header, missing.clone()) }
        },
    )
}

fn permanent(refusal: &Refusal) -> PollError {
    PollError::Permanent(format!("{}: {refusal}", refusal.code()))
}

fn waits() -> ExponentialBackoff {
    let (first, longest) = WAITS;
    ExponentialBuilder::default()
        .with_min_delay(first)
        .with_max_delay(longest)
        .without_max_times()
        .with_jitter()
        .build()
}

/// A transient error is asked about soon and then less and less often; a permanent one at the usual pace at the soonest.
fn pause(trouble: &PollError, backoff: &mut ExponentialBackoff, every: Duration) -> Duration {
    let next = backoff.next().unwrap_or(WAITS.1);
    match trouble {
        PollError::Transient { retry_after: Some(after), .. } => next.max(*after),
        PollError::Transient { retry_after: None, .. } => next,
        PollError::Permanent(_) => next.max(every),
    }
}
