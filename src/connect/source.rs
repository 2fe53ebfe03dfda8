//! The kinds of live sources.

use std::sync::Arc;

use super::{
    Connector, HttpPoll, HttpPollConfig, Mqtt, MqttConfig, Nats, NatsConfig, Open311, Open311Config,
    PollError, Postgres, PostgresConfig, Reader, WebSocket, WebSocketConfig,
};
use crate::model::Clock;

/// What is asked, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// An address that answers with a list.
    HttpPoll(HttpPollConfig),
    /// An MQTT 5 broker.
    Mqtt(MqttConfig),
    /// A NATS `JetStream`.
    Nats(NatsConfig),
    /// An Open311 server.
    Open311(Open311Config),
    /// A PostgreSQL database.
    Postgres(PostgresConfig),
    /// A websocket.
    WebSocket(WebSocketConfig),
}

impl Source {
    /// A connector that has not been anywhere yet; `reader` reads what it is told.
    ///
    /// # Errors
    /// Where the machine cannot make one.
    pub fn connector(self, clock: &Arc<dyn Clock>, reader: Reader) -> Result<Box<dyn Connector>, PollError> {
        Ok(match self {
            Self::HttpPoll(config) => Box::new(HttpPoll::new(config, reader)?),
            Self::Mqtt(config) => Box::new(Mqtt::new(config, reader)),
            Self::Nats(config) => Box::new(Nats::new(config, reader)),
            Self::Open311(config) => Box::new(Open311::new(config, Arc::clone(clock), reader)?),
            Self::Postgres(config) => Box::new(Postgres::new(config, reader)),
            Self::WebSocket(config) => Box::new(WebSocket::new(config, reader)),
        })
    }
}
