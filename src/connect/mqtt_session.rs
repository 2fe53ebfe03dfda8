//! What an MQTT client that only listens has to remember between connections: nothing of its own.
//!
//! A client that resumes a session must know which of its own messages are still under way. Ours publishes nothing and
//! subscribes with acknowledgement: what is owed is owed by the broker, which keeps it, and the connector's cursor says what landed.
//! So the checkpoint is always the empty one, and a resumed session is taken up again without a file.

use std::pin::Pin;

use rumqttc::{
    PersistedAckMode, PersistedSession, SessionStore, SessionStoreError as Error, SessionStoreKey,
};

/// The version of the checkpoint's form.
const FORMAT_VERSION: u16 = 1;

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// The session of a client that only listens.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListenerSession;

impl SessionStore for ListenerSession {
    fn load<'a>(&'a self, key: &'a SessionStoreKey) -> Answer<'a, Option<PersistedSession>> {
        let session = PersistedSession {
            format_version: FORMAT_VERSION,
            client_id: key.client_id().to_owned(),
            clean_start: false,
            session_expiry_interval: None,
            outgoing_inflight_upper_limit: None,
            ack_mode: PersistedAckMode::Manual,
            last_pkid: 0,
            last_puback: 0,
            replay: Vec::new(),
            incoming_qos2: Vec::new(),
        };
        Box::pin(async { Ok(Some(session)) })
    }

    fn save<'a>(&'a self, _key: &'a SessionStoreKey, _session: &'a PersistedSession) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn clear<'a>(&'a self, _key: &'a SessionStoreKey) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}
