//! Connectors: live sources that somebody else serves, asked again and again; what is new goes to the lander.
//!
//! One file for each kind, `source.rs` lists them, `http.rs` is what two of them share, `runner.rs` asks on and on. `sandboxed.rs` has what is
//! answered and sent read by a child, `changes.rs` finds what is new in it, `unacknowledged.rs` keeps what a source does not tell twice. A
//! connector says where it stands by a cursor, which moves with the landing's commit and not before. Every kind passes one
//! suite, `tests/it/conformance.rs`.

mod changes;
mod http;
mod http_poll;
mod mqtt;
mod mqtt_session;
mod nats;
mod open311;
mod postgres;
mod runner;
mod sandboxed;
mod secret;
mod source;
mod tls;
mod unacknowledged;
mod websocket;

/// The door to what is private, for random bytes.
#[cfg(feature = "fuzzing")]
pub mod fuzzing {
    use super::changes::RowFingerprints;
    use super::{Document, MessageFormat, MessageOptions, Payload, Reader, RowPlace};

    /// What a source answers and sends: JSON with a list in it, messages, observations.
    pub fn answers(reader: &Reader, bytes: &[u8]) {
        let place = RowPlace { rows: "/rows".into(), row: "/row".into(), error: Some("/error".into()) };
        for place in [RowPlace::default(), place] {
            if let Ok(rows) = reader.read(&Document::Answer(place), &[Payload::whole(bytes.to_vec())]) {
                let (news, seen) = RowFingerprints::default().news(rows.clone()).expect("rows");
                assert!(news.len() <= rows.len(), "news that nobody told");
                assert!(seen.news(rows).expect("rows").0.is_empty(), "what was seen is new");
            }
        }
        for format in [MessageFormat::Json, MessageFormat::SensorThings] {
            let reading = MessageOptions { format, topic: Some("topic".into()), ..MessageOptions::default() };
            let part = Payload { topic: "city/sensor".into(), bytes: bytes.to_vec().into() };
            let rows = reader
                .read(&Document::Messages(reading), &[part])
                .expect("what cannot be read is unreadable");
            assert!(rows.texts("topic").all(|topic| topic == Some("city/sensor")), "a row of no topic");
        }
    }
}

use std::time::Duration;

use arrow::error::ArrowError;
use async_trait::async_trait;
use serde_json::Value;

pub use http::Secret;
pub use http_poll::{Answer, HttpPoll, HttpPollConfig};
pub use mqtt::{Mqtt, MqttConfig};
pub use nats::{Nats, NatsConfig};
pub use open311::{Open311, Open311Config, Window};
pub use postgres::{Postgres, PostgresConfig};
pub use runner::{Health, Runner};
pub use secret::{Login, SecretAt};
pub use source::Source;
pub use tls::Authority;
pub use websocket::{WebSocket, WebSocketConfig};

/// What sources answer and send, and who reads it.
pub use crate::ingest::{Document, Entity, MessageFormat, MessageOptions, Payload, Reader, RowPlace, Rows};
/// Of a database: server, user and name.
pub use tokio_postgres::Config as PostgresServer;

/// Something that can be asked for rows.
#[async_trait]
pub trait Connector: Send {
    /// What there is beyond `cursor`; without one, all that there is. Asked twice with one cursor it gives nothing less.
    /// A cursor that comes back has landed: what the source wants acknowledged may be acknowledged then.
    ///
    /// # Errors
    /// [`PollError`]; the cursor stands where it stood.
    async fn poll(&mut self, cursor: Option<&Value>) -> Result<PollOutcome, PollError>;

    /// Whether each row is told for itself, so that one that lacks a column says nothing of the others.
    fn by_message(&self) -> bool {
        false
    }
}

/// What an asking brought.
#[derive(Debug, Clone, PartialEq)]
pub enum PollOutcome {
    /// Nothing new.
    Unchanged,
    /// Rows, and where the source stands once they have landed. No rows: the cursor alone has moved.
    Rows {
        /// What is new.
        rows: Rows,
        /// Where to go on.
        cursor: Value,
    },
}

/// Why an asking brought nothing. It is asked again; what differs is when, and who can mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PollError {
    /// It may pass by itself.
    #[error("{why}")]
    Transient {
        /// What happened.
        why: String,
        /// The source says not to come back before.
        retry_after: Option<Duration>,
    },
    /// Somebody must change the source or its settings.
    #[error("{0}")]
    Permanent(String),
}

/// Rows that do not make a batch are of this asking alone.
impl From<ArrowError> for PollError {
    fn from(error: ArrowError) -> Self {
        Self::transient(error.to_string())
    }
}

impl PollError {
    fn transient(why: impl Into<String>) -> Self {
        Self::Transient { why: why.into(), retry_after: None }
    }
}
