//! States over a real lake: new files, merged files, rewritten periods, a restart, broken checkpoints.

use std::path::Path as FilePath;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use futures::TryStreamExt as _;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt as _};

use super::{Catalog, Change, Engine, QueryFile, SessionConfig, Tick};
use crate::lake::{Commit, Lake, Table, TableName};
use crate::model::Micros;

const NOW: Micros = Micros(1_772_352_000_000_000);

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("n", DataType::Int64, true),
        Field::new("_event_time", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        Field::new("_cell", DataType::Int64, true),
    ]))
}

struct City {
    table: Arc<Table>,
    engine: Engine,
    landed: usize,
}

impl City {
    async fn open(folder: &FilePath, states: &Arc<InMemory>, queries: &[QueryFile]) -> Self {
        let lake = Lake::open(folder).unwrap();
        let feed: crate::model::FeedName = "traffic.speed".parse().unwrap();
        let table = lake.table(&TableName::Feed(feed.clone()), schema()).await.unwrap();
        let quarantine = lake.table(&TableName::Quarantine(feed.clone()), schema()).await.unwrap();
        let mut catalog =
            Catalog::new(SessionConfig { threads: 2, memory: 64 << 20, local_files: false }).unwrap();
        catalog.add_feed(&feed, &table, &quarantine).unwrap();
        let engine = Engine::new(catalog).with_checkpoints(Arc::clone(states) as Arc<dyn ObjectStore>);
        assert_eq!(engine.load(queries, NOW).await, []);
        let landed = table.state().landings.len();
        Self { table, engine, landed }
    }

    /// Lands `rows` rows whose times are spread over the ten minutes before `at`.
    async fn land(&mut self, rows: i64, at: Micros) {
        self.landed += 1;
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
        ];
        let name = format!("s{}", self.landed);
        let mut file = self.table.new_file(&name, 0);
        file.write(&RecordBatch::try_new(schema(), columns).unwrap()).await.unwrap();
        let files = vec![file.finish().await.unwrap()];
        let commit =
            Commit { files, sha256: name.clone(), submission: name, landed_at: at.0, ..Commit::default() };
        self.table.commit(&commit).await.unwrap().unwrap();
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

fn queries() -> [QueryFile; 2] {
    let file = |name: &str, select: &str| QueryFile {
        file: format!("queries/{name}.sql"),
        text: format!("-- ---\n-- table: {name}\n-- ---\n{select}\n"),
    };
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
