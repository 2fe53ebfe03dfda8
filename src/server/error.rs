//! Refusals as `application/problem+json`: a stable code, what is wrong, and nothing of the inside.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::json;

use crate::decode;
use crate::ingest::{Refusal, Violation};
use crate::journal;

/// The code of a refusal, beside its answer for those who write it down.
#[derive(Debug, Clone)]
pub(super) struct Code(pub(super) String);

/// An answer that is no success.
#[derive(Debug)]
pub(super) struct Error {
    status: StatusCode,
    code: String,
    detail: String,
    violations: Vec<Violation>,
}

impl Error {
    pub(super) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), detail: detail.into(), violations: Vec::new() }
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", format!("there is no {what}"))
    }

    pub(super) fn unknown_order() -> Self {
        Self::new(StatusCode::NOT_FOUND, "UNKNOWN_ORDER", "there is no such order, or it ended long ago")
    }

    pub(super) fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", "it failed on our side; the log says why")
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let status = match &refusal {
            Refusal::UnknownFeed { .. } | Refusal::UnknownSubmission { .. } => StatusCode::NOT_FOUND,
            Refusal::SubmissionTaken { .. } | Refusal::SubmissionWithdrawn { .. } => StatusCode::CONFLICT,
            Refusal::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::File(decode::Error::FormatUnknown(_)) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Refusal::File(decode::Error::Unable(_)) => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Lake(_) | Refusal::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::DiskFull { .. } | Refusal::NoRoom { .. } => StatusCode::INSUFFICIENT_STORAGE,
            Refusal::Quota { .. } => StatusCode::TOO_MANY_REQUESTS,
            Refusal::Internal(_) | Refusal::Io { .. } => return Self::internal(&refusal),
            Refusal::File(_) if !refusal.is_senders() => return Self::internal(&refusal),
            Refusal::UnknownContract { .. }
            | Refusal::RetiredContract { .. }
            | Refusal::File(_)
            | Refusal::Unit(_)
            | Refusal::Intolerable { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        };
        let violations = refusal.violations();
        Self { violations, ..Self::new(status, refusal.code(), refusal.to_string()) }
    }
}

impl From<journal::Error> for Error {
    fn from(error: journal::Error) -> Self {
        match error {
            journal::Error::Refused(refusal) => {
                let unknown = refusal.code() == "UNKNOWN_ORDER";
                let status = if unknown { StatusCode::NOT_FOUND } else { StatusCode::CONFLICT };
                Self::new(status, refusal.code(), refusal.to_string())
            }
            full if full.is_full() => {
                let why =
                    "the disk is full: the step was not taken. Once the city has made room, take it again";
                tracing::error!(error = %full, "the journal takes nothing");
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "DISK_FULL", why)
            }
            other => Self::internal(&other),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        if !self.violations.is_empty() {
            body["violations"] = json!(self.violations);
        }
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        (self.status, kind, Extension(Code(self.code)), Json(body)).into_response()
    }
}
