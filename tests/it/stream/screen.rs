//! A screen that follows the protocol and nothing else: it decodes both forms and asserts that every frame
//! fits what it holds.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
pub(super) type Picture = BTreeMap<u64, (u64, u64)>;

/// A screen that follows the protocol and nothing else.
pub(super) struct Screen {
    pub(super) socket: Socket,
    pub(super) cells: Vec<u64>,
    pub(super) raw: Vec<(u64, u64)>,
    pub(super) json: Picture,
    pub(super) epoch: String,
    pub(super) held: u64,
    pub(super) layer_frames: usize,
    /// Of the log `alerts`: the last sequence, and each one seen.
    pub(super) log_held: u64,
    pub(super) log_epoch: String,
    pub(super) events: Vec<u64>,
    pub(super) closed: Option<u16>,
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

impl Screen {
    pub(super) fn on(socket: Socket) -> Self {
        let (cells, raw, json) = (Vec::new(), Vec::new(), Picture::new());
        let (epoch, log_epoch) = (String::new(), String::new());
        let (held, layer_frames, log_held, events, closed) = (0, 0, 0, Vec::new(), None);
        Self { socket, cells, raw, json, epoch, held, layer_frames, log_held, log_epoch, events, closed }
    }

    pub(super) async fn say(&mut self, frame: Value) {
        self.socket.send(Message::text(frame.to_string())).await.unwrap();
    }

    pub(super) async fn follow(&mut self, ch: &str, since: Option<(&str, u64)>) -> Value {
        let since = since.map(|(e, q)| json!({"e": e, "q": q}));
        self.say(json!({"t":"sub","id":2,"ch":ch,"since":since})).await;
        self.until("subscribed").await
    }

    /// The next frame, applied; none at the end.
    pub(super) async fn next(&mut self) -> Option<Value> {
        let next = tokio::time::timeout(Duration::from_secs(30), self.socket.next()).await;
        match next.expect("silence for 30 s")? {
            Ok(Message::Text(text)) => {
                let frame: Value = serde_json::from_str(&text).unwrap();
                self.apply(&frame);
                Some(frame)
            }
            Ok(Message::Binary(frame)) => {
                self.apply_binary(&frame);
                Some(
                    json!({"t": "binary", "kind": frame[2], "from": number(&frame[16..24]), "q": number(&frame[24..32])}),
                )
            }
            Ok(Message::Close(close)) => {
                self.closed = close.map(|close| close.code.into());
                None
            }
            Ok(other) => Some(json!({"t": format!("{other:?}")})),
            Err(_) => None,
        }
    }

    pub(super) async fn until(&mut self, t: &str) -> Value {
        loop {
            let frame =
                self.next().await.unwrap_or_else(|| panic!("closed with {:?} before {t}", self.closed));
            if frame["t"] == t {
                return frame;
            }
        }
    }

    pub(super) async fn until_held(&mut self, seq: u64) {
        while self.held < seq {
            self.next().await.expect("closed");
        }
    }

    pub(super) async fn until_closed(&mut self) -> Option<u16> {
        while self.next().await.is_some() {}
        self.closed
    }

    fn apply(&mut self, frame: &Value) {
        let q = frame["q"].as_u64().unwrap_or_default();
        match frame["t"].as_str().unwrap() {
            "subscribed" if frame["ch"] == "layer/map" => {
                frame["e"].as_str().unwrap().clone_into(&mut self.epoch);
            }
            "subscribed" if frame["ch"] == "alerts" => {
                frame["e"].as_str().unwrap().clone_into(&mut self.log_epoch);
            }
            "items" => self.log_held = q,
            "ev" => {
                assert!(
                    frame["pq"].as_u64().unwrap() <= self.log_held && q > self.log_held,
                    "a hole before {frame}"
                );
                self.log_held = q;
                self.events.push(q);
            }
            "layer" => {
                self.layer_frames += 1;
                if frame["kind"] == "snapshot" {
                    self.json.clear();
                } else {
                    assert_eq!(frame["from"].as_u64(), Some(self.held), "{frame}");
                }
                for row in frame["cells"].as_array().unwrap() {
                    let cell = u64::from_str_radix(row[0].as_str().unwrap(), 16).unwrap();
                    match (row[1].as_f64(), row[2].as_u64()) {
                        (Some(risk), Some(level)) => {
                            self.json.insert(cell, ((risk * 100.0).round() as u64, level));
                        }
                        _ => assert!(self.json.remove(&cell).is_some()),
                    }
                }
                self.held = q;
            }
            _ => {}
        }
    }

    fn apply_binary(&mut self, frame: &[u8]) {
        let rows = number(&frame[12..16]) as usize;
        let (from, seq) = (number(&frame[16..24]), number(&frame[24..32]));
        assert_eq!(format!("{:08x}", number(&frame[8..12])), self.epoch);
        let mut body = &frame[40..];
        let mut take = |n: usize| {
            let (now, rest) = body.split_at(n);
            body = rest;
            number(now)
        };
        match frame[2] {
            1 => {
                self.cells.truncate(from as usize);
                self.cells.extend((0..rows).map(|_| take(8)));
                self.raw.resize(self.cells.len(), (65_535, 255));
            }
            kind => {
                self.layer_frames += 1;
                let mut at = 0;
                let ordinals: Vec<usize> = if kind == 2 {
                    (0..rows).collect()
                } else {
                    assert_eq!(from, self.held, "a delta for another sequence");
                    let mut gap = || {
                        let (mut gap, mut shift) = (0, 0);
                        loop {
                            let byte = take(1) as usize;
                            gap |= (byte & 0x7f) << shift;
                            shift += 7;
                            if byte < 0x80 {
                                return gap;
                            }
                        }
                    };
                    (0..rows)
                        .map(|_| {
                            at += gap();
                            at
                        })
                        .collect()
                };
                ordinals.iter().for_each(|ordinal| self.raw[*ordinal].0 = take(2));
                ordinals.iter().for_each(|ordinal| self.raw[*ordinal].1 = take(1));
                self.held = seq;
            }
        }
        assert!(body.is_empty());
    }

    pub(super) fn picture(&self) -> Picture {
        let all = self.cells.iter().copied().zip(self.raw.iter().copied());
        all.filter(|(_, raw)| *raw != (65_535, 255)).collect()
    }
}
