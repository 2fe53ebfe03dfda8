//! Asks an Open311 `GeoReport` v2 server for service requests, window by window of the time in which they changed.
//!
//! A server answers with so many requests at most and says nothing of the rest: a window that is full is halved. What
//! groups services, as `services.json` tells, comes with each request.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::StringArray;
use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::changes::RowFingerprints;
use super::http::{Asker, Secret};
use super::{Connector, Document, PollError, PollOutcome, Reader, RowPlace, Rows, sandboxed};
use crate::model::Clock;

/// Servers see a change a little after its time; so much is asked for again, and known by what was seen.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);
/// The widest window: the standard promises answers for ninety days.
const WIDEST: TimeDelta = TimeDelta::days(30);
/// A window that is full and as narrow as this cannot be halved.
const NARROWEST: TimeDelta = TimeDelta::seconds(1);
/// The columns of a service's code, in both lists, and of its group.
const CODE: &str = "service_code";
const GROUP: &str = "group";
/// Windows of one asking; the rest is asked for at the next.
const MOST_WINDOWS: usize = 40;

/// Which server to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open311Config {
    /// The address before `/requests.json`.
    pub url: Url,
    /// Where a server serves more than one city.
    pub jurisdiction: Option<String>,
    /// What the window is of.
    pub window: Window,
    /// From when on.
    pub since: DateTime<Utc>,
    /// Requests of a full answer: 1000 by the standard, less at some servers.
    pub most_rows: usize,
    /// A header that is not for everybody's eyes.
    pub secret: Option<Secret>,
    /// The largest answer, in bytes.
    pub most_bytes: usize,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// What a window is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// `updated_datetime`, by `updated_after` and `updated_before`: every change comes.
    Updated,
    /// `requested_datetime`, by `start_date` and `end_date`, for servers that know only the standard: changes come while
    /// the request is younger than the window that is asked for again.
    Requested,
}

/// Until when everything has landed, and what of the end of it was seen.
#[derive(Debug, Serialize, Deserialize)]
struct Cursor {
    through: DateTime<Utc>,
    seen: String,
}

/// Asks one server.
#[derive(Debug)]
pub struct Open311 {
    config: Open311Config,
    asker: Asker,
    reader: Reader,
    clock: Arc<dyn Clock>,
    /// The services' groups, by code, once they are known.
    groups: BTreeMap<String, Option<String>>,
}

impl Open311 {
    /// A connector of these settings.
    ///
    /// # Errors
    /// Where the machine's TLS cannot be set up.
    pub fn new(config: Open311Config, clock: Arc<dyn Clock>, reader: Reader) -> Result<Self, PollError> {
        let asker = Asker::new(&config.url, config.secret.clone(), config.most_bytes, config.timeout)?;
        // By them the services' groups are found.
        let reader = reader.and(CODE).and(GROUP);
        Ok(Self { config, asker, reader, clock, groups: BTreeMap::new() })
    }

    fn address(&self, document: &str) -> Url {
        let mut url = self.config.url.clone();
        let path = format!("{}/{document}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        if let Some(jurisdiction) = &self.config.jurisdiction {
            url.query_pairs_mut().append_pair("jurisdiction_id", jurisdiction);
        }
        url
    }

    async fn list(&self, url: Url) -> Result<Rows, PollError> {
        let body = self.asker.get(url).await?;
        sandboxed::answer(&self.reader, Document::Answer(RowPlace::default()), body).await
    }

    async fn window(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Rows, PollError> {
        let mut url = self.address("requests.json");
        let (after, before) = match self.config.window {
            Window::Updated => ("updated_after", "updated_before"),
            Window::Requested => ("start_date", "end_date"),
        };
        let text = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        url.query_pairs_mut().append_pair(after, &text(from)).append_pair(before, &text(to));
        self.list(url).await
    }

    /// Each request with its service's group.
    async fn grouped(&mut self, rows: Rows) -> Result<Rows, PollError> {
        if !rows.texts(CODE).flatten().all(|code| self.groups.contains_key(code)) {
            let services = self.list(self.address("services.json")).await?;
            let groups = services.texts(CODE).zip(services.texts(GROUP));
            let groups =
                groups.filter_map(|(code, group)| Some((code?.to_owned(), group.map(str::to_owned))));
            self.groups = groups.collect();
            // A service that is listed no more has no group, and is not looked up for ever.
            for code in rows.texts(CODE).flatten() {
                self.groups.entry(code.to_owned()).or_default();
            }
        }
        let group = |code: Option<&str>| self.groups.get(code?)?.clone();
        let groups: StringArray = rows.texts(CODE).map(group).collect();
        Ok(rows.with("service_group", groups)?)
    }

    async fn asked(&mut self, cursor: Option<&Value>) -> Result<PollOutcome, PollError> {
        let previous = cursor.and_then(|cursor| Cursor::deserialize(cursor).ok());
        let now = DateTime::from_timestamp_micros(self.clock.now().0).unwrap_or_default();
        let (mut through, seen) = match previous {
            Some(previous) => (previous.through, RowFingerprints::from_text(&previous.seen)),
            None => (self.config.since, RowFingerprints::default()),
        };
        // The next asking begins within what this one meets: that is what must be known again then.
        let (mut told, mut met, mut span) = (Vec::new(), RowFingerprints::default(), WIDEST);
        for _ in 0..MOST_WINDOWS {
            let to = now.min(through + span);
            let listed = self.window(through, to).await?;
            if listed.len() >= self.config.most_rows {
                if to - through <= NARROWEST {
                    return Err(PollError::Permanent(format!(
                        "there are {} requests and more at {through}; raise most_rows to what the server gives at most",
                        listed.len()
                    )));
                }
                span = (to - through) / 2;
                continue;
            }
            if !listed.is_empty() {
                let mut known = seen.clone();
                known.join(&met);
                let (news, now) = known.news(listed)?;
                met.join(&now);
                told.push(news);
            }
            let cut = to < now;
            if !cut {
                through = through.max(now - OVERLAP);
                break;
            }
            through = to;
        }
        let rows = Rows::joined(told)?;
        let rows = if rows.is_empty() { rows } else { self.grouped(rows).await? };
        let seen = if met == RowFingerprints::default() { seen } else { met };
        let next = json!(Cursor { through, seen: seen.to_text() });
        Ok(PollOutcome::Rows { rows, cursor: next })
    }
}

#[async_trait]
impl Connector for Open311 {
    async fn poll(&mut self, cursor: Option<&Value>) -> Result<PollOutcome, PollError> {
        let polled = self.asked(cursor).await;
        // Until the next asking it has nothing to read.
        self.reader.rest();
        polled
    }

    fn by_message(&self) -> bool {
        true
    }
}
