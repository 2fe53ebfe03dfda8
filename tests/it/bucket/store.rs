//! A real S3 interface on loopback, and the line to it, which a test may cut, delay or bend.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::binary::{root, tool};

pub const SECRET: &str = "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY";
pub const BUCKET: &str = "city-lake";

/// What the line does to requests that change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// It hands everything on.
    Good,
    /// Of commits every second answer is lost, and every third is refused as if two wrote at once.
    Stormy,
    /// It forgets that something is only to be created.
    Careless,
    /// The write of that number gets through, or not, and nothing is ever heard again.
    DeadAt { write: usize, through: bool },
}

/// The store, with one bucket, and a line to it.
pub struct Store {
    child: Child,
    /// Where the line begins.
    pub endpoint: String,
    /// Past the line.
    pub client: AmazonS3,
    shared: Arc<Shared>,
}

struct Shared {
    behind: String,
    client: reqwest::Client,
    line: watch::Sender<Line>,
    writes: watch::Sender<usize>,
    commits: AtomicUsize,
    /// Whether the write after which nothing is heard has got through.
    through: AtomicBool,
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Store {
    /// Starts it; none where the tools of the tests are not installed, which is printed.
    pub async fn start() -> Option<Self> {
        let python = tool("CITYLOOM_ORACLE_PYTHON")?;
        let mut child = Command::new(python)
            .arg(root().join("tests/oracle/object_store.py"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let behind = format!("http://127.0.0.1:{}", port.trim());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let made = client.put(format!("{behind}/{BUCKET}")).send().await.unwrap();
        assert!(made.status().is_success(), "{made:?}");
        let shared = Arc::new(Shared {
            behind: behind.clone(),
            client,
            line: watch::Sender::new(Line::Good),
            writes: watch::Sender::new(0),
            commits: AtomicUsize::new(0),
            through: AtomicBool::new(false),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(hand_on).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let client = AmazonS3Builder::new()
            .with_bucket_name(BUCKET)
            .with_endpoint(behind)
            .with_allow_http(true)
            .with_access_key_id("test")
            .with_secret_access_key(SECRET)
            .build()
            .unwrap();
        Some(Self { child, endpoint, client, shared })
    }

    pub fn line(&self, line: Line) {
        self.shared.writes.send_replace(0);
        self.shared.through.store(false, Ordering::Relaxed);
        self.shared.line.send_replace(line);
    }

    /// Whether the last write that gets through has.
    pub fn settled(&self) -> bool {
        self.shared.through.load(Ordering::Relaxed)
    }

    /// Returns once so many writes have been asked for since the line was set.
    pub async fn writes(&self, number: usize) {
        self.shared.writes.subscribe().wait_for(|writes| *writes >= number).await.unwrap();
    }
}

fn answer(status: StatusCode, code: &str) -> Response {
    (status, format!("<Error><Code>{code}</Code><Message>as the test wants it</Message></Error>"))
        .into_response()
}

async fn hand_on(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (mut head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let writes = head.method == Method::PUT || head.method == Method::POST || head.method == Method::DELETE;
    let line = *shared.line.borrow();
    let commit = head.method == Method::PUT
        && head.uri.path().contains("_delta_log/")
        && std::path::Path::new(head.uri.path()).extension().is_some_and(|kind| kind == "json");
    let mut number = 0;
    if writes {
        shared.writes.send_modify(|writes| {
            *writes += 1;
            number = *writes;
        });
    }
    let (mut lost, mut silent) = (false, false);
    match line {
        Line::Good => {}
        Line::Stormy if commit => match shared.commits.fetch_add(1, Ordering::Relaxed) % 6 {
            1 => return answer(StatusCode::CONFLICT, "ConditionalRequestConflict"),
            2 | 4 => lost = true,
            5 => return answer(StatusCode::SERVICE_UNAVAILABLE, "SlowDown"),
            _ => {}
        },
        Line::Stormy => {}
        Line::Careless => {
            head.headers.remove("if-none-match");
        }
        Line::DeadAt { write, through } if number >= write => {
            if !(through && number == write) {
                return std::future::pending().await;
            }
            silent = true;
        }
        Line::DeadAt { .. } => {}
    }
    let url = format!("{}{}", shared.behind, head.uri.path_and_query().unwrap());
    let sent = shared.client.request(head.method, url).headers(head.headers).body(body).send().await.unwrap();
    if lost {
        return answer(StatusCode::INTERNAL_SERVER_ERROR, "InternalError");
    }
    if silent {
        shared.through.store(true, Ordering::Relaxed);
        return std::future::pending().await;
    }
    let mut back = Response::new(Body::empty());
    (*back.status_mut(), *back.headers_mut()) = (sent.status(), sent.headers().clone());
    back.headers_mut().remove("transfer-encoding");
    back.headers_mut().remove("connection");
    *back.body_mut() = Body::from(sent.bytes().await.unwrap());
    back
}
