//! `sql`: one SELECT over everything that the city has.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use arrow::csv::WriterBuilder;
use arrow::ipc::writer::StreamWriter;
use arrow::json::LineDelimitedWriter;

use super::{RowsFormat, text};
use crate::app::{Workshop, WorkshopOptions};
use crate::fusion::print;

pub(super) async fn sql(options: WorkshopOptions, statement: String, format: RowsFormat) -> Result<ExitCode> {
    let workshop = Workshop::open(&WorkshopOptions { local_files: true, ..options }).await?;
    let now = workshop.clock.now();
    // Broken queries are no reason to refuse a statement that does not read them.
    match workshop.queries() {
        Ok(queries) => workshop.catalog.add_views(queries.ordered(), now).await.map_err(plain)?,
        Err(problems) => text::err(&format!("the stored queries cannot be read:\n{problems}")),
    }
    let (schema, rows) = workshop.catalog.sql(&statement, now).await.map_err(plain)?;
    match format {
        RowsFormat::Table => text::out(&print(&schema, &rows)?),
        RowsFormat::Csv => {
            let mut csv = Vec::new();
            {
                let mut writer = WriterBuilder::new().with_header(true).build(&mut csv);
                if rows.iter().all(|batch| batch.num_rows() == 0) {
                    writer.write(&arrow::record_batch::RecordBatch::new_empty(Arc::clone(&schema)))?;
                }
                for batch in rows.iter().filter(|batch| batch.num_rows() > 0) {
                    writer.write(batch)?;
                }
            }
            text::bytes(&csv);
        }
        RowsFormat::Json => {
            let mut json = Vec::new();
            let mut writer = LineDelimitedWriter::new(&mut json);
            writer.write_batches(&rows.iter().collect::<Vec<_>>())?;
            writer.finish()?;
            text::bytes(&json);
        }
        RowsFormat::Arrow => {
            let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
            for batch in &rows {
                writer.write(batch)?;
            }
            writer.finish()?;
            text::bytes(&writer.into_inner()?);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The engine's error without its inside.
#[expect(clippy::needless_pass_by_value, reason = "it is a mapping of errors")]
fn plain(error: impl std::fmt::Display) -> anyhow::Error {
    let text = error.to_string();
    let text = text
        .split("\n\nbacktrace")
        .next()
        .unwrap_or_default()
        .replace("city.queries.", "")
        .replace("city.", "");
    anyhow!("{text}")
}
