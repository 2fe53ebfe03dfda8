//! Carries one session: a single loop over the hub, the client, the heartbeat, the shutdown and the progress
//! of the write. It is generic over the socket, so that tests drive it without one; every decision is
//! [`super::step`]'s.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes};
use futures::{Sink, Stream, StreamExt};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::CityInfo;
use super::step::{Close, Input, MOST_SUBS, Output, Protocol};
use super::wire;
use crate::access::{Bearer, Caller, Deed, may};
use crate::hub::{Frame, Next, Session, SubscribeError};
use crate::model::Micros;
use crate::server::guard::Guard;

/// One write joins frames up to this many bytes.
const BATCH_BYTES: usize = 32 << 10;
/// A write may take [`Pace::progress`] for each of these: a large picture over a thin line is progress too.
const PROGRESS_BYTES: usize = 256 << 10;
/// Screens come back from a restart spread over this time, so that they do not come together.
const RETRY_MS: std::ops::Range<u64> = 500..30_000;

/// How long a goodbye may hold up the end of the process.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The times of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// A `hello` must come within.
    pub hello: Duration,
    /// Between two heartbeats.
    pub heartbeat: Duration,
    /// A write without progress for so long ends the session.
    pub progress: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            hello: Duration::from_secs(5),
            heartbeat: Duration::from_secs(5),
            progress: Duration::from_secs(10),
        }
    }
}

/// Frames on their way into the socket. What is here is not yet the kernel's, and nothing more is taken from
/// the hub until it is: a slow screen's news waits where it can still be conflated.
#[derive(Default)]
struct Outgoing {
    frames: VecDeque<Message>,
    bytes: usize,
    flushing: bool,
}

impl Outgoing {
    fn add(&mut self, frame: &Frame) {
        self.bytes += frame.data.len();
        let data = frame.data.clone();
        // Text frames are made from strings; bytes that are no text could not be sent as one.
        self.frames.push_back(match frame.text.then(|| Utf8Bytes::try_from(data.clone())) {
            Some(Ok(text)) => Message::Text(text),
            _ => Message::Binary(data),
        });
        self.flushing = true;
    }

    fn is_done(&self) -> bool {
        !self.flushing
    }

    /// Writes as far as the socket takes. Stopping half way loses nothing.
    fn poll<S: Sink<Message> + Unpin>(
        &mut self,
        socket: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), S::Error>> {
        while !self.frames.is_empty() {
            ready!(Pin::new(&mut *socket).poll_ready(cx))?;
            if let Some(frame) = self.frames.pop_front() {
                Pin::new(&mut *socket).start_send(frame)?;
            }
        }
        ready!(Pin::new(&mut *socket).poll_flush(cx))?;
        (self.flushing, self.bytes) = (false, 0);
        Poll::Ready(Ok(()))
    }
}

/// Who is at the door.
pub(super) struct Visitor {
    pub(super) guard: Arc<Guard>,
    pub(super) from: Option<IpAddr>,
    /// Known already where the request itself brought a token.
    pub(super) caller: Option<Caller>,
}

impl Visitor {
    /// How long they may look; for ever in a city that runs open.
    fn admit(&mut self, token: Option<&Bearer>, now: Micros) -> Result<Option<Duration>, Close> {
        let known = self.caller.take();
        let caller = match known {
            Some(caller) => caller,
            None => self.guard.admit(token, self.from).map_err(|_| Close::NoGrant)?,
        };
        let caller = self.caller.insert(caller);
        may(caller, &Deed::Look).map_err(|_| Close::NoGrant)?;
        let left = |until: Micros| Duration::from_micros(until.0.saturating_sub(now.0).max(0).unsigned_abs());
        Ok(caller.grant().map(|grant| left(grant.until)))
    }
}

/// Runs a session until its client goes, errs, or the process ends.
pub(super) async fn run<S, E>(
    socket: S,
    hub: Session,
    visitor: Visitor,
    city: CityInfo,
    shutdown: CancellationToken,
    pace: Pace,
) where
    S: Sink<Message, Error = E> + Stream<Item = Result<Message, E>> + Unpin,
{
    let (mut sink, mut stream) = socket.split();
    let (protocol, out) = (Protocol::default(), Outgoing::default());
    let mut carrier = Carrier { hub, visitor, city, pace, protocol, out, due: false, ends: None };
    let hello_due = Instant::now() + pace.hello;
    let mut heartbeat = interval_at(Instant::now() + pace.heartbeat, pace.heartbeat);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut write_due = Instant::now() + pace.progress;
    let close = loop {
        if carrier.out.is_done() {
            match carrier.fill() {
                Ok(patience) => write_due = Instant::now() + patience,
                Err(close) => break close,
            }
        }
        let Carrier { hub, out, protocol, ends, .. } = &mut carrier;
        let (writing, ends) = (!out.is_done(), *ends);
        let event = tokio::select! {
            biased;
            () = shutdown.cancelled() => Event::Input(Input::Shutdown),
            written = poll_fn(|cx| out.poll(&mut sink, cx)), if writing => match written {
                Ok(()) => Event::Nothing,
                Err(_) => return,
            },
            message = stream.next(), if !hub.is_full() => match message {
                Some(Ok(message)) => Event::Message(message),
                // Too large or against the websocket's own rules; where the connection broke, saying so fails
                // at once.
                Some(Err(_)) => break Close::Malformed,
                None => return,
            },
            () = hub.ready(), if !writing => Event::Nothing,
            _ = heartbeat.tick(), if protocol.is_greeted() => Event::Heartbeat,
            () = sleep_until(hello_due), if !protocol.is_greeted() => Event::Input(Input::HelloDue),
            () = sleep_until(write_due), if writing => break Close::Slow,
            () = sleep_until(ends.unwrap_or(hello_due)), if ends.is_some() => break Close::NoGrant,
        };
        if let Err(close) = carrier.handle(event) {
            break close;
        }
    };
    carrier.goodbye(&mut sink, &mut stream, close).await;
}

