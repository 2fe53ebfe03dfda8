//! Every route, in one place.

use std::future::ready;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate as _};
use tower_http::set_header::SetResponseHeaderLayer;

use super::error::Error;
use super::gate::gate;
use super::routes::{areas, feeds, health, layers, rejects, resumable, session, submissions, tasks};
use super::state::ServerState;
use super::{Pages, asset, stream};

/// Every path with its methods, as `docs/openapi.json` describes them.
pub const ROUTES: [(&str, &str); 27] = [
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/api/openapi.json"),
    ("GET", "/api/session"),
    ("GET", "/api/feeds"),
    ("GET", "/api/feeds/{department}/{feed}"),
    ("GET", "/api/feeds/{department}/{feed}/sample"),
    ("POST", "/api/feeds/{department}/{feed}/submissions"),
    ("GET", "/api/feeds/{department}/{feed}/submissions"),
    ("GET", "/api/feeds/{department}/{feed}/submissions/{submission}"),
    ("DELETE", "/api/feeds/{department}/{feed}/submissions/{submission}"),
    ("GET", "/api/feeds/{department}/{feed}/submissions/{submission}/rejects"),
    ("GET", "/api/feeds/{department}/{feed}/submissions/{submission}/cells"),
    ("POST", "/api/feeds/{department}/{feed}/uploads"),
    ("OPTIONS", "/api/feeds/{department}/{feed}/uploads"),
    ("GET", "/api/feeds/{department}/{feed}/uploads/{upload}"),
    ("PATCH", "/api/feeds/{department}/{feed}/uploads/{upload}"),
    ("DELETE", "/api/feeds/{department}/{feed}/uploads/{upload}"),
    ("GET", "/api/layers"),
    ("GET", "/api/layers/{name}"),
    ("GET", "/api/areas"),
    ("GET", "/api/alerts"),
    ("GET", "/api/orders"),
    ("POST", "/api/orders/{id}/accept"),
    ("POST", "/api/orders/{id}/close"),
    ("GET", "/api/stream"),
];

/// What a page may load: only what comes from here.
const POLICY: &str = "default-src 'self'; worker-src 'self' blob:; img-src 'self' data: blob:; \
                      style-src 'self' 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'; object-src 'none'";

/// The whole of the server.
pub fn router(state: ServerState, pages: Pages) -> Router {
    let header = |name, value| SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value));
    let packed = CompressionLayer::new().compress_when(
        DefaultPredicate::new().and(NotForContentType::const_new("application/vnd.apache.arrow.stream")),
    );
    Router::new()
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/api/openapi.json", get(health::openapi))
        .route("/api/session", get(session::show))
        .route("/api/feeds", get(feeds::list))
        .route("/api/feeds/{department}/{feed}", get(feeds::show))
        .route("/api/feeds/{department}/{feed}/sample", get(feeds::sample))
        .route(
            "/api/feeds/{department}/{feed}/submissions",
            post(submissions::submit).layer(DefaultBodyLimit::disable()).get(submissions::list),
        )
        .route(
            "/api/feeds/{department}/{feed}/submissions/{submission}",
            get(submissions::show).delete(submissions::withdraw),
        )
        .route("/api/feeds/{department}/{feed}/submissions/{submission}/rejects", get(rejects::list))
        .route("/api/feeds/{department}/{feed}/submissions/{submission}/cells", get(submissions::cells))
        .route(
            "/api/feeds/{department}/{feed}/uploads",
            post(resumable::create).layer(DefaultBodyLimit::disable()).options(resumable::options),
        )
        .route(
            "/api/feeds/{department}/{feed}/uploads/{upload}",
            get(resumable::show)
                .head(resumable::head)
                .patch(resumable::patch)
                .layer(DefaultBodyLimit::disable())
                .delete(resumable::forget),
        )
        .route("/api/layers", get(layers::list))
        .route("/api/layers/{name}", get(layers::show))
        .route("/api/areas", get(areas::list))
        .route("/api/alerts", get(tasks::alerts))
        .route("/api/orders", get(tasks::orders))
        .route("/api/orders/{id}/accept", post(tasks::accept))
        .route("/api/orders/{id}/close", post(tasks::close))
        .route_layer(middleware::from_fn_with_state(state.clone(), gate))
        // The pages are no secret, and hold the place where a token is typed in.
        .fallback(move |headers: HeaderMap, request: Request| ready(asset::serve(pages, &headers, &request)))
        .with_state(state.clone())
        .layer(packed)
        .merge(stream::routes(state.stream))
        .layer(middleware::from_fn(own_pages_only))
        .layer(header(header::CONTENT_SECURITY_POLICY, POLICY))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::REFERRER_POLICY, "no-referrer"))
}

/// A page of another host must not change anything here through somebody's browser.
async fn own_pages_only(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !reads && !stream::is_own_page(request.headers()) {
        let why = "the page comes from another host; open it from this server";
        return Error::new(StatusCode::FORBIDDEN, "FOREIGN_PAGE", why).into_response();
    }
    next.run(request).await
}
