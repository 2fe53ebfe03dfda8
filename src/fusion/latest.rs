//! A feed whose contract says `latest`, as SQL sees it: of every key the newest row. All of them are in `history`.
//!
//! Rows are only ever added; which of a key's rows is the newest is an aggregate, so that what is kept up to date stays so
//! at the cost of the rows that come in.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::{Column, DataFusionError, Result, TableReference};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::functions_aggregate::expr_fn::last_value;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, SortExpr};

use crate::contract::Contract;
use crate::model::FeedName;

/// The schema that holds every row of such feeds.
const HISTORY: &str = "history";
/// What makes a row newer than another, the strongest first: when it happened, when it came, where it stood.
const NEWER: [&str; 4] = ["_event_time", "_landed_at", "_submission", "_row"];

/// What tells the rows of such a feed apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latest {
    pub(super) feed: FeedName,
    key: Vec<String>,
}

impl Latest {
    /// That of a contract; none where it keeps every row.
    pub fn of(contract: &Contract) -> Option<Self> {
        let name = |&column: &usize| contract.columns[column].name.clone();
        let key = contract.key.iter().map(name).collect();
        contract.latest.then(|| Self { feed: contract.feed.clone(), key })
    }

    /// The table of its history: schema and name.
    pub fn history(&self) -> (&'static str, String) {
        (HISTORY, self.feed.joined())
    }

