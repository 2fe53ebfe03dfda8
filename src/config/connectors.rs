//! What `[[connectors]]` of `cityloom.toml` means: which live sources are asked, and into which feed.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use url::Url;

use super::raw_connectors as raw;
use crate::connect::{
    Answer, Authority, Document, Entity, HttpPollConfig, Login, MessageFormat, MessageOptions, MqttConfig,
    NatsConfig, Open311Config, PostgresConfig, PostgresServer, RowPlace, Secret, SecretAt, Source,
    WebSocketConfig, Window,
};
use crate::contract::unit_is_known;
use crate::model::{FeedName, Problem};

/// A live source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connector {
    /// What it is called in receipts and messages.
    pub name: String,
    /// Where its rows land.
    pub feed: FeedName,
    /// The units of its columns, by header, where they are not the contract's.
    pub units: BTreeMap<String, String>,
    /// How long it rests between two askings.
    pub every: Duration,
    /// What is asked.
    pub source: Source,
}

/// Which text is wrong and why.
type Wrong = (String, String);

/// Between two landings of a source that tells by itself, unless it says otherwise.
const GATHER: Duration = Duration::from_millis(200);

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
        let resolved = one(root, connector);
        connectors
            .push(resolved.map_err(|(value, why)| wrong(&value, format!("connectors: `{name}`: {why}")))?);
    }
    Ok(connectors)
}

