//! A city whose keys an identity provider has: found by its description, followed when they change, asked for no more often
//! than is said, and kept for a start without it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode as Answer;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use cityloom::access::{Audience, Grant, Role, SigningKey, issue};
use cityloom::model::{Clock as _, SystemClock};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::server::{City, Server, eventually, read};

/// A provider on loopback.
struct Provider {
    address: String,
    shared: Arc<Shared>,
}

struct Shared {
    address: String,
    keys: Mutex<Value>,
    /// What it calls itself, where that is not its address.
    name: Mutex<Option<String>>,
    asked: AtomicUsize,
    away: Mutex<bool>,
}

impl Provider {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            address: address.clone(),
            keys: Mutex::new(json!({"keys": []})),
            name: Mutex::default(),
            asked: AtomicUsize::new(0),
            away: Mutex::default(),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(describe))
            .route("/jwks", get(keys))
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, shared }
    }

    /// Signs with a new key from now on, in place of the others.
    fn turns(&self) -> SigningKey {
        let (private, set) = SigningKey::generate().unwrap();
        *self.shared.keys.lock().unwrap() = set;
        SigningKey::from_jwk(&private.to_string()).unwrap()
    }

    fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::Relaxed)
    }
}

async fn describe(State(shared): State<Arc<Shared>>) -> Response {
    if *shared.away.lock().unwrap() {
        return Answer::SERVICE_UNAVAILABLE.into_response();
    }
    let issuer = shared.name.lock().unwrap().clone().unwrap_or_else(|| shared.address.clone());
    Json(json!({ "issuer": issuer, "jwks_uri": format!("{}/jwks", shared.address) })).into_response()
}

async fn keys(State(shared): State<Arc<Shared>>) -> Json<Value> {
    shared.asked.fetch_add(1, Ordering::Relaxed);
    Json(shared.keys.lock().unwrap().clone())
}

fn city(provider: &Provider, ask_s: u32) -> City {
    let city = City::new();
    let settings = std::fs::read_to_string(city.root().join("cityloom.toml")).unwrap();
    let access =
        format!("[access]\nissuer = \"{}\"\naudience = \"cityloom\"\nask_s = {ask_s}\n", provider.address);
    city.write("cityloom.toml", &format!("{settings}{access}"));
    city
}

/// A viewer's token for that audience.
fn token(provider: &Provider, key: &SigningKey, audience: &str) -> String {
    let now = SystemClock.now();
    let grant = Grant {
        id: None,
        issued: Some(now),
        subject: "li.wei".into(),
        name: "Li Wei".into(),
        roles: [Role::Viewer].into(),
        department: None,
        units: BTreeSet::new(),
        area: None,
        until: now.plus_seconds(600),
    };
    let audience = Audience { issuer: Some(provider.address.clone()), audience: Some(audience.into()) };
    issue(&grant, key, &audience, now)
}

async fn asks(server: &mut Server, token: String) -> (StatusCode, String) {
    server.bears(token);
    let (status, answer) = read(server.get("/api/session").await).await;
    (status, answer["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuers_keys_are_found_and_followed_when_they_change() {
    let provider = Provider::start().await;
    let old = provider.turns();
    let city = city(&provider, 1);
    let mut server = Server::start(&city).await;
    let good = (StatusCode::OK, String::new());
    let wrong = (StatusCode::UNAUTHORIZED, "TOKEN_INVALID".to_owned());
    assert_eq!(asks(&mut server, token(&provider, &old, "cityloom")).await, good);
    assert_eq!(asks(&mut server, token(&provider, &old, "payroll")).await, wrong, "for another program");
    let new = provider.turns();
    eventually("the new key to be known", async || {
        (asks(&mut server, token(&provider, &new, "cityloom")).await == good).then_some(())
    })
    .await;
    assert_eq!(asks(&mut server, token(&provider, &old, "cityloom")).await, wrong, "its key is gone");
    server.stop().await;

    // The provider is away: what it had last is in force.
    *provider.shared.away.lock().unwrap() = true;
    let mut server = Server::start(&city).await;
    server.claim("the keys of before are in force");
    assert_eq!(asks(&mut server, token(&provider, &new, "cityloom")).await, good);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_is_not_asked_for_every_token_that_names_an_unknown_key() {
    let provider = Provider::start().await;
    let known = provider.turns();
    let city = city(&provider, 3600);
    let mut server = Server::start(&city).await;
    let (private, _) = SigningKey::generate().unwrap();
    let strangers = SigningKey::from_jwk(&private.to_string()).unwrap();
    for _ in 0..8 {
        let (status, _) = asks(&mut server, token(&provider, &strangers, "cityloom")).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(provider.asked(), 2, "once at the start and once for the first stranger");
    assert_eq!(asks(&mut server, token(&provider, &known, "cityloom")).await.0, StatusCode::OK);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_away_or_another_keeps_the_city_from_opening() {
    let provider = Provider::start().await;
    provider.turns();
    let city = city(&provider, 1);
    let starts = async || {
        let mut command = crate::server::cityloom(city.root(), city.data());
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        let ran = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
    };
    *provider.shared.away.lock().unwrap() = true;
    let (code, said) = starts().await;
    assert!(code == Some(2) && said.contains("[access] issuer") && said.contains("503"), "{said}");
    *provider.shared.away.lock().unwrap() = false;
    *provider.shared.name.lock().unwrap() = Some("https://elsewhere.example".into());
    let (code, said) = starts().await;
    assert!(code == Some(2) && said.contains("describes the issuer `https://elsewhere.example`"), "{said}");
    let settings = std::fs::read_to_string(city.root().join("cityloom.toml")).unwrap();
    city.write("cityloom.toml", &settings.replace(&provider.address, "http://id.example"));
    let (code, said) = starts().await;
    assert!(code == Some(2) && said.contains("keys come over https"), "{said}");
}