    /// The newest row of each key of `rows`, which keep the feed's name in plans: it is they that are read.
    pub(super) fn view(&self, name: TableReference, rows: Arc<dyn TableProvider>) -> Result<ViewTable> {
        let schema = rows.schema();
        if let Some(missing) = self.key.iter().find(|column| schema.index_of(column).is_err()) {
            let why = format!("{}: its key `{missing}` is not among the columns of its rows", self.feed);
            return Err(DataFusionError::Plan(why));
        }
        let column = |field: &str| Expr::Column(Column::new_unqualified(field));
        let newer = || -> Vec<SortExpr> {
            let there = NEWER.iter().filter(|field| schema.index_of(field).is_ok());
            there.map(|field| column(field).sort(true, true)).collect()
        };
        let is_key = |field: &str| self.key.iter().any(|key| key == field);
        let others = schema.fields().iter().map(|field| field.name()).filter(|field| !is_key(field));
        let newest = others.clone().map(|field| last_value(column(field), newer()).alias(field));
        let groups = self.key.iter().map(|key| column(key));
        let plan = LogicalPlanBuilder::scan(name, provider_as_source(Arc::clone(&rows)), None)?
            .aggregate(groups, newest)?
            .project(schema.fields().iter().map(|field| column(field.name())))?
            .build()?;
        Ok(ViewTable::new(plan, None))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
    use arrow::datatypes::{DataType, Field, Schema};
    use proptest::prelude::*;

    use super::*;
    use crate::fusion::{Catalog, Engine, QueryFile, SessionConfig, Tick};
    use crate::lake::{Commit, Lake, Table, TableName, Tail};
    use crate::model::Micros;

    const NOW: i64 = 1_772_352_000_000_000;

    /// A row: its key, its event time (none: null), its value, its cell.
    type Row = (i64, Option<i64>, i64, i64);
    /// When a row happened, in which landing it came, where it stood in it.
    type Age = (Option<i64>, usize, usize);

    fn batch(rows: &[Row], landing: usize) -> RecordBatch {
        let utc = |times: TimestampMicrosecondArray| Arc::new(times.with_timezone("UTC")) as ArrayRef;
        let numbers = |of: fn(&Row) -> i64| Arc::new(Int64Array::from_iter_values(rows.iter().map(of)));
        let submission = format!("s{landing:04}");
        let named =
            |(name, array): (&str, ArrayRef)| (Field::new(name, array.data_type().clone(), true), array);
        let columns: [(&str, ArrayRef); 7] = [
            ("n", numbers(|row| row.0)),
            ("value", numbers(|row| row.2)),
            ("_cell", numbers(|row| row.3)),
            ("_event_time", utc(rows.iter().map(|row| row.1.map(|at| NOW + at)).collect())),
            // Two submissions may land in one microsecond.
            ("_landed_at", utc(rows.iter().map(|_| Some(NOW + landing as i64 / 2)).collect())),
            (
                "_submission",
                Arc::new(rows.iter().map(|_| Some(submission.as_str())).collect::<StringArray>()),
            ),
            ("_row", Arc::new(Int64Array::from_iter_values(1..=rows.len() as i64))),
        ];
        let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().map(named).unzip();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
    }

    async fn land(table: &Table, rows: &[Row], landing: usize, live: bool) {
        let submission = format!("s{landing:04}");
        let mut file = if live { table.new_rows(&submission, 0) } else { table.new_file(&submission, 0) };
        file.write(&batch(rows, landing)).await.unwrap();
        let files = vec![file.finish().await.unwrap()];
        let sha256 = if live { String::new() } else { submission.clone() };
        let commit = Commit { files, sha256, submission, landed_at: NOW, ..Commit::default() };
        table.commit(&commit).await.unwrap().unwrap();
    }

    fn text(rows: &[RecordBatch]) -> BTreeMap<i64, (i64, i64)> {
        let column = |batch: &RecordBatch, at: usize| {
            batch.column(at).as_any().downcast_ref::<Int64Array>().unwrap().clone()
        };
        rows.iter()
            .flat_map(|batch| {
                let (cell, count, sum) = (column(batch, 0), column(batch, 1), column(batch, 2));
                (0..batch.num_rows())
                    .map(move |row| (cell.value(row), (count.value(row), sum.value(row))))
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    async fn follows(landings: Vec<(Vec<Row>, bool)>) {
        let folder = tempfile::tempdir().unwrap();
        let tail = Tail { age_s: 60, bytes: 1 << 20, rows: 1_000 };
        let lake = Lake::open(folder.path()).unwrap().with_tail(tail);
        let feed: FeedName = "police.incidents".parse().unwrap();
        let schema = batch(&[], 0).schema();
        let table = lake.table(&TableName::Feed(feed.clone()), schema).await.unwrap();
        let mut catalog =
            Catalog::new(SessionConfig { threads: 2, memory: 64 << 20, local_files: false }).unwrap();
        catalog.add_feed_alone(&feed, &table).unwrap();
        catalog.keep_latest(&Latest { feed, key: vec!["n".into()] }).unwrap();
        let engine = Engine::new(catalog);
        let select = "SELECT _cell, count(*) AS n, sum(value) AS value FROM police.incidents GROUP BY 1";
        let sql = format!("-- ---\n-- table: by_cell\n-- refresh: live\n-- ---\n{select}\n");
        let query = QueryFile { file: "queries/by_cell.sql".into(), text: sql };
        assert_eq!(engine.load(&[query], Micros(NOW)).await, [], "live: it must be kept up to date");
        let mut newest: BTreeMap<i64, (Age, i64, i64)> = BTreeMap::new();
        for (landing, (rows, live)) in landings.iter().enumerate() {
            land(&table, rows, landing, *live).await;
            for (row, &(key, at, value, cell)) in rows.iter().enumerate() {
                let age = (at, landing, row);
                let held = newest.entry(key).or_insert((age, value, cell));
                if held.0 <= age {
                    *held = (age, value, cell);
                }
            }
            let mut expected: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
            for (_, value, cell) in newest.values() {
                let (count, sum) = expected.entry(*cell).or_default();
                (*count, *sum) = (*count + 1, *sum + value);
            }
            let changes = engine.refresh(Tick::All, Micros(NOW)).await;
            let kept = changes.into_iter().next().unwrap().unwrap();
            let whole = engine.recompute("by_cell", Micros(NOW)).await.unwrap().unwrap();
            assert_eq!((text(&kept.rows), text(&whole)), (expected.clone(), expected), "after {landing}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn of_every_key_the_newest_row_counts_whatever_the_order(
            landings in prop::collection::vec(
                (prop::collection::vec((0..6_i64, prop::option::weighted(0.9, 0..4_i64), 0..100_i64, 0..3_i64), 1..8), any::<bool>()),
                1..10,
            )
        ) {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
            runtime.block_on(follows(landings));
        }
    }

    #[test]
    fn rows_without_the_key_are_told() {
        let schema = Arc::new(Schema::new(vec![Field::new("other", DataType::Int64, true)]));
        let rows = datafusion::catalog::MemTable::try_new(schema, vec![vec![]]).unwrap();
        let latest = Latest { feed: "police.incidents".parse().unwrap(), key: vec!["n".into()] };
        let told = latest.view("a.b".into(), Arc::new(rows)).unwrap_err().to_string();
        assert!(told.contains("its key `n` is not among the columns"), "{told}");
    }
}
