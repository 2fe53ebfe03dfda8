//! An Open311 server that answers with three requests at most.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, TimeDelta, Utc};
use cityloom::connect::{Connector, Open311, Open311Config, PollOutcome, Rows, Window};
use cityloom::model::{Clock, ManualClock, Micros};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Memory, Row, Source, conforms, numbers, reader, row};

/// Of a full answer.
const FULL: usize = 3;
/// Between two changes.
const STEP: TimeDelta = TimeDelta::minutes(1);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mood {
    Well,
    Busy,
    Flooding,
    Silent,
}

#[derive(Clone)]
struct Server {
    address: std::net::SocketAddr,
    kept: Arc<Mutex<Kept>>,
    clock: Arc<ManualClock>,
}

struct Kept {
    mood: Mood,
    rows: Vec<(DateTime<Utc>, Row)>,
    asked: usize,
}

#[derive(Deserialize)]
struct Asked {
    jurisdiction_id: String,
    updated_after: DateTime<Utc>,
    updated_before: DateTime<Utc>,
}

fn begun() -> DateTime<Utc> {
    "2026-03-01T00:00:00Z".parse().unwrap()
}

async fn requests(State(server): State<Server>, Query(asked): Query<Asked>) -> Response {
    assert_eq!(asked.jurisdiction_id, "city.example");
    let mood = {
        let mut kept = server.kept.lock().unwrap();
        kept.asked += 1;
        kept.mood
    };
    match mood {
        Mood::Busy => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Mood::Flooding => vec![b' '; 2 << 20].into_response(),
        Mood::Silent => std::future::pending().await,
        Mood::Well => {
            let kept = server.kept.lock().unwrap();
            let within =
                kept.rows.iter().filter(|(at, _)| asked.updated_after <= *at && *at <= asked.updated_before);
            Json(within.map(|(_, row)| row.clone()).take(FULL).collect::<Vec<_>>()).into_response()
        }
    }
}

async fn services() -> Json<Value> {
    Json(json!([{"service_code": "007", "service_name": "Holes in the road", "group": "streets"}]))
}

impl Server {
    async fn serve() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let clock = Arc::new(ManualClock::at(Micros(begun().timestamp_micros())));
        let kept = Kept { mood: Mood::Well, rows: Vec::new(), asked: 0 };
        let server = Self { address, kept: Arc::new(Mutex::new(kept)), clock };
        let routes = Router::new()
            .route("/v2/requests.json", get(requests))
            .route("/v2/services.json", get(services))
            .with_state(server.clone());
        tokio::spawn(axum::serve(listener, routes).into_future());
        server
    }

    fn mood(&self, mood: Mood) {
        self.kept.lock().unwrap().mood = mood;
    }

    fn open311(&self) -> Open311 {
        let config = Open311Config {
            url: format!("http://{}/v2", self.address).parse().unwrap(),
            jurisdiction: Some("city.example".into()),
            window: Window::Updated,
            since: begun(),
            most_rows: FULL,
            secret: None,
            most_bytes: 1 << 20,
            timeout: Duration::from_secs(2),
        };
        Open311::new(config, Arc::clone(&self.clock) as Arc<dyn Clock>, reader()).unwrap()
    }

    /// Time goes by, and what is told changed in it, one after the other.
    fn change(&self, rows: &[Row]) {
        let mut kept = self.kept.lock().unwrap();
        let mut now = DateTime::from_timestamp_micros(self.clock.now().0).unwrap();
        for row in rows {
            let mut row = row.clone();
            row.insert("service_code".into(), json!("007"));
            if kept.rows.iter().any(|(_, known)| *known == row) {
                continue;
            }
            now += STEP;
            kept.rows.retain(|(_, known)| known["id"] != row["id"]);
            kept.rows.push((now, row));
        }
        self.clock.set(Micros((now + STEP).timestamp_micros()));
    }
}

impl Source for Server {
    const MEMORY: Memory = Memory::All;

    fn connector(&self) -> Box<dyn Connector> {
        Box::new(self.open311())
    }

    async fn tell(&self, rows: &[Row]) {
        self.mood(Mood::Well);
        self.change(rows);
    }

    fn fail(&self) {
        self.mood(Mood::Busy);
    }

    async fn flood(&self) -> bool {
        self.mood(Mood::Flooding);
        true
    }

    fn hang(&self) {
        self.mood(Mood::Silent);
    }
}

#[tokio::test]
async fn an_open311_server_conforms() {
    conforms(Server::serve).await;
}

#[tokio::test]
async fn full_windows_are_halved_until_every_request_has_come() {
    let server = Server::serve().await;
    let told: Vec<Row> = (0..100).map(|id| row(id, 1)).collect();
    server.change(&told);
    let (mut connector, mut cursor, mut come) = (server.open311(), None, Vec::new());
    for _ in 0..60 {
        let PollOutcome::Rows { rows, cursor: next } = connector.poll(cursor.as_ref()).await.unwrap() else {
            panic!("an answer")
        };
        cursor = Some(next);
        come.push(rows);
    }
    let come = Rows::joined(come).unwrap();
    assert!(come.texts("service_group").all(|group| group == Some("streets")), "{come:?}");
    assert_eq!(
        numbers(&come, "id"),
        (0..100).collect::<Vec<_>>(),
        "each once, in the order of their changes"
    );
    let asked = server.kept.lock().unwrap().asked;
    assert!(asked < 400, "{asked} askings");
}
