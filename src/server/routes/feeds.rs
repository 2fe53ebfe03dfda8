//! Feeds and their submissions.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::{Extension, Json};
use futures::StreamExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

use crate::decode::Progress;
use crate::ingest::{Receipt, Refusal, Upload};
use crate::model::SubmissionId;
use crate::server::ServerState;
use crate::server::error::Error;

/// All feeds with what they hold.
pub(in crate::server) async fn list(State(state): State<ServerState>) -> Json<Value> {
    let feed = |(name, feed): (&crate::model::FeedName, &Arc<crate::ingest::Feed>)| {
        let (table, contract) = (feed.table.state(), &feed.contract);
        json!({
            "feed": name.to_string(),
            "department": name.department(),
            "title": { "en": contract.title.en, "zh": contract.title.zh },
            "contract_version": contract.version,
            "rows": table.rows,
            "files": table.files.len(),
            "quarantined": feed.quarantine.state().rows,
            "last_event_us": table.newest_event,
            "last_landed_us": table.landed_at,
        })
    };
    Json(json!({ "feeds": state.lander.feeds().iter().map(feed).collect::<Vec<_>>() }))
}

/// The name that a body goes by.
#[derive(Debug, Deserialize)]
pub(in crate::server) struct Named {
    name: Option<String>,
}

/// Lands the body as a file: 201 with the receipt when its rows are durable, 200 where they landed before.
pub(in crate::server) async fn submit(
    State(state): State<ServerState>,
    Path((department, feed)): Path<(String, String)>,
    Query(named): Query<Named>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Extension<SubmissionId>, Json<Receipt>), Error> {
    let feed = format!("{department}.{feed}");
    state.lander.feed(&feed)?;
    let name = named.name.unwrap_or_else(|| name_by_type(&headers));
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
    let spool = Spool::new(&state).await?;
    spool.fill(body, state.upload_limit).await?;
    let upload = Upload { path: spool.path.clone(), name, progress: Arc::new(Progress::default()) };
    let receipt = state.lander.land_file(&feed, upload).await?;
    let status = if receipt.duplicate_of.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Extension(SubmissionId(receipt.submission.clone())), Json(receipt)))
}

fn name_by_type(headers: &HeaderMap) -> String {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let extension = match kind.split(';').next().unwrap_or_default().trim() {
        "text/csv" => "csv",
        "application/x-ndjson" | "application/jsonl" => "ndjson",
        "application/geo+json" => "geojson",
        "application/vnd.apache.parquet" => "parquet",
        "application/json" => "json",
        _ => "bin",
    };
    format!("upload.{extension}")
}

/// A body on the disk while it is landed; gone afterwards, whatever happens.
struct Spool {
    path: std::path::PathBuf,
}

impl Drop for Spool {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "a spooled body could not be removed");
        }
    }
}

impl Spool {
    async fn new(state: &ServerState) -> Result<Self, Error> {
        tokio::fs::create_dir_all(&state.spool).await.map_err(|error| Error::internal(&error))?;
        Ok(Self { path: state.spool.join(uuid::Uuid::now_v7().to_string()) })
    }

    async fn fill(&self, body: Body, most: u64) -> Result<(), Error> {
        let mut file = File::create_new(&self.path).await.map_err(|error| Error::internal(&error))?;
        let mut chunks = body.into_data_stream();
        let mut bytes = 0;
        while let Some(chunk) = chunks.next().await {
            let cut =
                |_| Error::new(StatusCode::BAD_REQUEST, "BODY_CUT", "the body broke off; send it again");
            let chunk = chunk.map_err(cut)?;
            bytes += chunk.len() as u64;
            if bytes > most {
                return Err(Refusal::TooLarge { bytes, most }.into());
            }
            file.write_all(&chunk).await.map_err(|error| Error::internal(&error))?;
        }
        file.flush().await.map_err(|error| Error::internal(&error))
    }
}
