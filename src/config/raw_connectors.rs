//! `[[connectors]]` of `cityloom.toml` as typed: every key known, none ignored.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Connector {
    pub name: String,
    pub feed: String,
    #[serde(default)]
    pub units: BTreeMap<String, String>,
    pub http_poll: Option<HttpPoll>,
    pub mqtt: Option<Mqtt>,
    pub nats: Option<Nats>,
    pub open311: Option<Open311>,
    pub postgres: Option<Postgres>,
    pub websocket: Option<WebSocket>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HttpPoll {
    pub url: String,
    pub every_s: u64,
    #[serde(default)]
    pub answer: Answer,
    #[serde(default)]
    pub rows: String,
    #[serde(default)]
    pub row: String,
    pub error: Option<String>,
    #[serde(default)]
    pub hosts: Vec<String>,
    pub secret: Option<Header>,
    pub most_mib: Option<u64>,
    pub timeout_s: Option<u64>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    #[default]
    Json,
    Cap,
    CapFeed,
    GtfsVehicles,
    GtfsDelays,
    GtfsAlerts,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mqtt {
    pub url: String,
    pub topics: Vec<String>,
    pub client_id: String,
    pub user: Option<String>,
    pub password: Option<Secret>,
    pub ca: Option<String>,
    #[serde(default)]
    pub messages: Messages,
    pub keep_h: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nats {
    pub url: String,
    pub stream: String,
    pub subject: Option<String>,
    pub durable: String,
    pub user: Option<String>,
    pub password: Option<Secret>,
    pub token: Option<Secret>,
    pub ca: Option<String>,
    #[serde(default)]
    pub messages: Messages,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Open311 {
    pub url: String,
    pub every_s: u64,
    pub since: String,
    pub jurisdiction_id: Option<String>,
    #[serde(default)]
    pub window: Window,
    pub most_rows: Option<u32>,
    pub secret: Option<Header>,
    pub timeout_s: Option<u64>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Window {
    #[default]
    Updated,
    Requested,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Postgres {
    pub url: String,
    pub password: Option<Secret>,
    pub tls: Option<bool>,
    pub ca: Option<String>,
    pub every_s: u64,
    pub select: String,
    pub cursor: String,
    pub key: Vec<String>,
    pub settle_s: Option<u64>,
    pub most_rows: Option<u32>,
    pub timeout_s: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebSocket {
    pub url: String,
    pub secret: Option<Header>,
    pub ca: Option<String>,
    pub subscribe: Option<String>,
    #[serde(default)]
    pub messages: Messages,
}

/// How messages are read and how many are taken at once.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Messages {
    #[serde(default)]
    pub format: Format,
    #[serde(default)]
    pub rows: String,
    #[serde(default)]
    pub row: String,
    pub topic_column: Option<String>,
    pub gather_ms: Option<u64>,
    pub most: Option<u16>,
    pub most_kib: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    #[default]
    Json,
    SensorThings,
}

/// A header whose value stands elsewhere.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub header: String,
    pub file: Option<String>,
    pub env: Option<String>,
}

/// Where a secret stands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Secret {
    pub file: Option<String>,
    pub env: Option<String>,
}
