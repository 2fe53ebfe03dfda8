//! Tokens: a grant as a signed JWT (RFC 7519 in the compact form of RFC 7515), issued and checked.
//!
//! Ours and not a JWT crate's, because each of those brings a second cryptography beside the tree's, and we take two
//! algorithms, one form and no options: the key says the algorithm, the list of critical headers must be empty, and
//! nothing of the claims is read before the signature holds.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::json;

use super::keys::{Algorithm, Keys, SigningKey};
use super::{Bearer, Grant, Revoked, Role};
use crate::model::{Micros, UnitId};

/// No token is longer.
const MOST_BYTES: usize = 8 << 10;
/// Clocks may differ by so much.
const SKEW_S: i64 = 60;
/// The longest name that is shown and kept.
const MOST_CHARS: usize = 200;

/// Whom a city takes tokens from, and what it is called in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audience {
    /// What `iss` must be; none: any, as the keys are one issuer's anyway.
    pub issuer: Option<String>,
    /// What `aud` must be or hold; none: tokens must not have one.
    pub audience: Option<String>,
}

/// Why a token grants nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no JWT.
    #[error("it is no token of the form header.claims.signature")]
    Form,
    /// Its algorithm is not taken, or its header wants something that is not known here.
    #[error("its algorithm is not taken; there are: EdDSA, RS256")]
    Algorithm,
    /// No key of the city has its id and algorithm.
    #[error("no key of this city has its id; the keys may have been changed")]
    Key,
    /// Somebody else signed it, or it was changed.
    #[error("its signature does not hold")]
    Signature,
    /// A claim is missing or of the wrong type.
    #[error("its claims cannot be read: {0}")]
    Claims(String),
    /// Its time is over.
    #[error("it ended at {}; ask for a new one", .0.to_rfc3339())]
    Expired(Micros),
    /// Its time has not come.
    #[error("it begins at {}; see that the clocks agree", .0.to_rfc3339())]
    Early(Micros),
    /// It was ended before its time.
    #[error("it was revoked; ask for a new one")]
    Revoked,
    /// It is meant for somebody else.
    #[error("it is another issuer's, or meant for another audience")]
    Audience,
}

impl TokenError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Expired(_) => "TOKEN_EXPIRED",
            Self::Revoked => "TOKEN_REVOKED",
            _ => "TOKEN_INVALID",
        }
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<serde::de::IgnoredAny>,
}

/// The claims that are read; a provider's others are its own business.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    jti: Option<String>,
    name: Option<String>,
    iat: Option<f64>,
    /// Seconds since 1970, which may have a fraction.
    exp: f64,
    nbf: Option<f64>,
    iss: Option<String>,
    aud: Option<Texts>,
    roles: Option<Texts>,
    department: Option<String>,
    units: Option<Texts>,
    area: Option<String>,
}

/// One text, or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Many(Vec<String>),
}

impl Texts {
    fn list(this: Option<Self>) -> Vec<String> {
        match this {
            None => Vec::new(),
            Some(Self::One(text)) => vec![text],
            Some(Self::Many(texts)) => texts,
        }
    }
}

/// The grant of a token, if it is good at `now`.
///
/// # Errors
/// [`TokenError`].
pub fn verify(
    token: &Bearer,
    keys: &Keys,
    audience: &Audience,
    revoked: &Revoked,
    now: Micros,
) -> Result<Grant, TokenError> {
    let text = token.text();
    if text.len() > MOST_BYTES {
        return Err(TokenError::Form);
    }
    let (message, signature) = text.rsplit_once('.').ok_or(TokenError::Form)?;
    let (header, claims) = message.split_once('.').ok_or(TokenError::Form)?;
    let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Form);
    let header: Header = serde_json::from_slice(&bytes(header)?).map_err(|_| TokenError::Form)?;
    let algorithm = Algorithm::named(&header.alg).ok_or(TokenError::Algorithm)?;
    if header.crit.is_some() {
        return Err(TokenError::Algorithm);
    }
    let signed = keys.signed(algorithm, header.kid.as_deref(), message.as_bytes(), &bytes(signature)?);
    match signed {
        None => return Err(TokenError::Key),
        Some(false) => return Err(TokenError::Signature),
        Some(true) => {}
    }
    let claims: Claims =
        serde_json::from_slice(&bytes(claims)?).map_err(|error| TokenError::Claims(error.to_string()))?;
    let grant = grant(claims, audience, now)?;
    if revoked.ended(&grant) { Err(TokenError::Revoked) } else { Ok(grant) }
}

