//! How connectors speak TLS: against the machine's authorities, or against one that the settings name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::PollError;

/// Whom to believe that a server is who it says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Authority {
    /// PEM; none: those of the machine.
    pub file: Option<PathBuf>,
}

impl Authority {
    pub(super) fn client(&self) -> Result<Arc<ClientConfig>, PollError> {
        let roots = match &self.file {
            Some(file) => of_file(file)?,
            None => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                roots
            }
        };
        // The process may hold more than one provider; which one is meant is said.
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| PollError::Permanent(format!("TLS: {error}")))?;
        Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
    }
}

fn of_file(file: &Path) -> Result<RootCertStore, PollError> {
    let wrong = |why: String| PollError::Permanent(format!("the certificates of {}: {why}", file.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))? {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() { Err(wrong("there are none".into())) } else { Ok(roots) }
}
