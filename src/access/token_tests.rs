//! Tokens: what is issued is granted again, and everything else is refused for its own reason.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

const NOW: Micros = Micros(1_772_366_400_000_000);

struct Mint {
    key: SigningKey,
    keys: Keys,
}

fn mint() -> Mint {
    let (private, set) = SigningKey::generate().unwrap();
    let key = SigningKey::from_jwk(&private.to_string()).unwrap();
    Mint { key, keys: Keys::from_jwks(&set.to_string()).unwrap() }
}

fn officer() -> Grant {
    Grant {
        id: Some("t-1".into()),
        issued: Some(NOW),
        subject: "li.wei".into(),
        name: "李伟".into(),
        roles: [Role::Officer, Role::Viewer].into(),
        department: Some("traffic".into()),
        units: [UnitId("traffic-320613".into())].into(),
        area: Some("320613".parse().unwrap()),
        until: NOW.plus_seconds(3600),
    }
}

fn check(mint: &Mint, token: &str, now: Micros) -> Result<Grant, TokenError> {
    verify(&Bearer::new(token), &mint.keys, &Audience::default(), &Revoked::default(), now)
}

impl Mint {
    /// Signs any header and claims.
    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(self.key.sign(message.as_bytes())))
    }

    fn claiming(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = json!({"sub": "x", "exp": NOW.seconds() + 60, "roles": ["viewer"]});
        change(&mut claims);
        self.sign(&json!({"alg": "EdDSA", "kid": self.key.id()}), &claims)
    }
}

#[test]
fn what_is_issued_is_granted_until_its_end() {
    let (mint, audience) = (mint(), Audience { issuer: Some("city".into()), audience: Some("loom".into()) });
    let token = issue(&officer(), &mint.key, &audience, NOW);
    let grant = verify(&Bearer::new(&token), &mint.keys, &audience, &Revoked::default(), NOW);
    assert_eq!(grant, Ok(officer()));
    let end = officer().until;
    assert_eq!(
        verify(&Bearer::new(&token), &mint.keys, &audience, &Revoked::default(), end),
        Err(TokenError::Expired(end))
    );
    assert_eq!(check(&mint, &token, NOW), Err(TokenError::Audience), "meant for somebody else");
    assert!(check(&mint, &issue(&officer(), &mint.key, &Audience::default(), NOW), NOW).is_ok());
    let other = Audience { issuer: Some("town".into()), ..Audience::default() };
    assert_eq!(
        verify(&Bearer::new(&token), &mint.keys, &other, &Revoked::default(), NOW),
        Err(TokenError::Audience)
    );
    let other = Audience { audience: Some("town".into()), ..Audience::default() };
    assert_eq!(
        verify(&Bearer::new(&token), &mint.keys, &other, &Revoked::default(), NOW),
        Err(TokenError::Audience)
    );
    assert_eq!(check(&self::mint(), &token, NOW), Err(TokenError::Key));
}

#[test]
fn a_changed_token_and_anothers_signature_do_not_hold() {
    let (mint, stranger) = (mint(), mint());
    let token = issue(&officer(), &mint.key, &Audience::default(), NOW);
    let parts: Vec<&str> = token.split('.').collect();
    let richer = URL_SAFE_NO_PAD.encode(json!({"sub": "x", "exp": 9e12, "roles": ["admin"]}).to_string());
    let forged = format!("{}.{richer}.{}", parts[0], parts[2]);
    assert_eq!(check(&mint, &forged, NOW), Err(TokenError::Signature));
    let borrowed =
        stranger.sign(&json!({"alg": "EdDSA", "kid": mint.key.id()}), &json!({"sub": "x", "exp": 9e12}));
    assert_eq!(check(&mint, &borrowed, NOW), Err(TokenError::Signature));
    let unnamed = stranger.sign(&json!({"alg": "EdDSA"}), &json!({"sub": "x", "exp": 9e12}));
    assert_eq!(check(&mint, &unnamed, NOW), Err(TokenError::Signature));
    assert_eq!(check(&mint, &format!("{}.{}.", parts[0], parts[1]), NOW), Err(TokenError::Signature));
}

