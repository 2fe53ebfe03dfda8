//! What every route may reach: cheap handles, nothing else.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use metrics_exporter_prometheus::PrometheusHandle;

use super::Guard;
use super::stream::StreamState;
use crate::hub::Hub;
use crate::ingest::{Lander, Uploads};
use crate::journal::Desk;
use crate::model::Clock;
use crate::place::Areas;

/// Handles of a running city.
#[derive(Debug, Clone)]
pub struct ServerState {
    /// Where files land.
    pub lander: Arc<Lander>,
    /// Alerts and orders.
    pub desk: Desk,
    /// The stream's channels.
    pub hub: Arc<Hub>,
    /// Who may come in.
    pub guard: Arc<Guard>,
    /// The areas.
    pub areas: Arc<Areas>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// True once feeds are open and the first refresh is done.
    pub ready: Arc<AtomicBool>,
    /// Where metrics are read.
    pub metrics: PrometheusHandle,
    /// Where bodies are kept while they arrive.
    pub spool: PathBuf,
    /// Where the city keeps a good file of each feed, in a folder of its own.
    pub samples: PathBuf,
    /// Uploads that come in parts.
    pub uploads: Arc<Uploads>,
    /// The largest body of a submission.
    pub upload_limit: u64,
    /// The websocket door's part.
    pub stream: StreamState,
}
