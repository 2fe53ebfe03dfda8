//! What every connector must do, whatever it asks, against real peers. A new kind is given a [`Source`] and a test here.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cityloom::connect::{
    Answer, Connector, Document, HttpPoll, HttpPollConfig, PollError, PollOutcome, Reader, RowPlace, Rows,
};
use cityloom::decode::Limits;
use cityloom::sandbox::{Decoder, ResourceLimits};
use futures::StreamExt as _;
use serde_json::{Map, Value, json};

mod brokers;
mod database;
mod encrypted;
mod reports;
mod socket;

/// Longer than any peer takes; only a test that fails waits so long.
const PATIENCE: Duration = Duration::from_secs(40);

/// What a source remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Memory {
    /// All that it ever told.
    All,
    /// What was not acknowledged.
    Unacknowledged,
    /// Nothing.
    Nothing,
}

/// The other side of a connector, as a test plays it.
trait Source {
    const MEMORY: Memory;
    /// A connector that asks it, as a fresh process makes it.
    fn connector(&self) -> Box<dyn Connector>;
    /// What holds from now on: of rows that it told before nothing is told.
    async fn tell(&self, rows: &[Row]);
    /// It fails from now on, in a way that may pass.
    fn fail(&self);
    /// It answers with more than anybody should take; false where its protocol forbids that.
    async fn flood(&self) -> bool;
    /// It takes the question and never answers.
    fn hang(&self);
}

/// A row as a source tells it.
type Row = Map<String, Value>;

fn row(id: u32, units: u32) -> Row {
    json!({"id": id, "units": units}).as_object().unwrap().clone()
}

/// Who reads what is told, as a running city does: another process.
fn reader() -> Reader {
    let program = env!("CARGO_BIN_EXE_cityloom").into();
    let decoder = Decoder::child(program, Limits::default(), ResourceLimits::default());
    decoder.reader(["id", "units", "ssl"].into_iter().collect())
}

/// The numbers of a column, each of which is there.
fn numbers(rows: &Rows, name: &str) -> Vec<u32> {
    rows.texts(name).map(|text| text.unwrap().parse().unwrap()).collect()
}

/// What one asking brings, of the columns that the tests tell.
async fn rows(connector: &mut dyn Connector, cursor: &mut Option<Value>) -> Vec<Row> {
    match connector.poll(cursor.as_ref()).await.unwrap() {
        PollOutcome::Unchanged => Vec::new(),
        PollOutcome::Rows { rows, cursor: next } => {
            *cursor = Some(next);
            assert_eq!(rows.unreadable, []);
            numbers(&rows, "id")
                .into_iter()
                .zip(numbers(&rows, "units"))
                .map(|(id, units)| row(id, units))
                .collect()
        }
    }
}

/// Asks until so many rows have come, and once more: no more must come.
async fn exactly(connector: &mut dyn Connector, cursor: &mut Option<Value>, expected: &[Row]) {
    let (mut told, end) = (Vec::new(), Instant::now() + PATIENCE);
    while told.len() < expected.len() && Instant::now() < end {
        told.extend(rows(connector, cursor).await);
    }
    told.extend(rows(connector, cursor).await);
    assert_eq!(told, expected);
}

/// A connector that listens already, where its source tells only those who do.
async fn listening<S: Source>(source: &S) -> Box<dyn Connector> {
    let mut connector = source.connector();
    if S::MEMORY != Memory::All {
        assert_eq!(connector.poll(None).await, Ok(PollOutcome::Unchanged));
    }
    connector
}

async fn conforms<S: Source>(source: impl AsyncFn() -> S) {
    gives_all_and_then_what_is_new(&source().await).await;
    gives_again_what_did_not_land(&source().await).await;
    resumes_from_a_cursor(&source().await).await;
    loses_nothing_by_trouble(&source().await).await;
    bounds_what_comes(&source().await).await;
}

async fn gives_all_and_then_what_is_new<S: Source>(source: &S) {
    let (mut connector, mut cursor) = (listening(source).await, None);
    source.tell(&[row(1, 1), row(2, 1)]).await;
    exactly(&mut *connector, &mut cursor, &[row(1, 1), row(2, 1)]).await;
    source.tell(&[row(1, 1), row(2, 5), row(3, 1)]).await;
    exactly(&mut *connector, &mut cursor, &[row(2, 5), row(3, 1)]).await;
}

