//! Random queries over random histories: what is kept up to date equals the full recompute after every step.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray as _, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType};
use arrow::util::display::array_value_to_string;
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::logical_expr::LogicalPlan;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError};

use super::super::result_table::ResultTable;
use super::super::{Catalog, SessionConfig};
use super::cut::bind;
use super::*;
use crate::model::Micros;

const START: i64 = 1_772_352_000_000_000;
const FEEDS: [&str; 2] = ["f.a", "f.b"];

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("_event_time", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        Field::new("_cell", DataType::Int64, true),
        Field::new("n", DataType::Int64, true),
        Field::new("x", DataType::Float64, true),
        Field::new("s", DataType::Utf8, true),
        Field::new("b", DataType::Boolean, true),
    ]))
}

/// One row: seconds after [`START`], cell, number, float, text, flag.
type Row = (Option<i64>, Option<i64>, Option<i64>, Option<f64>, Option<u8>, Option<bool>);

fn row(around: i64) -> impl Strategy<Value = Row> {
    let float = prop_oneof![
        8 => (-400i32..400).prop_map(|x| f64::from(x) / 8.0),
        1 => Just(0.0), 1 => Just(-0.0), 1 => Just(f64::NAN), 1 => -1e3..1e3f64,
    ];
    (
        prop::option::weighted(0.95, around - 900..around + 30),
        prop::option::weighted(0.9, 0i64..12),
        prop::option::weighted(0.9, -50i64..50),
        prop::option::weighted(0.9, float),
        prop::option::weighted(0.9, 0u8..6),
        prop::option::weighted(0.9, any::<bool>()),
    )
}

fn batch(rows: &[Row]) -> RecordBatch {
    let times: TimestampMicrosecondArray =
        rows.iter().map(|row| row.0.map(|s| START + s * 1_000_000)).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(times.with_timezone("UTC")),
        Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.2).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.3).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| row.4.map(|s| format!("s{s}"))).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| row.5).collect::<BooleanArray>()),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

#[derive(Debug, Clone)]
enum Step {
    /// Rows of a feed.
    Append(usize, Vec<Row>),
    /// Seconds pass.
    Pass(i64),
    /// Every second row of a feed between two seconds goes; others of the same feed come in the same moment.
    Rewrite(usize, i64, i64, Vec<Row>),
    /// Another table of zones: each cell's zone is its number by that.
    Zones(i64),
    /// The process starts anew.
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let rows = |most| prop::collection::vec(row(300), 0..most);
    prop::collection::vec(
        prop_oneof![
            6 => (0..2usize, rows(40)).prop_map(|(feed, rows)| Step::Append(feed, rows)),
            4 => (0i64..200).prop_map(Step::Pass),
            1 => (0..2usize, -600i64..300, 0i64..400, rows(8))
                .prop_map(|(feed, from, long, rows)| Step::Rewrite(feed, from, from + long, rows)),
            1 => (1i64..5).prop_map(Step::Zones),
            1 => Just(Step::Restart),
        ],
        1..12,
    )
}

const AGGREGATES: [&str; 19] = [
    "count(*)",
    "count(t.n)",
    "sum(t.n)",
    "sum(t.x)",
    "avg(t.x)",
    "avg(t.n)",
    // Without the filter DataFusion's own answer depends on the order of the rows.
    "min(t.x) FILTER (WHERE NOT isnan(t.x))",
    "max(t.n)",
    "min(t.s)",
    "max(t._event_time)",
    "bool_or(t.b)",
    "stddev(t.n)",
    "var_pop(t.n)",
    "corr(t.n, t.n * t.n)",
    "approx_distinct(t.s)",
    "sum(CASE WHEN t.b THEN t.n ELSE 0 END)",
    "count(*) FILTER (WHERE t.n > 0)",
    "last_value(t._event_time ORDER BY t._event_time)",
    "first_value(t.n ORDER BY t.n)",
];

