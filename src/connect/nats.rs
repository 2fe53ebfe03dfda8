//! Pulls from a NATS `JetStream`, through a durable consumer. A message is acknowledged when its rows are in a commit.

use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::consumer::pull::Config as PullConfig;
use async_nats::jetstream::consumer::{AckPolicy, Consumer};
use async_nats::jetstream::{self, Message};
use async_nats::{Client, ConnectOptions};
use async_trait::async_trait;
use futures::StreamExt as _;
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::timeout;
use uuid::Uuid;

use super::secret::{Login, SecretAt};
use super::tls::Authority;
use super::unacknowledged::{Acknowledgement, Unacknowledged};
use super::{Connector, MessageOptions, Payload, PollError, PollOutcome, Reader, sandboxed};

/// How long a connection and an answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// The server is asked so often whether it is there.
const PING: Duration = Duration::from_secs(15);
/// How long an asking waits for a message.
const LISTEN: Duration = Duration::from_secs(1);

/// Which stream to pull from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsConfig {
    /// `nats://host:4222` or `tls://host:4222`.
    pub url: String,
    /// Whom to believe; none: no TLS, unless the server asks for it.
    pub tls: Option<Authority>,
    /// User and password.
    pub login: Option<Login>,
    /// A token instead.
    pub token: Option<SecretAt>,
    /// The stream.
    pub stream: String,
    /// Subjects, `*` and `>` as NATS has them; none: all of the stream.
    pub subject: Option<String>,
    /// The consumer's name: the server keeps for it where it stands.
    pub durable: String,
    /// How messages are read.
    pub reading: MessageOptions,
    /// How long messages are gathered into one landing.
    pub gather: Duration,
    /// Messages of one landing.
    pub most_messages: usize,
    /// After so long without an acknowledgement the server gives a message again.
    pub again_after: Duration,
    /// Bytes of one landing.
    pub most_bytes: usize,
}

/// Pulls from one stream.
#[derive(Debug)]
pub struct Nats {
    config: NatsConfig,
    reader: Reader,
    connection: Option<Connection>,
    unacknowledged: Unacknowledged<Vec<Message>>,
    /// Of the cursor's, those that are acknowledged by now.
    settled: BTreeSet<u64>,
}

#[derive(Debug)]
struct Connection {
    client: Client,
    consumer: Consumer<PullConfig>,
    /// When the stream was made: another one counts from the beginning.
    made: String,
    /// Below it everything is acknowledged.
    floor: u64,
}

/// What landed and may be given again, because its acknowledgement is not known to have arrived.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Cursor {
    batch: String,
    made: String,
    landed: BTreeSet<u64>,
}

impl Nats {
    /// A connector of these settings.
    pub fn new(config: NatsConfig, reader: Reader) -> Self {
        Self {
            config,
            reader,
            connection: None,
            unacknowledged: Unacknowledged::default(),
            settled: BTreeSet::new(),
        }
    }

