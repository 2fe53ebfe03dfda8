//! States over a real lake: new files, merged files, rewritten periods, restarts, broken checkpoints; some by hand, many
//! by chance.

use std::path::Path as FilePath;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use futures::TryStreamExt as _;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt as _};
use proptest::prelude::*;
use proptest::test_runner::Config;

use super::{Catalog, Change, Engine, QueryFile, SessionConfig, StateLimits, Tick};
use crate::lake::{Commit, Lake, Table, TableName, Tail};
use crate::model::Micros;

const NOW: Micros = Micros(1_772_352_000_000_000);

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("n", DataType::Int64, true),
        Field::new("_event_time", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        Field::new("_cell", DataType::Int64, true),
        Field::new("_submission", DataType::Utf8, true),
    ]))
}

struct City {
    table: Arc<Table>,
    engine: Engine,
    landed: usize,
}

impl City {
    async fn open(folder: &FilePath, states: &Arc<InMemory>, queries: &[QueryFile]) -> Self {
        Self::open_with(folder, states, queries, StateLimits::default(), 2).await
    }

    /// A city whose cells are in so many zones.
    async fn open_with(
        folder: &FilePath,
        states: &Arc<InMemory>,
        queries: &[QueryFile],
        limits: StateLimits,
        zones: i64,
    ) -> Self {
        let tail = Tail { age_s: 60, bytes: 16 << 20, rows: 10_000 };
        let lake = Lake::open(folder).unwrap().with_tail(tail);
        let feed: crate::model::FeedName = "traffic.speed".parse().unwrap();
        let table = lake.table(&TableName::Feed(feed.clone()), schema()).await.unwrap();
        let quarantine = lake.table(&TableName::Quarantine(feed.clone()), schema()).await.unwrap();
        let mut catalog =
            Catalog::new(SessionConfig { threads: 2, memory: 64 << 20, local_files: false }).unwrap();
        catalog.add_feed(&feed, &table, &quarantine).unwrap();
        let columns: [(&str, ArrayRef); 2] = [
            ("cell", Arc::new(Int64Array::from_iter_values(0..7))),
            (
                "zone",
                Arc::new((0..7).map(|cell| Some(format!("z{}", cell % zones))).collect::<StringArray>()),
            ),
        ];
        let rows = RecordBatch::try_from_iter(columns).unwrap();
        catalog.add_rows("ref", "zones", rows.schema(), vec![rows]).unwrap();
        let engine = Engine::new(catalog)
            .with_checkpoints(Arc::clone(states) as Arc<dyn ObjectStore>)
            .with_limits(limits);
        tokio::spawn(engine.filler().unwrap().run());
        assert_eq!(engine.load(queries, NOW).await, []);
        let state = table.state();
        let landed = state.landings.len() + state.withdrawn.len();
        Self { table, engine, landed }
    }

    /// Lands `rows` rows whose times are spread over the ten minutes before `at`.
    async fn land(&mut self, rows: i64, at: Micros) {
        self.landed += 1;
        let name = format!("s{}", self.landed);
        let mut file = self.table.new_file(&name, 0);
        file.write(&self.rows(&name, rows, at)).await.unwrap();
        let files = vec![file.finish().await.unwrap()];
        let commit =
            Commit { files, sha256: name.clone(), submission: name, landed_at: at.0, ..Commit::default() };
        self.table.commit(&commit).await.unwrap().unwrap();
    }

    /// The same as a live batch, which goes into the tail.
    async fn live(&self, rows: i64, at: Micros) {
        let name = format!("l{}", self.table.state().live + 1);
        let mut batch = self.table.new_rows(&name, 0);
        batch.write(&self.rows(&name, rows, at)).await.unwrap();
        let files = vec![batch.finish().await.unwrap()];
        let commit = Commit { files, submission: name, landed_at: at.0, ..Commit::default() };
        let state = self.table.commit(&commit).await.unwrap().unwrap();
        assert!(!state.tail.is_empty(), "it is in no file");
    }

