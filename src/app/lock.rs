//! Whether a city is open or locked, and with which keys: decided once, before anybody is let in; then what is changed while
//! it runs, the key file and the list of revoked tokens.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Result, anyhow, bail};
use tokio::sync::mpsc;

use super::Workshop;
use super::issuer::Issuer;
use crate::config::{self, KeySource};
use crate::model::Problem;
use crate::server::{Guard, Renewal};

/// The list of what has ended before its time, in the data folder.
pub fn revoked_file(data: &Path) -> PathBuf {
    data.join("access").join("revoked.txt")
}

/// The guard of a city, and whom it has its keys from where that is not a file.
pub(super) struct Locked {
    pub(super) guard: Guard,
    pub(super) issuer: Option<(Issuer, mpsc::Receiver<Renewal>)>,
}

/// The guard of a city that is served at `listen`. An open city is this machine's own business, or a demo's.
///
/// # Errors
/// Where the keys cannot be read, or others could reach a city that asks nobody who they are.
pub(super) async fn guard(workshop: &Workshop, listen: SocketAddr, demo: bool) -> Result<Locked> {
    let clock = Arc::clone(&workshop.clock);
    let settings = &workshop.settings;
    let Some(access) = &settings.access else {
        if demo || listen.ip().is_loopback() {
            return Ok(Locked { guard: Guard::open(clock), issuer: None });
        }
        bail!(
            "{listen} can be reached from other machines, and the city asks nobody who they are. Make keys with \
             `cityloom token keygen DIR`, name them in cityloom.toml as [access] keys = \"DIR/keys.json\", and give out \
             tokens with `cityloom token issue`; or listen on 127.0.0.1"
        )
    };
    if settings.tls.is_none() && !listen.ip().is_loopback() {
        tracing::warn!(
            "tokens come over {listen} in the clear: set [tls] in cityloom.toml, or let nobody but a proxy with TLS reach it"
        );
    }
    let audience = access.audience.clone();
    let locked = match &access.keys {
        KeySource::File(file) => {
            let keys = config::read_keys(file).map_err(|problem| anyhow!("{problem}"))?;
            Locked { guard: Guard::locked(keys, audience, clock), issuer: None }
        }
        KeySource::Issuer { issuer, pause } => {
            let issuer = Issuer::new(issuer.clone(), &workshop.data, *pause)?;
            let (guard, wishes) = Guard::locked(issuer.first().await?, audience, clock).renewable();
            Locked { guard, issuer: Some((issuer, wishes)) }
        }
    };
    let revoked = config::read_revoked(&revoked_file(&workshop.data));
    locked.guard.revoke(revoked.map_err(|problem| anyhow!("{problem}"))?);
    Ok(locked)
}

/// A file that is looked at again and again; what it was at the last look.
struct Watched {
    path: PathBuf,
    seen: Option<(SystemTime, u64)>,
}

impl Watched {
    fn new(path: PathBuf) -> Self {
        let seen = stamp(&path);
        Self { path, seen }
    }

    fn has_changed(&mut self) -> bool {
        let now = stamp(&self.path);
        std::mem::replace(&mut self.seen, now) != now
    }
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}

/// Looks whether the key file or the list of revoked tokens has changed.
pub(super) struct KeyWatch {
    keys: Option<Watched>,
    revoked: Option<Watched>,
}

impl KeyWatch {
    /// From what was read at the start; what changed since is seen at the first look.
    pub(super) fn new(workshop: &Workshop) -> Self {
        let access = workshop.settings.access.as_ref();
        let keys = access.and_then(|access| match &access.keys {
            KeySource::File(file) => Some(Watched::new(file.clone())),
            KeySource::Issuer { .. } => None,
        });
        let revoked = access.map(|_| Watched { path: revoked_file(&workshop.data), seen: None });
        Self { keys, revoked }
    }

    /// Takes what has changed. A file that cannot be read leaves in force what was before, and says so. What came of it, for the
    /// audit log: of which file, and how.
    pub(super) fn look(&mut self, guard: &Guard) -> Vec<(&'static str, String)> {
        let mut told = Vec::new();
        if let Some(file) = &mut self.keys
            && file.has_changed()
        {
            let taken = config::read_keys(&file.path).map(|keys| {
                let outcome = format!("{} keys", keys.len());
                guard.rekey(keys);
                outcome
            });
            told.push(("keys", outcome(taken, "the keys")));
        }
        if let Some(file) = &mut self.revoked
            && file.has_changed()
        {
            let taken = config::read_revoked(&file.path).map(|revoked| {
                let outcome = format!("{} tokens and subjects", revoked.len());
                guard.revoke(revoked);
                outcome
            });
            told.push(("revoked tokens", outcome(taken, "the revoked tokens")));
        }
        told
    }
}

fn outcome(taken: Result<String, Problem>, what: &str) -> String {
    match taken {
        Ok(outcome) => {
            tracing::info!("{what} are read anew: {outcome}");
            outcome
        }
        Err(problem) => {
            tracing::error!("{problem}; {what} from before stay in force");
            format!("refused: {problem}")
        }
    }
}
