//! When a running city ticks: by its settings' interval, or step by step with a clock that only steps move.
//!
//! A stepped city is the same every time: one step makes a second of the demo's data, lands it, sets the clock to the
//! second's end and ticks, and nothing else moves the clock.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Interval, MissedTickBehavior};

use super::generate::Feeder;
use crate::model::{Clock as _, ManualClock, Micros};

/// How far one step moves the clock.
const STEP_S: i64 = 1;

/// The sequence at which each channel stands.
pub type Positions = Vec<(String, u64)>;

/// A wish for one step, answered once the step's tick is over.
pub(super) type Step = oneshot::Sender<Positions>;

/// Moves a stepped city.
#[derive(Debug, Clone)]
pub struct Stepper(mpsc::Sender<Step>);

impl Stepper {
    /// Makes one second of the city and waits for its tick: where every channel stands then; none where the city has ended.
    pub async fn step(&self) -> Option<Positions> {
        let (done, positions) = oneshot::channel();
        self.0.send(done).await.ok()?;
        positions.await.ok()
    }

    /// Steps in real time until the city ends.
    pub async fn run(self) {
        let mut second = tokio::time::interval(Duration::from_secs(STEP_S.unsigned_abs()));
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            second.tick().await;
            if self.step().await.is_none() {
                return;
            }
        }
    }
}

/// The other end of a [`Stepper`], for [`super::ServeOptions`].
#[derive(Debug)]
pub struct Steps {
    clock: Arc<ManualClock>,
    asked: mpsc::Receiver<Step>,
}

impl Steps {
    /// A city whose clock stands at `at` until somebody steps.
    pub fn at(at: Micros) -> (Stepper, Self) {
        let (ask, asked) = mpsc::channel(1);
        (Stepper(ask), Self { clock: Arc::new(ManualClock::at(at)), asked })
    }

    /// The clock that the city is to be opened with.
    pub fn clock(&self) -> Arc<ManualClock> {
        Arc::clone(&self.clock)
    }
}

/// What brings about the ticks of a city.
pub(super) enum Pace {
    /// The wall's interval.
    Live(Interval),
    /// A stepper, and what makes the seconds.
    Stepped(Steps, Option<Feeder>),
}

impl Pace {
    pub(super) fn live(refresh: Duration) -> Self {
        let mut ticks = tokio::time::interval(refresh);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self::Live(ticks)
    }

    /// Waits until it is time to tick; may be dropped while it waits. The step to be answered, where one was asked for.
    pub(super) async fn wait(&mut self) -> Option<Step> {
        match self {
            Self::Live(ticks) => {
                ticks.tick().await;
                None
            }
            Self::Stepped(steps, _) => match steps.asked.recv().await {
                Some(step) => Some(step),
                None => std::future::pending().await,
            },
        }
    }

    /// Makes what lies before the tick that is due: in a stepped city a second.
    pub(super) async fn advance(&mut self) {
        let Self::Stepped(steps, feeder) = self else { return };
        // What is landed lies behind the clock, as in real time.
        let until = steps.clock.now().plus_seconds(STEP_S);
        steps.clock.set(until);
        if let Some(feeder) = feeder {
            feeder.land_until(until).await;
        }
    }
}
