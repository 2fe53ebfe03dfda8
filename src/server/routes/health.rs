//! Whether the process lives, is ready, and what it counts.

use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde_json::{Value, json};

use crate::server::ServerState;

pub(in crate::server) async fn live() -> &'static str {
    "ok\n"
}

/// 200 once feeds are open and the first refresh is done.
pub(in crate::server) async fn ready(State(state): State<ServerState>) -> (StatusCode, Json<Value>) {
    let ready = state.ready.load(Ordering::Acquire);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ready, "feeds": state.lander.feeds().len() })))
}

pub(in crate::server) async fn metrics(State(state): State<ServerState>) -> impl IntoResponse {
    metrics::gauge!("cityloom_stream_sessions").set(state.hub.sessions() as f64);
    let now = state.clock.now();
    for (name, feed) in state.lander.feeds() {
        let feed_name = name.to_string();
        metrics::gauge!("cityloom_lake_rows", "feed" => feed_name.clone())
            .set(feed.table.state().rows as f64);
        metrics::gauge!("cityloom_lake_files", "feed" => feed_name.clone())
            .set(feed.table.state().files.len() as f64);
        metrics::gauge!("cityloom_lake_quarantined_rows", "feed" => feed_name.clone())
            .set(feed.quarantine.state().rows as f64);
        let tail = feed.table.tail_now();
        metrics::gauge!("cityloom_live_tail_rows", "feed" => feed_name.clone()).set(tail.rows as f64);
        metrics::gauge!("cityloom_live_tail_bytes", "feed" => feed_name.clone()).set(tail.bytes as f64);
        let age = tail.since.map_or(0, |since| now.seconds() - since.seconds());
        metrics::gauge!("cityloom_live_tail_age_seconds", "feed" => feed_name).set(age as f64);
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], state.metrics.render())
}

pub(in crate::server) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("../../../docs/openapi.json"))
}