    async fn connect(&self) -> Result<Connection, PollError> {
        let config = &self.config;
        let mut options =
            ConnectOptions::new().name("cityloom").connection_timeout(ANSWER).request_timeout(Some(ANSWER));
        options = options.ping_interval(PING);
        if let Some(authority) = &config.tls {
            options = options.tls_client_config((*authority.client()?).clone()).require_tls(true);
        }
        if let Some(login) = &config.login {
            options = options.user_and_password(login.user.clone(), login.password.read()?);
        }
        if let Some(token) = &config.token {
            options = options.token(token.read()?);
        }
        let client = options.connect(config.url.as_str()).await.map_err(|error| {
            let why = format!("no connection to the server: {error}");
            match error.kind() {
                async_nats::ConnectErrorKind::Authentication
                | async_nats::ConnectErrorKind::AuthorizationViolation => PollError::Permanent(why),
                _ => PollError::transient(why),
            }
        })?;
        let stream = jetstream::new(client.clone())
            .get_stream(&config.stream)
            .await
            .map_err(|error| PollError::transient(format!("the stream `{}`: {error}", config.stream)))?;
        let made = stream.cached_info().created.to_string();
        let wanted = PullConfig {
            durable_name: Some(config.durable.clone()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: config.again_after,
            filter_subject: config.subject.clone().unwrap_or_default(),
            max_ack_pending: i64::try_from(config.most_messages).unwrap_or(i64::MAX),
            ..PullConfig::default()
        };
        let consumer = stream
            .get_or_create_consumer(&config.durable, wanted)
            .await
            .map_err(|error| PollError::transient(format!("the consumer `{}`: {error}", config.durable)))?;
        let floor = consumer.cached_info().ack_floor.stream_sequence;
        Ok(Connection { client, consumer, made, floor })
    }

    /// Messages until there are enough or time is up; none where none came.
    async fn gather(&self, connection: &Connection) -> Result<Vec<Message>, PollError> {
        let mut messages = self.pull(connection, 1, Some(LISTEN)).await?;
        if messages.is_empty() {
            return Ok(messages);
        }
        tokio::time::sleep(self.config.gather).await;
        let more = self.config.most_messages.saturating_sub(1);
        if more > 0 {
            messages.extend(self.pull(connection, more, None).await?);
        }
        Ok(messages)
    }

    async fn pull(
        &self,
        connection: &Connection,
        most: usize,
        wait: Option<Duration>,
    ) -> Result<Vec<Message>, PollError> {
        let failed = |why: String| PollError::transient(format!("the stream could not be read: {why}"));
        let bytes = self.config.most_bytes;
        let batch = match wait {
            Some(wait) => {
                connection.consumer.batch().max_messages(most).max_bytes(bytes).expires(wait).messages().await
            }
            None => connection.consumer.fetch().max_messages(most).max_bytes(bytes).messages().await,
        };
        let mut batch = batch.map_err(|error| failed(error.to_string()))?;
        let mut messages = Vec::new();
        while let Some(message) = batch.next().await {
            match message {
                Ok(message) => messages.push(message),
                // What came is good; the rest comes again.
                Err(error) if messages.is_empty() => return Err(told(&error.to_string(), bytes)),
                Err(_) => break,
            }
        }
        Ok(messages)
    }
}

fn told(why: &str, most: usize) -> PollError {
    if why.to_ascii_lowercase().contains("maxbytes") {
        return PollError::Permanent(format!("a message is larger than {most} bytes; raise most_kib"));
    }
    PollError::transient(format!("the stream could not be read: {why}"))
}

/// Acknowledges messages and waits until the server has it.
async fn acknowledge(messages: &[Message]) -> Result<(), PollError> {
    let all = join_all(messages.iter().map(Message::double_ack)).await;
    match all.into_iter().find_map(Result::err) {
        Some(error) => Err(PollError::transient(format!("what landed could not be acknowledged: {error}"))),
        None => Ok(()),
    }
}

#[async_trait]
impl Connector for Nats {
    async fn poll(&mut self, cursor: Option<&Value>) -> Result<PollOutcome, PollError> {
        let landed: Cursor = cursor.and_then(|cursor| Cursor::deserialize(cursor).ok()).unwrap_or_default();
        match self.unacknowledged.acknowledge(cursor) {
            Acknowledgement::Redelivered(polled) => return Ok(polled),
            Acknowledgement::Landed(messages) => {
                acknowledge(&messages).await?;
                for message in &messages {
                    self.settled.insert(sequence(message)?);
                }
            }
            Acknowledgement::Nothing => {}
        }
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => timeout(ANSWER * 2, self.connect())
                .await
                .map_err(|_| PollError::transient("the server does not answer"))??,
        };
        let mut known = if landed.made == connection.made { landed.landed } else { BTreeSet::new() };
        known.retain(|sequence| *sequence > connection.floor && !self.settled.contains(sequence));
        let messages = timeout(ANSWER * 2, self.gather(&connection))
            .await
            .map_err(|_| PollError::transient("the server does not answer"))??;
        // The client finds its way back by itself, and gives nothing until it has.
        if messages.is_empty() && connection.client.connection_state() != State::Connected {
            return Err(PollError::transient("the connection to the server broke"));
        }
        let (mut fresh, mut again, mut payloads) = (Vec::new(), Vec::new(), Vec::new());
        let mut next = known.clone();
        for message in messages {
            let sequence = sequence(&message)?;
            if known.contains(&sequence) {
                again.push(message);
                continue;
            }
            payloads.push(Payload { topic: message.subject.to_string(), bytes: message.payload.clone() });
            next.insert(sequence);
            fresh.push(message);
        }
        acknowledge(&again).await?;
        let made = connection.made.clone();
        self.connection = Some(connection);
        if fresh.is_empty() {
            return Ok(PollOutcome::Unchanged);
        }
        let rows = sandboxed::messages(&self.reader, &self.config.reading, payloads).await?;
        let next = Cursor { batch: Uuid::now_v7().to_string(), made, landed: next };
        let next = serde_json::to_value(next).map_err(|error| PollError::Permanent(error.to_string()))?;
        self.settled.clear();
        Ok(self.unacknowledged.deliver(rows, next, fresh))
    }

    fn by_message(&self) -> bool {
        true
    }
}

fn sequence(message: &Message) -> Result<u64, PollError> {
    let info =
        message.info().map_err(|error| PollError::transient(format!("no JetStream message: {error}")))?;
    Ok(info.stream_sequence)
}
