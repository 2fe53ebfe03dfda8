//! The guard at every door: a token in, a caller or a refusal out. What a caller may do is [`crate::access::may`]'s to say.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::error::Error;
use crate::access::{Audience, Bearer, Caller, Failures, Keys, Patience, verify};
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
}

impl Guard {
    /// A city that runs open: everybody may do everything.
    pub fn open(clock: Arc<dyn Clock>) -> Self {
        Self { lock: None, clock, failures: Mutex::default(), audit: None }
    }

    /// A city that asks for tokens.
    pub fn locked(keys: Keys, audience: Audience, clock: Arc<dyn Clock>) -> Self {
        let lock = Lock { keys: RwLock::new(Arc::new(keys)), audience };
        Self { lock: Some(lock), clock, failures: Mutex::default(), audit: None }
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

    /// Takes other keys: what was issued with the old ones alone is no longer good.
    pub fn rekey(&self, keys: Keys) {
        if let Some(lock) = &self.lock {
            *lock.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        }
    }

    /// Who comes with this token from there.
    pub(super) fn admit(&self, token: Option<&Bearer>, from: Option<IpAddr>) -> Result<Caller, Refused> {
        let Some(lock) = &self.lock else { return Ok(Caller::Anybody) };
        let token = token.ok_or(Refused::Missing)?;
        let now = self.clock.now();
        let keys = Arc::clone(&lock.keys.read().unwrap_or_else(PoisonError::into_inner));
        let error = match verify(token, &keys, &lock.audience, now) {
            Ok(grant) => return Ok(Caller::Known(Box::new(grant))),
            Err(error) => error,
        };
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
