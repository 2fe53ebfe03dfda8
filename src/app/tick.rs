//! Feeds → queries → layers, alerts, KPIs: what one tick brings about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::record_batch::RecordBatch;
use arrow::util::display::array_value_to_string;

use super::board::Board;
use super::silence;
use crate::alert::{Condition, Detail, DetailValue};
use crate::fusion::{Change, Engine, Kind, Query, QueryFile, QuerySet, Tick};
use crate::hub::Hub;
use crate::journal::{self, Desk, Outcome};
use crate::layer::{ColumnKind, LayerColumn, LayerRows, LayerSchema};
use crate::model::{AreaCode, Cell, Micros, QueryName, Severity};

/// Columns of an alert that are no detail.
const ALERT_COLUMNS: [&str; 8] =
    ["key", "category", "severity", "title_en", "title_zh", "cell", "area", "_key"];

/// Where results go.
pub(super) struct Sinks {
    pub(super) hub: Arc<Hub>,
    pub(super) desk: Desk,
    pub(super) board: Arc<Board>,
    /// What queries said last that the journal had no room for.
    pub(super) owed: Mutex<BTreeMap<QueryName, Vec<Condition>>>,
}

impl Sinks {
    /// Refreshes what moved and hands on what came out.
    pub(super) async fn tick(&self, engine: &Engine, tick: Tick, now: Micros) {
        let mut kpis = false;
        for outcome in engine.refresh(tick, now).await {
            match outcome {
                Ok(change) => {
                    let name = change.query.name.to_string();
                    metrics::histogram!("cityloom_fusion_refresh_seconds", "query" => name.clone())
                        .record(change.seconds);
                    kpis |= change.query.kind() == Kind::Kpi;
                    let problem = self
                        .hand_on(&change)
                        .await
                        .err()
                        .map(|error| wrong(&change.query, "CL050", error.to_string()));
                    let audit =
                        change.audits.first().map(|audit| wrong(&change.query, "CL060", audit.to_string()));
                    self.board.refreshed(&name, now, problem.or(audit));
                }
                Err(problem) => {
                    metrics::counter!("cityloom_fusion_refresh_failures_total").increment(1);
                    let name = problem
                        .file
                        .rsplit('/')
                        .next()
                        .unwrap_or_default()
                        .trim_end_matches(".sql")
                        .to_owned();
                    self.board.refreshed(&name, now, Some(problem));
                }
            }
        }
        if kpis {
            self.board.publish_kpis(now);
        }
        self.board.filling(engine.fillings().await, now);
    }

    /// Takes away what queries left behind that are gone or are of another kind now: their layers and their open
    /// alerts. A query that is only broken says nothing of what holds; what it left stays.
    pub(super) async fn forget(
        &self,
        queries: &QuerySet,
        files: &[QueryFile],
        now: Micros,
    ) -> Result<(), journal::Error> {
        let stands =
            |name: &QueryName, kind: Kind| match queries.ordered().iter().find(|query| query.name == *name) {
                Some(query) => query.kind() == kind,
                None => files.iter().any(|file| file.stem() == name.as_str()),
            };
        let channels = self.hub.channels();
        let layers = channels.iter().filter_map(|channel| channel.strip_prefix("layer/")?.parse().ok());
        for layer in layers.filter(|layer| !stands(layer, Kind::Layer)) {
            self.hub.retire_layer(&layer, now);
        }
        let alerting: BTreeSet<QueryName> =
            self.desk.alerts().items.into_iter().map(|alert| alert.query).collect();
        let of_queries = alerting.into_iter().filter(|query| !silence::is_of_feeds(query));
        for query in of_queries.filter(|query| !stands(query, Kind::Alert)) {
            self.settle(query, Vec::new(), now).await?;
        }
        Ok(())
    }

    /// Hands the desk what a query says; where the disk is full, it is handed over again once there is room.
    async fn settle(
        &self,
        query: QueryName,
        rows: Vec<Condition>,
        now: Micros,
    ) -> Result<Outcome, journal::Error> {
        let settled = self.desk.settle(query.clone(), rows.clone(), now).await;
        let mut owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
        match &settled {
            Err(error) if error.is_full() => owed.insert(query, rows),
            _ => owed.remove(&query),
        };
        settled
    }

    /// Writes down what is due by the clock alone, and what there was no room for. Whether the disk has room again; an
    /// error where the journal is broken.
    pub(super) async fn settle_due(&self, now: Micros) -> Result<(), journal::Error> {
        let owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (query, rows) in owed {
            self.settle(query.clone(), rows, now).await?;
            self.board.refreshed(query.as_str(), now, None);
        }
        self.desk.lapse(now).await.map(|_| ())
    }

