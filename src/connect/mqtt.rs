//! Listens to an MQTT 5 broker. A message is acknowledged when its rows are in a commit, and not before.
//!
//! The broker keeps the session while nobody listens and sends again what was not acknowledged. What had landed and was
//! not acknowledged when the process died is known by its fingerprint in the cursor.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use async_trait::async_trait;
use rumqttc::{
    AckMode, AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, MqttOptions, Packet, Publish,
    QoS, StateError, SubscribeFilter as Filter, SubscribeReasonCode as Granted, TlsConfiguration, Transport,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::mqtt_session::ListenerSession;
use super::secret::Login;
use super::tls::Authority;
use super::unacknowledged::{Acknowledgement, Unacknowledged};
use super::{Connector, MessageOptions, Payload, PollError, PollOutcome, Reader, sandboxed};

/// How long the connection and the subscription may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an asking waits for a message; the connection lives on between askings.
const LISTEN: Duration = Duration::from_secs(1);
/// The broker hears of us at least so often.
const KEEP_ALIVE_S: u16 = 60;

/// Which broker to listen to, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttConfig {
    /// The broker's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whom to believe; none: no TLS.
    pub tls: Option<Authority>,
    /// Who we are to the broker; it keeps what comes for this name.
    pub client_id: String,
    /// User and password.
    pub login: Option<Login>,
    /// Topics, `+` and `#` as MQTT has them.
    pub topics: Vec<String>,
    /// How messages are read.
    pub reading: MessageOptions,
    /// How long messages are gathered into one landing.
    pub gather: Duration,
    /// Messages of one landing, and those that the broker may send ahead of acknowledgements.
    pub most_messages: u16,
    /// The largest message, in bytes.
    pub most_bytes: u32,
    /// How long the broker keeps messages for us while we are away.
    pub keep: Duration,
}

/// Listens to one broker.
#[derive(Debug)]
pub struct Mqtt {
    config: MqttConfig,
    reader: Reader,
    connection: Option<Connection>,
    unacknowledged: Unacknowledged<Vec<Publish>>,
}

struct Connection {
    client: AsyncClient,
    events: EventLoop,
    /// What came while the subscription was made.
    early: VecDeque<Publish>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("early", &self.early.len()).finish_non_exhaustive()
    }
}

/// What landed last and may be sent again.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Cursor {
    batch: String,
    landed: BTreeSet<String>,
}

impl Mqtt {
    /// A connector of these settings.
    pub fn new(config: MqttConfig, reader: Reader) -> Self {
        Self { config, reader, connection: None, unacknowledged: Unacknowledged::default() }
    }

    fn options(&self) -> Result<MqttOptions, PollError> {
        let config = &self.config;
        let mut options = MqttOptions::new(&config.client_id, (config.host.as_str(), config.port));
        if let Some(authority) = &config.tls {
            options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(authority.client()?)));
        }
        if let Some(login) = &config.login {
            options.set_credentials(&login.user, login.password.read()?);
        }
        options.set_clean_start(false).set_session_store(ListenerSession);
        options.set_ack_mode(AckMode::Manual).set_keep_alive(KEEP_ALIVE_S).set_connect_timeout(CONNECT);
        options.set_session_expiry_interval(u32::try_from(config.keep.as_secs()).ok());
        options.set_receive_maximum(Some(config.most_messages));
        options.set_max_packet_size(Some(config.most_bytes));
        Ok(options)
    }

    async fn connect(&mut self) -> Result<Connection, PollError> {
        let queued = usize::from(self.config.most_messages) + 16;
        let (client, mut events) = AsyncClient::builder(self.options()?)
            .capacity(queued)
            .try_build()
            .map_err(|error| PollError::Permanent(format!("settings of the broker: {error}")))?;
        let filters = self.config.topics.iter().map(|topic| Filter::new(topic.clone(), QoS::AtLeastOnce));
        client
            .try_subscribe_many(filters)
            .map_err(|error| PollError::Permanent(format!("topics: {error}")))?;
        let (deadline, mut early) = (Instant::now() + CONNECT, VecDeque::new());
        loop {
            let event = timeout_at(deadline, events.poll())
                .await
                .map_err(|_| PollError::transient("the broker does not answer"))?
                .map_err(|error| broken(&error))?;
            match event {
                Event::Incoming(Packet::SubAck(answer)) => {
                    let refused = answer.return_codes.iter().zip(&self.config.topics);
                    let mut refused = refused.filter(|(code, _)| !matches!(code, Granted::Success(_)));
                    return match refused.next() {
                        Some((code, topic)) => Err(PollError::Permanent(format!(
                            "the broker refuses the topic `{topic}`: {code:?}; topics or the user's rights must change"
                        ))),
                        None => Ok(Connection { client, events, early }),
                    };
                }
                Event::Incoming(Packet::Publish(message)) => early.push_back(message),
                _ => {}
            }
        }
    }

    /// Messages until there are enough or time is up; none where none came.
    async fn gather(&mut self, connection: &mut Connection) -> Result<Vec<Publish>, PollError> {
        let mut messages: Vec<Publish> = connection.early.drain(..).collect();
        let begun = |messages: &[Publish]| {
            Instant::now() + if messages.is_empty() { LISTEN } else { self.config.gather }
        };
        let mut deadline = begun(&messages);
        while messages.len() < usize::from(self.config.most_messages) {
            match timeout_at(deadline, connection.events.poll()).await {
                Err(_) => break,
                Ok(Ok(Event::Incoming(Packet::Publish(message)))) => {
                    messages.push(message);
                    if messages.len() == 1 {
                        deadline = begun(&messages);
                    }
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(broken(&error)),
            }
        }
        Ok(messages)
    }
}

