//! Feeds: what each holds, what its contract asks for, and a file to begin with.

use std::path::Path as FilePath;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use crate::ingest::{Feed, Quality};
use crate::model::FeedName;
use crate::server::error::Error;
use crate::server::{ServerState, describe};

/// All feeds with what they hold.
pub(in crate::server) async fn list(State(state): State<ServerState>) -> Json<Value> {
    let feeds: Vec<Value> = state.lander.feeds().iter().map(|(name, feed)| held(name, feed)).collect();
    Json(json!({ "feeds": feeds }))
}

/// One feed with what it holds and what its contract asks for.
pub(in crate::server) async fn show(
    State(state): State<ServerState>,
    Path((department, feed)): Path<(String, String)>,
) -> Result<Json<Value>, Error> {
    let feed = state.lander.feed(&format!("{department}.{feed}"))?;
    let mut shown = held(&feed.contract.feed, feed);
    shown["contract"] = describe::contract(&feed.contract);
    Ok(Json(shown))
}

fn held(name: &FeedName, feed: &Feed) -> Value {
    let (table, contract) = (feed.table.state(), &feed.contract);
    json!({
        "feed": name.to_string(),
        "department": name.department(),
        "title": { "en": contract.title.en, "zh": contract.title.zh },
        "contract_version": contract.version.to_string(),
        "rows": table.rows,
        "files": table.files.len(),
        "quarantined": feed.quarantine.state().rows,
        "last_event_us": table.newest_event,
        "last_landed_us": table.landed_at,
        "quality": Quality::of(&feed.submissions()),
    })
}

/// A file as the contract wants it: the city's own good sample, or the line of headers.
pub(in crate::server) async fn sample(
    State(state): State<ServerState>,
    Path((department, feed)): Path<(String, String)>,
) -> Result<impl IntoResponse, Error> {
    let feed = state.lander.feed(&format!("{department}.{feed}"))?;
    let name = &feed.contract.feed;
    let folder = state.samples.join(name.joined());
    let (extension, bytes) = match good_sample(&folder).await {
        Some(found) => found,
        None => ("csv".into(), describe::headers(&feed.contract).into_bytes()),
    };
    let kind = mime_guess::from_ext(&extension).first_or_octet_stream().to_string();
    let saved = format!("attachment; filename=\"{}-{}-sample.{extension}\"", name.department(), name.feed());
    Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, saved)], bytes))
}

async fn good_sample(folder: &FilePath) -> Option<(String, Vec<u8>)> {
    let mut entries = tokio::fs::read_dir(folder).await.ok()?;
    while let Some(entry) = entries.next_entry().await.ok()? {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(extension) = name.strip_prefix("good.").filter(|rest| !rest.contains('.')) {
            return Some((extension.to_owned(), tokio::fs::read(entry.path()).await.ok()?));
        }
    }
    None
}
