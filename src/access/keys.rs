//! Keys: the public ones that tokens are checked with (a JWK set, RFC 7517), and the private one that issues them.
//!
//! The cryptography is ring's. A key says which algorithm it is for; a token never does.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{
    ED25519, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// A set has at most so many keys: a token without a key's id is tried against each.
const MOST_KEYS: usize = 32;
/// ring's smallest RSA key, in bytes of its modulus.
const LEAST_RSA_BYTES: usize = 256;

/// Why a file is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is not the JSON that it should be.
    #[error("it is no JSON Web Key: {0}")]
    Form(String),
    /// No key of it can check a token.
    #[error(
        "it holds no key that tokens are checked with (kty OKP with crv Ed25519, or kty RSA for RS256); make one with \
         `cityloom token keygen DIR`"
    )]
    NoKey,
    /// More than a set may hold.
    #[error("it holds {0} keys; at most {MOST_KEYS} are taken")]
    TooMany(usize),
    /// A key is broken or too short.
    #[error("key {number}: {why}")]
    Key {
        /// Its place in the set, from 1.
        number: usize,
        /// What is wrong.
        why: &'static str,
    },
    /// The machine gives no random numbers.
    #[error("the system gives no random numbers")]
    NoRandom,
}

/// The algorithms that are taken: a closed list, and no `none` and no shared secret in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    EdDsa,
    Rs256,
}

impl Algorithm {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "EdDSA" => Some(Self::EdDsa),
            "RS256" => Some(Self::Rs256),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Material {
    Ed25519(Vec<u8>),
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    id: Option<String>,
    material: Material,
}

impl Key {
    fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::Ed25519(_) => Algorithm::EdDsa,
            Material::Rsa { .. } => Algorithm::Rs256,
        }
    }

    fn fits(&self, algorithm: Algorithm, id: Option<&str>) -> bool {
        self.algorithm() == algorithm && (id.is_none() || self.id.as_deref() == id)
    }

    fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Ed25519(public) => UnparsedPublicKey::new(&ED25519, public).verify(message, signature),
            Material::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
        }
        .is_ok()
    }
}

/// The public keys of a city.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys(Vec<Key>);

/// A key as it stands in a set; what is not named here does not matter to us.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    d: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl Keys {
    /// The keys of a JWK set that can check tokens. Keys of other kinds are passed over, as providers list many.
    ///
    /// # Errors
    /// [`KeyError`]; a set without any usable key is one.
    pub fn from_jwks(text: &str) -> Result<Self, KeyError> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Jwk>,
        }
        let set: Set = serde_json::from_str(text).map_err(|error| KeyError::Form(error.to_string()))?;
        if set.keys.len() > MOST_KEYS {
            return Err(KeyError::TooMany(set.keys.len()));
        }
        let mut keys = Vec::new();
        for (at, jwk) in set.keys.iter().enumerate() {
            if jwk.usage.as_deref().is_some_and(|usage| usage != "sig") {
                continue;
            }
            let wrong = |why| KeyError::Key { number: at + 1, why };
            if let Some(material) = material(jwk).map_err(wrong)? {
                keys.push(Key { id: jwk.kid.clone(), material });
            }
        }
        if keys.is_empty() { Err(KeyError::NoKey) } else { Ok(Self(keys)) }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never: a set without a key is refused.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them may have signed a token that names that id and algorithm.
    pub(super) fn knows(&self, algorithm: Algorithm, id: Option<&str>) -> bool {
        self.0.iter().any(|key| key.fits(algorithm, id))
    }

    /// Whether one of them signed the message; none where no key is of that id and algorithm.
    pub(super) fn signed(
        &self,
        algorithm: Algorithm,
        id: Option<&str>,
        message: &[u8],
        signature: &[u8],
    ) -> Option<bool> {
        let mut fitting = self.0.iter().filter(|key| key.fits(algorithm, id)).peekable();
        fitting.peek()?;
        Some(fitting.any(|key| key.signed(message, signature)))
    }
}

fn material(jwk: &Jwk) -> Result<Option<Material>, &'static str> {
    match (jwk.kty.as_str(), jwk.crv.as_deref(), jwk.alg.as_deref()) {
        _ if jwk.d.is_some() => Err("it is a private key; only public keys belong here"),
        ("OKP", Some("Ed25519"), None | Some("EdDSA" | "Ed25519")) => {
            let public = number(jwk.x.as_deref(), "`x` is not base64url")?;
            if public.len() == 32 {
                Ok(Some(Material::Ed25519(public)))
            } else {
                Err("`x` of Ed25519 has 32 bytes")
            }
        }
        ("RSA", _, None | Some("RS256")) => {
            let n = number(jwk.n.as_deref(), "`n` is not base64url")?;
            let e = number(jwk.e.as_deref(), "`e` is not base64url")?;
            if n.len() < LEAST_RSA_BYTES {
                Err("RSA has at least 2048 bits")
            } else {
                Ok(Some(Material::Rsa { n, e }))
            }
        }
        _ => Ok(None),
    }
}

