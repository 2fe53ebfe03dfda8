//! Asks addresses over HTTP: bounded in bytes and time, with a header from a secret place, told apart by who can mend it.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};

use super::PollError;
use super::secret::SecretAt;

/// A server cannot send a connector away for longer.
const LONGEST_WAIT: Duration = Duration::from_hours(1);
/// How long the connection itself may take.
const CONNECT: Duration = Duration::from_secs(10);
/// Redirects that are followed.
const MOST_REDIRECTS: usize = 5;

/// A header whose value stands elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// The header, as `X-App-Token` or `Authorization`.
    pub header: HeaderName,
    /// Its value.
    pub at: SecretAt,
}

/// Asks one host, and others without its secret.
#[derive(Debug)]
pub(super) struct Asker {
    client: Client,
    host: Option<String>,
    secret: Option<Secret>,
    most_bytes: usize,
}

impl Asker {
    /// For the host of `url`.
    pub(super) fn new(
        url: &Url,
        secret: Option<Secret>,
        most_bytes: usize,
        timeout: Duration,
    ) -> Result<Self, PollError> {
        // A secret goes to the host that it is for, and nowhere that this host points to.
        let stays = |attempt: reqwest::redirect::Attempt<'_>| {
            let from = attempt.previous().last().and_then(Url::host_str);
            let same = from == attempt.url().host_str();
            if same && attempt.previous().len() <= MOST_REDIRECTS { attempt.follow() } else { attempt.stop() }
        };
        let client = Client::builder()
            .user_agent(concat!("cityloom/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(timeout)
            .redirect(Policy::custom(stays))
            .build()
            .map_err(|error| PollError::Permanent(told(&error)))?;
        Ok(Self { client, host: url.host_str().map(str::to_owned), secret, most_bytes })
    }

    /// What the server answers, whatever it is.
    pub(super) async fn ask(&self, url: Url, headers: &[(HeaderName, &str)]) -> Result<Response, PollError> {
        let own = self.host.as_deref() == url.host_str();
        let mut request = self.client.get(url);
        if let Some(Secret { header, at }) = self.secret.as_ref().filter(|_| own) {
            request = request.header(header, at.read()?);
        }
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        request.send().await.map_err(|error| PollError::transient(told(&error)))
    }

    /// The body of an answer that is one.
    pub(super) async fn get(&self, url: Url) -> Result<Vec<u8>, PollError> {
        let answer = self.ask(url, &[]).await?;
        if answer.status().is_success() { self.body(answer).await } else { Err(refused(&answer)) }
    }

    /// What it says, if it is not too much.
    pub(super) async fn body(&self, mut answer: Response) -> Result<Vec<u8>, PollError> {
        let most = self.most_bytes;
        let too_large = || {
            PollError::Permanent(format!(
                "the answer is larger than {most} bytes; raise most_mib, or ask for less at a time"
            ))
        };
        if answer.content_length().is_some_and(|bytes| bytes > most as u64) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| PollError::transient(told(&error)))? {
            if body.len() + chunk.len() > most {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// A header's text.
pub(super) fn text_of(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// Why an answer is none.
pub(super) fn refused(answer: &Response) -> PollError {
    let why = format!("the server answers {}", answer.status());
    let passing = answer.status().is_server_error()
        || [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(&answer.status());
    if !passing {
        return PollError::Permanent(why);
    }
    // A date instead of seconds is rare enough to be left to the backoff.
    let after = text_of(answer.headers(), RETRY_AFTER).and_then(|text| text.parse().ok());
    PollError::Transient {
        why,
        retry_after: after.map(|seconds| Duration::from_secs(seconds).min(LONGEST_WAIT)),
    }
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