#[test]
fn the_key_says_the_algorithm_and_the_token_does_not() {
    let mint = mint();
    let claims = json!({"sub": "x", "exp": 9e12, "roles": ["admin"]});
    for alg in ["none", "None", "HS256", "ES256", "eddsa", ""] {
        let token = mint.sign(&json!({"alg": alg, "kid": mint.key.id()}), &claims);
        assert_eq!(check(&mint, &token, NOW), Err(TokenError::Algorithm), "{alg}");
    }
    let other = mint.sign(&json!({"alg": "RS256", "kid": mint.key.id()}), &claims);
    assert_eq!(check(&mint, &other, NOW), Err(TokenError::Key));
    let critical =
        mint.sign(&json!({"alg": "EdDSA", "kid": mint.key.id(), "crit": ["b64"], "b64": false}), &claims);
    assert_eq!(check(&mint, &critical, NOW), Err(TokenError::Algorithm));
}

#[test]
fn claims_of_the_wrong_type_grant_nothing() {
    let mint = mint();
    let wrong = [
        ("exp", json!("9999999999")),
        ("exp", Value::Null),
        ("nbf", json!("0")),
        ("area", json!("32061")),
        ("roles", json!({"admin": true})),
        ("sub", json!("  ")),
        ("name", json!("x".repeat(201))),
    ];
    for (claim, value) in wrong {
        let token = mint.claiming(|claims| claims[claim] = value.clone());
        assert!(matches!(check(&mint, &token, NOW), Err(TokenError::Claims(_))), "{claim} {value}");
    }
    let early = mint.claiming(|claims| claims["nbf"] = json!(NOW.seconds() + 61));
    assert_eq!(check(&mint, &early, NOW), Err(TokenError::Early(NOW.plus_seconds(61))));
    let skewed = mint.claiming(|claims| claims["nbf"] = json!(NOW.seconds() + 60));
    assert!(check(&mint, &skewed, NOW).is_ok());
}

#[test]
fn one_role_may_stand_alone_and_foreign_roles_say_nothing() {
    let mint = mint();
    let roles =
        |value: Value| check(&mint, &mint.claiming(|claims| claims["roles"] = value), NOW).unwrap().roles;
    assert_eq!(roles(json!("duty")), [Role::Duty].into());
    assert_eq!(roles(json!(["offline_access", "viewer"])), [Role::Viewer].into());
    assert_eq!(roles(Value::Null), BTreeSet::new());
}

/// Signed with a key of 2048 bits by another program (OpenSSL 3); it ends in the year 2286.
#[test]
fn a_token_of_a_provider_with_rs256_is_granted() {
    let vector: Value = serde_json::from_str(include_str!("testdata/rs256.json")).unwrap();
    let keys = Keys::from_jwks(&vector["jwks"].to_string()).unwrap();
    let token = vector["token"].as_str().unwrap();
    let grant = verify(&Bearer::new(token), &keys, &Audience::default(), &Revoked::default(), NOW).unwrap();
    assert_eq!((grant.name.as_str(), grant.department.as_deref()), ("Wang Li", Some("police")));
    assert_eq!(grant.roles, [Role::Officer].into());
    let mut spoilt = token.to_owned();
    let last = if spoilt.ends_with('A') { "B" } else { "A" };
    spoilt.replace_range(spoilt.len() - 20..spoilt.len() - 19, last);
    assert_eq!(
        verify(&Bearer::new(spoilt), &keys, &Audience::default(), &Revoked::default(), NOW),
        Err(TokenError::Signature)
    );
}

proptest! {
    #[test]
    fn no_text_makes_the_check_panic(text in "\\PC*", parts in "[A-Za-z0-9_.-]{0,60}") {
        let mint = mint();
        for text in [text, parts] {
            prop_assert!(check(&mint, &text, NOW).is_err());
        }
    }
}

#[test]
fn what_was_revoked_grants_nothing_and_an_unknown_key_is_told_without_its_signature() {
    let mint = mint();
    let token = Bearer::new(issue(&officer(), &mint.key, &Audience::default(), NOW));
    let with =
        |list: &str| verify(&token, &mint.keys, &Audience::default(), &Revoked::parse(list).unwrap(), NOW);
    assert_eq!(with(""), Ok(officer()));
    assert_eq!(with("token\tt-1"), Err(TokenError::Revoked));
    assert_eq!(with("token\tt-1").unwrap_err().code(), "TOKEN_REVOKED");
    assert_eq!(with(&format!("subject\tli.wei\t{}", NOW.to_rfc3339())), Err(TokenError::Revoked));
    assert_eq!(token_id(&token).as_deref(), Some("t-1"));
    assert!(!unknown_key(&token, &mint.keys));
    let (_, others) = SigningKey::generate().unwrap();
    assert!(unknown_key(&token, &Keys::from_jwks(&others.to_string()).unwrap()));
    assert!(!unknown_key(&Bearer::new("no.token"), &mint.keys));
    assert_eq!(token_id(&Bearer::new("no.token")), None);
}
