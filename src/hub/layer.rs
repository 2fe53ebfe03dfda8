//! One layer as a channel: its state, who follows it, and the frames of the present sequence, each encoded
//! once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::frame::{Format, Frame, Mode, Subscribed, columns, epoch_text};
use super::held;
use super::mailbox::Mailbox;
use super::session::{Position, Reader, Since};
use crate::layer::{LayerRows, LayerSchema, LayerState, ShapeMismatch, Tick, binary, json};
use crate::model::{Micros, QueryName};

/// Frames kept of one sequence. Screens hold mostly the last sequence, stragglers a few earlier ones.
const KEPT: usize = 12;

pub(super) struct LayerChannel {
    name: String,
    query: QueryName,
    sid: u16,
    seq: AtomicU64,
    retired: AtomicBool,
    inner: Mutex<Inner>,
}

struct Inner {
    state: LayerState,
    readers: HashMap<u64, Reader>,
    /// Emptied by every change.
    encoded: Vec<(Format, Start, Arc<[Frame]>)>,
}

/// What a receiver holds already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// Nothing.
    Nothing,
    /// A picture of another epoch, perhaps of another schema.
    OtherEpoch,
    /// This sequence.
    Seq(u64),
}

impl LayerChannel {
    pub(super) fn new(query: QueryName, sid: u16, schema: LayerSchema, epoch: u32) -> Self {
        let state = LayerState::new(schema, epoch);
        let inner = Inner { state, readers: HashMap::new(), encoded: Vec::new() };
        let (seq, retired) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { name: format!("layer/{query}"), query, sid, seq, retired, inner: Mutex::new(inner) }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn seq(&self) -> u64 {
        self.seq.load(Ordering::Acquire)
    }

    pub(super) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }

    pub(super) fn rows(&self) -> (LayerSchema, LayerRows, Micros) {
        let inner = held(&self.inner);
        (inner.state.schema().clone(), inner.state.snapshot(), inner.state.as_of())
    }

    pub(super) fn publish(
        &self,
        change: impl FnOnce(&mut LayerState) -> Result<Tick, ShapeMismatch>,
    ) -> Result<Tick, ShapeMismatch> {
        let mut inner = held(&self.inner);
        let tick = change(&mut inner.state)?;
        if tick.changed > 0 {
            self.tell(&mut inner);
        }
        Ok(tick)
    }

    pub(super) fn redeclare(&self, schema: LayerSchema) {
        let mut inner = held(&self.inner);
        self.retired.store(false, Ordering::Relaxed);
        if *inner.state.schema() != schema {
            inner.state = inner.state.renewed(schema);
            self.tell(&mut inner);
        }
    }

    pub(super) fn retire(&self, at: Micros) {
        let mut inner = held(&self.inner);
        self.retired.store(true, Ordering::Relaxed);
        let nothing = vec![Vec::new(); inner.state.schema().columns().len()];
        let rows = LayerRows::new(Vec::new(), nothing).unwrap_or_default();
        if inner.state.apply(&rows, at).is_ok_and(|tick| tick.changed > 0) {
            self.tell(&mut inner);
        }
    }

    fn tell(&self, inner: &mut Inner) {
        inner.encoded.clear();
        inner.readers.values().for_each(Reader::mark);
        self.seq.store(inner.state.seq(), Ordering::Release);
    }

    /// Adds a reader and answers its `sub`; gives what it must be sent first and what it then holds.
    pub(super) fn subscribe(
        &self,
        id: u64,
        session: u64,
        reader: Reader,
        since: Option<Since>,
        format: Format,
    ) -> (Position, Arc<[Frame]>) {
        let mut inner = held(&self.inner);
        let known =
            |since: &Since| since.epoch == Some(inner.state.epoch()) && since.seq <= inner.state.seq();
        let (mode, start) = match since.filter(known) {
            Some(since) => (Mode::Resumed, Start::Seq(since.seq)),
            None => (Mode::Snapshot, Start::Nothing),
        };
        reader.mailbox.push(self.subscribed(&inner.state, Some(id), mode));
        inner.readers.insert(session, reader);
        (Position::of(&inner.state), self.frames(&mut inner, start, format))
    }

    pub(super) fn unsubscribe(&self, session: u64) {
        held(&self.inner).readers.remove(&session);
    }

    /// What someone at `position` must be sent to show what the layer shows now.
    pub(super) fn news(&self, position: Position, format: Format) -> (Position, Arc<[Frame]>) {
        let mut inner = held(&self.inner);
        let same = position.epoch == inner.state.epoch() && position.seq <= inner.state.seq();
        let start = if same { Start::Seq(position.seq) } else { Start::OtherEpoch };
        (Position::of(&inner.state), self.frames(&mut inner, start, format))
    }

    fn frames(&self, inner: &mut Inner, start: Start, format: Format) -> Arc<[Frame]> {
        if start == Start::Seq(inner.state.seq()) {
            return Arc::from([]);
        }
        let found = inner.encoded.iter().find(|(kept, from, _)| *kept == format && *from == start);
        if let Some((.., frames)) = found {
            return Arc::clone(frames);
        }
        let frames: Arc<[Frame]> = self.encode(&inner.state, start, format).into();
        if inner.encoded.len() >= KEPT {
            inner.encoded.remove(0);
        }
        inner.encoded.push((format, start, Arc::clone(&frames)));
        frames
    }

    fn encode(&self, state: &LayerState, start: Start, format: Format) -> Vec<Frame> {
        let delta = match start {
            Start::Seq(seq) => state.delta_since(seq),
            Start::Nothing | Start::OtherEpoch => None,
        };
        let mut frames = Vec::new();
        if start == Start::OtherEpoch {
            frames.push(self.subscribed(state, None, Mode::Reset));
        }
        let (known, from) = delta.as_ref().map_or((0, 0), |delta| (delta.known_cells, delta.from));
        if format == Format::Binary && (delta.is_none() || known < state.cells().len()) {
            frames.push(Frame::binary(binary::cells(state, self.sid, known, from)));
        }
        let short = delta.filter(|delta| !state.prefers_snapshot(delta));
        frames.push(match (format, short) {
            (Format::Binary, Some(delta)) => Frame::binary(binary::delta(state, self.sid, &delta)),
            (Format::Binary, None) => Frame::binary(binary::snapshot(state, self.sid)),
            (Format::Json, Some(delta)) => Frame::text(json::delta(state, &self.query, &delta)),
            (Format::Json, None) => Frame::text(json::snapshot(state, &self.query)),
        });
        frames
    }

    fn subscribed(&self, state: &LayerState, id: Option<u64>, mode: Mode) -> Frame {
        Frame::json(&Subscribed {
            t: "subscribed",
            id,
            ch: &self.name,
            sid: self.sid,
            e: epoch_text(state.epoch()),
            q: state.seq(),
            mode,
            schema: Some(columns(state.schema())),
        })
    }
}

impl Position {
    fn of(state: &LayerState) -> Self {
        Self { epoch: state.epoch(), seq: state.seq() }
    }
}

impl Reader {
    pub(super) fn new(mailbox: Arc<Mailbox>, slot: usize) -> Self {
        Self { mailbox, slot }
    }

    pub(super) fn mark(&self) {
        self.mailbox.mark(self.slot);
    }
}