impl Connection {
    /// Queues acknowledgements. One that does not get through is a message that comes again and is known then.
    fn acknowledge<'a>(&self, messages: impl IntoIterator<Item = &'a Publish>) {
        for message in messages {
            if let Err(error) = self.client.try_ack(message) {
                tracing::debug!(%error, "an acknowledgement is put off");
            }
        }
    }
}

#[async_trait]
impl Connector for Mqtt {
    async fn poll(&mut self, cursor: Option<&Value>) -> Result<PollOutcome, PollError> {
        match self.unacknowledged.acknowledge(cursor) {
            Acknowledgement::Redelivered(polled) => return Ok(polled),
            Acknowledgement::Landed(messages) => {
                if let Some(connection) = &self.connection {
                    connection.acknowledge(&messages);
                }
            }
            Acknowledgement::Nothing => {}
        }
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        // A connection is kept where all went well: the broker sends again on the next one what this one owes.
        let messages = self.gather(&mut connection).await?;
        let before: Cursor = cursor.and_then(|cursor| Cursor::deserialize(cursor).ok()).unwrap_or_default();
        let known = |message: &&Publish| message.dup && before.landed.contains(&fingerprint(message));
        let (again, fresh): (Vec<&Publish>, Vec<&Publish>) = messages.iter().partition(known);
        connection.acknowledge(again);
        if fresh.is_empty() {
            self.connection = Some(connection);
            return Ok(PollOutcome::Unchanged);
        }
        let payload = |message: &&Publish| Payload {
            topic: String::from_utf8_lossy(&message.topic).into_owned(),
            bytes: message.payload.clone(),
        };
        let payloads = fresh.iter().map(payload).collect();
        let rows = sandboxed::messages(&self.reader, &self.config.reading, payloads).await?;
        self.connection = Some(connection);
        let mut landed: BTreeSet<String> = fresh.iter().map(|message| fingerprint(message)).collect();
        // What is sent again comes first; as long as nothing else came, more of it may be on its way.
        if messages.iter().all(|message| message.dup) {
            landed.extend(before.landed);
        }
        let next = Cursor { batch: Uuid::now_v7().to_string(), landed };
        let next = serde_json::to_value(next).map_err(|error| PollError::Permanent(error.to_string()))?;
        let owed = fresh.into_iter().cloned().collect();
        Ok(self.unacknowledged.deliver(rows, next, owed))
    }

    fn by_message(&self) -> bool {
        true
    }
}

fn fingerprint(message: &Publish) -> String {
    let topic = xxhash_rust::xxh3::xxh3_64(&message.topic);
    // What is sent again has the packet's number again: two messages that say the same are still two.
    format!("{}-{:x}", message.pkid, xxhash_rust::xxh3::xxh3_64_with_seed(&message.payload, topic))
}

fn broken(error: &ConnectionError) -> PollError {
    use ConnectReturnCode as Code;
    match error {
        ConnectionError::ConnectionRefused(
            code @ (Code::BadUserNamePassword
            | Code::NotAuthorized
            | Code::ClientIdentifierNotValid
            | Code::Banned
            | Code::BadAuthenticationMethod
            | Code::UnsupportedProtocolVersion),
        ) => PollError::Permanent(format!(
            "the broker refuses us: {code:?}; user, password or client_id must change"
        )),
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. }) => {
            PollError::transient(format!("the broker hung up: {reason_code:?}"))
        }
        ConnectionError::Tls(error) => PollError::Permanent(format!("TLS with the broker: {error}")),
        error => PollError::transient(format!("the connection to the broker broke: {error}")),
    }
}