/// A random query: one or two aggregates and what stands above them.
fn query() -> impl Strategy<Value = String> {
    let source = prop_oneof![
        4 => Just("f.a AS t".to_owned()),
        2 => Just("f.a AS t JOIN ref.zones AS z ON z.cell = t._cell".to_owned()),
        2 => Just("f.a AS t LEFT JOIN ref.zones AS z ON z.cell = t._cell".to_owned()),
        1 => Just("ref.zones AS z RIGHT JOIN f.a AS t ON z.cell = t.n % 8 AND z.cell < t._cell".to_owned()),
        1 => Just("f.a AS t LEFT SEMI JOIN ref.zones AS z ON z.cell = t._cell".to_owned()),
        1 => Just("f.a AS t LEFT ANTI JOIN ref.zones AS z ON z.cell = t._cell".to_owned()),
        1 => Just("(SELECT * FROM f.a WHERE W UNION ALL SELECT * FROM f.b WHERE W) AS t".to_owned()),
        1 => Just("(SELECT *, unnest([_cell, _cell + 1]) AS near FROM f.a WHERE W) AS t".to_owned()),
    ];
    let group = prop::sample::subsequence(
        vec!["t._cell", "t.s", "t.b", "t.x", "date_bin(INTERVAL '1 minute', t._event_time)", "t.n % 3"],
        0..3,
    );
    let aggregate = prop::sample::subsequence(AGGREGATES.to_vec(), 1..5);
    let distinct = prop::option::weighted(0.3, Just("count(DISTINCT t.s)"));
    let window = prop_oneof![
        1 => Just("true"),
        1 => Just("t._event_time > now() - INTERVAL '5 minutes'"),
        1 => Just("t._event_time >= now() - INTERVAL '200 seconds'"),
        1 => Just("now() - INTERVAL '10 minutes' < t._event_time"),
    ];
    let filter = prop_oneof![2 => Just("true"), 1 => Just("t.n > -20"), 1 => Just("t.s <> 's1' OR t.b")];
    let head = 0..4usize;
    (source, group, aggregate, distinct, window, filter, head).prop_map(sql)
}