fn number(text: Option<&str>, wrong: &'static str) -> Result<Vec<u8>, &'static str> {
    let bytes = URL_SAFE_NO_PAD.decode(text.unwrap_or_default()).map_err(|_| wrong)?;
    if bytes.is_empty() { Err(wrong) } else { Ok(bytes) }
}

/// Secret bytes that nobody can guess.
///
/// # Errors
/// [`KeyError::NoRandom`].
pub fn random() -> Result<[u8; 32], KeyError> {
    let mut secret = [0; 32];
    SystemRandom::new().fill(&mut secret).map_err(|_| KeyError::NoRandom)?;
    Ok(secret)
}

/// The private key that issues tokens. Its `Debug` shows its id only.
pub struct SigningKey {
    id: String,
    pair: Ed25519KeyPair,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.id)
    }
}

impl SigningKey {
    /// A new Ed25519 key: the private JWK, and the public set that goes into the city folder.
    ///
    /// # Errors
    /// [`KeyError::NoRandom`].
    pub fn generate() -> Result<(Value, Value), KeyError> {
        let seed = random()?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| KeyError::NoRandom)?;
        let public = URL_SAFE_NO_PAD.encode(pair.public_key());
        // Enough of the key to tell it from others.
        let id: String = public.chars().take(12).collect();
        let private = json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "d": URL_SAFE_NO_PAD.encode(seed), "x": public});
        let set = json!({"keys": [
            {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": id, "x": public}
        ]});
        Ok((private, set))
    }

    /// Reads what [`Self::generate`] made.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_jwk(text: &str) -> Result<Self, KeyError> {
        let jwk: Jwk = serde_json::from_str(text).map_err(|error| KeyError::Form(error.to_string()))?;
        let wrong = |why| KeyError::Key { number: 1, why };
        if (jwk.kty.as_str(), jwk.crv.as_deref()) != ("OKP", Some("Ed25519")) {
            return Err(wrong("tokens are issued with kty OKP, crv Ed25519"));
        }
        let seed = number(jwk.d.as_deref(), "`d` is missing or not base64url: it is no private key")
            .map_err(wrong)?;
        let public = number(jwk.x.as_deref(), "`x` is not base64url").map_err(wrong)?;
        let pair = Ed25519KeyPair::from_seed_and_public_key(&seed, &public)
            .map_err(|_| wrong("`d` and `x` are no pair of Ed25519"))?;
        Ok(Self { id: jwk.kid.unwrap_or_default(), pair })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_public_key_is_refused_and_other_kinds_are_passed_over() {
        let (private, set) = SigningKey::generate().unwrap();
        assert_eq!(Keys::from_jwks(&set.to_string()).unwrap().len(), 1);
        let wrong = |set: Value| Keys::from_jwks(&set.to_string()).unwrap_err().to_string();
        assert!(wrong(json!({"keys": [private]})).contains("key 1: it is a private key"));
        assert!(wrong(json!({"keys": []})).contains("cityloom token keygen"));
        assert!(wrong(json!({"keys": [{"kty": "EC", "crv": "P-256"}]})).contains("no key"));
        assert!(wrong(json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}]})).contains("32 bytes"));
        assert!(wrong(json!({"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]})).contains("2048"));
        assert!(wrong(json!({"keys": [{"kty": "RSA", "n": "+", "e": "AQAB"}]})).contains("base64url"));
        assert!(wrong(json!([])).contains("no JSON Web Key"));
        let many: Vec<Value> = (0..33).map(|_| json!({"kty": "oct"})).collect();
        assert_eq!(Keys::from_jwks(&json!({"keys": many}).to_string()).unwrap_err(), KeyError::TooMany(33));
        let encrypting =
            json!({"keys": [set["keys"][0], {"kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB"}]});
        assert_eq!(Keys::from_jwks(&encrypting.to_string()).unwrap().len(), 1);
    }

    #[test]
    fn a_private_key_is_read_back_and_a_mixed_up_one_is_not() {
        let (private, set) = SigningKey::generate().unwrap();
        let key = SigningKey::from_jwk(&private.to_string()).unwrap();
        let keys = Keys::from_jwks(&set.to_string()).unwrap();
        let id = Some(key.id());
        assert_eq!(keys.signed(Algorithm::EdDsa, id, b"m", &key.sign(b"m")), Some(true));
        assert_eq!(keys.signed(Algorithm::EdDsa, id, b"n", &key.sign(b"m")), Some(false));
        assert_eq!(keys.signed(Algorithm::EdDsa, Some("other"), b"m", &key.sign(b"m")), None);
        assert_eq!(keys.signed(Algorithm::Rs256, None, b"m", &key.sign(b"m")), None);
        assert!(!format!("{key:?}").contains(private["d"].as_str().unwrap()));
        let mut mixed = private.clone();
        mixed["x"] = SigningKey::generate().unwrap().0["x"].clone();
        assert!(SigningKey::from_jwk(&mixed.to_string()).is_err());
        assert!(
            SigningKey::from_jwk(&set["keys"][0].to_string())
                .unwrap_err()
                .to_string()
                .contains("no private key")
        );
    }
}
