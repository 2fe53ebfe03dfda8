//! The desk's only writer: one request at a time, decided by the rules, on disk, then in the book, then sent on.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{mpsc, oneshot};

use super::desk::Shared;
use super::{Book, Error, Event, Journal, OrderView, Outcome, Record};
use crate::alert::{
    Absences, Alert, AlertEvent, AlertKind, Condition, Refresh, Rules, Verdict, lapse, raise,
};
use crate::dispatch::{
    CancelReason, Command, DutyList, Order, OrderEvent, OrderKind, Refusal, Task, decide, evolve,
};
use crate::model::{Micros, OrderId, QueryName};

type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// What the desk asks of its writer.
#[derive(Debug)]
pub(super) enum Request {
    Settle { query: QueryName, rows: Vec<Condition>, now: Micros, reply: Reply<Outcome> },
    Lapse { now: Micros, reply: Reply<Outcome> },
    Command { order: OrderId, command: Command, now: Micros, reply: Reply<OrderView> },
    DutyList { list: DutyList, now: Micros, reply: Reply<Outcome> },
    Rules { rules: Rules, reply: Reply<()> },
    Shut { reply: Reply<()> },
}

/// The writer; whoever wires the program runs it.
#[derive(Debug)]
pub struct Writer {
    /// Away only while a write is under way.
    journal: Option<Journal>,
    shared: Arc<RwLock<Shared>>,
    rules: Rules,
    duties: DutyList,
    absences: Absences,
    queue: mpsc::Receiver<Request>,
    outlet: mpsc::Sender<Vec<Arc<Record>>>,
    /// Whether it was said already that the outlet is gone.
    unheard: bool,
}

impl Writer {
    pub(super) fn new(
        journal: Journal,
        shared: Arc<RwLock<Shared>>,
        rules: Rules,
        queue: mpsc::Receiver<Request>,
        outlet: mpsc::Sender<Vec<Arc<Record>>>,
    ) -> Self {
        let (duties, absences) = (DutyList::default(), Absences::new());
        Self { journal: Some(journal), shared, rules, duties, absences, queue, outlet, unheard: false }
    }

    /// Serves requests until [`super::Desk::shut`] or until every handle on the desk is gone.
    pub async fn run(mut self) {
        while let Some(request) = self.queue.recv().await {
            // An asker that has gone away needs no answer; what it asked is done all the same.
            match request {
                Request::Settle { query, rows, now, reply } => {
                    let _ = reply.send(self.settle(query, rows, now).await);
                }
                Request::Lapse { now, reply } => {
                    let verdict = self.look(|book, absences| lapse(&book.alerts, absences, now));
                    let _ = reply.send(self.conclude(verdict, now).await);
                }
                Request::Command { order, command, now, reply } => {
                    let _ = reply.send(self.command(&order, &command, now).await);
                }
                Request::DutyList { list, now, reply } => {
                    let _ = reply.send(self.deliver(list, now).await);
                }
                Request::Rules { rules, reply } => {
                    self.rules = rules;
                    let _ = reply.send(Ok(()));
                }
                Request::Shut { reply } => {
                    self.journal = None;
                    let _ = reply.send(Ok(()));
                    return;
                }
            }
        }
    }

    async fn settle(
        &mut self,
        query: QueryName,
        rows: Vec<Condition>,
        now: Micros,
    ) -> Result<Outcome, Error> {
        let rule = self.rules.of(&query);
        let verdict =
            self.look(|book, absences| raise(&book.alerts, absences, Refresh { query, rows, now, rule }));
        self.conclude(verdict, now).await
    }

    async fn conclude(&mut self, verdict: Verdict, now: Micros) -> Result<Outcome, Error> {
        let Verdict { events, absences, duplicates, overflow } = verdict;
        let mut batch = Batch::default();
        self.look(|book, _| events.into_iter().for_each(|event| batch.alert(book, &self.duties, event, now)));
        self.append(batch.events, now).await?;
        self.absences = absences;
        Ok(Outcome { duplicates, overflow, ..batch.outcome })
    }

    async fn command(&mut self, id: &OrderId, command: &Command, now: Micros) -> Result<OrderView, Error> {
        let before = self.look(|book, _| book.order(id).cloned());
        let events = decide(before.as_ref(), command, now)?;
        let mut recorded = Vec::new();
        let after = step(before, &events, &mut recorded).ok_or(Refusal::UnknownOrder)?;
        self.append(recorded, now).await?;
        Ok(OrderView::from(&after))
    }

