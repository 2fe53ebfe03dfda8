//! Fan-out inside the process: named channels with epoch and sequence, and sessions that follow them.
//!
//! A session has two lanes. Lane 1 carries replies and the events of logs: ordered, never dropped, bounded (a
//! session that falls too far behind is cut and resumes from the log). Lane 2 carries layers and states: one
//! dirty flag a channel and no queue, so a slow screen costs a sequence number. Frames are encoded once and
//! shared as [`bytes::Bytes`].
//!
//! **Invariant**: a subscription is cut under its channel's lock, so nothing is published between what it is
//! given first and what it is told later. Locks are taken in the order channel, mailbox; no source is asked
//! under either. Sockets are not here.

mod frame;
mod layer;
mod log;
mod mailbox;
mod session;
mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

pub use frame::{Format, Frame};
pub use log::{Event, Log, LogPicture, LogSource};
pub use session::{Next, Session, Since, SubscribeError};
pub use state::StateChannel;

use crate::layer::{LayerRows, LayerSchema, ShapeMismatch, Tick};
use crate::model::{Micros, QueryName};
use layer::LayerChannel;
use log::LogChannel;
use state::StateFeed;

/// Layers beyond this are refused: each holds its whole picture in memory.
const MOST_LAYERS: u16 = 512;
/// The first number for layers; those below are the fixed channels.
const FIRST_LAYER_SID: u16 = 16;

/// The bounds of the hub.
#[derive(Debug, Clone)]
pub struct HubConfig {
    /// Sessions at once.
    pub max_sessions: usize,
    /// Bytes of events and replies that one session may leave undelivered before it is cut.
    pub lane_bytes: usize,
    /// Where the epochs of layers and states begin. It must differ from the last process's, because sequences
    /// start anew.
    pub first_epoch: u32,
}

impl Default for HubConfig {
    /// 20,000 sessions, 1 MiB, and an epoch drawn at random.
    fn default() -> Self {
        Self { max_sessions: 20_000, lane_bytes: 1 << 20, first_epoch: rand::random() }
    }
}

/// A publication that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HubError {
    /// No such layer was declared.
    #[error("the layer `{0}` is not declared: declare it with its schema before publishing rows")]
    Undeclared(String),
    /// Too many layers.
    #[error("{MOST_LAYERS} layers are published already; take some queries of kind layer out")]
    TooManyLayers,
    /// The rows do not fit the layer.
    #[error("layer `{layer}`: {source}")]
    Shape {
        /// The layer.
        layer: String,
        /// What does not fit.
        source: ShapeMismatch,
    },
}

/// The channels of one city and the count of its sessions.
pub struct Hub {
    config: HubConfig,
    layers: RwLock<BTreeMap<String, Arc<LayerChannel>>>,
    logs: [Arc<LogChannel>; 2],
    states: [Arc<StateFeed>; 3],
    sessions: AtomicUsize,
    next_session: AtomicU64,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("config", &self.config)
            .field("sessions", &self.sessions())
            .finish_non_exhaustive()
    }
}

/// A channel found by its name.
#[derive(Clone)]
enum Channel {
    Layer(Arc<LayerChannel>),
    Log(Arc<LogChannel>),
    State(Arc<StateFeed>),
}

impl Hub {
    /// A hub without layers whose two logs are read from `alerts` and `orders`.
    pub fn new(config: HubConfig, alerts: Arc<dyn LogSource>, orders: Arc<dyn LogSource>) -> Self {
        let epoch = config.first_epoch;
        let state = |channel, sid| Arc::new(StateFeed::new(channel, sid, epoch));
        Self {
            config,
            layers: RwLock::default(),
            logs: [
                Arc::new(LogChannel::new(Log::Alerts, 1, alerts)),
                Arc::new(LogChannel::new(Log::Orders, 2, orders)),
            ],
            states: [
                state(StateChannel::Kpis, 3),
                state(StateChannel::Feeds, 4),
                state(StateChannel::Sys, 5),
            ],
            sessions: AtomicUsize::new(0),
            next_session: AtomicU64::new(0),
        }
    }

    /// Makes `layer/<name>` a channel. The same schema again changes nothing; another begins a new epoch, and
    /// every screen that follows the layer is told its new schema before the next picture.
    ///
    /// # Errors
    /// [`HubError::TooManyLayers`].
    pub fn declare_layer(&self, name: &QueryName, schema: LayerSchema) -> Result<(), HubError> {
        let mut layers = self.layers.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(layer) = layers.get(name.as_str()) {
            layer.redeclare(schema);
            return Ok(());
        }
        let sid = u16::try_from(layers.len()).ok().filter(|count| *count < MOST_LAYERS);
        let sid = sid.ok_or(HubError::TooManyLayers)? + FIRST_LAYER_SID;
        let layer = LayerChannel::new(name.clone(), sid, schema, self.config.first_epoch);
        layers.insert(name.as_str().to_owned(), Arc::new(layer));
        Ok(())
    }

