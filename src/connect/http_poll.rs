//! Asks an address for a list or a document, as often as its settings say, and only for what has changed where the server
//! can tell.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{ETAG, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use reqwest::{StatusCode, Url};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::changes::RowFingerprints;
use super::http::{Asker, Secret, refused, text_of};
use super::{Connector, Document, Payload, PollError, PollOutcome, Reader, Rows, sandboxed};

/// Alerts that are read at one asking; the rest is read at the next.
const MOST_ALERTS: usize = 50;

/// What to ask, and how much of an answer is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpPollConfig {
    /// `http` or `https`.
    pub url: Url,
    /// What it answers with.
    pub answer: Answer,
    /// A header that is not for everybody's eyes.
    pub secret: Option<Secret>,
    /// The largest answer, in bytes.
    pub most_bytes: usize,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// What an address answers with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// What has the rows itself.
    Document(Document),
    /// An Atom feed that lists alerts of the Common Alerting Protocol.
    CapFeed {
        /// Where alerts may be, beside the feed's own host.
        hosts: Vec<String>,
    },
}

/// Where an HTTP source stands.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Cursor {
    etag: Option<String>,
    modified: Option<String>,
    seen: String,
}

/// Polls one address.
#[derive(Debug)]
pub struct HttpPoll {
    config: HttpPollConfig,
    asker: Asker,
    reader: Reader,
}

impl HttpPoll {
    /// A connector of these settings; `reader` reads the answers.
    ///
    /// # Errors
    /// Where the machine's TLS cannot be set up.
    pub fn new(config: HttpPollConfig, reader: Reader) -> Result<Self, PollError> {
        let asker = Asker::new(&config.url, config.secret.clone(), config.most_bytes, config.timeout)?;
        Ok(Self { config, asker, reader })
    }

    /// The rows of the alerts that a feed lists and that were not read before, what has been read now, and whether that
    /// is all.
    async fn alerts(
        &self,
        feed: Vec<u8>,
        hosts: &[String],
        seen: &RowFingerprints,
    ) -> Result<(Rows, RowFingerprints, bool), PollError> {
        let listed = sandboxed::answer(&self.reader, Document::Atom, feed).await?;
        let (news, mut now) = seen.news(listed)?;
        let entries = news.batch.num_rows();
        let mut told = vec![Rows { unreadable: news.unreadable.clone(), ..Rows::none() }];
        for (id, link) in news.texts("id").zip(news.texts("link")).take(MOST_ALERTS) {
            let (id, link) = (id.unwrap_or_default(), link.unwrap_or_default());
            let link = self.config.url.join(link);
            let link = link.map_err(|error| PollError::Permanent(format!("a link of the feed: {error}")))?;
            let host = link.host_str().unwrap_or_default();
            let own = self.config.url.host_str() == Some(host) || hosts.iter().any(|other| other == host);
            if !own || !matches!(link.scheme(), "http" | "https") {
                return Err(PollError::Permanent(format!(
                    "the feed sends us to the host `{host}`; name it in `hosts` if alerts may come from there"
                )));
            }
            let answer = self.asker.ask(link, &[]).await?;
            if matches!(answer.status(), StatusCode::NOT_FOUND | StatusCode::GONE) {
                told.push(Rows::unreadable(id, "the alert is listed, and is not there"));
                continue;
            }
            if !answer.status().is_success() {
                return Err(refused(&answer));
            }
            let alert = vec![Payload::whole(self.asker.body(answer).await?)];
            // One broken alert must not keep the others from the wall.
            let alert = sandboxed::read(&self.reader, Document::Cap, alert).await?;
            told.push(alert.unwrap_or_else(|error| Rows::unreadable(id, error.to_string())));
        }
        let left = entries.saturating_sub(MOST_ALERTS);
        if left > 0 {
            now.forget(&news.after(MOST_ALERTS));
        }
        Ok((Rows::joined(told)?, now, left == 0))
    }

    async fn asked(&self, cursor: Option<&Value>) -> Result<PollOutcome, PollError> {
        let previous: Cursor = cursor.and_then(|cursor| Cursor::deserialize(cursor).ok()).unwrap_or_default();
        let known = [(IF_NONE_MATCH, &previous.etag), (IF_MODIFIED_SINCE, &previous.modified)];
        let known: Vec<(HeaderName, &str)> =
            known.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect();
        let answer = self.asker.ask(self.config.url.clone(), &known).await?;
        if answer.status() == StatusCode::NOT_MODIFIED {
            return Ok(PollOutcome::Unchanged);
        }
        if !answer.status().is_success() {
            return Err(refused(&answer));
        }
        let text = |name| text_of(answer.headers(), name);
        let (etag, modified) = (text(ETAG), text(LAST_MODIFIED));
        let body = self.asker.body(answer).await?;
        let seen = RowFingerprints::from_text(&previous.seen);
        match &self.config.answer {
            Answer::Document(document) => {
                let (rows, seen) =
                    seen.news(sandboxed::answer(&self.reader, document.clone(), body).await?)?;
                polled(rows, etag, modified, &seen)
            }
            Answer::CapFeed { hosts } => {
                let (rows, seen, all) = self.alerts(body, hosts, &seen).await?;
                // What is left for the next time is asked for again, whatever the server says of changes.
                let known = |text: Option<String>| text.filter(|_| all);
                polled(rows, known(etag), known(modified), &seen)
            }
        }
    }
}

#[async_trait]
impl Connector for HttpPoll {
    async fn poll(&mut self, cursor: Option<&Value>) -> Result<PollOutcome, PollError> {
        let polled = self.asked(cursor).await;
        // Until the next asking it has nothing to read.
        self.reader.rest();
        polled
    }

    /// An alert and a vehicle are told for themselves; a list is one answer.
    fn by_message(&self) -> bool {
        !matches!(self.config.answer, Answer::Document(Document::Answer(_)))
    }
}

fn polled(
    rows: Rows,
    etag: Option<String>,
    modified: Option<String>,
    seen: &RowFingerprints,
) -> Result<PollOutcome, PollError> {
    let next = Cursor { etag, modified, seen: seen.to_text() };
    let cursor = serde_json::to_value(next).map_err(|error| PollError::Permanent(error.to_string()))?;
    Ok(PollOutcome::Rows { rows, cursor })
}
