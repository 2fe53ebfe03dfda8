//! Submissions: a file comes in, what became of it, and taking it back.

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use futures::StreamExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;
use uuid::Uuid;

use crate::ingest::{Footprint, Quality, Refusal, Terms, Ticket, UnderWay, Upload, units_of};
use crate::model::{Micros, SubmissionId};
use crate::server::error::Error;
use crate::server::{ServerState, describe};

/// So many submissions are listed where nobody says how many.
const LISTED: usize = 50;
/// And so many at most.
const MOST_LISTED: usize = 500;

/// What a sender says of a body.
#[derive(Debug, Deserialize)]
pub(in crate::server) struct Sent {
    name: Option<String>,
    id: Option<String>,
    mends: Option<String>,
    contract: Option<String>,
    #[serde(default)]
    units: String,
    #[serde(default)]
    dry_run: bool,
}

/// Lands the body as a file: 201 with the receipt when its rows are durable, 200 where they landed before. With
/// `dry_run` it is only checked.
pub(in crate::server) async fn submit(
    State(state): State<ServerState>,
    Path((department, feed)): Path<(String, String)>,
    sent: Result<Query<Sent>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let Query(sent) = sent.map_err(malformed)?;
    let name = state.lander.feed(&format!("{department}.{feed}"))?.contract.feed.clone();
    let id = match &sent.id {
        None => Uuid::now_v7(),
        Some(id) => Uuid::parse_str(id)
            .map_err(|_| Error::new(StatusCode::BAD_REQUEST, "MALFORMED", "`id` is not a UUID"))?,
    };
    let units = units_of(&sent.units).map_err(|why| Error::new(StatusCode::BAD_REQUEST, "MALFORMED", why))?;
    let file = sent.name.unwrap_or_else(|| name_by_type(&headers));
    let file = file.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let ticket = state.lander.running.begin(id, UnderWay::new(name.clone(), file, announced))?;
    let spool = Spool::new(&state, announced.unwrap_or(0)).await?;
    spool.fill(body, state.upload_limit, &ticket).await?;

    let upload =
        Upload { path: spool.path.clone(), name: ticket.file().to_owned(), progress: ticket.reading() };
    let terms = Terms { id: Some(id), mends: sent.mends, contract: sent.contract, units };
    let feed = name.to_string();
    if sent.dry_run {
        let trial = state.lander.check_file(&feed, upload, terms).await?;
        return Ok(Json(describe::trial(&trial)).into_response());
    }
    let receipt = state.lander.land_with(&feed, upload, terms).await?;
    let status = if receipt.duplicate_of.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Extension(SubmissionId(receipt.submission.clone())), Json(receipt)).into_response())
}

fn malformed(rejection: QueryRejection) -> Error {
    Error::new(StatusCode::BAD_REQUEST, "MALFORMED", rejection.body_text())
}

fn name_by_type(headers: &HeaderMap) -> String {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let extension = match kind.split(';').next().unwrap_or_default().trim() {
        "text/csv" => "csv",
        "application/x-ndjson" | "application/jsonl" => "ndjson",
        "application/geo+json" => "geojson",
        "application/vnd.apache.parquet" => "parquet",
        "application/json" => "json",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => "xlsx",
        _ => "bin",
    };
    format!("upload.{extension}")
}

/// Which part of a list.
#[derive(Debug, Deserialize)]
pub(in crate::server) struct Part {
    limit: Option<usize>,
    before: Option<i64>,
}

/// The submissions of a feed, newest first, and how good they are.
pub(in crate::server) async fn list(
    State(state): State<ServerState>,
    Path((department, feed)): Path<(String, String)>,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Json<Value>, Error> {
    let Query(part) = part.map_err(malformed)?;
    let all = state.lander.feed(&format!("{department}.{feed}"))?.submissions();
    let quality = Quality::of(&all);
    let wanted = all.iter().filter(|it| part.before.is_none_or(|before| it.landed_at < Micros(before)));
    let most = part.limit.unwrap_or(LISTED).min(MOST_LISTED);
    let shown: Vec<Value> = wanted.take(most).map(describe::submission).collect();
    Ok(Json(json!({ "submissions": shown, "total": all.len(), "quality": quality })))
}

/// One submission: its receipt, or how far it is.
pub(in crate::server) async fn show(
    State(state): State<ServerState>,
    Path((department, feed, id)): Path<(String, String, String)>,
) -> Result<Json<Value>, Error> {
    let feed = state.lander.feed(&format!("{department}.{feed}"))?;
    let under_way = Uuid::parse_str(&id).ok().and_then(|id| state.lander.running.get(id));
    if let Some(under_way) = under_way.filter(|under_way| under_way.feed == feed.contract.feed) {
        return Ok(Json(describe::under_way(&id, &under_way)));
    }
    let found = feed.submission(&id).ok_or_else(|| feed.unknown(&id))?;
    Ok(Json(describe::submission(&found)))
}

/// Where the rows of a submission fell.
pub(in crate::server) async fn cells(
    State(state): State<ServerState>,
    Path((department, feed, id)): Path<(String, String, String)>,
) -> Result<Json<Footprint>, Error> {
    let feed = state.lander.feed(&format!("{department}.{feed}"))?;
    feed.table.catch_up().await.map_err(Refusal::from)?;
    feed.submission(&id).ok_or_else(|| feed.unknown(&id))?;
    Ok(Json(feed.footprint(&id).await?))
}

/// Takes a submission back: its rows leave the feed and quarantine.
pub(in crate::server) async fn withdraw(
    State(state): State<ServerState>,
    Path((department, feed, id)): Path<(String, String, String)>,
) -> Result<Json<Value>, Error> {
    let withdrawn = state.lander.withdraw(&format!("{department}.{feed}"), &id).await?;
    Ok(Json(describe::submission(&withdrawn)))
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
    /// A place for a body of so many bytes, where the disk has it.
    async fn new(state: &ServerState, bytes: u64) -> Result<Self, Error> {
        tokio::fs::create_dir_all(&state.spool).await.map_err(unspooled)?;
        state.lander.running.bounds().room(&state.spool, bytes)?;
        Ok(Self { path: state.spool.join(Uuid::now_v7().to_string()) })
    }

    async fn fill(&self, body: Body, most: u64, ticket: &Ticket) -> Result<(), Error> {
        let mut file = File::create_new(&self.path).await.map_err(unspooled)?;
        let mut chunks = body.into_data_stream();
        while let Some(chunk) = chunks.next().await {
            let cut =
                |_| Error::new(StatusCode::BAD_REQUEST, "BODY_CUT", "the body broke off; send it again");
            let chunk = chunk.map_err(cut)?;
            let bytes = ticket.received(chunk.len() as u64);
            if bytes > most {
                return Err(Refusal::TooLarge { bytes, most }.into());
            }
            file.write_all(&chunk).await.map_err(unspooled)?;
        }
        file.flush().await.map_err(unspooled)
    }
}

fn unspooled(error: std::io::Error) -> Error {
    Refusal::io("the body", error).into()
}
