//! Who the caller is, for a page that must know what to ask and what to offer.

use axum::{Extension, Json};
use serde_json::{Value, json};

use crate::access::{Caller, Role};
use crate::model::UnitId;

/// `open` where the city asks nobody; else what the token grants.
pub(in crate::server) async fn show(Extension(caller): Extension<Caller>) -> Json<Value> {
    Json(match caller.grant() {
        None => json!({ "open": true }),
        Some(grant) => json!({
            "open": false,
            "name": grant.name,
            "roles": grant.roles.iter().map(|role| Role::as_str(*role)).collect::<Vec<_>>(),
            "department": grant.department,
            "units": grant.units.iter().map(UnitId::as_str).collect::<Vec<_>>(),
            "area": grant.area.as_ref().map(|area| area.as_str()),
            "until_us": grant.until.0,
        }),
    })
}
