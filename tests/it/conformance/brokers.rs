//! Message brokers: Mosquitto and a NATS server.

use std::sync::Mutex;
use std::time::Duration;

use async_nats::jetstream;
use cityloom::connect::{Connector, MessageOptions, Mqtt, MqttConfig, Nats, NatsConfig};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, PublishOptions, QoS};
use serde_json::json;
use uuid::Uuid;

use super::{Memory, Row, Source, conforms, reader};
use crate::peers::{Daemon, Gate, Pass};

/// Of rows that hold, those that did not hold before: what a source says that tells only of changes.
#[derive(Default)]
pub struct Told(Mutex<Vec<Row>>);

impl Told {
    pub fn news(&self, rows: &[Row]) -> Vec<Row> {
        let mut told = self.0.lock().unwrap();
        let news = rows.iter().filter(|row| !told.contains(row)).cloned().collect();
        *told = rows.to_vec();
        news
    }
}

struct Broker<'a> {
    daemon: &'a Daemon,
    gate: Gate,
    told: Told,
    name: String,
}

impl<'a> Broker<'a> {
    async fn new(daemon: &'a Daemon) -> Self {
        let name = format!("city-{}", Uuid::now_v7());
        Self { daemon, gate: Gate::before(daemon.address).await, told: Told::default(), name }
    }

    /// Publishes past the gate, and returns when the broker has it.
    async fn publish(&self, payloads: Vec<String>) {
        let mut options = MqttOptions::new(Uuid::now_v7(), ("127.0.0.1", self.daemon.address.port()));
        options.set_keep_alive(60);
        let (client, mut events) = AsyncClient::builder(options).capacity(payloads.len() + 1).build();
        let mut owed = payloads.len();
        for payload in payloads {
            let topic = format!("{}/air", self.name);
            client.try_publish(topic, payload, PublishOptions::new(QoS::AtLeastOnce)).unwrap();
        }
        while owed > 0 {
            if let Event::Incoming(Packet::PubAck(_)) = events.poll().await.unwrap() {
                owed -= 1;
            }
        }
    }
}

/// Who listens to all that is published below a name, which it goes by.
pub fn mqtt(port: u16, name: &str) -> MqttConfig {
    MqttConfig {
        host: "127.0.0.1".into(),
        port,
        tls: None,
        client_id: name.into(),
        login: None,
        topics: vec![format!("{name}/#")],
        reading: MessageOptions::default(),
        gather: Duration::from_millis(50),
        most_messages: 10,
        most_bytes: 64 << 10,
        keep: Duration::from_hours(1),
    }
}

impl Source for Broker<'_> {
    const MEMORY: Memory = Memory::Unacknowledged;

    fn connector(&self) -> Box<dyn Connector> {
        Box::new(Mqtt::new(mqtt(self.gate.address.port(), &self.name), reader()))
    }

    async fn tell(&self, rows: &[Row]) {
        self.gate.is(Pass::Open);
        self.publish(self.told.news(rows).iter().map(|row| json!(row).to_string()).collect()).await;
    }

    fn fail(&self) {
        self.gate.is(Pass::Shut);
    }

    /// A broker keeps what is larger than a client takes.
    async fn flood(&self) -> bool {
        false
    }

    fn hang(&self) {
        self.gate.is(Pass::Mute);
    }
}

#[tokio::test]
async fn an_mqtt_broker_conforms() {
    let Some(daemon) = Daemon::mosquitto(None) else { return };
    conforms(async || Broker::new(&daemon).await).await;
}

struct Stream<'a> {
    daemon: &'a Daemon,
    gate: Gate,
    told: Told,
    name: String,
}

impl<'a> Stream<'a> {
    async fn new(daemon: &'a Daemon) -> Self {
        let name = format!("city{}", Uuid::now_v7().simple());
        let stream = Self { daemon, gate: Gate::before(daemon.address).await, told: Told::default(), name };
        let config = jetstream::stream::Config {
            name: stream.name.clone(),
            subjects: vec![format!("{}.>", stream.name)],
            ..jetstream::stream::Config::default()
        };
        stream.past_the_gate().await.create_stream(config).await.unwrap();
        stream
    }

    async fn past_the_gate(&self) -> jetstream::Context {
        jetstream::new(async_nats::connect(self.daemon.address.to_string()).await.unwrap())
    }

    async fn publish(&self, payloads: impl IntoIterator<Item = String>) {
        let server = self.past_the_gate().await;
        for payload in payloads {
            let subject = format!("{}.air", self.name);
            server.publish(subject, payload.into()).await.unwrap().await.unwrap();
        }
    }
}

/// Who reads a stream.
pub fn nats(url: &str, stream: &str) -> NatsConfig {
    NatsConfig {
        url: url.into(),
        tls: None,
        login: None,
        token: None,
        stream: stream.into(),
        subject: None,
        durable: "city".into(),
        reading: MessageOptions::default(),
        gather: Duration::from_millis(50),
        most_messages: 10,
        again_after: Duration::from_secs(2),
        most_bytes: 64 << 10,
    }
}

impl Source for Stream<'_> {
    const MEMORY: Memory = Memory::Unacknowledged;

    fn connector(&self) -> Box<dyn Connector> {
        Box::new(Nats::new(nats(&format!("nats://{}", self.gate.address), &self.name), reader()))
    }

    async fn tell(&self, rows: &[Row]) {
        self.gate.is(Pass::Open);
        self.publish(self.told.news(rows).iter().map(|row| json!(row).to_string())).await;
    }

    fn fail(&self) {
        self.gate.is(Pass::Shut);
    }

    async fn flood(&self) -> bool {
        self.publish([format!("\"{}\"", "x".repeat(100 << 10))]).await;
        true
    }

    fn hang(&self) {
        self.gate.is(Pass::Mute);
    }
}

#[tokio::test]
async fn a_nats_stream_conforms() {
    let Some(daemon) = Daemon::nats() else { return };
    conforms(async || Stream::new(&daemon).await).await;
}