    /// Takes the new list and gives out the open alerts that have no order.
    async fn deliver(&mut self, list: DutyList, now: Micros) -> Result<Outcome, Error> {
        self.duties = list;
        let mut batch = Batch::default();
        self.look(|book, _| {
            for alert in book.alerts.iter().filter(|alert| book.order_of(&alert.id).is_none()) {
                if let Some(order) = batch.dispatch(book, &self.duties, alert, now) {
                    let alert = Alert { updated: now.max(alert.updated), ..alert.clone() };
                    batch.events.push(Event::of_alert(AlertKind::Updated, alert, Some(order.id.clone())));
                    batch.events.push(Event::Order { kind: OrderKind::Dispatched, order: Box::new(order) });
                    batch.outcome.updated += 1;
                }
            }
        });
        self.append(batch.events, now).await?;
        Ok(batch.outcome)
    }

    async fn append(&mut self, events: Vec<Event>, now: Micros) -> Result<(), Error> {
        if events.is_empty() {
            return Ok(());
        }
        let mut journal = self.journal.take().ok_or(Error::Closed)?;
        let write = tokio::task::spawn_blocking(move || {
            let written = journal.append(events, now);
            (journal, written)
        });
        let (journal, written) = write.await.map_err(|_| Error::Closed)?;
        self.journal = Some(journal);
        let records: Vec<_> = written?.into_iter().map(Arc::new).collect();
        {
            let mut shared = self.shared.write().unwrap_or_else(PoisonError::into_inner);
            records.iter().for_each(|record| shared.take(Arc::clone(record)));
        }
        if self.outlet.send(records).await.is_err() && !std::mem::replace(&mut self.unheard, true) {
            tracing::error!("nobody listens to the journal any more; records are kept and not shown");
        }
        Ok(())
    }

    fn look<T>(&self, look: impl FnOnce(&Book, &Absences) -> T) -> T {
        look(&self.shared.read().unwrap_or_else(PoisonError::into_inner).book, &self.absences)
    }
}

/// The events of one write in the making.
#[derive(Default)]
struct Batch {
    events: Vec<Event>,
    outcome: Outcome,
}

impl Batch {
    fn alert(&mut self, book: &Book, duties: &DutyList, event: AlertEvent, now: Micros) {
        let alert = event.alert();
        let held = book.order_of(&alert.id).cloned();
        let mut orders = Vec::new();
        let order = match event.kind() {
            AlertKind::Raised => {
                self.outcome.raised += 1;
                let order = self.dispatch(book, duties, alert, now);
                let id = order.as_ref().map(|order| order.id.clone());
                orders.extend(
                    order.map(|order| Event::Order { kind: OrderKind::Dispatched, order: Box::new(order) }),
                );
                id
            }
            AlertKind::Updated => {
                self.outcome.updated += 1;
                held
            }
            AlertKind::Cleared => {
                self.outcome.cleared += 1;
                let before = held.as_ref().and_then(|id| book.order(id)).cloned();
                // One that was taken stays its unit's to close, one that ended has ended.
                let events = decide(before.as_ref(), &Command::Cancel(CancelReason::ConditionCleared), now);
                step(before, &events.unwrap_or_default(), &mut orders);
                self.outcome.cancelled += orders.len();
                held
            }
        };
        self.events.push(Event::Alert { event, order });
        self.events.append(&mut orders);
    }

    /// The order for an alert that has none; none where nobody is on duty.
    fn dispatch(&mut self, book: &Book, duties: &DutyList, alert: &Alert, now: Micros) -> Option<Order> {
        let condition = &alert.condition;
        let Ok(duty) = duties.lead(&condition.category, condition.area.as_ref()) else {
            self.outcome.undelivered += 1;
            return None;
        };
        let number = book.dispatched() + self.outcome.ordered as u64 + 1;
        let task = Task {
            id: OrderId(format!("or-{number}")),
            alert: alert.id.clone(),
            category: condition.category.clone(),
            severity: condition.severity,
            title_en: condition.title_en.clone(),
            title_zh: condition.title_zh.clone(),
            area: condition.area.clone(),
            place: condition.place,
            duty: duty.clone(),
        };
        let events = decide(None, &Command::Dispatch(Box::new(task)), now).unwrap_or_default();
        let order = events.iter().fold(None, evolve)?;
        self.outcome.ordered += 1;
        Some(order)
    }
}

/// The order after the events, each recorded with the order as it stands after it.
fn step(before: Option<Order>, events: &[OrderEvent], recorded: &mut Vec<Event>) -> Option<Order> {
    events.iter().fold(before, |order, event| {
        let after = evolve(order, event);
        recorded.extend(
            after.iter().map(|order| Event::Order { kind: order.kind(), order: Box::new(order.clone()) }),
        );
        after
    })
}