    async fn hand_on(&self, change: &Change) -> Result<()> {
        let query = &change.query;
        match query.kind() {
            Kind::Layer => {
                let rows =
                    LayerRows::from_batches(&change.rows, query.key().unwrap_or("cell"), &shown(change))?;
                self.hub.declare_layer(&query.name, layer_schema(change)?)?;
                self.hub.publish_layer(&query.name, &rows, change.at)?;
            }
            Kind::Alert => {
                let mut rows = Vec::new();
                for batch in &change.rows {
                    rows.extend(conditions(query, batch)?);
                }
                let outcome = self.settle(query.name.clone(), rows, change.at).await?;
                metrics::counter!("cityloom_alert_raised_total").increment(outcome.raised as u64);
                metrics::counter!("cityloom_dispatch_orders_total").increment(outcome.ordered as u64);
            }
            Kind::Kpi => self.board.kpi(change),
            Kind::Table => {}
        }
        Ok(())
    }
}

fn wrong(query: &Query, code: &'static str, message: String) -> crate::model::Problem {
    crate::model::Problem::of_file(&query.file, code, message)
}

/// The columns of a layer on the wire: those that the header shows, or every number.
fn shown(change: &Change) -> Vec<String> {
    let query = &change.query;
    if !query.columns().is_empty() {
        return query.columns().iter().map(|(name, _)| name.clone()).collect();
    }
    let key = query.key().unwrap_or("cell");
    let numeric =
        change.schema.fields().iter().filter(|field| field.data_type().is_numeric() && field.name() != key);
    numeric.map(|field| field.name().clone()).collect()
}

fn layer_schema(change: &Change) -> Result<LayerSchema> {
    let column = |name: String| {
        let show = change.query.columns().iter().find(|(column, _)| *column == name).map(|(_, show)| show);
        let scale = show.and_then(|show| show.scale);
        let kind = scale.map_or(ColumnKind::F32, |scale| ColumnKind::Q16 { scale, offset: 0.0 });
        LayerColumn { name, kind, unit: show.map(|show| show.unit.clone()).filter(|unit| !unit.is_empty()) }
    };
    Ok(LayerSchema::new(shown(change).into_iter().map(column).collect())?)
}

/// The rows of an alert query as conditions; a row without a key is told and left out.
fn conditions(query: &Query, batch: &RecordBatch) -> Result<Vec<Condition>> {
    let key = query.key().unwrap_or("key");
    let text = |name: &str| -> Result<ArrayRef> {
        let column =
            batch.column_by_name(name).ok_or_else(|| anyhow::anyhow!("there is no column {name}"))?;
        Ok(cast(column, &DataType::Utf8)?)
    };
    let (keys, category, severity) = (text(key)?, text("category")?, text("severity")?);
    let (title_en, title_zh, area) = (text("title_en")?, text("title_zh")?, text("area")?);
    let cell = batch.column_by_name("cell").map(|column| cast(column, &DataType::Int64)).transpose()?;
    let say = |column: &ArrayRef, row: usize| {
        let column = column.as_string::<i32>();
        if column.is_null(row) { String::new() } else { column.value(row).to_owned() }
    };
    let mut rows = Vec::with_capacity(batch.num_rows());
    for row in (0..batch.num_rows()).filter(|&row| !keys.is_null(row)) {
        let number = cell
            .as_ref()
            .filter(|cell| !cell.is_null(row))
            .map(|cell| cell.as_primitive::<Int64Type>().value(row));
        let area: Option<AreaCode> = say(&area, row).parse().ok();
        let Ok(severity) = say(&severity, row).parse::<Severity>();
        rows.push(Condition {
            query: query.name.clone(),
            key: say(&keys, row),
            category: say(&category, row),
            severity,
            title_en: say(&title_en, row),
            title_zh: say(&title_zh, row),
            cell: number.and_then(Cell::from_i64),
            place: None,
            area,
            detail: detail(batch, key, row),
        });
    }
    Ok(rows)
}

fn detail(batch: &RecordBatch, key: &str, row: usize) -> Detail {
    let schema = batch.schema();
    let others = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .filter(|(field, _)| field.name() != key && !ALERT_COLUMNS.contains(&field.name().as_str()));
    others.map(|(field, column)| (field.name().clone(), value(column, row))).collect()
}

fn value(column: &ArrayRef, row: usize) -> DetailValue {
    if column.is_null(row) {
        return DetailValue::Null;
    }
    let text = array_value_to_string(column, row).unwrap_or_default();
    match column.data_type() {
        DataType::Boolean => DetailValue::Flag(text == "true"),
        kind if kind.is_numeric() => text.parse().map_or(DetailValue::Text(text), DetailValue::Number),
        _ => DetailValue::Text(text),
    }
}
