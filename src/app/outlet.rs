//! Journal → hub: what is recorded is told, in order; and what was recorded answers those who resume.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::hub::{Event, Hub, Log, LogPicture, LogSource};
use crate::journal::{Channel, Desk, OrderView, Record, View};
use crate::server::wire;

/// Events that are read for one who resumes; further behind, a full picture is shorter.
const RESUME_EVENTS: usize = 10_000;
/// Ended orders that a screen is shown when it comes.
const ENDED_SHOWN: usize = 30;

/// One of the two logs, kept by the desk.
pub(super) struct DeskLog {
    desk: Desk,
    channel: Channel,
    runtime: Handle,
}

impl DeskLog {
    pub(super) fn new(desk: Desk, channel: Channel, runtime: Handle) -> Arc<Self> {
        Arc::new(Self { desk, channel, runtime })
    }
}

impl LogSource for DeskLog {
    fn items(&self) -> LogPicture {
        let (heads, items) = match self.channel {
            Channel::Alerts => {
                let cut = self.desk.alerts();
                (cut.heads, cut.items.iter().map(wire::alert).collect())
            }
            Channel::Orders => {
                let cut = self.desk.orders();
                (cut.heads, recent(&cut.items).map(wire::order).collect())
            }
        };
        LogPicture { epoch: self.desk.epoch(), seq: heads.of(self.channel), items }
    }

    fn since(&self, seq: u64) -> Option<Vec<Event>> {
        // The hub asks from a session's task; what is no longer in memory is read from disk.
        let read = || self.runtime.block_on(self.desk.events_since(seq, RESUME_EVENTS));
        let records = tokio::task::block_in_place(read).ok()??;
        let mine = records.iter().filter(|record| record.event.channel() == Some(self.channel));
        Some(mine.filter_map(|record| event(record)).collect())
    }
}

/// The open orders, and the newest of those that have ended, so that a board shows what was done.
fn recent(orders: &[OrderView]) -> impl Iterator<Item = &OrderView> {
    let ended = orders.iter().filter(|order| !order.state.is_open()).count();
    let mut skip = ended.saturating_sub(ENDED_SHOWN);
    orders.iter().filter(move |order| {
        let old = !order.state.is_open() && skip > 0;
        skip -= usize::from(old);
        !old
    })
}

fn event(record: &Record) -> Option<Event> {
    let body = match record.view()? {
        View::Alert(view) => wire::alert(&view),
        View::Order(view) => wire::order(&view),
    };
    Some(Event {
        seq: record.seq,
        ts_us: record.at.0,
        key: record.key().to_owned(),
        kind: record.kind().to_owned(),
        body,
    })
}

/// Tells the hub of every record until the desk shuts.
pub(super) async fn run(hub: Arc<Hub>, mut records: mpsc::Receiver<Vec<Arc<Record>>>) {
    while let Some(written) = records.recv().await {
        for record in written {
            let log = match record.event.channel() {
                Some(Channel::Alerts) => Log::Alerts,
                Some(Channel::Orders) => Log::Orders,
                None => continue,
            };
            if let Some(event) = event(&record) {
                hub.publish_event(log, &event);
            }
        }
    }
}
