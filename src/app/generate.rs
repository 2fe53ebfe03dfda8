//! The demo's feeds → lake: the generator's rows of each second, landed like any other batch.

use std::sync::Arc;
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use futures::StreamExt as _;
use futures::stream;
use tokio_util::sync::CancellationToken;

use crate::demo::{City, Generator, Settings};
use crate::ingest::Lander;
use crate::model::{Clock, FeedName, Micros};

/// Batches that land at once; each feed has its own table.
const AT_ONCE: usize = 4;
/// Past this the generator skips time rather than falling ever further behind.
const MOST_BEHIND_S: i64 = 10;

/// How the demo city is made.
#[derive(Debug, Clone, Copy)]
pub struct Demo {
    /// 1 makes about 2,000 rows a second.
    pub scale: f64,
    /// Minutes that lie behind the first picture.
    pub history_min: u32,
    /// Makes another day of the same city; none: the city's own seed.
    pub seed: Option<u64>,
}

/// Makes the city's data.
pub(super) struct Feeder {
    generator: Generator,
    lander: Arc<Lander>,
    at: Micros,
}

impl Feeder {
    pub(super) fn new(demo: Demo, seed: u64, lander: Arc<Lander>, now: Micros) -> Self {
        let city = City::generate(seed);
        let day = demo.seed.unwrap_or(seed);
        let generator = Generator::new(Settings { seed: day, start: now, scale: demo.scale }, &city);
        Self { generator, lander, at: now }
    }

    /// Lands the minutes before the first picture.
    pub(super) async fn history(&mut self, minutes: u32) {
        let batches = self.generator.history(self.at, minutes, 5);
        self.land(batches).await;
    }

    /// Makes the city go on until `shutdown`.
    pub(super) async fn run(mut self, clock: Arc<dyn Clock>, shutdown: CancellationToken) {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = second.tick() => {}
            }
            let now = clock.now();
            if now.seconds() - self.at.seconds() > MOST_BEHIND_S {
                tracing::warn!(
                    behind_s = now.seconds() - self.at.seconds(),
                    "the demo skips time: the machine is too slow for this scale"
                );
                self.at = now.plus_seconds(-1);
            }
            self.land_until(now).await;
        }
    }

    /// Lands every second that is over at `now` and was not landed yet.
    pub(super) async fn land_until(&mut self, now: Micros) {
        let batches = self.generator.tick(self.at, now);
        self.at = now;
        self.land(batches).await;
    }

    async fn land(&self, batches: Vec<(FeedName, RecordBatch)>) {
        let landing = |(feed, batch): (FeedName, RecordBatch)| async move {
            if batch.num_rows() == 0 {
                return;
            }
            if let Err(refusal) = self.lander.land_batch(&feed.to_string(), batch, "demo").await {
                tracing::error!(feed.id = %feed, code = refusal.code(), "{refusal}");
            }
        };
        stream::iter(batches).for_each_concurrent(AT_ONCE, landing).await;
    }
}
