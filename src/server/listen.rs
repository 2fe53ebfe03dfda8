//! TLS at the door: connections come out of the listener with their handshake done. What is said on them is not known here.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

/// A handshake takes at most so long.
const PATIENCE: Duration = Duration::from_secs(10);
/// Handshakes at a time; who comes then waits in the system's queue.
const HANDSHAKES: usize = 256;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate's file cannot be read.
    #[error("the certificate: {0}")]
    Certificate(pem::Error),
    /// It holds none.
    #[error("the certificate: the file holds no `BEGIN CERTIFICATE`")]
    NoCertificate,
    /// The key's file cannot be read.
    #[error("the private key: {0}")]
    Key(pem::Error),
    /// They do not fit each other.
    #[error("certificate and key: {0}")]
    Pair(#[from] rustls::Error),
}

/// A connection whose handshake is done, and whose it is.
type Shaken = (TlsStream<TcpStream>, SocketAddr);

/// A listener whose connections speak TLS 1.2 or 1.3.
pub struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
    shaking: FuturesUnordered<BoxFuture<'static, Option<Shaken>>>,
}

impl std::fmt::Debug for TlsListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsListener").field("tcp", &self.tcp).finish_non_exhaustive()
    }
}

impl TlsListener {
    /// Puts TLS before `tcp`, with the certificate and the private key of two PEM files.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(tcp: TcpListener, certificate: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(TlsError::Certificate)?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(TlsError::Key)?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        // Websockets are spoken over HTTP/1.1.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tcp, acceptor: TlsAcceptor::from(Arc::new(config)), shaking: FuturesUnordered::new() })
    }

    fn shake(&mut self, stream: TcpStream, from: SocketAddr) {
        let hands = self.acceptor.accept(stream);
        self.shaking.push(Box::pin(async move {
            match timeout(PATIENCE, hands).await {
                Ok(Ok(stream)) => Some((stream, from)),
                // Scanners and plain HTTP come every day; each is told to the one who looks for it.
                Ok(Err(error)) => {
                    tracing::debug!(client.address = %from, %error, "no TLS handshake");
                    None
                }
                Err(_) => None,
            }
        }));
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let full = self.shaking.len() >= HANDSHAKES;
            tokio::select! {
                Some(shaken) = self.shaking.next(), if !self.shaking.is_empty() => {
                    if let Some(connection) = shaken {
                        return connection;
                    }
                }
                // The plain listener's own way with errors: it waits and goes on.
                (stream, from) = Listener::accept(&mut self.tcp), if !full => self.shake(stream, from),
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}
