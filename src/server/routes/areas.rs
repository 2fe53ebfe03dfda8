//! Outlines of the areas, for maps.

use axum::extract::{Query, State};
use axum::http::header;
use axum::response::IntoResponse;
use serde::Deserialize;

use crate::server::ServerState;

#[derive(Debug, Deserialize)]
pub(in crate::server) struct OfLevel {
    level: Option<String>,
}

/// The areas of one level that are valid now, simplified.
pub(in crate::server) async fn list(
    State(state): State<ServerState>,
    Query(of): Query<OfLevel>,
) -> impl IntoResponse {
    let level = of.level.unwrap_or_else(|| "county".into());
    let head = [(header::CONTENT_TYPE, "application/geo+json"), (header::CACHE_CONTROL, "max-age=300")];
    (head, state.areas.geojson(&level, state.clock.now()))
}