/// What the loop woke up for.
enum Event {
    Nothing,
    Heartbeat,
    Input(Input<'static>),
    Message(Message),
}

struct Carrier {
    hub: Session,
    visitor: Visitor,
    city: CityInfo,
    pace: Pace,
    protocol: Protocol,
    out: Outgoing,
    /// When the grant ends.
    ends: Option<Instant>,
    /// A heartbeat is to be sent as soon as nothing else waits.
    due: bool,
}

impl Carrier {
    /// Takes the next batch from the hub: what waits in lane 1 and at most one channel's news. Says how long
    /// it may take.
    fn fill(&mut self) -> Result<Duration, Close> {
        while self.out.bytes < BATCH_BYTES {
            match self.hub.take() {
                Next::Frame(frame) => self.out.add(&frame),
                Next::News(frames) => {
                    frames.iter().for_each(|frame| self.out.add(frame));
                    break;
                }
                Next::Idle => {
                    if self.due
                        && let Some(frame) = self.hub.heartbeat(self.visitor.guard.now())
                    {
                        self.out.add(&frame);
                        self.due = false;
                    }
                    break;
                }
                Next::Slow => return Err(Close::Slow),
            }
        }
        let parts = u32::try_from(self.out.bytes / PROGRESS_BYTES).unwrap_or(u32::MAX);
        Ok(self.pace.progress.saturating_mul(parts.saturating_add(1)))
    }

    fn handle(&mut self, event: Event) -> Result<(), Close> {
        match event {
            Event::Heartbeat => {
                let visitor = &self.visitor;
                if visitor.caller.as_ref().is_some_and(|caller| !visitor.guard.holds(caller)) {
                    return Err(Close::NoGrant);
                }
                self.due = true;
            }
            Event::Input(input) => return self.step(input),
            Event::Message(Message::Text(text)) => return self.step(Input::Text(text.as_str())),
            Event::Message(Message::Binary(_)) => return self.step(Input::Binary),
            // Pings are answered by the socket itself; after a close nothing more comes and the stream ends.
            Event::Nothing | Event::Message(Message::Ping(_) | Message::Pong(_) | Message::Close(_)) => {}
        }
        Ok(())
    }

    fn step(&mut self, input: Input<'_>) -> Result<(), Close> {
        let (protocol, output) = std::mem::take(&mut self.protocol).step(input);
        self.protocol = protocol;
        match output {
            None => {}
            Some(Output::Welcome { id, token }) => {
                let left = self.visitor.admit(token.as_ref(), self.visitor.guard.now())?;
                self.ends = left.and_then(|left| Instant::now().checked_add(left));
                let beat = self.pace.heartbeat;
                self.hub.reply(wire::welcome(id, &self.city, self.visitor.guard.now(), beat, MOST_SUBS));
            }
            Some(Output::Subscribe { id, ch, since }) => {
                if let Err(error) = self.hub.subscribe(id, &ch, since) {
                    self.protocol = std::mem::take(&mut self.protocol).refused(&ch);
                    let (code, retry) = match &error {
                        SubscribeError::Unknown { .. } => (4004, false),
                        SubscribeError::TooMany => (4029, false),
                        SubscribeError::Busy(_) => (4503, true),
                    };
                    self.hub.reply(wire::refused(id, code, &error.to_string(), retry));
                }
            }
            Some(Output::Unsubscribe { ch }) => self.hub.unsubscribe(&ch),
            Some(Output::Close(close)) => return Err(close),
        }
        Ok(())
    }

    /// Says why, as far as the client still listens. What waits in the hub is dropped: the client resumes
    /// from what it holds.
    async fn goodbye<W, R>(mut self, sink: &mut W, stream: &mut R, close: Close)
    where
        W: Sink<Message> + Unpin,
        R: Stream + Unpin,
    {
        let (code, why) = close.code();
        if close == Close::ShuttingDown {
            let bye = wire::bye(code, "restart", rand::random_range(RETRY_MS));
            self.out.frames.push_back(Message::Text(bye.into()));
        }
        self.out
            .frames
            .push_back(Message::Close(Some(CloseFrame { code, reason: Utf8Bytes::from_static(why) })));
        let Self { hub, mut out, pace, .. } = self;
        // The place and the subscriptions are free from here on, whatever the client does.
        drop(hub);
        let patience =
            if close == Close::ShuttingDown { pace.progress.min(LAST_WORDS) } else { pace.progress };
        if let Ok(Ok(())) = timeout(patience, poll_fn(|cx| out.poll(sink, cx))).await {
            // Unread bytes would turn the end of the connection into a reset, and the reason would be lost
            // with it.
            let heard = async { while stream.next().await.is_some() {} };
            drop(timeout(pace.progress.min(LAST_WORDS), heard).await);
        }
    }
}