fn one(root: &Path, raw: raw::Connector) -> Result<Connector, Wrong> {
    let raw::Connector { name, feed, units, http_poll, mqtt, nats, open311, postgres, websocket } = raw;
    let feed = feed.parse().map_err(|error| (feed.clone(), format!("feed: {error}")))?;
    for (header, unit) in &units {
        unit_is_known(unit).map_err(|error| (unit.clone(), format!("units: `{header}`: {error}")))?;
    }
    let read = Folder { root };
    let sources: Vec<Result<(Duration, Source), Wrong>> = [
        http_poll.map(|raw| read.http_poll(raw)),
        mqtt.map(|raw| read.mqtt(raw)),
        nats.map(|raw| read.nats(raw)),
        open311.map(|raw| read.open311(raw)),
        postgres.map(|raw| read.postgres(raw)),
        websocket.map(|raw| read.websocket(raw)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let [source] = <[_; 1]>::try_from(sources).map_err(|sources| {
        let kinds = "http_poll, mqtt, nats, open311, postgres or websocket";
        (name.clone(), format!("it has {} sources; it must have one of {kinds}", sources.len()))
    })?;
    let (every, source) = source?;
    Ok(Connector { name, feed, units, every, source })
}

/// Reads what names files of the city folder.
struct Folder<'a> {
    root: &'a Path,
}

impl Folder<'_> {
    fn http_poll(&self, poll: raw::HttpPoll) -> Result<(Duration, Source), Wrong> {
        let url = address(&poll.url, &["http", "https"])?;
        for pointer in [Some(&poll.rows), Some(&poll.row), poll.error.as_ref()].into_iter().flatten() {
            is_pointer(pointer)?;
        }
        let pointers = !poll.rows.is_empty() || !poll.row.is_empty() || poll.error.is_some();
        if pointers && poll.answer != raw::Answer::Json {
            return Err((poll.url, "rows, row and error are of JSON answers only".into()));
        }
        let answer = match poll.answer {
            raw::Answer::Json => {
                let place = RowPlace { rows: poll.rows, row: poll.row, error: poll.error };
                Answer::Document(Document::Answer(place))
            }
            raw::Answer::Cap => Answer::Document(Document::Cap),
            raw::Answer::CapFeed => Answer::CapFeed { hosts: poll.hosts },
            raw::Answer::GtfsVehicles => Answer::Document(Document::GtfsRealtime(Entity::Vehicles)),
            raw::Answer::GtfsDelays => Answer::Document(Document::GtfsRealtime(Entity::Delays)),
            raw::Answer::GtfsAlerts => Answer::Document(Document::GtfsRealtime(Entity::Alerts)),
        };
        let config = HttpPollConfig {
            url,
            answer,
            secret: poll.secret.map(|secret| self.header(secret)).transpose()?,
            most_bytes: mib(poll.most_mib),
            timeout: seconds(poll.timeout_s.unwrap_or(30)),
        };
        Ok((seconds(poll.every_s), Source::HttpPoll(config)))
    }

    fn mqtt(&self, mqtt: raw::Mqtt) -> Result<(Duration, Source), Wrong> {
        let url = address(&mqtt.url, &["mqtt", "mqtts"])?;
        let secure = url.scheme() == "mqtts";
        if mqtt.topics.is_empty() {
            return Err((mqtt.url, "topics: there must be one at least".into()));
        }
        let gather = gather(&mqtt.messages);
        let config = MqttConfig {
            host: host(&url)?,
            port: url.port().unwrap_or(if secure { 8883 } else { 1883 }),
            tls: secure.then(|| self.authority(mqtt.ca)),
            login: self.login(mqtt.user, mqtt.password)?,
            client_id: mqtt.client_id,
            topics: mqtt.topics,
            most_messages: mqtt.messages.most.unwrap_or(500).max(1),
            most_bytes: mqtt.messages.most_kib.unwrap_or(256).clamp(1, 16 << 10) << 10,
            reading: reading(mqtt.messages)?,
            gather,
            keep: Duration::from_hours(mqtt.keep_h.unwrap_or(24).clamp(1, 24 * 365)),
        };
        Ok((gather, Source::Mqtt(config)))
    }

    fn nats(&self, nats: raw::Nats) -> Result<(Duration, Source), Wrong> {
        let url = address(&nats.url, &["nats", "tls"])?;
        let secure = url.scheme() == "tls" || nats.ca.is_some();
        let gather = gather(&nats.messages);
        let config = NatsConfig {
            url: nats.url,
            tls: secure.then(|| self.authority(nats.ca)),
            login: self.login(nats.user, nats.password)?,
            token: nats.token.map(|token| self.secret(token.file, token.env)).transpose()?,
            stream: nats.stream,
            subject: nats.subject,
            durable: nats.durable,
            again_after: Duration::from_secs(30),
            most_messages: usize::from(nats.messages.most.unwrap_or(500).max(1)),
            most_bytes: (nats.messages.most_kib.unwrap_or(16 << 10).clamp(1, 64 << 10) as usize) << 10,
            reading: reading(nats.messages)?,
            gather,
        };
        Ok((gather, Source::Nats(config)))
    }

    fn open311(&self, open311: raw::Open311) -> Result<(Duration, Source), Wrong> {
        let since = chrono::DateTime::parse_from_rfc3339(&open311.since).map_err(|error| {
            (open311.since.clone(), format!("since: {error}; it is a time such as 2026-01-01T00:00:00Z"))
        })?;
        let config = Open311Config {
            url: address(&open311.url, &["http", "https"])?,
            jurisdiction: open311.jurisdiction_id,
            window: match open311.window {
                raw::Window::Updated => Window::Updated,
                raw::Window::Requested => Window::Requested,
            },
            since: since.to_utc(),
            most_rows: open311.most_rows.unwrap_or(1_000).clamp(2, 10_000) as usize,
            secret: open311.secret.map(|secret| self.header(secret)).transpose()?,
            most_bytes: mib(None),
            timeout: seconds(open311.timeout_s.unwrap_or(30)),
        };
        Ok((seconds(open311.every_s), Source::Open311(config)))
    }

    fn postgres(&self, postgres: raw::Postgres) -> Result<(Duration, Source), Wrong> {
        address(&postgres.url, &["postgres", "postgresql"])?;
        let server: PostgresServer =
            postgres.url.parse().map_err(|error| (postgres.url.clone(), format!("url: {error}")))?;
        if postgres.key.is_empty() {
            let why = "key: name the columns that tell rows of one cursor value apart";
            return Err((postgres.cursor, why.into()));
        }
        let secure = postgres.tls.unwrap_or(false) || postgres.ca.is_some();
        let config = PostgresConfig {
            server,
            password: postgres.password.map(|secret| self.secret(secret.file, secret.env)).transpose()?,
            tls: secure.then(|| self.authority(postgres.ca)),
            select: postgres.select,
            cursor: postgres.cursor,
            key: postgres.key,
            settle: Duration::from_secs(postgres.settle_s.unwrap_or(0)),
            most_rows: postgres.most_rows.unwrap_or(5_000).clamp(1, 100_000),
            most_row_bytes: 1 << 20,
            timeout: seconds(postgres.timeout_s.unwrap_or(30)),
        };
        Ok((seconds(postgres.every_s), Source::Postgres(config)))
    }

    fn websocket(&self, socket: raw::WebSocket) -> Result<(Duration, Source), Wrong> {
        let gather = gather(&socket.messages);
        let config = WebSocketConfig {
            url: address(&socket.url, &["ws", "wss"])?,
            authority: self.authority(socket.ca),
            secret: socket.secret.map(|secret| self.header(secret)).transpose()?,
            subscribe: socket.subscribe,
            most_messages: usize::from(socket.messages.most.unwrap_or(5_000).max(1)),
            most_bytes: (socket.messages.most_kib.unwrap_or(1 << 10).clamp(1, 64 << 10) as usize) << 10,
            reading: reading(socket.messages)?,
            gather,
        };
        Ok((gather, Source::WebSocket(config)))
    }

    fn authority(&self, ca: Option<String>) -> Authority {
        Authority { file: ca.map(|file| self.root.join(file)) }
    }

    fn header(&self, secret: raw::Header) -> Result<Secret, Wrong> {
        let header = secret.header.parse();
        let header = header.map_err(|_| (secret.header, "secret.header is no header's name".into()))?;
        Ok(Secret { header, at: self.secret(secret.file, secret.env)? })
    }

    fn secret(&self, file: Option<String>, env: Option<String>) -> Result<SecretAt, Wrong> {
        match (file, env) {
            (Some(file), None) => Ok(SecretAt::File(self.root.join(file))),
            (None, Some(name)) => Ok(SecretAt::Env(name)),
            (file, _) => {
                let why = "a secret stands in `file` or in the environment variable `env`: name one of them";
                Err((file.unwrap_or_default(), why.into()))
            }
        }
    }

    fn login(&self, user: Option<String>, password: Option<raw::Secret>) -> Result<Option<Login>, Wrong> {
        match (user, password) {
            (None, None) => Ok(None),
            (Some(user), Some(secret)) => {
                Ok(Some(Login { user, password: self.secret(secret.file, secret.env)? }))
            }
            (user, _) => Err((user.unwrap_or_default(), "user and password come together".into())),
        }
    }
}

