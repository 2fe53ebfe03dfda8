//! Connectors: live sources that somebody else serves, asked again and again; what is new goes to the lander.
//!
//! `json_rows.rs` finds the rows of an answer, `changes.rs` what is new in them, `http_poll.rs` asks, `runner.rs` asks on
//! and on. A connector says where it stands by a cursor, which moves with the landing's commit and not before. Every kind
//! passes `conformance_tests.rs`.

mod changes;
mod http_poll;
mod json_rows;
mod runner;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};

pub use http_poll::{HttpPoll, HttpPollConfig, Secret};
pub use runner::{Health, Runner};

/// A row as it came: names and values.
pub type Row = Map<String, Value>;

/// Something that can be asked for rows.
#[async_trait]
pub trait Connector: Send {
    /// What there is beyond `cursor`; without one, all that there is. Asked twice with one cursor it gives nothing less.
    ///
    /// # Errors
    /// [`Trouble`]; the cursor stands where it stood.
    async fn poll(&mut self, cursor: Option<&Value>) -> Result<Polled, Trouble>;
}

/// What an asking brought.
#[derive(Debug, Clone, PartialEq)]
pub enum Polled {
    /// Nothing new.
    Unchanged,
    /// Rows, and where the source stands once they have landed. No rows: the cursor alone has moved.
    Rows {
        /// What is new.
        rows: Vec<Row>,
        /// Where to go on.
        cursor: Value,
    },
}

/// Why an asking brought nothing. It is asked again; what differs is when, and who can mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It may pass by itself.
    #[error("{why}")]
    Passing {
        /// What happened.
        why: String,
        /// The source says not to come back before.
        after: Option<Duration>,
    },
    /// Somebody must change the source or its settings.
    #[error("{0}")]
    Lasting(String),
}

impl Trouble {
    fn passing(why: impl Into<String>) -> Self {
        Self::Passing { why: why.into(), after: None }
    }
}

// It serves its sources by axum, which only the server feature brings.
#[cfg(test)]
#[cfg(feature = "server")]
mod conformance_tests;