/// Whether a token names a key that is not among these, though it may be one of its issuer's.
pub fn unknown_key(token: &Bearer, keys: &Keys) -> bool {
    let header = token.text().split_once('.').filter(|_| token.text().len() <= MOST_BYTES);
    let bytes = header.and_then(|(header, _)| URL_SAFE_NO_PAD.decode(header).ok());
    let Some(header) = bytes.and_then(|bytes| serde_json::from_slice::<Header>(&bytes).ok()) else {
        return false;
    };
    let algorithm = Algorithm::named(&header.alg);
    algorithm.is_some_and(|algorithm| !keys.knows(algorithm, header.kid.as_deref()))
}

/// The id that a token says it has, whoever signed it: for the one who ends it.
pub fn token_id(token: &Bearer) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        jti: String,
    }
    let claims = token.text().split('.').nth(1)?;
    let named: Named = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    Some(named.jti)
}

fn grant(claims: Claims, audience: &Audience, now: Micros) -> Result<Grant, TokenError> {
    let until = instant(claims.exp);
    if now >= until {
        return Err(TokenError::Expired(until));
    }
    if let Some(from) = claims.nbf.map(instant).filter(|from| now.plus_seconds(SKEW_S) < *from) {
        return Err(TokenError::Early(from));
    }
    let meant = Texts::list(claims.aud);
    let issued = audience.issuer.as_ref().is_none_or(|wanted| claims.iss.as_ref() == Some(wanted));
    // A token that is meant for somebody is not meant for a city without a name.
    let meant = audience.audience.as_ref().map_or(meant.is_empty(), |wanted| meant.contains(wanted));
    if !issued || !meant {
        return Err(TokenError::Audience);
    }
    let too_long = |text: &str| text.chars().count() > MOST_CHARS || text.trim().is_empty();
    let name = claims.name.unwrap_or_else(|| claims.sub.clone());
    if too_long(&claims.sub) || too_long(&name) {
        let why = format!("`sub` and `name` have 1 to {MOST_CHARS} characters");
        return Err(TokenError::Claims(why));
    }
    let area = claims.area.as_deref().map(str::parse).transpose();
    Ok(Grant {
        id: claims.jti,
        issued: claims.iat.map(instant),
        subject: claims.sub,
        name,
        // A provider's token names roles of other programs, too.
        roles: Texts::list(claims.roles).iter().filter_map(|role| role.parse::<Role>().ok()).collect(),
        department: claims.department,
        units: Texts::list(claims.units).into_iter().map(UnitId).collect::<BTreeSet<_>>(),
        area: area.map_err(|error| TokenError::Claims(format!("area: {error}")))?,
        until,
    })
}

/// An instant of a number of seconds; one beyond all times is the last one.
fn instant(seconds: f64) -> Micros {
    Micros((seconds * 1e6) as i64)
}

/// A new token for `grant`, given at `now` and good until its end.
pub fn issue(grant: &Grant, key: &SigningKey, audience: &Audience, now: Micros) -> String {
    let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": key.id() });
    let mut claims = json!({
        "sub": grant.subject,
        "name": grant.name,
        "iat": now.seconds(),
        "nbf": now.seconds(),
        "exp": grant.until.seconds(),
        "roles": grant.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>(),
    });
    let units: Vec<&str> = grant.units.iter().map(UnitId::as_str).collect();
    let optional = [
        ("jti", grant.id.as_ref().map(|id| json!(id))),
        ("iss", audience.issuer.as_ref().map(|text| json!(text))),
        ("aud", audience.audience.as_ref().map(|text| json!(text))),
        ("department", grant.department.as_ref().map(|text| json!(text))),
        ("units", (!units.is_empty()).then(|| json!(units))),
        ("area", grant.area.as_ref().map(|area| json!(area.as_str()))),
    ];
    for (claim, value) in optional {
        if let Some(value) = value {
            claims[claim] = value;
        }
    }
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&header), part(&claims));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()));
    format!("{message}.{signature}")
}

/// A token of any claims, which are read only where a signature holds.
#[cfg(feature = "fuzzing")]
pub fn signed(claims: &[u8], key: &SigningKey) -> Bearer {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA","typ":"JWT"}"#);
    let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()));
    Bearer::new(format!("{message}.{signature}"))
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