type Parts =
    (String, Vec<&'static str>, Vec<&'static str>, Option<&'static str>, &'static str, &'static str, usize);

fn sql((source, mut groups, mut aggregates, distinct, window, filter, head): Parts) -> String {
    // Where zones are joined, they are what is grouped by more often than not.
    if source.contains("z.cell = ")
        && !source.contains("SEMI")
        && !source.contains("ANTI")
        && groups.len() < 2
    {
        groups.push("z.zone");
    }
    // Exact distinct counts want a window.
    aggregates.extend(distinct.filter(|_| window != "true"));
    // A nested SELECT filters its own feed.
    let inner = source.contains(" W");
    let source = source.replace('W', "\u{1}").replace("\u{1}HERE", "WHERE");
    let source = source.replace('\u{1}', &window.replace("t.", ""));
    let window = if inner { "true" } else { window };
    let named = |names: &[&str], letter: char| -> Vec<String> {
        names.iter().enumerate().map(|(i, name)| format!("{name} AS {letter}{i}")).collect()
    };
    let select = [named(&groups, 'g'), named(&aggregates, 'a')].concat().join(", ");
    let numbers: Vec<String> = (1..=groups.len()).map(|i| i.to_string()).collect();
    let by = if numbers.is_empty() { String::new() } else { format!(" GROUP BY {}", numbers.join(", ")) };
    let one = format!("SELECT {select} FROM {source} WHERE {window} AND ({filter}){by}");
    match head {
        1 if !groups.is_empty() => {
            format!("SELECT * FROM ({one} HAVING count(*) > 1) AS q WHERE a0 IS NOT NULL")
        }
        2 if !groups.is_empty() => format!(
            "WITH p AS ({one}), q AS (SELECT _cell, count(*) AS m FROM f.b \
             WHERE _event_time > now() - INTERVAL '3 minutes' GROUP BY 1) \
             SELECT p.*, q.m FROM p FULL JOIN q ON CAST(p.g0 AS VARCHAR) = CAST(q._cell AS VARCHAR)"
        ),
        3 => format!("SELECT *, count(*) OVER () AS all_rows FROM ({one}) AS q"),
        _ => one,
    }
}

/// A city in memory, its queries kept by hand.
struct Town {
    catalog: Catalog,
    feeds: [Vec<RecordBatch>; 2],
    zones: Arc<dyn TableProvider>,
    full: LogicalPlan,
    head: LogicalPlan,
    cuts: Vec<Cut>,
    results: HashMap<String, Arc<ResultTable>>,
    states: HashMap<String, State>,
    now: Micros,
}

fn leaf(name: &str) -> Leaf {
    if FEEDS.contains(&name) { Leaf::Fact } else { Leaf::Dimension }
}

fn table(rows: &[RecordBatch]) -> Arc<dyn TableProvider> {
    // Two partitions, so that states of one group come from both.
    let (even, odd): (Vec<_>, Vec<_>) = rows.iter().cloned().enumerate().partition(|(i, _)| i % 2 == 0);
    let part = |part: Vec<(usize, RecordBatch)>| part.into_iter().map(|(_, rows)| rows).collect();
    Arc::new(MemTable::try_new(schema(), vec![part(even), part(odd)]).unwrap())
}

/// Cells and their zones; one cell is in two.
fn zones(by: i64) -> Arc<dyn TableProvider> {
    let schema = Schema::new(vec![
        Field::new("cell", DataType::Int64, true),
        Field::new("zone", DataType::Utf8, true),
    ]);
    let cells = [0, 1, 2, 2, 5];
    let zones = cells.iter().enumerate().map(|(row, cell)| format!("z{}", (cell + i64::from(row == 3)) / by));
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from(cells.to_vec())), Arc::new(zones.map(Some).collect::<StringArray>())];
    let rows = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
    Arc::new(MemTable::try_new(rows.schema(), vec![vec![rows]]).unwrap())
}

impl Town {
    async fn new(sql: &str) -> Self {
        let catalog =
            Catalog::new(SessionConfig { threads: 2, memory: 256 << 20, local_files: false }).unwrap();
        for feed in FEEDS {
            let (department, name) = feed.split_once('.').unwrap();
            catalog.add_rows(department, name, schema(), vec![]).unwrap();
        }
        let zones = zones(2);
        catalog.register("ref", "zones", Arc::clone(&zones)).unwrap();
        let now = Micros(START);
        let statement = datafusion::sql::parser::DFParser::parse_sql(sql).unwrap().pop_front().unwrap();
        let plan = catalog.plan(&statement, now).await.unwrap();
        let full = catalog.timeless(&plan).unwrap();
        let mut results = HashMap::new();
        let mut result = |cut: &Cut| {
            let table: &mut Arc<ResultTable> = results
                .entry(cut.id.clone())
                .or_insert_with(|| Arc::new(ResultTable::new(Arc::clone(&cut.schema))));
            Arc::clone(table) as Arc<dyn TableProvider>
        };
        let cutting = cut(&full, &catalog.state(now), &leaf, &mut result).unwrap();
        let cutting = cutting.unwrap_or_else(|why| panic!("{sql}: {why:?}"));
        Self {
            catalog,
            feeds: Default::default(),
            zones,
            full,
            head: cutting.head,
            cuts: cutting.cuts,
            results,
            states: HashMap::new(),
            now,
        }
    }

    fn leaves(&self, feeds: &[Vec<RecordBatch>; 2]) -> Leaves {
        let mut leaves: Leaves =
            FEEDS.iter().zip(feeds).map(|(name, rows)| ((*name).to_owned(), table(rows))).collect();
        leaves.insert("ref.zones".into(), Arc::clone(&self.zones));
        leaves
    }

