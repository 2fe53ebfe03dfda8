//! Rejected rows of a submission, to look at (JSON) and to mend (CSV, Parquet), streamed as they are read.

use std::io::Write as _;

use arrow::csv::WriterBuilder;
use arrow::record_batch::RecordBatch;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::stream::{self, BoxStream, Stream, StreamExt as _};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde::Deserialize;
use serde_json::json;

use crate::ingest::Refusal;
use crate::server::ServerState;
use crate::server::error::Error;

/// So many rows are shown as JSON where nobody says how many.
const SHOWN: usize = 20;
/// And so many at most; the files hold all.
const MOST_SHOWN: usize = 1_000;
/// Rows of a Parquet row group, which the writer holds in memory.
const GROUP_ROWS: usize = 16_384;
/// Spreadsheets take a file with this mark for UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The form of the rows.
#[derive(Debug, Deserialize)]
pub(in crate::server) struct Form {
    format: Option<String>,
    limit: Option<usize>,
}

type Batches = BoxStream<'static, Result<RecordBatch, Refusal>>;

/// The rejected rows of a submission.
pub(in crate::server) async fn list(
    State(state): State<ServerState>,
    Path((department, feed, id)): Path<(String, String, String)>,
    form: Result<Query<Form>, QueryRejection>,
) -> Result<Response, Error> {
    let Query(form) =
        form.map_err(|error| Error::new(StatusCode::BAD_REQUEST, "MALFORMED", error.body_text()))?;
    let feed = state.lander.feed(&format!("{department}.{feed}"))?;
    feed.table.catch_up().await.map_err(Refusal::from)?;
    feed.submission(&id).ok_or_else(|| feed.unknown(&id))?;
    let file = |extension: &str, kind: &'static str, bytes: Body| {
        let saved = format!("attachment; filename=\"{}-{id}-rejected.{extension}\"", feed.contract.feed);
        ([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, saved)], bytes)
            .into_response()
    };
    match form.format.as_deref().unwrap_or("csv") {
        "json" => {
            let most = form.limit.unwrap_or(SHOWN).min(MOST_SHOWN);
            Ok(Json(json!({ "rejected": feed.first_rejects(&id, most).await? })).into_response())
        }
        "csv" => {
            let first = csv_of(&RecordBatch::new_empty(feed.rejects_schema(&id)), true);
            Ok(file("csv", "text/csv; charset=utf-8", Body::from_stream(csv(first, feed.rejects(&id)))))
        }
        "parquet" => {
            let bounded = WriterProperties::builder().set_max_row_group_row_count(Some(GROUP_ROWS)).build();
            let writer = ArrowWriter::try_new(Vec::new(), feed.rejects_schema(&id), Some(bounded));
            let bytes = parquet(writer.map_err(|error| Error::internal(&error))?, feed.rejects(&id));
            Ok(file("parquet", "application/vnd.apache.parquet", Body::from_stream(bytes)))
        }
        other => {
            let why = format!("format `{other}` is not csv, parquet or json");
            Err(Error::new(StatusCode::BAD_REQUEST, "FORMAT_UNKNOWN", why))
        }
    }
}

fn internal(error: &dyn std::fmt::Display) -> Refusal {
    Refusal::Internal(error.to_string())
}

fn csv(
    first: Result<Bytes, Refusal>,
    batches: Batches,
) -> impl Stream<Item = Result<Bytes, Refusal>> + Send + 'static {
    stream::iter([first]).chain(batches.map(|batch| csv_of(&batch?, false)))
}

/// A batch as CSV; the first begins the file.
fn csv_of(batch: &RecordBatch, first: bool) -> Result<Bytes, Refusal> {
    let mut bytes = Vec::new();
    if first {
        bytes.write_all(BYTE_ORDER_MARK).map_err(|error| internal(&error))?;
    }
    let mut writer = WriterBuilder::new().with_header(first).build(&mut bytes);
    writer.write(batch).map_err(|error| internal(&error))?;
    drop(writer);
    Ok(Bytes::from(bytes))
}

/// What the writer has made so far is sent while it goes on.
fn parquet(
    writer: ArrowWriter<Vec<u8>>,
    batches: Batches,
) -> impl Stream<Item = Result<Bytes, Refusal>> + Send + 'static {
    stream::try_unfold((Some(writer), batches), |(writer, mut batches)| async move {
        let Some(mut writer) = writer else { return Ok(None) };
        let Some(batch) = batches.next().await else {
            writer.finish().map_err(|error| internal(&error))?;
            let rest = std::mem::take(writer.inner_mut());
            return Ok(Some((Bytes::from(rest), (None, batches))));
        };
        writer.write(&batch?).map_err(|error| internal(&error))?;
        let made = std::mem::take(writer.inner_mut());
        Ok(Some((Bytes::from(made), (Some(writer), batches))))
    })
}
