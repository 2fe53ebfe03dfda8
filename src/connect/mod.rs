//! Connectors: live sources that somebody else serves, asked again and again; what is new goes to the lander.
//!
//! One file for each kind, `source.rs` lists them, `http.rs` is what two of them share, `runner.rs` asks on and on. `json.rs` and `json_rows.rs` find the rows of an answer,
//! `changes.rs` what is new in them, `message.rs` reads one message, `held.rs` keeps what a source does not tell twice. A
//! connector says where it stands by a cursor, which moves with the landing's commit and not before. Every kind passes one
//! suite, `tests/it/conformance.rs`.

mod changes;
mod held;
mod http;
mod http_poll;
mod json;
mod json_rows;
mod message;
mod mqtt;
mod nats;
mod open311;
mod postgres;
mod runner;
mod secret;
mod source;
mod tls;
mod websocket;

/// The door to what is private, for random bytes.
#[cfg(feature = "fuzzing")]
pub mod fuzzing {
    use super::changes::Seen;
    use super::json_rows::rows_of;
    use super::{MessageFormat, Reading, RowPlace};

    /// An answer of a source: JSON with a list in it, a message, an observation.
    pub fn answers(bytes: &[u8]) {
        let place = RowPlace { rows: "/rows".into(), row: "/row".into(), error: Some("/error".into()) };
        for place in [RowPlace::default(), place] {
            if let Ok(rows) = rows_of(bytes, &place) {
                let (news, seen) = Seen::default().news(rows.clone());
                assert!(news.len() <= rows.len(), "news that nobody told");
                assert!(seen.news(rows).0.is_empty(), "what was seen is new");
            }
        }
        for format in [MessageFormat::Json, MessageFormat::SensorThings] {
            let reading = Reading { format, topic: Some("topic".into()), ..Reading::default() };
            let rows = reading.rows_of("city/sensor", bytes);
            assert!(rows.iter().all(|row| row.contains_key("topic")), "a row of no topic");
        }
    }
}

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};

pub use http::Secret;
pub use http_poll::{Answer, HttpPoll, HttpPollConfig};
pub use json_rows::RowPlace;
pub use message::{MessageFormat, Reading};
pub use mqtt::{Mqtt, MqttConfig};
pub use nats::{Nats, NatsConfig};
pub use open311::{Open311, Open311Config, Window};
pub use postgres::{Postgres, PostgresConfig};
pub use runner::{Health, Runner};
pub use secret::{Login, SecretAt};
pub use source::Source;
pub use tls::Authority;
pub use websocket::{WebSocket, WebSocketConfig};

/// What an address answers with that is no JSON.
pub use crate::ingest::{Document, Entity};
/// Of a database: server, user and name.
pub use tokio_postgres::Config as PostgresServer;

/// A row as it came: names and values.
pub type Row = Map<String, Value>;

/// Something that can be asked for rows.
#[async_trait]
pub trait Connector: Send {
    /// What there is beyond `cursor`; without one, all that there is. Asked twice with one cursor it gives nothing less.
    /// A cursor that comes back has landed: what the source wants acknowledged may be acknowledged then.
    ///
    /// # Errors
    /// [`Trouble`]; the cursor stands where it stood.
    async fn poll(&mut self, cursor: Option<&Value>) -> Result<Polled, Trouble>;

    /// Whether each row is told for itself, so that one that lacks a column says nothing of the others.
    fn by_message(&self) -> bool {
        false
    }
}

/// What an asking brought.
#[derive(Debug, Clone, PartialEq)]
pub enum Polled {
    /// Nothing new.
    Unchanged,
    /// Rows, and where the source stands once they have landed. No rows: the cursor alone has moved.
    Rows {
        /// What is new.
        rows: Vec<Row>,
        /// Where to go on.
        cursor: Value,
    },
}

/// Why an asking brought nothing. It is asked again; what differs is when, and who can mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It may pass by itself.
    #[error("{why}")]
    Passing {
        /// What happened.
        why: String,
        /// The source says not to come back before.
        after: Option<Duration>,
    },
    /// Somebody must change the source or its settings.
    #[error("{0}")]
    Lasting(String),
}

impl Trouble {
    fn passing(why: impl Into<String>) -> Self {
        Self::Passing { why: why.into(), after: None }
    }
}
