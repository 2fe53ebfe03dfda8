//! The websocket door, `/api/stream`: who may come in and in which sub-protocol. What is then said is `step`,
//! how it is carried is `session`, what it is about is [`crate::hub`].

mod session;
mod step;
mod wire;

/// The door to what is private, for random bytes.
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing {
    pub use super::step::fuzz as screen;
}

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::ConnectInfo;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Extension, Router};
use tokio_util::sync::CancellationToken;

use super::guard::{Guard, bearer};
use crate::hub::{Format, Hub};
pub use session::Pace;

/// The sub-protocols, the preferred one first.
const PROTOCOLS: [(&str, Format); 2] = [("loom.v1", Format::Binary), ("loom.v1.json", Format::Json)];
/// The largest message a client may send.
const MOST_BYTES: usize = 64 << 10;
/// Screens send little, so a small read buffer: the default would be 128 KiB for each of them.
const READ_BUFFER: usize = 4 << 10;
/// The frames of one tick join in one write up to this size; nothing waits here, every batch ends with a
/// flush.
const WRITE_BUFFER: usize = 16 << 10;

/// What a screen is told of the city it looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CityInfo {
    /// The name in English.
    pub name_en: String,
    /// The name in Chinese.
    pub name_zh: String,
    /// Whether the data is made up.
    pub synthetic: bool,
    /// The IANA zone of its clocks.
    pub time_zone: String,
}

/// What the door needs.
#[derive(Debug, Clone)]
pub struct StreamState {
    /// Where everything comes from.
    pub hub: Arc<Hub>,
    /// Who may come in.
    pub guard: Arc<Guard>,
    /// Said in the `welcome`.
    pub city: CityInfo,
    /// Cancelled when the process is to end: every screen is told when to come back.
    pub shutdown: CancellationToken,
}

/// The route `/api/stream`.
pub fn routes(state: StreamState) -> Router {
    paced_routes(state, Pace::default())
}

/// [`routes`] with other times than the protocol's.
pub fn paced_routes(state: StreamState, pace: Pace) -> Router {
    let upgrade = move |headers: HeaderMap,
                        from: Option<Extension<ConnectInfo<SocketAddr>>>,
                        upgrade: WebSocketUpgrade| async move {
        let from = from.map(|Extension(ConnectInfo(from))| from.ip());
        enter(state, pace, &headers, from, upgrade)
    };
    Router::new().route("/api/stream", any(upgrade))
}

fn enter(
    state: StreamState,
    pace: Pace,
    headers: &HeaderMap,
    from: Option<IpAddr>,
    upgrade: WebSocketUpgrade,
) -> Response {
    if !is_own_page(headers) {
        let why = "the page comes from another host: open it from this server, and let a proxy keep the Host header";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    // Programs may show their token here; a browser's socket has no such header and shows it in its `hello`.
    let caller = match bearer(headers).map(|token| state.guard.admit(Some(&token), from)).transpose() {
        Ok(caller) => caller,
        Err(refused) => return refused.into_response(),
    };
    let asks = upgrade.requested_protocols().next().is_some();
    let upgrade = upgrade
        .protocols(PROTOCOLS.map(|(name, _)| name))
        .max_message_size(MOST_BYTES)
        .max_frame_size(MOST_BYTES)
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER);
    let chosen = upgrade.selected_protocol().and_then(|name| name.to_str().ok());
    let known = PROTOCOLS.iter().find(|(name, _)| Some(*name) == chosen);
    let Some((_, format)) = known.or(PROTOCOLS.first().filter(|_| !asks)) else {
        return (StatusCode::BAD_REQUEST, "no such sub-protocol; there are: loom.v1, loom.v1.json")
            .into_response();
    };
    if state.shutdown.is_cancelled() {
        return unavailable("the server is shutting down");
    }
    let Some(session) = state.hub.open(*format) else {
        return unavailable("as many screens are connected as this server allows; try again later");
    };
    let visitor = session::Visitor { guard: state.guard, from, caller };
    upgrade.on_upgrade(move |socket| session::run(socket, session, visitor, state.city, state.shutdown, pace))
}

fn unavailable(why: &'static str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "15")], why).into_response()
}

/// A browser says which page asks. Websockets know no same-origin rule, so it is checked here: no foreign
/// page may read the wall through the browser of someone who may. Programs send no `Origin` and pass.
pub(crate) fn is_own_page(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let page = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    match (page, host) {
        (Some((scheme, page)), Some(host)) => {
            let usual = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
            let bare = |name: &str| name.strip_suffix(usual).unwrap_or(name).to_ascii_lowercase();
            bare(page) == bare(host)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_the_same_host_may_drive_the_stream() {
        let asks = |origin: Option<&'static str>, host: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            is_own_page(&headers)
        };
        assert!(asks(None, "wall.city:8080"));
        assert!(asks(Some("http://wall.city:8080"), "wall.city:8080"));
        assert!(asks(Some("https://Wall.City"), "wall.city:443"));
        for foreign in [
            "http://evil.example",
            "http://wall.city:81",
            "null",
            "wall.city:8080",
            "http://wall.city:8080.evil",
        ] {
            assert!(!asks(Some(foreign), "wall.city:8080"), "{foreign}");
        }
    }
}