async fn gives_again_what_did_not_land<S: Source>(source: &S) {
    let (mut connector, mut cursor) = (listening(source).await, None);
    source.tell(&[row(1, 1)]).await;
    exactly(&mut *connector, &mut cursor, &[row(1, 1)]).await;
    source.tell(&[row(1, 1), row(2, 1)]).await;
    for _ in 0..2 {
        let mut refused = cursor.clone();
        let end = Instant::now() + PATIENCE;
        while refused == cursor && Instant::now() < end {
            assert!(matches!(rows(&mut *connector, &mut refused).await.as_slice(), [] | [_]));
        }
        assert_ne!(refused, cursor, "what did not land comes again");
    }
    exactly(&mut *connector, &mut cursor, &[row(2, 1)]).await;
}

/// Another process goes on where the cursor says, whatever the one before it did not come to say.
async fn resumes_from_a_cursor<S: Source>(source: &S) {
    let mut connector = listening(source).await;
    source.tell(&[row(1, 1)]).await;
    let (mut cursor, end) = (None, Instant::now() + PATIENCE);
    while cursor.is_none() && Instant::now() < end {
        rows(&mut *connector, &mut cursor).await;
    }
    drop(connector);
    if S::MEMORY == Memory::Nothing {
        return;
    }
    source.tell(&[row(1, 1), row(2, 1)]).await;
    exactly(&mut *source.connector(), &mut cursor.clone(), &[row(2, 1)]).await;
    let foreign = Some(json!({"of": "another kind"}));
    if S::MEMORY == Memory::All {
        exactly(&mut *source.connector(), &mut foreign.clone(), &[row(1, 1), row(2, 1)]).await;
    }
}

async fn loses_nothing_by_trouble<S: Source>(source: &S) {
    let (mut connector, mut cursor) = (listening(source).await, None);
    source.tell(&[row(1, 1)]).await;
    exactly(&mut *connector, &mut cursor, &[row(1, 1)]).await;
    source.fail();
    for _ in 0..2 {
        let trouble = connector.poll(cursor.as_ref()).await.unwrap_err();
        assert!(matches!(trouble, PollError::Transient { .. }), "{trouble:?}");
    }
    source.tell(&[row(1, 1), row(4, 1)]).await;
    if S::MEMORY == Memory::Nothing {
        // It comes back and listens again; what was told meanwhile is nobody's.
        exactly(&mut *connector, &mut cursor, &[]).await;
        source.tell(&[row(4, 2)]).await;
        exactly(&mut *connector, &mut cursor, &[row(4, 2)]).await;
    } else {
        exactly(&mut *connector, &mut cursor, &[row(4, 1)]).await;
    }
}

async fn bounds_what_comes<S: Source>(source: &S) {
    let mut connector = listening(source).await;
    if source.flood().await {
        let trouble = connector.poll(None).await.unwrap_err();
        assert!(matches!(trouble, PollError::Permanent(_)), "{trouble:?}");
    }
    source.hang();
    let answer = tokio::time::timeout(PATIENCE, source.connector().poll(None)).await;
    let trouble = answer.expect("it ends by itself").unwrap_err();
    assert!(matches!(trouble, PollError::Transient { .. }), "{trouble:?}");
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
    const MEMORY: Memory = Memory::All;

    fn connector(&self) -> Box<dyn Connector> {
        let config = HttpPollConfig {
            url: self.url.parse().unwrap(),
            answer: Answer::Document(Document::Answer(RowPlace {
                rows: "/features".into(),
                row: "/attributes".into(),
                error: None,
            })),
            secret: None,
            most_bytes: 1 << 20,
            timeout: Duration::from_secs(2),
        };
        Box::new(HttpPoll::new(config, reader()).unwrap())
    }

    async fn tell(&self, rows: &[Row]) {
        let features: Vec<Value> = rows.iter().map(|row| json!({"attributes": row})).collect();
        self.set(Script::Tell(json!({"features": features}).to_string()));
    }

    fn fail(&self) {
        self.set(Script::Fail);
    }

    async fn flood(&self) -> bool {
        self.set(Script::Flood { declared: self.declared });
        true
    }

    fn hang(&self) {
        self.set(Script::Hang);
    }
}

#[tokio::test]
async fn an_http_source_that_knows_tags_conforms() {
    conforms(async || Http::serve(true, true).await).await;
}

#[tokio::test]
async fn an_http_source_that_knows_nothing_conforms() {
    conforms(async || Http::serve(false, false).await).await;
}
