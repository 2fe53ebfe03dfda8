//! `[[connectors]]` of `cityloom.toml`: which live sources are asked, and into which feed.

use std::path::Path;
use std::time::Duration;

use super::raw;
use crate::connect::{HttpPollConfig, Secret};
use crate::model::{FeedName, Problem};

/// A live source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connector {
    /// What it is called in receipts and messages.
    pub name: String,
    /// Where its rows land.
    pub feed: FeedName,
    /// How often it is asked.
    pub every: Duration,
    /// What is asked.
    pub source: HttpPollConfig,
}

/// The connectors, or what is wrong with one and which text of it that is.
pub(super) fn resolve(
    root: &Path,
    raw: Vec<raw::Connector>,
    wrong: impl Fn(&str, String) -> Problem,
) -> Result<Vec<Connector>, Problem> {
    let mut connectors: Vec<Connector> = Vec::with_capacity(raw.len());
    for connector in raw {
        let name = connector.name.clone();
        if name.trim().is_empty() || connectors.iter().any(|other| other.name == name) {
            return Err(wrong(
                &name,
                format!("connectors: `{name}` must be a name, and of one connector only"),
            ));
        }
        connectors
            .push(one(root, connector, |value, why| wrong(value, format!("connectors: `{name}`: {why}")))?);
    }
    Ok(connectors)
}

fn one(
    root: &Path,
    raw: raw::Connector,
    wrong: impl Fn(&str, String) -> Problem,
) -> Result<Connector, Problem> {
    let poll = raw.http_poll;
    let feed = raw.feed.parse().map_err(|error| wrong(&raw.feed, format!("feed: {error}")))?;
    let url: url::Url = poll.url.parse().map_err(|error| wrong(&poll.url, format!("url: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong(&poll.url, "url: only http and https are asked".into()));
    }
    for pointer in [Some(&poll.rows), Some(&poll.row), poll.error.as_ref()].into_iter().flatten() {
        if !pointer.is_empty() && !pointer.starts_with('/') {
            return Err(wrong(pointer, format!("`{pointer}` is no JSON Pointer such as /features")));
        }
    }
    let secret = match poll.secret {
        None => None,
        Some(secret) => {
            let header = secret.header.parse();
            let header =
                header.map_err(|_| wrong(&secret.header, "secret.header is no header's name".into()))?;
            Some(Secret { header, file: root.join(secret.file) })
        }
    };
    let seconds = |given: u64| Duration::from_secs(given.clamp(1, 86_400));
    let mib = usize::try_from(poll.most_mib.unwrap_or(16).clamp(1, 1024)).unwrap_or(16);
    Ok(Connector {
        name: raw.name,
        feed,
        every: seconds(poll.every_s),
        source: HttpPollConfig {
            url,
            rows: poll.rows,
            row: poll.row,
            error: poll.error,
            secret,
            most_bytes: mib << 20,
            timeout: seconds(poll.timeout_s.unwrap_or(30)),
        },
    })
}
