//! Asks an address for JSON, as often as its settings say, and only for what has changed where the server can tell.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{ETAG, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use reqwest::{StatusCode, Url};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::changes::Seen;
use super::http::{Asker, Secret, refused, text_of};
use super::json_rows::{RowPlace, rows_of};
use super::{Connector, Polled, Row, Trouble};
use crate::ingest::{DecodeError, Decoder, Document};

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
    /// JSON with a list in it.
    Json(RowPlace),
    /// A document that is no table.
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
    decoder: Decoder,
}

impl HttpPoll {
    /// A connector of these settings; `decoder` reads what is no JSON.
    ///
    /// # Errors
    /// Where the machine's TLS cannot be set up.
    pub fn new(config: HttpPollConfig, decoder: Decoder) -> Result<Self, Trouble> {
        let asker = Asker::new(&config.url, config.secret.clone(), config.most_bytes, config.timeout)?;
        Ok(Self { config, asker, decoder })
    }

    /// The rows of the alerts that a feed lists and that were not read before, what has been read now, and whether that
    /// is all.
    async fn alerts(
        &self,
        feed: Vec<u8>,
        hosts: &[String],
        seen: &Seen,
    ) -> Result<(Vec<Row>, Seen, bool), Trouble> {
        let listed = self.records(Document::Atom, feed).await?;
        let (news, mut now) = seen.news(listed.map_err(|error| Trouble::passing(error.to_string()))?);
        let all = news.len() <= MOST_ALERTS;
        let mut rows = Vec::new();
        for entry in news.iter().take(MOST_ALERTS) {
            let told = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
            let id = told("id");
            let link = self.config.url.join(told("link"));
            let link = link.map_err(|error| Trouble::Lasting(format!("a link of the feed: {error}")))?;
            let host = link.host_str().unwrap_or_default();
            let own = self.config.url.host_str() == Some(host) || hosts.iter().any(|other| other == host);
            if !own || !matches!(link.scheme(), "http" | "https") {
                return Err(Trouble::Lasting(format!(
                    "the feed sends us to the host `{host}`; name it in `hosts` if alerts may come from there"
                )));
            }
            let answer = self.asker.ask(link, &[]).await?;
            if matches!(answer.status(), StatusCode::NOT_FOUND | StatusCode::GONE) {
                tracing::warn!(alert.id = id, "an alert that is listed is not there");
                rows.push(Row::new());
                continue;
            }
            if !answer.status().is_success() {
                return Err(refused(&answer));
            }
            match self.records(Document::Cap, self.asker.body(answer).await?).await? {
                Ok(alert) => rows.extend(alert),
                // One broken alert must not keep the others from the wall: its row has no values, and is rejected.
                Err(error) => {
                    tracing::warn!(alert.id = id, "an alert that cannot be read: {error}");
                    rows.push(Row::new());
                }
            }
        }
        if !all {
            let left: Vec<Row> = news.into_iter().skip(MOST_ALERTS).collect();
            now.forget(&left);
        }
        Ok((rows, now, all))
    }

    /// The rows of a document, decoded where nothing that it does harms the city.
    async fn records(
        &self,
        document: Document,
        body: Vec<u8>,
    ) -> Result<Result<Vec<Row>, DecodeError>, Trouble> {
        let decoder = self.decoder.clone();
        let decoded = tokio::task::spawn_blocking(move || decoder.records(document, &body)).await;
        match decoded.map_err(|error| Trouble::passing(error.to_string()))? {
            // The city's own trouble, not the document's.
            Err(error @ (DecodeError::Unable(_) | DecodeError::Scratch(_))) => {
                Err(Trouble::passing(error.to_string()))
            }
            decoded => Ok(decoded),
        }
    }
}

#[async_trait]
impl Connector for HttpPoll {
    async fn poll(&mut self, cursor: Option<&Value>) -> Result<Polled, Trouble> {
        let held: Cursor = cursor.and_then(|cursor| Cursor::deserialize(cursor).ok()).unwrap_or_default();
        let known = [(IF_NONE_MATCH, &held.etag), (IF_MODIFIED_SINCE, &held.modified)];
        let known: Vec<(HeaderName, &str)> =
            known.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect();
        let answer = self.asker.ask(self.config.url.clone(), &known).await?;
        if answer.status() == StatusCode::NOT_MODIFIED {
            return Ok(Polled::Unchanged);
        }
        if !answer.status().is_success() {
            return Err(refused(&answer));
        }
        let text = |name| text_of(answer.headers(), name);
        let (etag, modified) = (text(ETAG), text(LAST_MODIFIED));
        let body = self.asker.body(answer).await?;
        let seen = Seen::from_text(&held.seen);
        let (rows, seen) = match &self.config.answer {
            Answer::Json(place) => seen.news(rows_of(&body, place)?),
            Answer::Document(document) => {
                let rows = self.records(*document, body).await?;
                seen.news(rows.map_err(|error| Trouble::passing(error.to_string()))?)
            }
            Answer::CapFeed { hosts } => {
                let (rows, seen, all) = self.alerts(body, hosts, &seen).await?;
                // What is left for the next time is asked for again, whatever the server says of changes.
                let known = |text: Option<String>| text.filter(|_| all);
                return polled(rows, known(etag), known(modified), &seen);
            }
        };
        polled(rows, etag, modified, &seen)
    }

    /// An alert and a vehicle are told for themselves; a list is one answer.
    fn by_message(&self) -> bool {
        !matches!(self.config.answer, Answer::Json(_))
    }
}

fn polled(
    rows: Vec<Row>,
    etag: Option<String>,
    modified: Option<String>,
    seen: &Seen,
) -> Result<Polled, Trouble> {
    let next = Cursor { etag, modified, seen: seen.to_text() };
    let cursor = serde_json::to_value(next).map_err(|error| Trouble::Lasting(error.to_string()))?;
    Ok(Polled::Rows { rows, cursor })
}
