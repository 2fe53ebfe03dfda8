//! SQL unit tests: a query run over given rows at a given time, compared with what is expected.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::csv::reader::Format;
use arrow::csv::{ReaderBuilder, WriterBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use serde::Deserialize;

use super::{Catalog, Query, SessionConfig};
use crate::model::Micros;

/// A test case: `fixtures/queries/<name>/case.yaml` and the files beside it.
#[derive(Debug, Clone)]
pub struct Case {
    folder: PathBuf,
    now: Micros,
    given: BTreeMap<String, PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCase {
    now: String,
    #[serde(default)]
    given: BTreeMap<String, String>,
}

/// How a case went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaseOutcome {
    /// The result is the expected one.
    Passed,
    /// `expected.csv` was written anew.
    Updated,
    /// It differs; the text says how, a line a row.
    Failed(String),
}

impl Case {
    /// Reads `folder/case.yaml`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let file = folder.join("case.yaml");
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let text = std::fs::read_to_string(&file).map_err(|error| told(&error))?;
        let raw: RawCase = serde_saphyr::from_str(&text).map_err(|error| told(&error))?;
        let now =
            chrono::DateTime::parse_from_rfc3339(&raw.now).map_err(|error| told(&format!("now: {error}")))?;
        let given = raw.given.into_iter().map(|(table, path)| (table, folder.join(path))).collect();
        Ok(Self { folder: folder.to_path_buf(), now: Micros(now.timestamp_micros()), given })
    }
}

/// Runs `query` over the case's rows. `schema_of` knows the columns of feeds and reference tables; inputs among
/// `others` that the case does not give are computed from what it gives.
///
/// # Errors
/// Where the case cannot be run at all.
pub async fn run_case(
    query: &Query,
    others: &[Arc<Query>],
    case: &Case,
    schema_of: &(dyn Fn(&str) -> Option<SchemaRef> + Sync),
    update: bool,
) -> Result<CaseOutcome, String> {
    let catalog = Catalog::new(SessionConfig { threads: 2, memory: 1 << 30, local_files: false })
        .map_err(|e| e.to_string())?;
    for (table, path) in &case.given {
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let columns = schema_of(table).map_or(Columns::Inferred, Columns::Of);
        let rows = read_csv(path, columns).map_err(|error| told(&error))?;
        let (schema, name) = table.split_once('.').unwrap_or(("queries", table));
        catalog.add_rows(schema, name, rows.schema(), vec![rows]).map_err(|error| told(&error))?;
    }
    for other in others.iter().filter(|other| query.queries.contains(other.name.as_str())) {
        if !case.given.contains_key(other.name.as_str()) {
            let views = catalog.add_views(std::slice::from_ref(other), case.now).await;
            views.map_err(|error| {
                format!("input {} (give it, or its inputs): {}", other.name, error.strip_backtrace())
            })?;
        }
    }
    let run = async {
        let plan = catalog.plan(&query.statement, case.now).await?;
        let rows = catalog.run(&plan, case.now).await?;
        Ok::<_, datafusion::common::DataFusionError>((Arc::new(plan.schema().as_arrow().clone()), rows))
    };
    let (schema, rows) = run.await.map_err(|error| error.strip_backtrace())?;
    let (header, mut got) = as_text(&schema, &rows).map_err(|error| error.to_string())?;
    let ordered = query.sql.to_ascii_lowercase().contains("order by");
    let file = case.folder.join("expected.csv");
    if update {
        write_csv(&file, &schema, &rows).map_err(|error| format!("{}: {error}", file.display()))?;
        return Ok(CaseOutcome::Updated);
    }
    let expected = read_csv(&file, Columns::Text).map_err(|error| format!("{}: {error}", file.display()))?;
    let (expected_header, mut expected) =
        as_text(&expected.schema(), &[expected]).map_err(|error| error.to_string())?;
    if header != expected_header {
        return Ok(CaseOutcome::Failed(format!(
            "columns are {}, expected {}",
            header.join(","),
            expected_header.join(",")
        )));
    }
    if !ordered {
        got.sort();
        expected.sort();
    }
    Ok(difference(&got, &expected).map_or(CaseOutcome::Passed, CaseOutcome::Failed))
}

