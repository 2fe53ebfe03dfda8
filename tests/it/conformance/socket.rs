//! A websocket server.

use std::net::SocketAddr;
use std::time::Duration;

use cityloom::connect::{Authority, Connector, MessageOptions, WebSocket, WebSocketConfig};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_tungstenite::tungstenite::Message;

use super::brokers::Told;
use super::{Memory, Row, Source, conforms, reader};
use crate::peers::{Gate, Pass};

struct Socket {
    gate: Gate,
    told: Told,
    say: broadcast::Sender<String>,
}

/// Takes what is asked for first, and then says what is to be said.
async fn speak(guest: TcpStream, mut said: broadcast::Receiver<String>) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(guest).await else { return };
    let asked = socket.next().await;
    assert_eq!(asked.unwrap().unwrap(), Message::text("everything, please"));
    while let Ok(text) = said.recv().await {
        if socket.send(Message::text(text)).await.is_err() {
            return;
        }
    }
}

impl Socket {
    async fn serve() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer: SocketAddr = listener.local_addr().unwrap();
        let (say, _) = broadcast::channel(16);
        let mouth = say.clone();
        tokio::spawn(async move {
            while let Ok((guest, _)) = listener.accept().await {
                tokio::spawn(speak(guest, mouth.subscribe()));
            }
        });
        Self { gate: Gate::before(peer).await, told: Told::default(), say }
    }
}

impl Source for Socket {
    const MEMORY: Memory = Memory::Nothing;

    fn connector(&self) -> Box<dyn Connector> {
        let config = WebSocketConfig {
            url: format!("ws://{}/air", self.gate.address).parse().unwrap(),
            authority: Authority::default(),
            secret: None,
            subscribe: Some("everything, please".into()),
            reading: MessageOptions { rows: "/data".into(), ..MessageOptions::default() },
            gather: Duration::from_millis(50),
            most_messages: 100,
            most_bytes: 64 << 10,
        };
        Box::new(WebSocket::new(config, reader()))
    }

    async fn tell(&self, rows: &[Row]) {
        self.gate.is(Pass::Open);
        let message = json!({ "data": self.told.news(rows) }).to_string();
        self.say.send(message).ok();
    }

    fn fail(&self) {
        self.gate.is(Pass::Shut);
    }

    async fn flood(&self) -> bool {
        self.say.send("x".repeat(100 << 10)).unwrap();
        true
    }

    fn hang(&self) {
        self.gate.is(Pass::Mute);
    }
}

#[tokio::test]
async fn a_websocket_conforms() {
    conforms(Socket::serve).await;
}