    fn rows(&self, name: &str, rows: i64, at: Micros) -> RecordBatch {
        let number = i64::try_from(self.landed).unwrap();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values((0..rows).map(|row| row * number))),
            Arc::new(
                TimestampMicrosecondArray::from_iter_values(
                    (0..rows).map(|row| at.0 - row * 600_000_000 / rows.max(1)),
                )
                .with_timezone("UTC"),
            ),
            Arc::new(Int64Array::from_iter_values((0..rows).map(|row| row % 7))),
            Arc::new((0..rows).map(|_| Some(name)).collect::<StringArray>()),
        ];
        RecordBatch::try_new(schema(), columns).unwrap()
    }

    /// Refreshes, and holds every result against the recompute.
    async fn check(&self, now: Micros) -> Vec<Change> {
        let changes: Vec<Change> =
            self.engine.refresh(Tick::All, now).await.into_iter().map(|change| change.unwrap()).collect();
        for change in &changes {
            let name = change.query.name.as_str();
            let whole = self.engine.recompute(name, now).await.unwrap().unwrap();
            let text = |rows: &[RecordBatch]| {
                let table = super::print(&change.schema, rows).unwrap();
                let mut lines: Vec<String> = table.lines().map(str::to_owned).collect();
                lines.sort();
                lines
            };
            assert_eq!(text(&change.rows), text(&whole), "{name} at {now:?}");
        }
        changes
    }
}

fn file(name: &str, select: &str) -> QueryFile {
    QueryFile {
        file: format!("queries/{name}.sql"),
        text: format!("-- ---\n-- table: {name}\n-- ---\n{select}\n"),
    }
}

fn queries() -> [QueryFile; 2] {
    [
        file(
            "recent",
            "SELECT _cell, count(*) AS rows, sum(n) AS n FROM traffic.speed \
             WHERE _event_time > now() - INTERVAL '15 minutes' GROUP BY 1",
        ),
        file("ever", "SELECT count(*) AS rows, sum(n) AS n, max(_event_time) AS newest FROM traffic.speed"),
    ]
}

fn rows_of(changes: &[Change], query: &str) -> String {
    let change = changes.iter().find(|change| change.query.name.as_str() == query).unwrap();
    super::print(&change.schema, &change.rows).unwrap()
}

#[tokio::test]
async fn states_follow_the_lake_through_drops_merges_and_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let states = Arc::new(InMemory::new());
    let mut city = City::open(folder.path(), &states, &queries()).await;
    city.check(NOW).await;
    for minute in 0..70 {
        let at = NOW.plus_seconds(minute * 60);
        city.land(minute % 5 * 20, at).await;
        if minute % 10 == 3 {
            city.check(at).await;
        }
    }
    let now = NOW.plus_seconds(4_200);
    city.check(now).await;
    // Merged files hold rows that the states know.
    let later = now.plus_seconds(24 * 3_600);
    assert!(city.table.compact(later).await.unwrap().is_some());
    city.land(50, now).await;
    let before = city.check(now).await;
    city.engine.checkpoint().await;

    // A restart goes on from the checkpoint; what landed in between is read, nothing else.
    city.land(30, now).await;
    let mut city = City::open(folder.path(), &states, &queries()).await;
    let after = city.check(now.plus_seconds(10)).await;
    assert_ne!(rows_of(&before, "ever"), rows_of(&after, "ever"));
    city.land(10, now).await;
    city.check(now.plus_seconds(20)).await;
    city.engine.checkpoint().await;

    // A torn segment and a torn manifest: the state is read anew from the feeds.
    let files: Vec<_> = states.list(None).try_collect().await.unwrap();
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        let bytes = states.get(&file.location).await.unwrap().bytes().await.unwrap();
        states.put(&file.location, bytes.slice(..bytes.len() / 2).into()).await.unwrap();
    }
    let city = City::open(folder.path(), &states, &queries()).await;
    city.check(now.plus_seconds(30)).await;
}

#[tokio::test]
async fn a_restart_goes_on_among_live_batches_that_have_landed_since() {
    let folder = tempfile::tempdir().unwrap();
    let states = Arc::new(InMemory::new());
    let mut city = City::open(folder.path(), &states, &queries()).await;
    city.land(200, NOW).await;
    for _ in 0..3 {
        city.live(10, NOW).await;
    }
    city.check(NOW).await;
    city.engine.checkpoint().await;
    for _ in 0..2 {
        city.live(10, NOW).await;
    }
    city.table.land_tail().await.unwrap().unwrap();
    city.live(10, NOW).await;
    drop(city);

    // The history is not there to be read: the file of the five batches gives the two that are new.
    let city = City::open(folder.path(), &states, &queries()).await;
    city.table.store().delete(&"s1-0.parquet".into()).await.unwrap();
    let changes = city.engine.refresh(Tick::All, NOW).await;
    let changes: Vec<Change> = changes.into_iter().map(|change| change.unwrap()).collect();
    assert!(rows_of(&changes, "ever").contains("260"), "{}", rows_of(&changes, "ever"));
}

