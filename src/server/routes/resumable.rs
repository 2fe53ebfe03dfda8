//! Uploads in parts by tus 1.0 (core, creation, creation-with-upload, checksum, expiration, termination): over a bad line a
//! client goes on where the city's disk stopped. A complete upload becomes a submission of the same id.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::ingest::{Note, Part, Refusal, units_of};
use crate::model::FeedName;
use crate::server::ServerState;
use crate::server::error::Error;

const VERSION: &str = "1.0.0";
const EXTENSIONS: &str = "creation,creation-with-upload,checksum,expiration,termination";
const CHUNK: &str = "application/offset+octet-stream";

type At = Path<(String, String, String)>;

fn name(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

/// What the city speaks.
pub(in crate::server) async fn options(State(state): State<ServerState>) -> Response {
    let told = [
        ("tus-version", VERSION.to_owned()),
        ("tus-extension", EXTENSIONS.to_owned()),
        ("tus-max-size", state.upload_limit.to_string()),
        ("tus-checksum-algorithm", "sha256".to_owned()),
    ];
    answer(StatusCode::NO_CONTENT, told)
}

fn answer<const N: usize>(status: StatusCode, headers: [(&'static str, String); N]) -> Response {
    let mut answer = status.into_response();
    answer.headers_mut().insert(name("tus-resumable"), HeaderValue::from_static(VERSION));
    for (key, value) in headers {
        if let Ok(value) = value.parse() {
            answer.headers_mut().insert(name(key), value);
        }
    }
    answer
}

fn malformed(why: impl Into<String>) -> Error {
    Error::new(StatusCode::BAD_REQUEST, "MALFORMED", why)
}

fn speaks_tus(headers: &HeaderMap) -> Result<(), Error> {
    if headers.get("tus-resumable").is_some_and(|version| version == VERSION) {
        return Ok(());
    }
    let why = "this is a tus 1.0.0 address: send `Tus-Resumable: 1.0.0`";
    Err(Error::new(StatusCode::PRECONDITION_FAILED, "TUS_VERSION", why))
}

fn number(headers: &HeaderMap, name: &str) -> Result<u64, Error> {
    let value = headers.get(name).and_then(|value| value.to_str().ok()?.parse().ok());
    value.ok_or_else(|| malformed(format!("`{name}` is not a number of bytes")))
}

fn is_chunk(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == CHUNK)
}

fn feed_of(state: &ServerState, department: &str, feed: &str) -> Result<FeedName, Error> {
    Ok(state.lander.feed(&format!("{department}.{feed}"))?.contract.feed.clone())
}

fn found(state: &ServerState, (department, feed, id): (String, String, String)) -> Result<Part, Error> {
    let id = Uuid::parse_str(&id).map_err(|_| malformed("an upload's id is a UUID"))?;
    let feed = feed_of(state, &department, &feed)?;
    state.uploads.get(id, &feed).ok_or_else(|| Error::not_found("such upload; it may have expired"))
}

/// A value of `Upload-Metadata`: names, each with its value in base64.
fn metadata(text: &str, wanted: &str) -> Option<String> {
    let pairs = text.split(',').filter_map(|pair| pair.trim().split_once(' '));
    let value = pairs.into_iter().find(|(key, _)| *key == wanted)?.1;
    String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()
}

/// Begins an upload, with its first bytes where they come along.
pub(in crate::server) async fn create(
    State(state): State<ServerState>,
    Path((department, feed)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    speaks_tus(&headers)?;
    let feed = feed_of(&state, &department, &feed)?;
    let length = number(&headers, "upload-length")?;
    if length > state.upload_limit {
        return Err(Refusal::TooLarge { bytes: length, most: state.upload_limit }.into());
    }
    let said = headers.get("upload-metadata").map(|said| said.to_str().map(str::to_owned));
    let said = said.transpose().map_err(|_| malformed("`Upload-Metadata` is not text"))?;
    let told = |key| said.as_deref().and_then(|said| metadata(said, key));
    let file = told("filename").or_else(|| told("name")).unwrap_or_else(|| "upload.bin".to_owned());
    let file = file.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
    let (mends, contract) = (told("mends"), told("contract"));
    let units = units_of(&told("units").unwrap_or_default()).map_err(malformed)?;
    let note = Note {
        feed: feed.to_string(),
        file,
        length,
        mends,
        contract,
        units,
        metadata: said,
        expires_us: 0,
        ended: None,
    };
    let part = state.uploads.begin(&feed, note, state.clock.now())?;
    let offset =
        if is_chunk(&headers) || length == 0 { append(&state, &part, &headers, body).await? } else { 0 };
    let place = format!("/api/feeds/{department}/{}/uploads/{}", feed.feed(), part.id);
    let told = [
        ("location", place),
        ("upload-offset", offset.to_string()),
        ("upload-expires", http_date(part.note.expires_us)),
    ];
    Ok(answer(StatusCode::CREATED, told))
}

/// How far an upload is, for who goes on with it.
pub(in crate::server) async fn head(
    State(state): State<ServerState>,
    Path(at): At,
    headers: HeaderMap,
) -> Result<Response, Error> {
    speaks_tus(&headers)?;
    let part = found(&state, at)?;
    let told = [
        ("upload-offset", part.offset.to_string()),
        ("upload-length", part.note.length.to_string()),
        ("upload-expires", http_date(part.note.expires_us)),
        ("cache-control", "no-store".to_owned()),
    ];
    let mut answer = answer(StatusCode::OK, told);
    if let Some(said) = part.note.metadata.and_then(|said| said.parse().ok()) {
        answer.headers_mut().insert(name("upload-metadata"), said);
    }
    Ok(answer)
}

/// The same for people, with the receipt or the refusal once there is one.
pub(in crate::server) async fn show(
    State(state): State<ServerState>,
    Path(at): At,
) -> Result<Json<Value>, Error> {
    let part = found(&state, at)?;
    let Part { id, note, offset } = part;
    let state = if offset < note.length { "receiving" } else { "landing" };
    let mut told = json!({
        "upload": id, "feed": note.feed, "file": note.file, "received": offset, "length": note.length,
        "expires_us": note.expires_us, "state": state,
    });
    if let (Some(told), Some(Value::Object(ended))) = (told.as_object_mut(), note.ended) {
        told.extend(ended);
    }
    Ok(Json(told))
}

/// Goes on with an upload. The answer comes when the bytes are on the disk.
pub(in crate::server) async fn patch(
    State(state): State<ServerState>,
    Path(at): At,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    speaks_tus(&headers)?;
    if !is_chunk(&headers) {
        let why = format!("a part is sent as `Content-Type: {CHUNK}`");
        return Err(Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "MALFORMED", why));
    }
    let submissions = format!("/api/feeds/{}/{}/submissions", at.0, at.1);
    let part = found(&state, at)?;
    let offset = append(&state, &part, &headers, body).await?;
    let mut answer = answer(StatusCode::NO_CONTENT, [("upload-offset", offset.to_string())]);
    if let Ok(expires) = http_date(part.note.expires_us).parse() {
        answer.headers_mut().insert(name("upload-expires"), expires);
    }
    if offset == part.note.length
        && let Ok(link) = format!("<{submissions}/{}>; rel=\"describedby\"", part.id).parse()
    {
        answer.headers_mut().insert(header::LINK, link);
    }
    Ok(answer)
}

/// Gives an upload up.
pub(in crate::server) async fn forget(
    State(state): State<ServerState>,
    Path(at): At,
    headers: HeaderMap,
) -> Result<Response, Error> {
    speaks_tus(&headers)?;
    let part = found(&state, at)?;
    // Who takes hold of it keeps others from writing to it while it goes.
    let _held = hold(&state, &part, false)?;
    state.uploads.forget(part.id).map_err(|error| Error::internal(&error))?;
    Ok(answer(StatusCode::NO_CONTENT, []))
}

fn hold(state: &ServerState, part: &Part, verified: bool) -> Result<crate::ingest::Appending, Error> {
    let held = state.uploads.append(part, verified).map_err(|error| Error::internal(&error))?;
    let why = "somebody writes to this upload already; ask how far it is and go on then";
    held.ok_or_else(|| Error::new(StatusCode::LOCKED, "UPLOAD_LOCKED", why))
}

/// Appends the body where the client says that the upload stands.
async fn append(state: &ServerState, part: &Part, headers: &HeaderMap, body: Body) -> Result<u64, Error> {
    let begins = if headers.contains_key("upload-offset") { number(headers, "upload-offset")? } else { 0 };
    let checksum = checksum(headers)?;
    let wrong_place = |offset: u64| {
        let why = format!("the upload stands at {offset}, not at {begins}; ask with HEAD and go on there");
        Error::new(StatusCode::CONFLICT, "OFFSET_CONFLICT", why)
    };
    if part.note.ended.is_some() {
        return Err(wrong_place(part.note.length));
    }
    // A complete upload lands; nothing is written to it any more.
    if part.offset == part.note.length && part.offset > 0 {
        return if begins == part.offset { Ok(begins) } else { Err(wrong_place(part.offset)) };
    }
    let mut appending = hold(state, part, checksum.is_some())?;
    if appending.offset() != begins {
        return Err(wrong_place(appending.offset()));
    }
    let internal = |error: std::io::Error| -> Error {
        if error.kind() == std::io::ErrorKind::FileTooLarge {
            let bytes = part.note.length.saturating_add(1);
            return Refusal::TooLarge { bytes, most: part.note.length }.into();
        }
        Refusal::io("the part", error).into()
    };
    let mut hasher = Sha256::new();
    let mut chunks = body.into_data_stream();
    let mut cut = false;
    while let Some(chunk) = chunks.next().await {
        let Ok(chunk) = chunk else {
            cut = true;
            break;
        };
        if checksum.is_some() {
            hasher.update(&chunk);
        }
        appending.push(chunk).await.map_err(internal)?;
    }
    if checksum.is_some_and(|checksum| cut || hasher.finalize().as_slice() != checksum) {
        let status = StatusCode::from_u16(460).unwrap_or(StatusCode::BAD_REQUEST);
        return Err(Error::new(
            status,
            "CHECKSUM_MISMATCH",
            "the part came damaged and was dropped; send it again",
        ));
    }
    // The upload stays this request's until its note is written: two writers of one note lose each other's draft.
    let offset = appending.keep().await.map_err(internal)?;
    state.uploads.extend(part, offset, state.clock.now()).map_err(internal)?;
    if cut {
        let why = "the body broke off; go on where the upload stands";
        return Err(Error::new(StatusCode::BAD_REQUEST, "BODY_CUT", why));
    }
    Ok(offset)
}

/// The SHA-256 that a part must have, where the client says one.
fn checksum(headers: &HeaderMap) -> Result<Option<Vec<u8>>, Error> {
    let Some(told) = headers.get("upload-checksum") else { return Ok(None) };
    let told = told.to_str().ok().and_then(|told| told.strip_prefix("sha256 "));
    let sum = told.and_then(|told| STANDARD.decode(told.trim()).ok()).filter(|sum| sum.len() == 32);
    sum.map(Some).ok_or_else(|| malformed("`Upload-Checksum` is `sha256`, a space and 32 bytes in base64"))
}

/// A time as HTTP writes it.
fn http_date(at: i64) -> String {
    let time = chrono::DateTime::from_timestamp_micros(at).unwrap_or_default();
    time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Headers of a client of tus, a line each: what is read of them is within its bounds.
#[cfg(feature = "fuzzing")]
pub fn fuzz(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some(at) = line.iter().position(|byte| *byte == b':') else { continue };
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(&line[..at]), HeaderValue::from_bytes(&line[at + 1..]))
        {
            headers.insert(name, value);
        }
    }
    let _speaks = (speaks_tus(&headers).is_ok(), is_chunk(&headers));
    for name in ["upload-length", "upload-offset"] {
        drop(number(&headers, name));
    }
    if let Ok(Some(sum)) = checksum(&headers) {
        assert_eq!(sum.len(), 32, "a checksum of another length");
    }
    let said = headers.get("upload-metadata").and_then(|said| said.to_str().ok());
    for wanted in ["filename", "name", "mends"] {
        drop(said.and_then(|said| metadata(said, wanted)));
    }
    drop(answer(StatusCode::OK, [("upload-metadata", said.unwrap_or_default().to_owned())]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_read_by_name() {
        let said = "filename c3BlZWRzLmNzdg==,empty,mends eA==";
        assert_eq!(metadata(said, "filename").as_deref(), Some("speeds.csv"));
        assert_eq!(metadata(said, "mends").as_deref(), Some("x"));
        assert_eq!(
            [metadata(said, "empty"), metadata(said, "other"), metadata("filename !", "filename")],
            [None, None, None]
        );
        assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
