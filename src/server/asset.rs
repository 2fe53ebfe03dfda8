//! The pages, from within the binary. Hashed names are kept for ever, the rest is asked for again.

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::EmbeddedFile;

use super::error::Error;

/// Where the pages are: what lies at a path below `web/dist`.
pub type Pages = fn(&str) -> Option<EmbeddedFile>;

/// A file of `web/dist`; `/` is the wall, `/intake` the data officers' page.
pub(super) fn serve(pages: Pages, headers: &HeaderMap, request: &Request) -> Response {
    let path = request.uri().path().trim_start_matches('/');
    let path = match path {
        "" => "index.html",
        "intake" => "intake.html",
        other => other,
    };
    let Some(file) = pages(path) else {
        if path == "index.html" || path == "intake.html" {
            let why = "this binary was built without its pages; run `make web` and build again";
            return Error::new(StatusCode::NOT_FOUND, "NO_PAGES", why).into_response();
        }
        return Error::not_found("such page").into_response();
    };
    let tag = format!("\"{}\"", crate::decode::hex(&file.metadata.sha256_hash()));
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known.is_some_and(|known| known == tag) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    let kept = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let head = [
        (header::CONTENT_TYPE, kind.to_string()),
        (header::CACHE_CONTROL, kept.to_owned()),
        (header::ETAG, tag),
    ];
    (head, file.data).into_response()
}
