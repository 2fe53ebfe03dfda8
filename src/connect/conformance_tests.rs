//! What every connector must do, whatever it asks. A new kind is given a [`Source`] and a test at the end of this file.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::StreamExt as _;
use serde_json::{Value, json};

use super::{Connector, HttpPoll, HttpPollConfig, Polled, Row, Trouble};

/// The other side of a connector, as a test plays it.
trait Source {
    /// A connector that asks it, as a fresh process makes it.
    fn connector(&self) -> Box<dyn Connector>;
    /// What it tells from now on.
    fn tell(&self, rows: &[Row]);
    /// It fails from now on, in a way that may pass.
    fn fail(&self);
    /// It answers with more than anybody should take.
    fn flood(&self);
    /// It takes the question and never answers.
    fn hang(&self);
}

fn row(id: u32, units: u32) -> Row {
    json!({"id": id, "units": units}).as_object().unwrap().clone()
}

async fn rows(connector: &mut dyn Connector, cursor: &mut Option<Value>) -> Vec<Row> {
    match connector.poll(cursor.as_ref()).await.unwrap() {
        Polled::Unchanged => Vec::new(),
        Polled::Rows { rows, cursor: next } => {
            *cursor = Some(next);
            rows
        }
    }
}

async fn conforms(source: impl Source) {
    gives_all_and_then_what_is_new(&source).await;
    resumes_from_a_cursor(&source).await;
    loses_nothing_by_trouble(&source).await;
    bounds_what_comes(&source).await;
}

async fn gives_all_and_then_what_is_new(source: &impl Source) {
    let (mut connector, mut cursor) = (source.connector(), None);
    source.tell(&[row(1, 1), row(2, 1)]);
    assert_eq!(rows(&mut *connector, &mut cursor).await, [row(1, 1), row(2, 1)]);
    assert_eq!(rows(&mut *connector, &mut cursor).await, []);
    source.tell(&[row(1, 1), row(2, 5), row(3, 1)]);
    assert_eq!(rows(&mut *connector, &mut cursor).await, [row(2, 5), row(3, 1)]);
}

/// Another process goes on where the cursor says; and what did not land is given again.
async fn resumes_from_a_cursor(source: &impl Source) {
    source.tell(&[row(1, 1)]);
    let mut cursor = None;
    rows(&mut *source.connector(), &mut cursor).await;
    source.tell(&[row(1, 1), row(2, 1)]);
    let (mut connector, stored) = (source.connector(), cursor.clone());
    for _ in 0..2 {
        let mut cursor = stored.clone();
        assert_eq!(rows(&mut *connector, &mut cursor).await, [row(2, 1)], "what did not land comes again");
    }
    let foreign = Some(json!({"of": "another kind"}));
    assert_eq!(rows(&mut *source.connector(), &mut foreign.clone()).await, [row(1, 1), row(2, 1)]);
}

async fn loses_nothing_by_trouble(source: &impl Source) {
    source.tell(&[row(1, 1)]);
    let (mut connector, mut cursor) = (source.connector(), None);
    rows(&mut *connector, &mut cursor).await;
    source.fail();
    for _ in 0..2 {
        let trouble = connector.poll(cursor.as_ref()).await.unwrap_err();
        assert!(matches!(trouble, Trouble::Passing { .. }), "{trouble:?}");
    }
    source.tell(&[row(1, 1), row(4, 1)]);
    assert_eq!(rows(&mut *connector, &mut cursor).await, [row(4, 1)]);
}

async fn bounds_what_comes(source: &impl Source) {
    let mut connector = source.connector();
    source.flood();
    let trouble = connector.poll(None).await.unwrap_err();
    assert!(matches!(trouble, Trouble::Lasting(_)), "{trouble:?}");
    source.hang();
    let answer = tokio::time::timeout(Duration::from_secs(30), connector.poll(None)).await;
    let trouble = answer.expect("it ends by itself").unwrap_err();
    assert!(matches!(trouble, Trouble::Passing { .. }), "{trouble:?}");
}

/// What the server of the test says next.
#[derive(Debug, Clone)]
enum Script {
    Tell(String),
    Fail,
    Flood { declared: bool },
    Hang,
}

#[derive(Clone)]
struct Http {
    url: String,
    script: Arc<Mutex<Script>>,
    /// Whether it knows `ETag`.
    tags: bool,
    declared: bool,
}

async fn answer(State(http): State<Http>, headers: HeaderMap) -> Response {
    let script = http.script.lock().unwrap().clone();
    match script {
        Script::Tell(body) => {
            let tag = format!("\"{:x}\"", xxhash_rust::xxh3::xxh3_64(body.as_bytes()));
            if http.tags && headers.get(header::IF_NONE_MATCH).is_some_and(|known| *known == *tag) {
                return StatusCode::NOT_MODIFIED.into_response();
            }
            ([(header::ETAG, tag)], body).into_response()
        }
        Script::Fail => (StatusCode::SERVICE_UNAVAILABLE, "busy").into_response(),
        Script::Flood { declared: true } => vec![b' '; 2 << 20].into_response(),
        Script::Flood { declared: false } => {
            let chunk = || Ok::<_, std::io::Error>(vec![b' '; 64 << 10]);
            let chunks = futures::stream::repeat_with(chunk).take(1 << 14);
            axum::body::Body::from_stream(chunks).into_response()
        }
        Script::Hang => std::future::pending().await,
    }
}

impl Http {
    async fn serve(tags: bool, declared: bool) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/active", listener.local_addr().unwrap());
        let http = Self { url, script: Arc::new(Mutex::new(Script::Fail)), tags, declared };
        let routes = Router::new().route("/active", get(answer)).with_state(http.clone());
        tokio::spawn(axum::serve(listener, routes).into_future());
        http
    }

    fn set(&self, script: Script) {
        *self.script.lock().unwrap() = script;
    }
}

impl Source for Http {
    fn connector(&self) -> Box<dyn Connector> {
        let config = HttpPollConfig {
            url: self.url.parse().unwrap(),
            rows: "/features".into(),
            row: "/attributes".into(),
            error: None,
            secret: None,
            most_bytes: 1 << 20,
            timeout: Duration::from_secs(2),
        };
        Box::new(HttpPoll::new(config).unwrap())
    }

    fn tell(&self, rows: &[Row]) {
        let features: Vec<Value> = rows.iter().map(|row| json!({"attributes": row})).collect();
        self.set(Script::Tell(json!({"features": features}).to_string()));
    }

    fn fail(&self) {
        self.set(Script::Fail);
    }

    fn flood(&self) {
        self.set(Script::Flood { declared: self.declared });
    }

    fn hang(&self) {
        self.set(Script::Hang);
    }
}

#[tokio::test]
async fn an_http_source_that_knows_tags_conforms() {
    conforms(Http::serve(true, true).await).await;
}

#[tokio::test]
async fn an_http_source_that_knows_nothing_conforms() {
    conforms(Http::serve(false, false).await).await;
}
