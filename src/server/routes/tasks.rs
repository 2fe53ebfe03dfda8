//! Alerts and orders: what is open, and a unit's steps.

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde_json::{Value, json};

use crate::access::Caller;
use crate::model::OrderId;
use crate::server::ServerState;
use crate::server::error::Error;
use crate::server::wire::{self, Step};

/// The longest name or note of a step, in characters.
const MOST_CHARS: usize = 500;

/// The open alerts.
pub(in crate::server) async fn alerts(State(state): State<ServerState>) -> Json<Value> {
    let cut = state.desk.alerts();
    Json(json!({ "q": cut.heads.alerts, "alerts": cut.items.iter().map(wire::alert).collect::<Vec<_>>() }))
}

/// The open orders and the newest ended ones.
pub(in crate::server) async fn orders(State(state): State<ServerState>) -> Json<Value> {
    let cut = state.desk.orders();
    Json(json!({ "q": cut.heads.orders, "orders": cut.items.iter().map(wire::order).collect::<Vec<_>>() }))
}

/// A unit takes its order.
pub(in crate::server) async fn accept(
    State(state): State<ServerState>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    step: Result<Json<Step>, JsonRejection>,
) -> Result<Json<Value>, Error> {
    let (by, note) = checked(step, &caller)?;
    let order = state.desk.accept(OrderId(id), by, note, state.clock.now()).await?;
    Ok(Json(wire::order(&order)))
}

/// A unit is done with its order.
pub(in crate::server) async fn close(
    State(state): State<ServerState>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    step: Result<Json<Step>, JsonRejection>,
) -> Result<Json<Value>, Error> {
    let (by, note) = checked(step, &caller)?;
    let order = state.desk.close(OrderId(id), by, note, state.clock.now()).await?;
    Ok(Json(wire::order(&order)))
}

/// Who takes the step, and what they say. Where the city knows its callers, the token says who.
fn checked(
    step: Result<Json<Step>, JsonRejection>,
    caller: &Caller,
) -> Result<(String, Option<String>), Error> {
    let malformed =
        |rejection: JsonRejection| Error::new(StatusCode::BAD_REQUEST, "MALFORMED", rejection.body_text());
    let Json(step) = step.map_err(malformed)?;
    let said = step.by.as_deref().unwrap_or_default().trim();
    let by = caller.grant().map_or(said, |grant| &grant.name).to_owned();
    if !said.is_empty() && said != by {
        let why = format!("the token is {by}'s; leave `by` out, and name others in the note");
        return Err(Error::new(StatusCode::FORBIDDEN, "NOT_YOURSELF", why));
    }
    let too_long = |text: &str| text.chars().count() > MOST_CHARS;
    if by.is_empty() {
        return Err(Error::new(StatusCode::BAD_REQUEST, "NOBODY", "say who takes the step: {\"by\": \"…\"}"));
    }
    if too_long(&by) || step.note.as_deref().is_some_and(too_long) {
        let why = format!("`by` and `note` have at most {MOST_CHARS} characters");
        return Err(Error::new(StatusCode::BAD_REQUEST, "TOO_LONG", why));
    }
    Ok((by, step.note.filter(|note| !note.trim().is_empty())))
}
