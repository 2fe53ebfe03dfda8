//! The guard at every door: a token in, a caller or a refusal out. What a caller may do is [`crate::access::may`]'s to say.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use tokio::sync::{mpsc, oneshot};

use super::error::Error;
use crate::access::{
    Audience, Bearer, Caller, Failures, Keys, Patience, Revoked, TokenError, unknown_key, verify,
};
use crate::journal::{Audit, Audited};
use crate::model::{Clock, Micros};

/// Why nobody is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// No token came.
    Missing,
    /// The token is not good.
    Wrong { code: &'static str, why: String },
    /// Too many wrong ones came from there.
    Wait { seconds: u64 },
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let unauthorised = |code: &str, why: String| {
            let challenge = [(header::WWW_AUTHENTICATE, "Bearer realm=\"cityloom\"")];
            (challenge, Error::new(StatusCode::UNAUTHORIZED, code, why)).into_response()
        };
        match self {
            Self::Missing => {
                let why = "this city asks for a token: send `Authorization: Bearer …`; whoever runs the city issues it";
                unauthorised("TOKEN_MISSING", why.into())
            }
            Self::Wrong { code, why } => unauthorised(code, format!("the token is not taken: {why}")),
            Self::Wait { seconds } => {
                let why = format!("too many wrong tokens came from this address; try again in {seconds} s");
                let after = [(header::RETRY_AFTER, seconds.to_string())];
                (after, Error::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_FAILURES", why)).into_response()
            }
        }
    }
}

/// The wish for newer keys of the issuer; its going tells whoever waits that they are there, or that there are none.
#[derive(Debug)]
pub struct Renewal {
    _waits: Option<oneshot::Sender<()>>,
}

/// So many may wait for newer keys; others are told at once that theirs is not known.
const WAITING: usize = 32;

/// Checks tokens; shared by all doors.
#[derive(Debug)]
pub struct Guard {
    lock: Option<Lock>,
    clock: Arc<dyn Clock>,
    failures: Mutex<Failures>,
    audit: Option<Audit>,
}

#[derive(Debug)]
struct Lock {
    keys: RwLock<Arc<Keys>>,
    audience: Audience,
    revoked: RwLock<Arc<Revoked>>,
    renewals: Option<mpsc::Sender<Renewal>>,
}

impl Lock {
    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn revoked(&self) -> Arc<Revoked> {
        Arc::clone(&self.revoked.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn ask_for_keys(&self, waits: Option<oneshot::Sender<()>>) {
        if let Some(renewals) = &self.renewals
            && renewals.try_send(Renewal { _waits: waits }).is_err()
        {
            tracing::debug!("enough are waiting for newer keys");
        }
    }
}

impl Guard {
    /// A city that runs open: everybody may do everything.
    pub fn open(clock: Arc<dyn Clock>) -> Self {
        Self { lock: None, clock, failures: Mutex::default(), audit: None }
    }

    /// A city that asks for tokens.
    pub fn locked(keys: Keys, audience: Audience, clock: Arc<dyn Clock>) -> Self {
        let keys = RwLock::new(Arc::new(keys));
        let lock = Lock { keys, audience, revoked: RwLock::default(), renewals: None };
        Self { lock: Some(lock), clock, failures: Mutex::default(), audit: None }
    }

    /// What time it is for whoever comes in.
    pub fn now(&self) -> Micros {
        self.clock.now()
    }

    /// The same for keys that can be asked for anew; the wishes come out of the receiver.
    #[must_use]
    pub fn renewable(mut self) -> (Self, mpsc::Receiver<Renewal>) {
        let (sender, wishes) = mpsc::channel(WAITING);
        if let Some(lock) = &mut self.lock {
            lock.renewals = Some(sender);
        }
        (self, wishes)
    }

    /// The same, and what is refused stands in the audit log.
    #[must_use]
    pub fn audited(self, audit: Audit) -> Self {
        Self { audit: Some(audit), ..self }
    }

    /// The audit log, where there is one, and what time it is.
    pub(super) fn audit(&self) -> Option<(&Audit, Micros)> {
        self.audit.as_ref().map(|audit| (audit, self.clock.now()))
    }

    /// Whether nobody is asked for anything.
    pub fn is_open(&self) -> bool {
        self.lock.is_none()
    }

    /// Takes other keys: what was issued with the old ones alone is no longer good. False where they are the same.
    pub fn rekey(&self, keys: Keys) -> bool {
        let Some(lock) = &self.lock else { return false };
        let mut held = lock.keys.write().unwrap_or_else(PoisonError::into_inner);
        let changed = **held != keys;
        *held = Arc::new(keys);
        changed
    }

    /// Takes the list of what has ended, in place of the one before.
    pub fn revoke(&self, revoked: Revoked) {
        if let Some(lock) = &self.lock {
            *lock.revoked.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(revoked);
        }
    }

    /// Whether somebody who was let in would still be: nothing of theirs was revoked since.
    pub(super) fn holds(&self, caller: &Caller) -> bool {
        let (Some(lock), Some(grant)) = (&self.lock, caller.grant()) else { return true };
        !lock.revoked().ended(grant)
    }

    /// Waits for newer keys where a token names one that is not known.
    pub(super) async fn know_key(&self, token: Option<&Bearer>) {
        let (Some(lock), Some(token)) = (&self.lock, token) else { return };
        if lock.renewals.is_some() && unknown_key(token, &lock.keys()) {
            let (waits, told) = oneshot::channel();
            lock.ask_for_keys(Some(waits));
            // Nothing is ever sent; the other end goes.
            let _gone = told.await;
        }
    }

    /// Who comes with this token from there.
    pub(super) fn admit(&self, token: Option<&Bearer>, from: Option<IpAddr>) -> Result<Caller, Refused> {
        let Some(lock) = &self.lock else { return Ok(Caller::Anybody) };
        let token = token.ok_or(Refused::Missing)?;
        let now = self.clock.now();
        let error = match verify(token, &lock.keys(), &lock.audience, &lock.revoked(), now) {
            Ok(grant) => return Ok(Caller::Known(Box::new(grant))),
            Err(error) => error,
        };
        if error == TokenError::Key {
            lock.ask_for_keys(None);
        }
        metrics::counter!("cityloom_access_failures_total").increment(1);
        // A connection without an address is one of ours in a test; it is counted as somebody.
        let from = from.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let patience = self.failures.lock().unwrap_or_else(PoisonError::into_inner).count(from, now);
        match patience {
            Patience::Answer => self.tell(from, &error.to_string()),
            Patience::Last => {
                self.tell(from, &format!("{error}; for a minute no more is said of this address"));
            }
            Patience::Wait { seconds } => return Err(Refused::Wait { seconds }),
        }
        Err(Refused::Wrong { code: error.code(), why: error.to_string() })
    }

    fn tell(&self, from: IpAddr, why: &str) {
        tracing::info!(client.address = %from, "token refused: {why}");
        if let Some((audit, now)) = self.audit() {
            let (from, deed, outcome) = (from.to_string(), "show a token".to_owned(), why.to_owned());
            audit.note(Audited { from, deed, outcome, ..Audited::default() }, now);
        }
    }
}

/// The token of the `Authorization` header.
pub(super) fn bearer(headers: &HeaderMap) -> Option<Bearer> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| Bearer::new(token.trim()))
}