#[tokio::test]
async fn a_checkpoint_of_another_table_is_no_checkpoint() {
    let states = Arc::new(InMemory::new());
    let first = tempfile::tempdir().unwrap();
    let mut city = City::open(first.path(), &states, &queries()).await;
    city.land(10, NOW).await;
    city.check(NOW).await;
    city.engine.checkpoint().await;
    let second = tempfile::tempdir().unwrap();
    let mut city = City::open(second.path(), &states, &queries()).await;
    city.land(20, NOW).await;
    city.land(20, NOW).await;
    city.check(NOW).await;
}

#[tokio::test]
async fn time_alone_moves_a_window_and_may_run_backwards() {
    let folder = tempfile::tempdir().unwrap();
    let mut city = City::open(folder.path(), &Arc::new(InMemory::new()), &queries()).await;
    city.land(100, NOW).await;
    let full = rows_of(&city.check(NOW).await, "recent");
    let later = rows_of(&city.check(NOW.plus_seconds(600)).await, "recent");
    assert_ne!(full, later);
    let nothing = rows_of(&city.check(NOW.plus_seconds(3_600)).await, "recent");
    assert_eq!(nothing.lines().count(), 4, "{nothing}");
    assert_eq!(rows_of(&city.check(NOW).await, "recent").len(), full.len(), "a replay of an earlier tick");
}

/// Ticks until `wanted` queries have a change each; the tick at which the last of them had it.
async fn ticked(city: &City, wanted: &[&str], mut now: Micros) -> (Micros, Vec<String>) {
    let mut seen: Vec<String> = Vec::new();
    let ticks = async {
        while !wanted.iter().all(|query| seen.iter().any(|name| name == query)) {
            tokio::task::yield_now().await;
            now = now.plus_seconds(1);
            let changes = Box::pin(city.engine.refresh(Tick::Moved, now)).await;
            seen.extend(changes.into_iter().map(|change| change.unwrap().query.name.to_string()));
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), ticks).await.expect("no change in a minute");
    (now, seen)
}

#[tokio::test]
async fn a_long_history_is_read_beside_the_ticks_while_the_old_result_serves() {
    let folder = tempfile::tempdir().unwrap();
    let limits = StateLimits { rows_at_once: 10, ..StateLimits::default() };
    let mut files = queries().to_vec();
    files.push(file("more", "SELECT rows + 1 AS rows FROM ever"));
    let mut city = City::open_with(folder.path(), &Arc::default(), &files, limits, 2).await;
    city.land(100, NOW).await;
    assert!(city.engine.refresh(Tick::Moved, NOW).await.is_empty(), "100 rows are too many for a tick");
    let explained = city.engine.explain("ever").await.unwrap();
    assert_eq!(explained.states[0].filling.unwrap().all, 100);
    let filling = async |city: &City| {
        let now = city.engine.fillings().await;
        now.into_iter().map(|(query, progress)| (query.name.to_string(), progress.all)).collect::<Vec<_>>()
    };
    let all = [("ever".to_owned(), 100), ("recent".to_owned(), 100)];
    assert_eq!(filling(&city).await, all, "those that read the feed, not what reads them");
    // What lands meanwhile is in the first result.
    city.land(30, NOW).await;
    let (now, seen) = ticked(&city, &["ever", "recent", "more"], NOW).await;
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert_eq!(filling(&city).await, [], "it is done");
    assert!(rows_of(&city.check(now).await, "more").contains("131"));

    // A changed query shows its old result until it has read the history anew.
    files[1] = file(
        "ever",
        "SELECT count(*) - 1 AS rows, sum(n) AS n, max(_event_time) AS newest FROM traffic.speed WHERE n >= 0",
    );
    assert_eq!(city.engine.load(&files, now).await, []);
    let served = || async {
        let (schema, rows) = city.engine.catalog().sql("SELECT rows FROM ever", now).await.unwrap();
        super::print(&schema, &rows).unwrap()
    };
    assert!(city.engine.refresh(Tick::Moved, now).await.is_empty());
    assert!(served().await.contains("130"));
    let (now, _) = ticked(&city, &["ever", "more"], now).await;
    assert!(served().await.contains("129"));
    city.check(now).await;
}

