//! One frame as it leaves, encoded once and shared, and the JSON forms of what the hub itself says.

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use crate::layer::{ColumnKind, LayerSchema};

/// How a session wants its layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `loom.v1`: binary layer frames.
    Binary,
    /// `loom.v1.json`: everything text.
    Json,
}

/// A frame; cloning shares its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What goes over the wire.
    pub data: Bytes,
    /// Whether it is text (valid UTF-8) or binary.
    pub text: bool,
}

impl Frame {
    /// A text frame.
    pub fn text(text: String) -> Self {
        Self { data: Bytes::from(text), text: true }
    }

    pub(super) fn binary(data: Vec<u8>) -> Self {
        Self { data: Bytes::from(data), text: false }
    }

    /// A text frame of a message. Only maps with keys that are no text fail to encode, and no message has
    /// one.
    pub(super) fn json(message: &impl Serialize) -> Self {
        Self::text(serde_json::to_string(message).unwrap_or_default())
    }
}

/// `"0000a1f3"`.
pub(super) fn epoch_text(epoch: u32) -> String {
    format!("{epoch:08x}")
}

/// What follows a `subscribed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    Snapshot,
    Resumed,
    Reset,
}

/// The reply to `sub`; without an `id` it tells every follower that the channel began a new epoch.
#[derive(Serialize)]
pub(super) struct Subscribed<'a> {
    pub t: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    pub ch: &'a str,
    pub sid: u16,
    pub e: String,
    pub q: u64,
    pub mode: Mode,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Vec<Column<'a>>>,
}

#[derive(Serialize)]
pub(super) struct Column<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scale: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'a str>,
}

/// The `schema` of a layer.
pub(super) fn columns(schema: &LayerSchema) -> Vec<Column<'_>> {
    let column = |column: &'_ crate::layer::LayerColumn| match column.kind {
        ColumnKind::Q16 { scale, offset } => (Some(scale), Some(offset)),
        ColumnKind::U8 | ColumnKind::F32 => (None, None),
    };
    let wire = |of| {
        let (scale, offset) = column(of);
        Column { name: &of.name, kind: of.kind.as_str(), scale, offset, unit: of.unit.as_deref() }
    };
    schema.columns().iter().map(wire).collect()
}

#[derive(Serialize)]
pub(super) struct Items<'a> {
    pub t: &'static str,
    pub ch: &'a str,
    pub e: String,
    pub q: u64,
    pub items: &'a [Value],
}

#[derive(Serialize)]
pub(super) struct Happened<'a> {
    pub t: &'static str,
    pub ch: &'a str,
    pub e: String,
    pub q: u64,
    pub pq: u64,
    pub ts_us: i64,
    pub key: &'a str,
    pub kind: &'a str,
    pub body: &'a Value,
}

#[derive(Serialize)]
pub(super) struct Stands<'a> {
    pub t: &'static str,
    pub ch: &'a str,
    pub e: String,
    pub q: u64,
    pub ts_us: i64,
    pub body: &'a Value,
}

#[derive(Serialize)]
pub(super) struct Heartbeat {
    pub t: &'static str,
    pub server_us: i64,
    pub wm: serde_json::Map<String, Value>,
}
