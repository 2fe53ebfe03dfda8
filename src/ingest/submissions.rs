//! What has landed, submission by submission: receipts, what mends what, how good a feed's files are, and withdrawal.
//!
//! All of it is read from the tables' logs; nothing is kept beside them.

use std::collections::HashMap;

use serde::Serialize;

use super::{Feed, Lander, Receipt, Refusal, Terms};
use crate::lake::Landing;
use crate::model::Micros;

/// So many of the newest submissions make the quality of a feed.
const RECENT: usize = 20;

/// A submission that landed.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    /// Its receipt, as it was given.
    pub receipt: Receipt,
    /// When it landed.
    pub landed_at: Micros,
    /// When its rows were withdrawn.
    pub withdrawn_at: Option<Micros>,
    /// The submissions that brought its rejected rows mended.
    pub mended_by: Vec<String>,
    /// Rejected rows of it that nobody has brought mended.
    pub rows_open: u64,
}

/// How good the newest files of a feed are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Quality {
    /// How many files were looked at, mends aside.
    pub submissions: usize,
    /// Rows in them.
    pub rows_read: u64,
    /// Rows of them that landed, at once or mended.
    pub rows_landed: u64,
}

impl Feed {
    /// All submissions of files, newest first; batches of live sources are not among them.
    pub fn submissions(&self) -> Vec<Submission> {
        let state = self.table.state();
        let mut all: Vec<Submission> =
            state.landings.values().chain(state.withdrawn.iter()).filter_map(submission).collect();
        let mut mended: HashMap<String, (Vec<String>, u64)> = HashMap::new();
        for (first, by) in all.iter().filter_map(|mend| Some((mend.receipt.mends.clone()?, mend))) {
            if by.withdrawn_at.is_none() {
                let (ids, rows) = mended.entry(first).or_default();
                ids.push(by.receipt.submission.clone());
                *rows += by.receipt.rows_landed;
            }
        }
        for first in &mut all {
            if let Some((mut ids, rows)) = mended.remove(&first.receipt.submission) {
                ids.sort();
                first.mended_by = ids;
                first.rows_open = first.rows_open.saturating_sub(rows);
            }
        }
        all.sort_by(|one, other| {
            let key = |it: &Submission| (it.landed_at, it.receipt.submission.clone());
            key(other).cmp(&key(one))
        });
        all
    }

    /// The submission of that id.
    pub fn submission(&self, id: &str) -> Option<Submission> {
        self.table.state().landing(id)?;
        self.submissions().into_iter().find(|submission| submission.receipt.submission == id)
    }

    /// The id of a submission that comes under `terms`.
    pub(super) fn admits(&self, terms: &Terms) -> Result<String, Refusal> {
        let state = self.table.state();
        if let Some(first) = &terms.mends {
            match state.landing(first) {
                None => return Err(self.unknown(first)),
                Some(Landing { withdrawn_at: Some(_), .. }) => {
                    return Err(Refusal::SubmissionWithdrawn { submission: first.clone() });
                }
                Some(_) => {}
            }
        }
        let id = terms.id.unwrap_or_else(uuid::Uuid::now_v7).to_string();
        if state.landing(&id).is_some() {
            return Err(Refusal::SubmissionTaken { submission: id });
        }
        Ok(id)
    }

    /// That there is no submission of that id.
    pub fn unknown(&self, id: &str) -> Refusal {
        Refusal::UnknownSubmission {
            feed: self.contract.feed.to_string(),
            submission: id.chars().take(64).collect(),
        }
    }
}

impl Quality {
    /// Of submissions, newest first.
    pub fn of(submissions: &[Submission]) -> Self {
        let counted = submissions.iter().filter(|it| it.withdrawn_at.is_none() && it.receipt.mends.is_none());
        let mut quality = Self { submissions: 0, rows_read: 0, rows_landed: 0 };
        for submission in counted.take(RECENT) {
            quality.submissions += 1;
            quality.rows_read += submission.receipt.rows_read;
            quality.rows_landed += submission.receipt.rows_read - submission.rows_open;
        }
        quality
    }
}

impl Lander {
    /// Withdraws a submission: its rows leave the feed, its rejected rows leave quarantine, and the same content may
    /// land again. Its receipt stays. Done twice it is done once.
    ///
    /// # Errors
    /// [`Refusal::UnknownSubmission`], or what the lake says; a withdrawal that broke off half-way is ended by the next.
    pub async fn withdraw(&self, feed: &str, id: &str) -> Result<Submission, Refusal> {
        let feed = self.feed(feed)?;
        feed.table.catch_up().await?;
        if feed.table.state().landing(id).is_none() {
            return Err(feed.unknown(id));
        }
        // Who lands now must not hold keys against rows that are leaving.
        let _keys = feed.hold_keys().await;
        let now = self.clock.now();
        let rows = feed.table.withdraw(id, now).await?;
        let rejected = feed.quarantine.withdraw(id, now).await?;
        tracing::info!(feed.id = %feed.contract.feed, submission.id = id, rows, rejected, "submission withdrawn");
        feed.submission(id).ok_or_else(|| feed.unknown(id))
    }
}

/// A landing as it is told; none where its receipt is from a time whose receipts cannot be read.
fn submission(landing: &Landing) -> Option<Submission> {
    let receipt: Receipt = serde_json::from_value(landing.receipt.clone()).ok()?;
    Some(Submission {
        rows_open: receipt.rows_quarantined,
        receipt,
        landed_at: Micros(landing.landed_at),
        withdrawn_at: landing.withdrawn_at.map(Micros),
        mended_by: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn landed(id: &str, read: u64, landed: u64, mends: Option<&str>) -> Submission {
        let receipt = serde_json::json!({
            "submission": id, "feed": "a.b", "file": "f", "rows_read": read, "rows_landed": landed,
            "rows_quarantined": read - landed, "reasons": {}, "duplicate_of": null, "bytes": 1, "seconds": 0.0,
            "contract_version": "1.0.0", "mends": mends,
        });
        let landing = Landing { submission: id.into(), receipt, landed_at: 1, withdrawn_at: None };
        submission(&landing).unwrap()
    }

    #[test]
    fn quality_counts_what_landed_and_leaves_mends_and_withdrawn_files_aside() {
        let mut half_mended = landed("a", 100, 90, None);
        half_mended.rows_open = 4;
        let gone = Submission { withdrawn_at: Some(Micros(2)), ..landed("c", 50, 0, None) };
        let all = [half_mended, landed("b", 6, 6, Some("a")), gone, landed("d", 10, 10, None)];
        assert_eq!(Quality::of(&all), Quality { submissions: 2, rows_read: 110, rows_landed: 106 });
    }

    #[test]
    fn a_receipt_of_an_earlier_version_is_read() {
        let mut receipt = serde_json::to_value(landed("a", 1, 1, None).receipt).unwrap();
        receipt.as_object_mut().unwrap().remove("mends");
        let landing = Landing { submission: "a".into(), receipt, landed_at: 1, withdrawn_at: None };
        assert_eq!(submission(&landing).unwrap().receipt.mends, None);
    }
}
