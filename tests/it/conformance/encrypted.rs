//! Connectors over TLS: they talk to whom the named authority vouches for, to nobody else, and never in the clear instead.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cityloom::connect::{
    Authority, Connector, MessageOptions, Mqtt, MqttConfig, Nats, NatsConfig, PollError, PollOutcome,
    Postgres, PostgresConfig, SecretAt, WebSocket, WebSocketConfig,
};
use futures::SinkExt as _;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_tungstenite::tungstenite::Message;

use super::{brokers, numbers, reader};
use crate::peers::{Daemon, Line};

/// Who vouches for the tests' own certificate.
fn ours() -> Authority {
    Authority { file: Some(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/certificate.pem"))) }
}

/// A client that trusts the tests' own certificate.
fn trusting() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ours().file.unwrap()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots).with_no_client_auth()
}

/// With that authority it answers; with those of the machine it says what is wrong with the certificate.
async fn trusts(connector: impl Fn(Authority) -> Box<dyn Connector>) -> PollOutcome {
    let stranger = connector(Authority::default()).poll(None).await;
    let told = stranger.expect_err("a server that nobody vouches for").to_string().to_lowercase();
    assert!(["certificate", "unknownissuer", "tls"].iter().any(|word| told.contains(word)), "{told}");
    connector(ours()).poll(None).await.expect("a server that the authority vouches for")
}

fn mqtt(port: u16, authority: Authority) -> Box<dyn Connector> {
    Box::new(Mqtt::new(MqttConfig { tls: Some(authority), ..brokers::mqtt(port, "air") }, reader()))
}

#[tokio::test]
async fn a_broker_over_tls() {
    let Some(daemon) = Daemon::mosquitto_with(None, Line::Tls) else { return };
    let port = daemon.address.port();
    assert_eq!(trusts(|authority| mqtt(port, authority)).await, PollOutcome::Unchanged);
    let Some(plain) = Daemon::mosquitto(None) else { return };
    assert!(
        mqtt(plain.address.port(), ours()).poll(None).await.is_err(),
        "a broker that speaks in the clear"
    );
}

fn nats(address: &str, authority: Authority) -> Box<dyn Connector> {
    let config = brokers::nats(&format!("tls://{address}"), "air");
    Box::new(Nats::new(NatsConfig { tls: Some(authority), ..config }, reader()))
}

#[tokio::test]
async fn a_stream_over_tls() {
    let Some(daemon) = Daemon::nats_with(Line::Tls) else { return };
    let address = daemon.address.to_string();
    let options = async_nats::ConnectOptions::new().require_tls(true).tls_client_config(trusting());
    let server = async_nats::jetstream::new(options.connect(format!("tls://{address}")).await.unwrap());
    let config = async_nats::jetstream::stream::Config {
        name: "air".into(),
        subjects: vec!["air.>".into()],
        ..async_nats::jetstream::stream::Config::default()
    };
    server.create_stream(config).await.unwrap();
    server.publish("air.one", r#"{"id": 1}"#.into()).await.unwrap().await.unwrap();
    let PollOutcome::Rows { rows, .. } = trusts(|authority| nats(&address, authority)).await else {
        panic!("a row")
    };
    assert_eq!(numbers(&rows, "id"), [1]);
    let Some(plain) = Daemon::nats() else { return };
    let told = nats(&plain.address.to_string(), ours()).poll(None).await;
    assert!(told.is_err(), "a server that speaks in the clear");
}

fn postgres(address: &str, authority: Authority, password: &Path) -> Box<dyn Connector> {
    let config = PostgresConfig {
        server: format!("postgres://city@{address}/postgres").parse().unwrap(),
        password: Some(SecretAt::File(password.into())),
        tls: Some(authority),
        select: "SELECT 1 AS id, 1::bigint AS changed, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
            .into(),
        cursor: "changed".into(),
        key: vec!["id".into()],
        settle: Duration::ZERO,
        most_rows: 10,
        most_row_bytes: 64 << 10,
        timeout: Duration::from_secs(5),
    };
    Box::new(Postgres::new(config, reader()))
}

#[tokio::test]
async fn a_database_over_tls_and_never_without() {
    let Some(daemon) = Daemon::postgres_with(Line::Tls) else { return };
    let address = daemon.address.to_string();
    let password = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(password.path(), "s3cret\n").unwrap();
    let PollOutcome::Rows { rows, .. } =
        trusts(|authority| postgres(&address, authority, password.path())).await
    else {
        panic!("a row")
    };
    assert_eq!(rows.texts("ssl").collect::<Vec<_>>(), [Some("true")], "the line is encrypted");
    let Some(plain) = Daemon::postgres() else { return };
    let told = postgres(&plain.address.to_string(), ours(), password.path()).poll(None).await;
    assert!(
        matches!(&told, Err(PollError::Transient { .. } | PollError::Permanent(_))),
        "a server without TLS: {told:?}"
    );
}

#[tokio::test]
async fn a_websocket_over_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let certificate = CertificateDer::from_pem_slice(include_bytes!("../../tls/certificate.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../../tls/key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((guest, _)) = listener.accept().await {
            let Ok(secured) = acceptor.accept(guest).await else { continue };
            let Ok(mut socket) = tokio_tungstenite::accept_async(secured).await else { continue };
            socket.send(Message::text(r#"{"id": 1}"#)).await.ok();
        }
    });
    let socket = |authority: Authority| -> Box<dyn Connector> {
        let config = WebSocketConfig {
            url: format!("wss://127.0.0.1:{port}/air").parse().unwrap(),
            authority,
            secret: None,
            subscribe: None,
            reading: MessageOptions::default(),
            gather: Duration::from_millis(50),
            most_messages: 1,
            most_bytes: 64 << 10,
        };
        Box::new(WebSocket::new(config, reader()))
    };
    let PollOutcome::Rows { rows, .. } = trusts(socket).await else { panic!("a row") };
    assert_eq!(numbers(&rows, "id"), [1]);
}