#[tokio::test]
async fn a_state_that_grows_too_large_is_given_up_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let limits = StateLimits { rows: 3, ..StateLimits::default() };
    let mut city = City::open_with(folder.path(), &Arc::default(), &queries(), limits, 2).await;
    city.land(2, NOW).await;
    city.check(NOW).await;
    assert_eq!(city.engine.explain("recent").await.unwrap().class, 'W');
    city.land(50, NOW).await;
    city.check(NOW.plus_seconds(1)).await;
    let explained = city.engine.explain("recent").await.unwrap();
    assert_eq!((explained.class, explained.reasons[0].code), ('F', "INC08"), "{explained:?}");
    assert_eq!(city.engine.explain("ever").await.unwrap().class, 'I');
    city.land(50, NOW).await;
    city.check(NOW.plus_seconds(2)).await;
}

#[tokio::test]
async fn a_state_beside_another_table_outlives_a_restart_unless_that_table_is_another() {
    let folder = tempfile::tempdir().unwrap();
    let states = Arc::new(InMemory::new());
    let beside = [file(
        "zones",
        "SELECT z.zone, stddev(t.n) AS spread FROM traffic.speed t JOIN ref.zones z ON z.cell = t._cell GROUP BY 1",
    )];
    let limits = StateLimits::default();
    let mut city = City::open_with(folder.path(), &states, &beside, limits, 2).await;
    assert_eq!(city.engine.explain("zones").await.unwrap().states[0].beside, ["ref.zones"]);
    city.land(100, NOW).await;
    let before = rows_of(&city.check(NOW).await, "zones");
    city.engine.checkpoint().await;

    let city = City::open_with(folder.path(), &states, &beside, limits, 3).await;
    assert_ne!(rows_of(&city.check(NOW).await, "zones"), before);

    // With the same zones nothing of the history is read: it could not be.
    let city = City::open_with(folder.path(), &states, &beside, limits, 2).await;
    for file in &city.table.state().files {
        city.table.store().delete(&file.path.as_str().into()).await.unwrap();
    }
    let changes = city.engine.refresh(Tick::All, NOW).await;
    let changes: Vec<Change> = changes.into_iter().map(|change| change.unwrap()).collect();
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&rows_of(&changes, "zones")), sorted(&before));
}

/// What may become of a city.
#[derive(Debug, Clone)]
enum Event {
    /// Rows land whose newest is so many seconds old.
    Land(i64, i64),
    /// The same, live: they are in the log and in no file yet.
    Live(i64, i64),
    /// Live batches land behind.
    Behind,
    /// The submission and the live batch of that number are withdrawn.
    Withdraw(usize),
    /// Small files are merged.
    Compact,
    /// Seconds pass.
    Pass(i64),
    /// States are written down.
    Checkpoint,
    /// The process is killed and starts anew.
    Crash,
    /// The same, and the file of that number below the states is cut short.
    Tear(usize),
    /// The same, and the log of live batches is lost.
    Lose,
    /// The same, with other zones.
    Zones(i64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        5 => (prop_oneof![1 => 0i64..4, 1 => 0i64..40], prop_oneof![3 => 0i64..60, 1 => 0i64..4_000]).prop_map(|(rows, age)| Event::Land(rows, age)),
        5 => (0i64..20, prop_oneof![3 => 0i64..60, 1 => 0i64..4_000]).prop_map(|(rows, age)| Event::Live(rows, age)),
        2 => Just(Event::Behind),
        2 => (0usize..12).prop_map(Event::Withdraw),
        2 => Just(Event::Compact),
        3 => prop_oneof![2 => 0i64..400, 1 => 1_000i64..5_000].prop_map(Event::Pass),
        2 => Just(Event::Checkpoint),
        2 => Just(Event::Crash),
        1 => Just(Event::Lose),
        1 => (0usize..20).prop_map(Event::Tear),
        1 => (1i64..4).prop_map(Event::Zones),
    ];
    prop::collection::vec(event, 4..20)
}

