//! The small states of the wall: KPIs, the feeds' health, notices. Collected here, published when they change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, AsArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Float64Type, TimestampMicrosecondType};
use indicatif::HumanCount;
use serde_json::{Value, json};

use crate::fusion::{Change, Kind, Progress, Query, QuerySet};
use crate::hub::{Hub, StateChannel};
use crate::ingest::Lander;
use crate::model::{Micros, Problem};

/// Points of a series that a screen gets.
const SERIES_POINTS: usize = 240;

/// What the wall says beside its map.
#[derive(Debug)]
pub(super) struct Board {
    hub: Arc<Hub>,
    synthetic: bool,
    open: bool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    kpis: BTreeMap<String, Value>,
    load_problems: Vec<Problem>,
    run_problems: BTreeMap<String, Problem>,
    source_problems: BTreeMap<String, Problem>,
    silent: BTreeSet<String>,
    filling: Vec<Value>,
    layers: Vec<Value>,
    as_of: BTreeMap<String, i64>,
}

impl Board {
    /// `synthetic` and `open` are said on every page.
    pub(super) fn new(hub: Arc<Hub>, synthetic: bool, open: bool) -> Self {
        Self { hub, synthetic, open, inner: Mutex::default() }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the newest value of a KPI.
    pub(super) fn kpi(&self, change: &Change) {
        let query = &change.query;
        let (unit, format) = query.unit_and_format();
        let (value, series) = points(change);
        let kpi = json!({
            "name": query.name.as_str(),
            "title": { "en": query.title().en, "zh": query.title().zh },
            "unit": unit,
            "format": format,
            "value": value,
            "series": series,
            "as_of_us": change.at.0,
        });
        self.with(|inner| inner.kpis.insert(query.name.to_string(), kpi));
    }

    /// Tells the screens all KPIs.
    pub(super) fn publish_kpis(&self, at: Micros) {
        let kpis: Vec<Value> = self.with(|inner| inner.kpis.values().cloned().collect());
        self.hub.publish_state(StateChannel::Kpis, &json!({ "kpis": kpis }), at);
    }

    /// Takes the queries as they were loaded.
    pub(super) fn loaded(&self, queries: &QuerySet, problems: Vec<Problem>, at: Micros) {
        let layers: Vec<Value> =
            queries.ordered().iter().filter(|q| q.kind() == Kind::Layer).map(|q| layer(q)).collect();
        let kpis: Vec<&str> =
            queries.ordered().iter().filter(|q| q.kind() == Kind::Kpi).map(|q| q.name.as_str()).collect();
        self.with(|inner| {
            inner.layers = layers;
            inner.load_problems = problems;
            // Of an unchanged query it still holds; a changed one is refreshed at once, which says how it went.
            inner
                .run_problems
                .retain(|name, _| queries.ordered().iter().any(|query| query.name.as_str() == name));
            inner.kpis.retain(|name, _| kpis.contains(&name.as_str()));
        });
        self.publish_sys(at);
        self.publish_kpis(at);
    }

    /// Takes how a query's refresh went; true where the notices changed.
    pub(super) fn refreshed(&self, query: &str, at: Micros, problem: Option<Problem>) {
        let changed = self.with(|inner| {
            inner.as_of.insert(query.to_owned(), at.0);
            match problem {
                Some(problem) => {
                    inner.run_problems.insert(query.to_owned(), problem.clone()) != Some(problem)
                }
                None => inner.run_problems.remove(query).is_some(),
            }
        });
        if changed {
            self.publish_sys(at);
        }
    }

    /// Takes how it goes with a live source.
    pub(super) fn source(&self, name: &str, at: Micros, problem: Option<Problem>) {
        let changed = self.with(|inner| match problem {
            Some(problem) => inner.source_problems.insert(name.to_owned(), problem.clone()) != Some(problem),
            None => inner.source_problems.remove(name).is_some(),
        });
        if changed {
            self.publish_sys(at);
        }
    }

    /// Tells which feeds went quiet past what their contracts promise, and which of those are back.
    fn heard(&self, silent: BTreeSet<String>, at: Micros) {
        let before = self.with(|inner| std::mem::replace(&mut inner.silent, silent.clone()));
        for feed in silent.difference(&before) {
            tracing::warn!(feed.id = feed, "no signal: the feed is quiet past the freshness of its contract");
        }
        for feed in before.difference(&silent) {
            tracing::info!(feed.id = feed, "the signal is back");
        }
        if silent != before {
            self.publish_sys(at);
        }
    }

    /// Tells which queries have no result yet because their history is being read, and how far that is.
    pub(super) fn filling(&self, queries: Vec<(Arc<Query>, Progress)>, at: Micros) {
        let notices: Vec<Value> =
            queries.iter().map(|(query, progress)| reads_history(query, *progress)).collect();
        let before = self.with(|inner| std::mem::replace(&mut inner.filling, notices.clone()));
        if notices != before {
            self.publish_sys(at);
        }
    }

    fn publish_sys(&self, at: Micros) {
        self.hub.publish_state(StateChannel::Sys, &self.sys(), at);
    }

    fn sys(&self) -> Value {
        self.with(|inner| {
            let problems = inner.load_problems.iter().chain(inner.run_problems.values());
            let problems = problems.chain(inner.source_problems.values());
            let mut notices: Vec<Value> = problems.map(notice).collect();
            notices.extend(inner.silent.iter().map(|feed| no_signal(feed)));
            notices.extend(inner.filling.iter().cloned());
            let layers: Vec<Value> = inner
                .layers
                .iter()
                .map(|layer| {
                    let mut layer = layer.clone();
                    let name = layer["name"].as_str().unwrap_or_default().to_owned();
                    layer["as_of_us"] = json!(inner.as_of.get(&name));
                    layer["error"] = json!(inner.run_problems.get(&name).map(ToString::to_string));
                    layer
                })
                .collect();
            json!({ "notices": notices, "synthetic": self.synthetic, "open": self.open, "layers": layers })
        })
    }

    /// Tells the screens the health of every feed; which are quiet.
    pub(super) fn publish_feeds(&self, lander: &Lander, at: Micros) -> BTreeSet<String> {
        let mut silent = BTreeSet::new();
        let feeds: Vec<Value> = lander
            .feeds()
            .iter()
            .map(|(name, feed)| {
                let state = feed.table.state();
                let fresh = feed.contract.freshness_s;
                let stale = match (fresh, state.landed_at) {
                    (Some(fresh), Some(landed)) => at.0 - landed > fresh.saturating_mul(1_000_000),
                    (_, None) => true,
                    (None, Some(_)) => false,
                };
                if stale && fresh.is_some() && state.landed_at.is_some() {
                    silent.insert(name.to_string());
                }
                json!({
                    "feed": name.to_string(),
                    "department": name.department(),
                    "title": { "en": feed.contract.title.en, "zh": feed.contract.title.zh },
                    "rows": state.rows,
                    "quarantined": feed.quarantine.state().rows,
                    "last_event_us": state.newest_event,
                    "last_landed_us": state.landed_at,
                    "fresh_s": fresh,
                    "stale": stale,
                })
            })
            .collect();
        self.hub.publish_state(StateChannel::Feeds, &json!({ "feeds": feeds }), at);
        self.heard(silent.clone(), at);
        silent
    }
}

fn no_signal(feed: &str) -> Value {
    let text = json!({ "en": format!("No signal from {feed}"), "zh": format!("{feed} 无信号") });
    json!({ "code": "NO_SIGNAL", "level": "warn", "text": text, "at": null })
}

fn reads_history(query: &Query, Progress { done, all }: Progress) -> Value {
    let share = done.saturating_mul(100).checked_div(all).unwrap_or(100);
    let (name, done, all) = (&query.name, HumanCount(done), HumanCount(all));
    let text = json!({
        "en": format!("{name} reads its history: {done} of {all} rows, {share} %"),
        "zh": format!("{name} 正在读取历史数据：{done} / {all} 行，{share} %"),
    });
    json!({ "code": "FILLING", "level": "info", "text": text, "at": query.file })
}

fn notice(problem: &Problem) -> Value {
    let text = match &problem.help {
        Some(help) => format!("{} ({help})", problem.message),
        None => problem.message.clone(),
    };
    json!({ "code": problem.code, "level": "error", "text": { "en": text, "zh": text }, "at": problem.place() })
}

fn layer(query: &Query) -> Value {
    let columns: Vec<Value> = query
        .columns()
        .iter()
        .map(|(name, show)| {
            json!({
                "name": name,
                "title": { "en": show.title.en, "zh": show.title.zh },
                "unit": show.unit,
                "range": show.range,
            })
        })
        .collect();
    json!({
        "name": query.name.as_str(),
        "title": { "en": query.title().en, "zh": query.title().zh },
        "resolution": query.resolution().map(u8::from),
        "columns": columns,
    })
}

/// The KPI's value, and its series where it has times.
fn points(change: &Change) -> (Option<f64>, Option<Vec<Value>>) {
    let Ok(rows) = concat_batches(&change.schema, &change.rows) else { return (None, None) };
    let values = rows.column_by_name("value").and_then(|column| cast(column, &DataType::Float64).ok());
    let Some(values) = values else { return (None, None) };
    let values = values.as_primitive::<Float64Type>();
    let value_at =
        |row: usize| (values.is_valid(row) && values.value(row).is_finite()).then(|| values.value(row));
    let newest = (0..values.len()).rev().find_map(value_at);
    let times = rows.column_by_name("t").and_then(|column| {
        cast(column, &DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None)).ok()
    });
    let series = times.map(|times| {
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let first = values.len().saturating_sub(SERIES_POINTS);
        (first..values.len())
            .filter(|&row| times.is_valid(row))
            .map(|row| json!([times.value(row), value_at(row)]))
            .collect()
    });
    (newest, series)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::{Event, HubConfig, LogPicture, LogSource};

