//! Whether a city is open or locked, and with which keys: decided once, before anybody is let in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Result, anyhow, bail};

use crate::config::{self, Access, Settings};
use crate::model::Clock;
use crate::server::Guard;

/// The guard of a city that is served at `listen`. An open city is this machine's own business, or a demo's.
///
/// # Errors
/// Where the keys cannot be read, or others could reach a city that asks nobody who they are.
pub(super) fn guard(
    settings: &Settings,
    listen: SocketAddr,
    demo: bool,
    clock: &Arc<dyn Clock>,
) -> Result<Guard> {
    let clock = Arc::clone(clock);
    match &settings.access {
        Some(access) => {
            let keys = config::read_keys(access).map_err(|problem| anyhow!("{problem}"))?;
            if settings.tls.is_none() && !listen.ip().is_loopback() {
                tracing::warn!(
                    "tokens come over {listen} in the clear: set [tls] in cityloom.toml, or let nobody but a proxy with TLS reach it"
                );
            }
            Ok(Guard::locked(keys, access.audience.clone(), clock))
        }
        None if demo || listen.ip().is_loopback() => Ok(Guard::open(clock)),
        None => bail!(
            "{listen} can be reached from other machines, and the city asks nobody who they are. Make keys with \
             `cityloom token keygen DIR`, name them in cityloom.toml as [access] keys = \"DIR/keys.json\", and give out \
             tokens with `cityloom token issue`; or listen on 127.0.0.1"
        ),
    }
}

/// Looks whether the key file has changed.
pub(super) struct KeyWatch {
    access: Option<Access>,
    seen: Option<SystemTime>,
}

impl KeyWatch {
    pub(super) fn new(settings: &Settings) -> Self {
        let access = settings.access.clone();
        let seen = access.as_ref().and_then(changed);
        Self { access, seen }
    }

    /// Takes new keys. A file that holds none leaves the old ones in force, and says so. What came of it, where it changed.
    pub(super) fn look(&mut self, guard: &Guard) -> Option<String> {
        let access = self.access.as_ref()?;
        let now = changed(access);
        if now == self.seen {
            return None;
        }
        self.seen = now;
        match config::read_keys(access) {
            Ok(keys) => {
                let outcome = format!("{} keys", keys.len());
                tracing::info!(keys = keys.len(), "the city's keys are read anew");
                guard.rekey(keys);
                Some(outcome)
            }
            Err(problem) => {
                tracing::error!("{problem}; the keys from before stay in force");
                Some(format!("refused: {problem}"))
            }
        }
    }
}

fn changed(access: &Access) -> Option<SystemTime> {
    std::fs::metadata(&access.keys).and_then(|meta| meta.modified()).ok()
}
