//! An identity provider's keys: found by its `OpenID` Connect description, kept for a restart without it, asked for again when a token
//! names one that is not known, and now and then.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::access::Keys;
use crate::journal::{Audit, Audited};
use crate::model::Clock;
use crate::server::{Guard, Renewal};

/// Keys that were taken out by the provider are noticed after so long.
const USUAL: Duration = Duration::from_mins(15);
/// A provider that does not answer is asked again after so long, then after twice as long, up to the usual time.
const RETRY: Duration = Duration::from_secs(10);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// A key set is not larger.
const MOST_BYTES: usize = 1 << 20;

/// Asks one provider.
pub(super) struct Issuer {
    client: Client,
    issuer: String,
    /// Its keys as they came last.
    kept: PathBuf,
    /// However many tokens name unknown keys, it is asked no more often.
    pause: Duration,
}

/// What of the provider's description matters here.
#[derive(Deserialize)]
struct Description {
    issuer: String,
    jwks_uri: String,
}

impl Issuer {
    /// The provider of that name, which is its address.
    pub(super) fn new(issuer: String, data: &Path, pause: Duration) -> Result<Self> {
        // Where keys come from is said by the provider, not by who can bend a line to it.
        let client = Client::builder()
            .user_agent(concat!("cityloom/", env!("CARGO_PKG_VERSION")))
            .timeout(PATIENCE)
            .redirect(Policy::none())
            .build()
            .context("setting up HTTP")?;
        Ok(Self { client, issuer, kept: data.join("access").join("jwks.json"), pause })
    }

    /// The keys to start with: the provider's, or where it does not answer those that it had last.
    pub(super) async fn first(&self) -> Result<Keys> {
        let error = match self.fetch().await {
            Ok(keys) => return Ok(keys),
            Err(error) => error,
        };
        let Ok(text) = std::fs::read_to_string(&self.kept) else {
            return Err(error.context("[access] issuer in cityloom.toml"));
        };
        let keys = Keys::from_jwks(&text).with_context(|| self.kept.display().to_string())?;
        tracing::warn!("the keys of before are in force: {error:#}");
        Ok(keys)
    }

    async fn fetch(&self) -> Result<Keys> {
        let address = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let text = self.get(&address).await?;
        let said: Description =
            serde_json::from_str(&text).with_context(|| format!("{address}: no description"))?;
        if said.issuer != self.issuer {
            bail!(
                "{address} describes the issuer `{}`, and cityloom.toml names `{}`",
                said.issuer,
                self.issuer
            );
        }
        let text = self.get(&said.jwks_uri).await?;
        let keys = Keys::from_jwks(&text).with_context(|| said.jwks_uri.clone())?;
        if let Err(error) = keep(&self.kept, &text) {
            tracing::warn!(path = %self.kept.display(), %error, "a start without the provider will not know its keys");
        }
        Ok(keys)
    }

    async fn get(&self, address: &str) -> Result<String> {
        let url = Url::parse(address).with_context(|| address.to_owned())?;
        if !is_safe(&url) {
            bail!("{address}: keys come over https, or from this machine");
        }
        let asked = self.client.get(url).send().await.and_then(reqwest::Response::error_for_status);
        let mut answer = asked.with_context(|| format!("asking {address}"))?;
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.with_context(|| format!("reading {address}"))? {
            if bytes.len() + chunk.len() > MOST_BYTES {
                bail!("{address} answers with more than {MOST_BYTES} bytes");
            }
            bytes.extend_from_slice(&chunk);
        }
        String::from_utf8(bytes).with_context(|| address.to_owned())
    }

    /// Keeps the guard's keys as the provider's until `shutdown`.
    pub(super) async fn run(
        self,
        guard: &Guard,
        mut wanted: mpsc::Receiver<Renewal>,
        audit: &Audit,
        clock: &dyn Clock,
        shutdown: CancellationToken,
    ) -> Result<()> {
        let (mut due, mut retry, mut failing) = (Instant::now() + USUAL, RETRY, false);
        let mut may_ask = Instant::now();
        loop {
            // Whoever waits is told by the going of what he sent, whether there is anything new or not.
            let _asker = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                asker = wanted.recv() => asker,
                () = sleep_until(due) => None,
            };
            if Instant::now() < may_ask {
                continue;
            }
            may_ask = Instant::now() + self.pause;
            let Some(fetched) = shutdown.run_until_cancelled(self.fetch()).await else { return Ok(()) };
            match fetched {
                Ok(keys) => {
                    (due, retry, failing) = (Instant::now() + USUAL, RETRY, false);
                    let outcome = format!("{} keys of the issuer", keys.len());
                    if guard.rekey(keys) {
                        tracing::info!("{outcome}");
                        audit.note(Audited::by_city("reload", "keys", outcome), clock.now());
                    }
                }
                Err(error) => {
                    due = Instant::now() + retry;
                    may_ask = may_ask.max(due);
                    retry = (retry * 2).min(USUAL);
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!("the keys from before stay in force: {error:#}");
                        audit.note(
                            Audited::by_city("reload", "keys", format!("refused: {error:#}")),
                            clock.now(),
                        );
                    }
                }
            }
        }
    }
}

/// Whether what comes from there can be nobody else's.
pub(super) fn is_safe(url: &Url) -> bool {
    let loopback = || {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    };
    url.scheme() == "https" || (url.scheme() == "http" && loopback())
}

/// Whole or not at all.
fn keep(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    crate::lake::create_dirs(folder)?;
    let draft = tempfile::NamedTempFile::new_in(folder)?;
    std::fs::write(draft.path(), text)?;
    draft.as_file().sync_all()?;
    draft.persist(path)?;
    crate::lake::fsync_dir(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_https_or_from_this_machine() {
        let safe = |url: &str| is_safe(&Url::parse(url).unwrap());
        assert!(safe("https://id.example") && safe("http://127.0.0.1:8") && safe("http://[::1]:8"));
        assert!(safe("http://localhost/a") && !safe("http://id.example") && !safe("file:///etc/keys"));
        assert!(!safe("http://127.0.0.1.example") && !safe("http://localhost.example"));
    }
}
