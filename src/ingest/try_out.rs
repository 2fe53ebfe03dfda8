//! A file held against its contract without landing: the counts that a landing would have, and the first rejected rows.

use std::sync::Arc;

use super::land::Opened;
use super::rejects::{RejectedRow, rows};
use super::sift::Sieve;
use super::{Lander, Receipt, Refusal, Terms, Upload};
use crate::decode::{self, ReadAs};

/// So many rejected rows are shown.
const SHOWN: usize = 100;

/// What a landing would bring.
#[derive(Debug, Clone)]
pub struct Trial {
    /// The receipt that a landing would give, under an id that never landed.
    pub receipt: Receipt,
    /// The first rejected rows.
    pub rejected: Vec<RejectedRow>,
}

impl Lander {
    /// Checks a file as [`Lander::land_with`] would; nothing is written.
    ///
    /// # Errors
    /// The [`Refusal`] with which a landing would end.
    pub async fn check_file(&self, feed: &str, upload: Upload, terms: Terms) -> Result<Trial, Refusal> {
        let feed = Arc::clone(self.feed(feed)?);
        let (stamp, source) = match self.open_file(&feed, upload, terms).await? {
            Opened::Known(receipt) => return Ok(Trial { receipt, rejected: Vec::new() }),
            Opened::New(stamp, source) => (stamp, source),
        };
        let landed = feed.taken_keys().await?.1;
        let sieve = self.sieve(&feed, &stamp, landed)?;
        let tried = tokio::task::spawn_blocking(move || try_out(sieve, |sink| source.read(sink)));
        let (sieve, read_as, rejected) =
            tried.await.map_err(|error| Refusal::Internal(error.to_string()))??;
        Ok(Trial { receipt: stamp.receipt(&feed, &sieve.counts, read_as), rejected })
    }
}

fn try_out(
    mut sieve: Sieve,
    source: impl FnOnce(&mut decode::Sink<'_>) -> Result<Option<ReadAs>, decode::Error>,
) -> Result<(Sieve, Option<ReadAs>, Vec<RejectedRow>), Refusal> {
    let mut shown = Vec::new();
    let read_as = sieve.sift_all(source, |sifted| {
        if let Some(bad) = sifted.bad.filter(|_| shown.len() < SHOWN) {
            shown.extend(rows(&bad, SHOWN - shown.len()));
        }
        Ok(())
    })?;
    sieve.bearable()?;
    Ok((sieve, read_as, shown))
}
