//! A screen on the text form of the stream: it keeps what it was told, and asserts that nothing is missing.

use std::collections::BTreeMap;
use std::time::Instant;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::{PATIENCE, Server};

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// Where a channel stands: epoch and sequence, to resume from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Held {
    pub epoch: String,
    pub seq: u64,
}

/// A screen.
pub struct Screen {
    socket: Socket,
    requests: u64,
    /// By channel.
    pub held: BTreeMap<String, Held>,
    /// Events of both logs, as they came.
    pub events: Vec<Value>,
    /// The cells of each layer.
    pub layers: BTreeMap<String, BTreeMap<String, Vec<Value>>>,
    /// The newest body of each state channel.
    pub states: BTreeMap<String, Value>,
    /// What logs said was open.
    pub items: BTreeMap<String, Vec<Value>>,
    /// The server's goodbye.
    pub bye: Option<Value>,
    /// Every frame as it came, where somebody began to keep them.
    pub tape: Option<Vec<Value>>,
}

impl Screen {
    pub async fn open(server: &Server) -> Self {
        Self::open_at(server.address()).await
    }

    pub async fn open_at(address: &str) -> Self {
        let mut request = format!("ws://{address}/api/stream").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "loom.v1.json".parse().unwrap());
        let (socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        let mut screen = Self {
            socket,
            requests: 1,
            held: BTreeMap::new(),
            events: Vec::new(),
            layers: BTreeMap::new(),
            states: BTreeMap::new(),
            items: BTreeMap::new(),
            bye: None,
            tape: None,
        };
        screen.say(json!({"t":"hello","id":1,"client":{"kind":"wall","name":"it","v":"0"}})).await;
        screen.until("a welcome", |_, frame| frame["t"] == "welcome").await;
        screen
    }

    /// Follows channels from a full picture.
    pub async fn following(server: &Server, channels: &[&str]) -> Self {
        let mut screen = Self::open(server).await;
        for channel in channels {
            let answer = screen.follow(channel, None).await;
            assert_eq!(answer["mode"], "snapshot", "{answer}");
        }
        screen
    }

    /// Subscribes; the answer is `subscribed` or `err`.
    pub async fn follow(&mut self, channel: &str, since: Option<&Held>) -> Value {
        self.requests += 1;
        let id = self.requests;
        if let Some(since) = since {
            self.held.insert(channel.to_owned(), since.clone());
        }
        let since = since.map(|since| json!({"e": since.epoch, "q": since.seq}));
        self.say(json!({"t":"sub","id":id,"ch":channel,"since":since})).await;
        self.until("an answer to sub", move |_, frame| frame["id"] == id).await
    }

    async fn say(&mut self, frame: Value) {
        self.socket.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// Reads on until `found`; tells what it holds where that never comes.
    pub async fn until(&mut self, what: &str, mut found: impl FnMut(&Self, &Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let Some(frame) = self.next(end, what).await else { panic!("the stream ended before {what}") };
            if found(self, &frame) {
                return frame;
            }
        }
    }

    /// Reads on until what the screen holds is as it should be; it may be already.
    pub async fn shows(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        if !holds(self) {
            self.until(what, |screen, _| holds(screen)).await;
        }
    }

    /// Reads until the server ends the stream.
    pub async fn until_end(&mut self) {
        let end = Instant::now() + PATIENCE;
        while self.next(end, "the end").await.is_some() {}
    }

    async fn next(&mut self, end: Instant, what: &str) -> Option<Value> {
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(message) = tokio::time::timeout(left, self.socket.next()).await else {
                let (events, layers, states) = (&self.events, &self.layers, &self.states);
                panic!("in vain: {what}; events {events:#?}, layers {layers:#?}, states {states:#?}");
            };
            match message? {
                Ok(Message::Text(text)) => {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    self.apply(&frame);
                    self.tape.iter_mut().for_each(|tape| tape.push(frame.clone()));
                    return Some(frame);
                }
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    fn apply(&mut self, frame: &Value) {
        let channel = frame["ch"].as_str().unwrap_or_default().to_owned();
        let seq = frame["q"].as_u64().unwrap_or_default();
        let held = self.held.entry(channel.clone()).or_default();
        match frame["t"].as_str().unwrap() {
            "subscribed" => {
                let epoch = frame["e"].as_str().unwrap().to_owned();
                if frame["mode"] != "resumed" {
                    held.seq = 0;
                }
                held.epoch = epoch;
            }
            "items" => {
                held.seq = seq;
                self.items.insert(channel, frame["items"].as_array().unwrap().clone());
            }
            "ev" => {
                assert_eq!(frame["pq"].as_u64(), Some(held.seq), "a hole before {frame}");
                assert!(seq > held.seq && frame["e"] == held.epoch.as_str(), "{frame}");
                held.seq = seq;
                self.events.push(frame.clone());
            }
            "layer" => {
                let cells = self.layers.entry(channel).or_default();
                match frame["kind"].as_str() {
                    Some("snapshot") => cells.clear(),
                    _ => assert_eq!(frame["from"].as_u64(), Some(held.seq), "{frame}"),
                }
                held.seq = seq;
                for row in frame["cells"].as_array().unwrap() {
                    let (cell, values) = row.as_array().unwrap().split_first().unwrap();
                    let cell = cell.as_str().unwrap().to_owned();
                    if values.is_empty() {
                        cells.remove(&cell)
                    } else {
                        cells.insert(cell, values.to_vec())
                    };
                }
            }
            "state" => {
                held.seq = seq;
                self.states.insert(channel, frame["body"].clone());
            }
            "bye" => self.bye = Some(frame.clone()),
            _ => {}
        }
    }

    /// The values of a layer's cell.
    pub fn values(&self, channel: &str, cell: &str) -> Option<&[Value]> {
        self.layers.get(channel)?.get(cell).map(Vec::as_slice)
    }

    /// The events of a log: kind and body.
    pub fn told(&self, channel: &str) -> Vec<(&str, &Value)> {
        let mine = self.events.iter().filter(|event| event["ch"] == channel);
        mine.map(|event| (event["kind"].as_str().unwrap(), &event["body"])).collect()
    }

    /// The places of the notices that the wall shows.
    pub fn notices(&self) -> Vec<String> {
        let notices = self.states.get("sys").and_then(|body| body["notices"].as_array());
        notices
            .into_iter()
            .flatten()
            .map(|notice| notice["at"].as_str().unwrap_or_default().to_owned())
            .collect()
    }
}
