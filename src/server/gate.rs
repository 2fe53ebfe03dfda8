//! Before every route: who asks, what they want to do, and whether they may. The rule itself is [`crate::access::may`].

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, MatchedPath, RawPathParams, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::ServerState;
use super::error::{Code, Error};
use super::guard::bearer;
use crate::access::{Caller, Deed, may};
use crate::journal::Audited;
use crate::model::{OrderId, SubmissionId};

/// Routes that anybody may ask, whatever the city: they tell nothing of it.
const OPEN: [&str; 3] = ["/healthz", "/readyz", "/api/openapi.json"];
/// What belongs to a department's officer.
const SUBMISSIONS: &str = "/api/feeds/{department}/{feed}/submissions";

/// And what comes in parts.
const UPLOADS: &str = "/api/feeds/{department}/{feed}/uploads";

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
    let token = bearer(request.headers());
    state.guard.know_key(token.as_ref()).await;
    let caller = match state.guard.admit(token.as_ref(), from) {
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
    let allowed = may(&caller, &deed);
    let entry = Audited {
        who: caller.grant().map(|grant| grant.subject.clone()).unwrap_or_default(),
        from: from.map(|from| from.to_string()).unwrap_or_default(),
        deed: deed.as_str().to_owned(),
        on: request.uri().path().to_owned(),
        ..Audited::default()
    };
    let answer = match &allowed {
        Ok(()) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(denial) => Error::new(StatusCode::FORBIDDEN, denial.code(), denial.to_string()).into_response(),
    };
    // Looking is what everybody does all day, and steps stand in the journal; what was denied is told of both.
    let told = allowed.is_err() || matches!(deed, Deed::Inspect { .. } | Deed::Submit { .. } | Deed::Manage);
    if let Some((audit, now)) = state.guard.audit().filter(|_| told) {
        let code = answer.extensions().get::<Code>().map_or("", |Code(code)| code);
        let outcome = format!("{} {code}", answer.status().as_u16()).trim_end().to_owned();
        let submission = answer.extensions().get::<SubmissionId>().cloned();
        // On disk before the answer is: nobody learns of something that is not in the log.
        audit.record(Audited { outcome, submission, ..entry }, now).await;
    }
    answer
}

/// What a request is about to do. A route that changes something and is not named here is the administrator's.
fn deed(
    method: &Method,
    route: &str,
    param: impl Fn(&str) -> String,
    state: &ServerState,
) -> Result<Deed, Error> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    if route.starts_with(SUBMISSIONS) || route.starts_with(UPLOADS) {
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
