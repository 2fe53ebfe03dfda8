//! Asks an address for JSON, as often as its settings say, and only for what has changed where the server can tell.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{
    ETAG, HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, RETRY_AFTER,
};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::changes::Seen;
use super::json_rows::{RowPlace, rows_of};
use super::{Connector, Polled, Trouble};

/// A server cannot send a connector away for longer.
const LONGEST_WAIT: Duration = Duration::from_hours(1);
/// How long the connection itself may take.
const CONNECT: Duration = Duration::from_secs(10);

/// What to ask, and how much of an answer is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpPollConfig {
    /// `http` or `https`.
    pub url: Url,
    /// JSON Pointer to the list of rows.
    pub rows: String,
    /// JSON Pointer from an element of the list to the row.
    pub row: String,
    /// JSON Pointer to what is there only in an error.
    pub error: Option<String>,
    /// A header that is not for everybody's eyes.
    pub secret: Option<Secret>,
    /// The largest answer, in bytes.
    pub most_bytes: usize,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// A header whose value stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// The header, as `X-App-Token` or `Authorization`.
    pub header: HeaderName,
    /// The file, read anew for each asking.
    pub file: PathBuf,
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
    place: RowPlace,
    client: Client,
}

impl HttpPoll {
    /// A connector of these settings.
    ///
    /// # Errors
    /// Where the machine's TLS cannot be set up.
    pub fn new(config: HttpPollConfig) -> Result<Self, Trouble> {
        let client = Client::builder()
            .user_agent(concat!("cityloom/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(config.timeout)
            .build()
            .map_err(|error| Trouble::Lasting(told(&error)))?;
        let place =
            RowPlace { rows: config.rows.clone(), row: config.row.clone(), error: config.error.clone() };
        Ok(Self { config, place, client })
    }

    fn request(&self, cursor: &Cursor) -> Result<RequestBuilder, Trouble> {
        let mut request = self.client.get(self.config.url.clone());
        if let Some(Secret { header, file }) = &self.config.secret {
            let value = std::fs::read_to_string(file)
                .map_err(|error| Trouble::Lasting(format!("the secret {}: {error}", file.display())))?;
            request = request.header(header, value.trim());
        }
        if let Some(etag) = &cursor.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(modified) = &cursor.modified {
            request = request.header(IF_MODIFIED_SINCE, modified);
        }
        Ok(request)
    }

    async fn body(&self, mut answer: Response) -> Result<Vec<u8>, Trouble> {
        let most = self.config.most_bytes;
        let too_large = || {
            Trouble::Lasting(format!(
                "the answer is larger than {most} bytes; raise most_mib, or ask for less at a time"
            ))
        };
        if answer.content_length().is_some_and(|bytes| bytes > most as u64) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| Trouble::passing(told(&error)))? {
            if body.len() + chunk.len() > most {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

#[async_trait]
impl Connector for HttpPoll {
    async fn poll(&mut self, cursor: Option<&Value>) -> Result<Polled, Trouble> {
        let held: Cursor = cursor.and_then(|cursor| Cursor::deserialize(cursor).ok()).unwrap_or_default();
        let answer = self.request(&held)?.send().await.map_err(|error| Trouble::passing(told(&error)))?;
        if answer.status() == StatusCode::NOT_MODIFIED {
            return Ok(Polled::Unchanged);
        }
        if !answer.status().is_success() {
            return Err(refused(&answer));
        }
        let text = |name| text_of(answer.headers(), name);
        let (etag, modified) = (text(ETAG), text(LAST_MODIFIED));
        let rows = rows_of(&self.body(answer).await?, &self.place)?;
        let (rows, seen) = Seen::from_text(&held.seen).news(rows);
        let next = Cursor { etag, modified, seen: seen.to_text() };
        let cursor = serde_json::to_value(next).map_err(|error| Trouble::Lasting(error.to_string()))?;
        Ok(Polled::Rows { rows, cursor })
    }
}

fn text_of(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn refused(answer: &Response) -> Trouble {
    let why = format!("the server answers {}", answer.status());
    let passing = answer.status().is_server_error()
        || [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(&answer.status());
    if !passing {
        return Trouble::Lasting(why);
    }
    // A date instead of seconds is rare enough to be left to the backoff.
    let after = text_of(answer.headers(), RETRY_AFTER).and_then(|text| text.parse().ok());
    Trouble::Passing { why, after: after.map(|seconds| Duration::from_secs(seconds).min(LONGEST_WAIT)) }
}

/// An error with its causes; the address is left out, it may hold a key.
fn told(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    let what = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the answer broke off"
    };
    match causes.last() {
        Some(cause) => format!("{what}: {cause}"),
        None => what.to_owned(),
    }
}