    struct NoLog;

    impl LogSource for NoLog {
        fn items(&self) -> LogPicture {
            LogPicture { epoch: 0, seq: 0, items: Vec::new() }
        }

        fn since(&self, _: u64) -> Option<Vec<Event>> {
            None
        }
    }

    #[test]
    fn a_query_that_reads_its_history_is_told_until_it_is_done() {
        let hub = Hub::new(HubConfig::default(), Arc::new(NoLog), Arc::new(NoLog));
        let board = Board::new(Arc::new(hub), false, false);
        let sql = "-- ---\n-- table: ever\n-- ---\nSELECT count(*) AS n FROM traffic.speed";
        let query = Arc::new(Query::parse("queries/table/ever.sql", sql).unwrap());
        board.filling(vec![(query, Progress { done: 8_388_608, all: 50_000_000 })], Micros(1));
        let told = &board.sys()["notices"];
        let en = "ever reads its history: 8,388,608 of 50,000,000 rows, 16 %";
        assert_eq!([&told[0]["text"]["en"], &told[0]["level"]], [&json!(en), &json!("info")]);
        assert_eq!(told[0]["at"], "queries/table/ever.sql");
        board.filling(Vec::new(), Micros(2));
        assert_eq!(board.sys()["notices"], json!([]));
    }
}