fn difference(got: &[Vec<String>], expected: &[Vec<String>]) -> Option<String> {
    let mut told = Vec::new();
    for row in 0..got.len().max(expected.len()) {
        match (got.get(row), expected.get(row)) {
            (Some(got), Some(expected)) if got.iter().zip(expected).all(|(a, b)| same(a, b)) => {}
            (got, expected) => {
                let line = |row: Option<&Vec<String>>| row.map_or("(no row)".into(), |row| row.join(","));
                told.push(format!("row {}: got {}, expected {}", row + 1, line(got), line(expected)));
            }
        }
        if told.len() == 10 {
            break;
        }
    }
    (!told.is_empty()).then(|| told.join("\n"))
}

/// Equal as text, or as numbers within 1e-9.
fn same(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0),
        _ => false,
    }
}

fn as_text(schema: &SchemaRef, rows: &[RecordBatch]) -> Result<(Vec<String>, Vec<Vec<String>>), ArrowError> {
    let header = schema.fields().iter().map(|field| field.name().clone()).collect();
    let options = arrow::util::display::FormatOptions::default();
    let mut lines = Vec::new();
    for batch in rows {
        let columns = batch
            .columns()
            .iter()
            .map(|column| arrow::util::display::ArrayFormatter::try_new(column, &options))
            .collect::<Result<Vec<_>, _>>()?;
        lines.extend(
            (0..batch.num_rows())
                .map(|row| columns.iter().map(|column| column.value(row).to_string()).collect()),
        );
    }
    Ok((header, lines))
}

fn write_csv(file: &Path, schema: &SchemaRef, rows: &[RecordBatch]) -> Result<(), ArrowError> {
    let mut writer = WriterBuilder::new().with_header(true).build(File::create(file)?);
    if rows.iter().all(|batch| batch.num_rows() == 0) {
        return writer.write(&RecordBatch::new_empty(Arc::clone(schema)));
    }
    rows.iter().try_for_each(|batch| writer.write(batch))
}

/// In which types a CSV is read.
enum Columns {
    /// A table's; columns that the file leaves out are null.
    Of(SchemaRef),
    /// Those that the values look like.
    Inferred,
    /// As it stands in the file.
    Text,
}

fn read_csv(path: &Path, columns: Columns) -> Result<RecordBatch, ArrowError> {
    let (inferred, _) = Format::default().with_header(true).infer_schema(File::open(path)?, Some(1_000))?;
    let text_types = |field: &Arc<Field>| Field::new(field.name(), DataType::Utf8, true);
    let read_as: SchemaRef = match &columns {
        Columns::Inferred => Arc::new(inferred),
        Columns::Of(_) | Columns::Text => {
            Arc::new(Schema::new(inferred.fields().iter().map(text_types).collect::<Vec<_>>()))
        }
    };
    let reader = ReaderBuilder::new(Arc::clone(&read_as)).with_header(true).build(File::open(path)?)?;
    let batches = reader.collect::<Result<Vec<_>, _>>()?;
    let rows = arrow::compute::concat_batches(&read_as, &batches)?;
    let Columns::Of(schema) = columns else { return Ok(rows) };
    if let Some(field) = read_as.fields().iter().find(|field| schema.field_with_name(field.name()).is_err()) {
        return Err(ArrowError::CsvError(format!("the table has no column `{}`", field.name())));
    }
    let columns = schema.fields().iter().map(|field| typed(&rows, field)).collect::<Result<Vec<_>, _>>()?;
    let nullable: Vec<Field> =
        schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(nullable)), columns)
}

fn typed(rows: &RecordBatch, field: &Field) -> Result<ArrayRef, ArrowError> {
    let Some(text) = rows.column_by_name(field.name()) else {
        return Ok(new_null_array(field.data_type(), rows.num_rows()));
    };
    let text: StringArray = text.as_any().downcast_ref::<StringArray>().map_or_else(
        || StringArray::new_null(rows.num_rows()),
        |array| array.iter().map(|value| value.filter(|value| !value.is_empty())).collect(),
    );
    cast_with_options(&text, field.data_type(), &CastOptions { safe: false, ..CastOptions::default() })
}