/// An address without a secret in it.
fn address(text: &str, schemes: &[&str]) -> Result<Url, Wrong> {
    let url: Url = text.parse().map_err(|error| (text.to_owned(), format!("url: {error}")))?;
    if !schemes.contains(&url.scheme()) {
        let why = format!("url: it must begin with {}://", schemes.join(":// or "));
        return Err((text.to_owned(), why));
    }
    if url.password().is_some() {
        let why = "url: a password stands here in the clear; put it in a file or the environment".into();
        return Err((text.to_owned(), why));
    }
    Ok(url)
}

fn host(url: &Url) -> Result<String, Wrong> {
    let host = url.host_str().ok_or_else(|| (url.to_string(), "url: it names no host".into()))?;
    Ok(host.trim_matches(['[', ']']).to_owned())
}

fn is_pointer(text: &str) -> Result<(), Wrong> {
    if text.is_empty() || text.starts_with('/') {
        return Ok(());
    }
    Err((text.to_owned(), format!("`{text}` is no JSON Pointer such as /features")))
}

fn reading(messages: raw::Messages) -> Result<MessageOptions, Wrong> {
    is_pointer(&messages.rows)?;
    is_pointer(&messages.row)?;
    let format = match messages.format {
        raw::Format::Json => MessageFormat::Json,
        raw::Format::SensorThings => MessageFormat::SensorThings,
    };
    Ok(MessageOptions { format, rows: messages.rows, row: messages.row, topic: messages.topic_column })
}

fn gather(messages: &raw::Messages) -> Duration {
    messages.gather_ms.map_or(GATHER, |given| Duration::from_millis(given.clamp(10, 60_000)))
}

fn seconds(given: u64) -> Duration {
    Duration::from_secs(given.clamp(1, 86_400))
}

fn mib(given: Option<u64>) -> usize {
    usize::try_from(given.unwrap_or(16).clamp(1, 64)).unwrap_or(16) << 20
}
