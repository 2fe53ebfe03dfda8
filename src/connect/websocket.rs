//! Listens to a websocket that sends JSON. What is sent while nobody listens is lost: a websocket has no memory.

use std::time::Duration;

use async_trait::async_trait;
use futures::{SinkExt as _, StreamExt as _};
use reqwest::Url;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig as Bounds;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use uuid::Uuid;

use super::tls::Authority;
use super::unacknowledged::{Acknowledgement, Unacknowledged};
use super::{Connector, MessageOptions, Payload, PollError, PollOutcome, Reader, Secret, sandboxed};

/// How long the connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an asking waits for a message; the connection lives on between askings.
const LISTEN: Duration = Duration::from_secs(1);
/// After so much silence the other side is asked whether it is there; after twice as much it is not.
const SILENCE: Duration = Duration::from_secs(20);

/// Which websocket to listen to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSocketConfig {
    /// `ws` or `wss`.
    pub url: Url,
    /// Whom to believe.
    pub authority: Authority,
    /// A header that is not for everybody's eyes.
    pub secret: Option<Secret>,
    /// What is sent first, as many services want it.
    pub subscribe: Option<String>,
    /// How messages are read.
    pub reading: MessageOptions,
    /// How long messages are gathered into one landing.
    pub gather: Duration,
    /// Messages of one landing.
    pub most_messages: usize,
    /// The largest message, and those that are gathered, in bytes.
    pub most_bytes: usize,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

struct Connection {
    socket: WebSocketStream<Box<dyn Stream>>,
    heard: Instant,
    asked: bool,
}

/// Listens to one websocket.
pub struct WebSocket {
    config: WebSocketConfig,
    reader: Reader,
    connection: Option<Connection>,
    /// What came and is not read yet.
    unread: Vec<Payload>,
    unacknowledged: Unacknowledged<()>,
}

impl std::fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebSocket").field("config", &self.config).finish_non_exhaustive()
    }
}

impl WebSocket {
    /// A connector of these settings.
    pub fn new(config: WebSocketConfig, reader: Reader) -> Self {
        Self {
            config,
            reader,
            connection: None,
            unread: Vec::new(),
            unacknowledged: Unacknowledged::default(),
        }
    }

    async fn connect(&mut self) -> Result<Connection, PollError> {
        let url = &self.config.url;
        let wrong = |why: &str| PollError::Permanent(format!("url: {why}"));
        let host = url.host_str().ok_or_else(|| wrong("it names no host"))?.to_owned();
        let port = url.port_or_known_default().ok_or_else(|| wrong("it names no port"))?;
        let tcp = TcpStream::connect((host.as_str(), port)).await;
        let tcp = tcp.map_err(|error| PollError::transient(format!("no connection: {error}")))?;
        let stream: Box<dyn Stream> = if url.scheme() == "wss" {
            let name = ServerName::try_from(host).map_err(|error| wrong(&error.to_string()))?;
            let secured = TlsConnector::from(self.config.authority.client()?).connect(name, tcp).await;
            Box::new(secured.map_err(|error| PollError::transient(format!("TLS: {error}")))?)
        } else {
            Box::new(tcp)
        };
        let mut request = url.as_str().into_client_request().map_err(|error| wrong(&error.to_string()))?;
        if let Some(Secret { header, at }) = &self.config.secret {
            let value = HeaderValue::from_str(&at.read()?)
                .map_err(|_| PollError::Permanent("the secret is no header's value".into()))?;
            request.headers_mut().insert(header.clone(), value);
        }
        let most = Some(self.config.most_bytes);
        let bounds = Bounds::default().max_message_size(most).max_frame_size(most);
        let shaken = client_async_with_config(request, stream, Some(bounds)).await;
        let (mut socket, _) = shaken.map_err(|error| broken(&error))?;
        if let Some(first) = &self.config.subscribe {
            socket.send(Message::text(first.clone())).await.map_err(|error| broken(&error))?;
        }
        Ok(Connection { socket, heard: Instant::now(), asked: false })
    }

    /// Messages until there are enough or time is up; none where none came.
    async fn gather(&mut self, connection: &mut Connection) -> Result<Vec<Payload>, PollError> {
        let (mut payloads, mut bytes) = (Vec::new(), 0);
        let mut deadline = Instant::now() + LISTEN;
        while payloads.len() < self.config.most_messages && bytes < self.config.most_bytes {
            let Ok(told) = timeout_at(deadline, connection.socket.next()).await else { break };
            let message = match told {
                None => return Err(PollError::transient("the other side hung up")),
                Some(told) => told.map_err(|error| broken(&error))?,
            };
            connection.heard = Instant::now();
            connection.asked = false;
            let payload = match message {
                Message::Text(text) => Bytes::from(text),
                Message::Binary(bytes) => bytes,
                Message::Close(_) => return Err(PollError::transient("the other side hung up")),
                _ => continue,
            };
            if payloads.is_empty() {
                deadline = Instant::now() + self.config.gather;
            }
            bytes += payload.len();
            payloads.push(Payload { topic: self.config.url.path().to_owned(), bytes: payload });
        }
        Ok(payloads)
    }
}

impl Connection {
    /// Asks a silent other side whether it is there, once, and then gives up on it.
    async fn mind(&mut self) -> Result<(), PollError> {
        let silent = self.heard.elapsed();
        if silent > SILENCE * 2 && self.asked {
            return Err(PollError::transient("the other side does not answer a ping"));
        }
        if silent > SILENCE && !self.asked {
            self.asked = true;
            let ping = self.socket.send(Message::Ping(Bytes::new()));
            let sent =
                timeout(CONNECT, ping).await.map_err(|_| PollError::transient("nothing can be sent"))?;
            sent.map_err(|error| broken(&error))?;
        }
        Ok(())
    }
}

#[async_trait]
impl Connector for WebSocket {
    async fn poll(&mut self, cursor: Option<&Value>) -> Result<PollOutcome, PollError> {
        if let Acknowledgement::Redelivered(polled) = self.unacknowledged.acknowledge(cursor) {
            return Ok(polled);
        }
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => timeout(CONNECT, self.connect())
                .await
                .map_err(|_| PollError::transient("the other side does not answer"))??,
        };
        if self.unread.is_empty() {
            self.unread = self.gather(&mut connection).await?;
        }
        connection.mind().await?;
        self.connection = Some(connection);
        if self.unread.is_empty() {
            return Ok(PollOutcome::Unchanged);
        }
        let read = sandboxed::messages(&self.reader, &self.config.reading, self.unread.clone()).await;
        // What cannot be read just now is read the next time: nobody sends it again.
        if !matches!(read, Err(PollError::Transient { .. })) {
            self.unread.clear();
        }
        let rows = read?;
        if rows.is_empty() {
            return Ok(PollOutcome::Unchanged);
        }
        Ok(self.unacknowledged.deliver(rows, json!({ "batch": Uuid::now_v7().to_string() }), ()))
    }

    fn by_message(&self) -> bool {
        true
    }
}

fn broken(error: &Error) -> PollError {
    match error {
        Error::Capacity(error) => PollError::Permanent(format!("{error}; raise most_kib")),
        Error::Http(answer) if answer.status().is_client_error() => {
            PollError::Permanent(format!("the other side answers {}", answer.status()))
        }
        error => PollError::transient(format!("the connection broke: {error}")),
    }
}