    async fn step(&mut self, step: &Step) {
        let session = self.catalog.state(self.now);
        match step {
            Step::Append(feed, rows) => {
                let mut new: [Vec<RecordBatch>; 2] = Default::default();
                let (first, second) = rows.split_at(rows.len() / 2);
                new[*feed] = vec![batch(first), batch(second)];
                let leaves = self.leaves(&new);
                for state in self.states.values_mut().filter(|state| state.cut().facts.contains(FEEDS[*feed]))
                {
                    state.append(&leaves, &session).await.unwrap();
                }
                let [a, b] = &mut new;
                self.feeds[*feed].append(if *feed == 0 { a } else { b });
            }
            Step::Pass(seconds) => {
                self.now = self.now.plus_seconds(*seconds);
                let session = self.catalog.state(self.now);
                for state in self.states.values_mut() {
                    state.advance(&session, self.now.0).await.unwrap();
                }
            }
            Step::Rewrite(feed, from, to, rows) => {
                let (from, to) = (START + from * 1_000_000, START + to * 1_000_000);
                let mut number = 0;
                for part in &mut self.feeds[*feed] {
                    let times = part.column(0).as_primitive::<TimestampMicrosecondType>();
                    let keep: BooleanArray = times
                        .iter()
                        .map(|us| {
                            number += 1;
                            Some(number % 2 == 0 || us.is_some_and(|us| us < from || us > to))
                        })
                        .collect();
                    *part = filter_record_batch(part, &keep).unwrap();
                }
                let mut new: [Vec<RecordBatch>; 2] = Default::default();
                new[*feed] = vec![batch(rows)];
                self.feeds[*feed].push(batch(rows));
                let (all, new) = (self.leaves(&self.feeds), self.leaves(&new));
                for state in self.states.values_mut().filter(|state| state.cut().facts.contains(FEEDS[*feed]))
                {
                    let rewritten = state.rewrite(&[(from, to)], &all, &session).await.unwrap();
                    state.append_outside(&rewritten, &new, &session).await.unwrap();
                }
            }
            Step::Zones(by) => {
                self.zones = zones(*by);
                self.states.retain(|_, state| state.cut().dimensions.is_empty());
            }
            Step::Restart => self.states.clear(),
        }
        self.fill().await;
    }

    /// Starts the states anew that are not there.
    async fn fill(&mut self) {
        for cut in self.cuts.clone() {
            if !self.states.contains_key(&cut.id) {
                let session = self.catalog.state(self.now);
                let mut state = State::new(cut.clone(), &session, self.now.0).await.unwrap();
                state.append(&self.leaves(&self.feeds), &session).await.unwrap();
                self.states.insert(cut.id, state);
            }
        }
    }

    async fn kept(&self) -> Vec<RecordBatch> {
        for (id, state) in &self.states {
            self.results[id].replace(state.rows().unwrap());
        }
        let zones = |name: &str| (name == "ref.zones").then(|| Arc::clone(&self.zones));
        self.catalog.run(&bind(&self.head, &zones).unwrap(), self.now).await.unwrap()
    }

    async fn recomputed(&self) -> Vec<RecordBatch> {
        let leaves = self.leaves(&self.feeds);
        let plan = at_edges(&self.full, &self.catalog.state(self.now), &leaf, self.now.0).unwrap();
        let plan = bind(&plan, &|name| leaves.get(name).cloned()).unwrap();
        self.catalog.run(&plan, self.now).await.unwrap()
    }
}

