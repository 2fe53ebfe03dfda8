//! Before every route: who asks, what they want to do, and whether they may. The rule itself is [`crate::access::may`].

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, MatchedPath, RawPathParams, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::ServerState;
use super::error::Error;
use super::guard::bearer;
use crate::access::{Caller, Deed, may};
use crate::model::OrderId;

/// Routes that anybody may ask, whatever the city: they tell nothing of it.
const OPEN: [&str; 3] = ["/healthz", "/readyz", "/api/openapi.json"];
/// What belongs to a department's officer.
const SUBMISSIONS: &str = "/api/feeds/{department}/{feed}/submissions";

/// Lets a request through with its [`Caller`], or answers why not.
pub(super) async fn gate(
    State(state): State<ServerState>,
    route: MatchedPath,
    params: RawPathParams,
    mut request: Request,
    next: Next,
) -> Response {
    if OPEN.contains(&route.as_str()) {
        request.extensions_mut().insert(Caller::Anybody);
        return next.run(request).await;
    }
    let from = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(from)| from.ip());
    let caller = match state.guard.admit(bearer(request.headers()).as_ref(), from) {
        Ok(caller) => caller,
        Err(refused) => return refused.into_response(),
    };
    let param = |name: &str| {
        params.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    let deed = match deed(request.method(), route.as_str(), param, &state) {
        Ok(deed) => deed,
        Err(error) => return error.into_response(),
    };
    if let Err(denial) = may(&caller, &deed) {
        let who = caller.grant().map_or("", |grant| grant.subject.as_str());
        tracing::info!(user.id = who, deed = deed.as_str(), "denied: {denial}");
        return Error::new(StatusCode::FORBIDDEN, denial.code(), denial.to_string()).into_response();
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// What a request is about to do. A route that changes something and is not named here is the administrator's.
fn deed(
    method: &Method,
    route: &str,
    param: impl Fn(&str) -> String,
    state: &ServerState,
) -> Result<Deed, Error> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    if route.starts_with(SUBMISSIONS) {
        let department = param("department");
        return Ok(if reads { Deed::Inspect { department } } else { Deed::Submit { department } });
    }
    if reads {
        return Ok(Deed::Look);
    }
    match route {
        "/api/orders/{id}/accept" | "/api/orders/{id}/close" => match state.desk.order(&OrderId(param("id")))
        {
            Some(order) => Ok(Deed::Step { unit: order.unit, area: order.area }),
            // Answered here: by the time the route looks, there may be one.
            None => Err(Error::unknown_order()),
        },
        _ => Ok(Deed::Manage),
    }
}
