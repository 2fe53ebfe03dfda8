//! The real binary, serving: started on a free port, asked over HTTP and the websocket, stopped as a service
//! manager stops it. What it wrote to its log is part of its answer: nobody may warn without a test saying why.

pub mod city;
pub mod screen;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::{Certificate, Client, Response, StatusCode};
use serde_json::Value;

pub use city::City;
pub use screen::Screen;

/// Longer than anything here takes on a busy machine; only a test that fails waits so long.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks at something that nobody announces.
const LOOK: Duration = Duration::from_millis(25);

/// A running `cityloom serve`; it dies with its handle.
pub struct Server {
    child: Child,
    scheme: String,
    address: String,
    client: Client,
    token: Option<String>,
    log: Arc<Mutex<Vec<String>>>,
    claimed: Vec<&'static str>,
}

/// The binary, told nothing by the environment.
pub fn cityloom(city: &Path, data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cityloom"));
    for name in ["CITYLOOM_CITY", "CITYLOOM_DATA", "CITYLOOM_AREAS_FILE", "CITYLOOM_LISTEN", "CITYLOOM_LOG"] {
        command.env_remove(name);
    }
    command.arg("--city").arg(city).arg("--data").arg(data).stdin(Stdio::null());
    command
}

/// Waits until `look` finds what it looks for.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "in vain: {what}");
        tokio::time::sleep(LOOK).await;
    }
}

impl Server {
    /// Serves a city and waits until it is ready.
    pub async fn start(city: &City) -> Self {
        let mut command = cityloom(city.root(), city.data());
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        Self::run(command).await
    }

    /// Runs a command that serves, and waits until it is ready.
    pub async fn run(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (stderr, lines) = (child.stderr.take().unwrap(), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
        });
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let url = first.trim().strip_prefix("cityloom is at ").and_then(|rest| rest.strip_suffix('/'));
        let (scheme, address) = url
            .and_then(|url| url.split_once("://"))
            .unwrap_or_else(|| panic!("no address in {first:?}: {:?}", log.lock().unwrap()));
        let (scheme, address) = (scheme.to_owned(), address.to_owned());
        let own = Certificate::from_pem(include_bytes!("../tls/certificate.pem")).unwrap();
        let client = Client::builder().no_proxy().tls_certs_only([own]).build().unwrap();
        let mut server = Self { child, scheme, address, client, token: None, log, claimed: Vec::new() };
        server.until_ready().await;
        server
    }

    async fn until_ready(&mut self) {
        let end = Instant::now() + PATIENCE;
        loop {
            let ready = self.client.get(self.url("/readyz")).send().await;
            if ready.is_ok_and(|answer| answer.status() == StatusCode::OK) {
                return;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < end, "not ready, {ended:?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// Shows this token from now on.
    pub fn bears(&mut self, token: String) {
        self.token = Some(token);
    }

    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method.parse().unwrap(), self.url(path));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request("GET", path).send().await.unwrap()
    }

    pub async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.json().await.unwrap()
    }

    /// Posts a body to a feed's submissions.
    pub async fn submit(
        &self,
        feed: &str,
        kind: &str,
        body: impl Into<reqwest::Body>,
    ) -> (StatusCode, Value) {
        let path = format!("/api/feeds/{}/submissions", feed.replace('.', "/"));
        let answer =
            self.request("POST", &path).header("content-type", kind).body(body).send().await.unwrap();
        read(answer).await
    }

    /// Lands CSV rows, all of them.
    pub async fn land(&self, feed: &str, csv: impl Into<String>) -> Value {
        let (status, receipt) = self.submit(feed, "text/csv", csv.into()).await;
        assert_eq!(
            (status, &receipt["rows_quarantined"]),
            (StatusCode::CREATED, &Value::from(0)),
            "{receipt}"
        );
        receipt
    }

    /// A unit's step: `accept` or `close`.
    pub async fn step(&self, order: &str, step: &str, body: Value) -> (StatusCode, Value) {
        let path = format!("/api/orders/{order}/{step}");
        read(self.request("POST", &path).json(&body).send().await.unwrap()).await
    }

    pub async fn layer(&self, name: &str) -> Value {
        self.json(&format!("/api/layers/{name}?format=json")).await
    }

    /// How many rows a feed holds.
    pub async fn rows(&self, feed: &str) -> u64 {
        let feeds = self.json("/api/feeds").await;
        let found = feeds["feeds"].as_array().unwrap().iter().find(|f| f["feed"] == feed).cloned();
        found.unwrap_or_else(|| panic!("no {feed}"))["rows"].as_u64().unwrap()
    }

    /// Says that the log may warn with these words: the test brought it about.
    pub fn claim(&mut self, words: &'static str) {
        self.claimed.push(words);
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that it has held since it started.
    pub fn peak_memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Takes its life without a word.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn terminate(&self) {
        let kill = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// How it ended; within `most`.
    pub async fn ended(&mut self, most: Duration) -> ExitStatus {
        let end = Instant::now() + most;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "still running after {most:?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Stops it as a service manager does: it must end well, soon, and have warned of nothing unclaimed.
    pub async fn stop(mut self) {
        self.terminate();
        let status = self.ended(Duration::from_secs(10)).await;
        assert_eq!(status.code(), Some(0), "{status}");
        let unclaimed: Vec<String> =
            self.log.lock().unwrap().iter().filter(|line| self.warns(line)).cloned().collect();
        assert!(unclaimed.is_empty(), "{}", unclaimed.join("\n"));
    }

    fn warns(&self, line: &str) -> bool {
        let level = line.split_whitespace().nth(1).unwrap_or_default();
        let panicked = line.contains("panicked at");
        (matches!(level, "WARN" | "ERROR") || panicked)
            && !self.claimed.iter().any(|words| line.contains(words))
    }
}

/// An answer's status and its JSON; a refusal must be a problem document with a stable code.
pub async fn read(answer: Response) -> (StatusCode, Value) {
    let status = answer.status();
    let kind = answer
        .headers()
        .get("content-type")
        .map(|kind| kind.to_str().unwrap().to_owned())
        .unwrap_or_default();
    let text = answer.text().await.unwrap();
    let body: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{status} {kind} {text}: {error}"));
    if !status.is_success() {
        assert_eq!(kind, "application/problem+json", "{text}");
        assert_eq!(body["status"], status.as_u16(), "{text}");
        assert!(body["code"].is_string() && body["detail"].is_string(), "{text}");
    }
    (status, body)
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already where the test stopped it.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the server's log\n{}", self.log());
        }
    }
}