/// Rows as text and floats, sorted.
fn rows(batches: &[RecordBatch]) -> Vec<(String, Vec<f64>)> {
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let (mut text, mut floats) = (String::new(), Vec::new());
            for column in batch.columns() {
                match column.as_primitive_opt::<Float64Type>() {
                    Some(column) if arrow::array::Array::is_valid(column, row) => {
                        text.push_str("|~");
                        floats.push(column.value(row));
                    }
                    _ => {
                        text.push('|');
                        text.push_str(&array_value_to_string(column, row).unwrap());
                    }
                }
            }
            rows.push((text, floats));
        }
    }
    rows.sort_by(|a, b| {
        a.0.cmp(&b.0).then_with(|| {
            let pairs = a.1.iter().zip(&b.1).map(|(a, b)| (a + 0.0).total_cmp(&(b + 0.0)));
            pairs.into_iter().find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
        })
    });
    rows
}

fn same(kept: &[RecordBatch], recomputed: &[RecordBatch]) -> Result<(), String> {
    let (kept, recomputed) = (rows(kept), rows(recomputed));
    if kept.len() != recomputed.len() {
        return Err(format!("{} rows, not {}\n{kept:?}\n{recomputed:?}", kept.len(), recomputed.len()));
    }
    let near = |(a, b): (&f64, &f64)| {
        (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-6)
    };
    for (kept, recomputed) in kept.iter().zip(&recomputed) {
        if kept.0 != recomputed.0 || !kept.1.iter().zip(&recomputed.1).all(near) {
            return Err(format!("{kept:?}, not {recomputed:?}"));
        }
    }
    Ok(())
}

fn live(runtime: &tokio::runtime::Runtime, sql: &str, steps: &[Step]) -> Result<(), TestCaseError> {
    runtime.block_on(async {
        let mut town = Town::new(sql).await;
        for (number, step) in steps.iter().enumerate() {
            town.step(step).await;
            same(&town.kept().await, &town.recomputed().await)
                .map_err(|why| TestCaseError::fail(format!("step {number}: {why}\n{sql}")))?;
        }
        Ok(())
    })
}

/// Histories a run; `CITYLOOM_CASES` asks for more.
fn cases() -> u32 {
    std::env::var("CITYLOOM_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1_000)
}

#[test]
fn what_is_kept_equals_the_full_recompute() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    proptest!(Config { cases: cases(), max_shrink_iters: 100, failure_persistence: None, ..Config::default() }, |(sql in query(), steps in steps())| {
        live(&runtime, &sql, &steps)?;
    });
}

#[tokio::test]
async fn joins_with_other_tables_stay_out_of_the_states_where_they_can() {
    let lifted = [
        "SELECT z.zone, count(*), avg(t.x), max(t.s) FROM f.a t JOIN ref.zones z ON z.cell = t._cell GROUP BY 1",
        "SELECT z.zone, date_bin(INTERVAL '1 minute', t._event_time) AS m, sum(t.n) FILTER (WHERE t.b) \
         FROM f.a t LEFT JOIN ref.zones z ON z.cell = t._cell WHERE t._event_time > now() - INTERVAL '1 hour' GROUP BY 1, 2",
        "SELECT count(*) FROM f.a t LEFT ANTI JOIN ref.zones z ON z.cell = t._cell",
    ];
    for sql in lifted {
        let town = Town::new(sql).await;
        assert!(town.cuts.iter().all(|cut| cut.dimensions.is_empty()), "{sql}: {:?}", town.cuts);
        assert!(linear::tables(&town.head).iter().any(|table| table == "ref.zones"), "{sql}");
    }
    let stays = [
        "SELECT z.zone, stddev(t.x) FROM f.a t JOIN ref.zones z ON z.cell = t._cell GROUP BY 1",
        "SELECT z.zone, max(z.cell + t.n) FROM f.a t JOIN ref.zones z ON z.cell = t._cell GROUP BY 1",
        "SELECT t.x, z.zone, count(*) FROM f.a t JOIN ref.zones z ON z.cell = t._cell GROUP BY 1, 2",
    ];
    for sql in stays {
        let town = Town::new(sql).await;
        assert!(town.cuts.iter().all(|cut| cut.dimensions.contains("ref.zones")), "{sql}: {:?}", town.cuts);
    }
}