fn many_queries() -> Vec<QueryFile> {
    let mut files = queries().to_vec();
    let joined = "FROM traffic.speed t JOIN ref.zones z ON z.cell = t._cell";
    files.extend([
        file("lifted", &format!("SELECT z.zone, count(*) AS rows, avg(t.n) AS n {joined} GROUP BY 1")),
        file(
            "beside",
            &format!(
                "SELECT z.zone, approx_distinct(t.n) AS n, max(t._event_time) AS newest {joined} \
             WHERE t._event_time >= now() - INTERVAL '1 hour' GROUP BY 1"
            ),
        ),
        file(
            "minutes",
            "SELECT date_bin(INTERVAL '1 minute', _event_time) AS minute, min(n) AS least, \
             last_value(n ORDER BY _event_time, n) AS newest FROM traffic.speed GROUP BY 1",
        ),
        file(
            "ranked",
            "SELECT cell, n, rank() OVER (ORDER BY n DESC) AS place FROM \
             (SELECT _cell AS cell, sum(n) AS n FROM traffic.speed WHERE n % 2 = 0 GROUP BY 1)",
        ),
        file("by_cell", "SELECT h3 AS cell, rows, n, rows * 2 AS twice FROM (SELECT _cell AS h3, count(*) AS rows, avg(n) AS n \
             FROM traffic.speed WHERE _event_time > now() - INTERVAL '10 minutes' GROUP BY 1) WHERE rows > 1"),
        file("both", "SELECT coalesce(b.cell, r._cell) AS cell, b.n AS mean, r.rows, z.zone FROM by_cell b \
             FULL JOIN recent r ON r._cell = b.cell LEFT JOIN ref.zones z ON z.cell = r._cell"),
        file("again", "SELECT cell, sum(mean) AS mean, count(*) AS n FROM both GROUP BY 1"),
        file("shared", "SELECT e.rows, count(*) AS cells FROM ever e CROSS JOIN recent r GROUP BY 1"),
    ]);
    files
}

async fn lives(events: Vec<Event>) {
    let folder = tempfile::tempdir().unwrap();
    let states = Arc::new(InMemory::new());
    let (files, limits) = (many_queries(), StateLimits::default());
    let (mut zones, mut now) = (2, NOW);
    let mut city = City::open_with(folder.path(), &states, &files, limits, zones).await;
    city.check(now).await;
    for event in events {
        match event {
            Event::Land(rows, age) => city.land(rows, now.plus_seconds(-age)).await,
            Event::Live(rows, age) => city.live(rows, now.plus_seconds(-age)).await,
            Event::Behind => {
                city.table.land_tail().await.unwrap();
            }
            Event::Withdraw(number) => {
                city.table.withdraw(&format!("s{number}"), now).await.unwrap();
                city.table.withdraw(&format!("l{number}"), now).await.unwrap();
            }
            Event::Compact => {
                city.table.compact(now.plus_seconds(24 * 3_600)).await.unwrap();
            }
            Event::Pass(seconds) => now = now.plus_seconds(seconds),
            Event::Checkpoint => city.engine.checkpoint().await,
            Event::Crash | Event::Lose => {}
            Event::Tear(number) => {
                let files: Vec<_> = states.list(None).try_collect().await.unwrap();
                if let Some(file) = files.get(number % files.len().max(1)) {
                    let bytes = states.get(&file.location).await.unwrap().bytes().await.unwrap();
                    let half = bytes.slice(..bytes.len() / 2);
                    states.put(&file.location, half.into()).await.unwrap();
                }
            }
            Event::Zones(number) => zones = number,
        }
        if matches!(event, Event::Crash | Event::Lose | Event::Tear(_) | Event::Zones(_)) {
            drop(city);
            if matches!(event, Event::Lose) {
                let _none = std::fs::remove_dir_all(folder.path().join("lake/feeds/traffic/speed/_live"));
            }
            city = City::open_with(folder.path(), &states, &files, limits, zones).await;
        }
        city.check(now).await;
    }
}

/// One life of a city for about every thirty-two of the histories that are asked for by `CITYLOOM_CASES`, eleven otherwise.
fn lifetimes() -> u32 {
    std::env::var("CITYLOOM_CASES")
        .ok()
        .and_then(|cases| cases.parse::<u32>().ok())
        .unwrap_or(350)
        .div_ceil(16)
}

#[test]
fn whatever_becomes_of_a_city_its_results_are_those_of_a_recompute() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config =
        Config { cases: lifetimes(), max_shrink_iters: 40, failure_persistence: None, ..Config::default() };
    proptest!(config, |(events in events())| {
        runtime.block_on(Box::pin(lives(events)));
    });
}

#[tokio::test]
async fn what_stands_above_the_states_is_computed_for_the_cells_that_changed() {
    let folder = tempfile::tempdir().unwrap();
    let city = City::open(folder.path(), &Arc::default(), &many_queries()).await;
    let mut by_cell = Vec::new();
    for query in ["by_cell", "both", "again", "ranked", "shared", "ever", "lifted"] {
        by_cell.push((query, city.engine.explain(query).await.unwrap().by_cell));
    }
    let expected = [("by_cell", true), ("both", true), ("again", true)];
    assert_eq!(by_cell.iter().filter(|(_, by_cell)| *by_cell).copied().collect::<Vec<_>>(), expected);
}