    /// Takes a layer away: screens that follow it see every cell leave, new subscriptions are refused.
    /// Declaring it again brings it back to those who follow it still.
    pub fn retire_layer(&self, name: &QueryName, at: Micros) {
        if let Ok(layer) = self.layer(name) {
            layer.retire(at);
        }
    }

    /// Makes `rows` the whole picture of a layer.
    ///
    /// # Errors
    /// [`HubError::Undeclared`], [`HubError::Shape`].
    pub fn publish_layer(&self, name: &QueryName, rows: &LayerRows, at: Micros) -> Result<Tick, HubError> {
        self.layer(name)?.publish(|state| state.apply(rows, at)).map_err(|source| shape(name, source))
    }

    /// Puts `upserts` into a layer and takes `removed` out; all other cells stay.
    ///
    /// # Errors
    /// [`HubError::Undeclared`], [`HubError::Shape`].
    pub fn publish_layer_changes(
        &self,
        name: &QueryName,
        upserts: &LayerRows,
        removed: &[u64],
        at: Micros,
    ) -> Result<Tick, HubError> {
        let layer = self.layer(name)?;
        layer.publish(|state| state.apply_changes(upserts, removed, at)).map_err(|source| shape(name, source))
    }

    /// What a layer shows now: live cells, and values as the wire carries them.
    pub fn layer_rows(&self, name: &QueryName) -> Option<(LayerSchema, LayerRows, Micros)> {
        self.layer(name).ok().map(|layer| layer.rows())
    }

    fn layer(&self, name: &QueryName) -> Result<Arc<LayerChannel>, HubError> {
        let layers = self.layers.read().unwrap_or_else(PoisonError::into_inner);
        let layer = layers.get(name.as_str()).filter(|layer| !layer.is_retired()).cloned();
        layer.ok_or_else(|| HubError::Undeclared(name.to_string()))
    }

    /// Tells everyone who follows `log` of one event, which must be in the log's source already. Events come
    /// in the order of their sequences; one that is not newer than the last is not told again. Says whether
    /// it was told.
    pub fn publish_event(&self, log: Log, event: &Event) -> bool {
        self.log(log).publish(event)
    }

    /// Makes `body` the whole of a state channel; the same body again is no change.
    pub fn publish_state(&self, channel: StateChannel, body: &serde_json::Value, at: Micros) {
        self.state(channel).publish(body, at);
    }

    fn log(&self, log: Log) -> &Arc<LogChannel> {
        let [alerts, orders] = &self.logs;
        match log {
            Log::Alerts => alerts,
            Log::Orders => orders,
        }
    }

    fn state(&self, channel: StateChannel) -> &Arc<StateFeed> {
        let [kpis, feeds, sys] = &self.states;
        match channel {
            StateChannel::Kpis => kpis,
            StateChannel::Feeds => feeds,
            StateChannel::Sys => sys,
        }
    }

    fn channel(&self, name: &str) -> Option<Channel> {
        if let Some(layer) = name.strip_prefix("layer/") {
            let layers = self.layers.read().unwrap_or_else(PoisonError::into_inner);
            return layers.get(layer).filter(|layer| !layer.is_retired()).cloned().map(Channel::Layer);
        }
        let log = self.logs.iter().find(|log| log.name() == name).cloned().map(Channel::Log);
        log.or_else(|| self.states.iter().find(|state| state.name() == name).cloned().map(Channel::State))
    }

    /// The names of all channels.
    pub fn channels(&self) -> Vec<String> {
        self.watermarks().into_iter().map(|(name, _)| name).collect()
    }

    /// Each channel and the sequence that its followers have been told.
    pub fn watermarks(&self) -> Vec<(String, u64)> {
        let layers = self.layers.read().unwrap_or_else(PoisonError::into_inner);
        let logs = self.logs.iter().map(|log| (log.name().to_owned(), log.seq()));
        let states = self.states.iter().map(|state| (state.name().to_owned(), state.seq()));
        let layers = layers.values().filter(|layer| !layer.is_retired());
        logs.chain(states).chain(layers.map(|layer| (layer.name().to_owned(), layer.seq()))).collect()
    }

    /// Sessions open now.
    pub fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Relaxed)
    }

    /// Opens a session; none where the hub is full.
    pub fn open(self: &Arc<Self>, format: Format) -> Option<Session> {
        let room = |open: usize| (open < self.config.max_sessions).then_some(open + 1);
        self.sessions.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).ok()?;
        let number = self.next_session.fetch_add(1, Ordering::Relaxed);
        Some(Session::new(Arc::clone(self), number, format, self.config.lane_bytes))
    }

    fn closed(&self) {
        self.sessions.fetch_sub(1, Ordering::Relaxed);
    }
}

fn shape(name: &QueryName, source: ShapeMismatch) -> HubError {
    HubError::Shape { layer: name.to_string(), source }
}

/// A std lock: every section is short and none awaits. A panic elsewhere must not silence the wall, so poison
/// is ignored.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
