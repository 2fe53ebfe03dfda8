//! `refresh`: every query once, with rows and time of each.

use std::process::ExitCode;

use anyhow::{Result, bail};

use super::{FOUND_WRONG, text};
use crate::app::{Workshop, WorkshopOptions};
use crate::fusion::{Engine, Tick};

pub(super) async fn refresh(options: WorkshopOptions, names: Vec<String>) -> Result<ExitCode> {
    let workshop = Workshop::open(&options).await?;
    let now = workshop.clock.now();
    let engine = Engine::new(workshop.catalog.clone());
    let problems = engine.load(&workshop.query_files()?, now).await;
    problems.iter().for_each(|problem| text::err(&problem.to_string()));
    let queries = engine.queries().await;
    let known = |name: &String| queries.ordered().iter().any(|query| query.name.as_str() == name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        bail!("there is no query `{unknown}`");
    }
    let (mut rows, mut seconds, mut failed) = (0, 0.0, !problems.is_empty());
    for outcome in engine.refresh(Tick::All, now).await {
        match outcome {
            Ok(change) => {
                let count: usize = change.rows.iter().map(arrow::record_batch::RecordBatch::num_rows).sum();
                rows += count;
                seconds += change.seconds;
                if names.is_empty() || names.iter().any(|name| name == change.query.name.as_str()) {
                    text::out(&format!(
                        "{:<28} {count:>9} rows  {:>9.3} s",
                        change.query.name.to_string(),
                        change.seconds
                    ));
                    change.audits.iter().for_each(|audit| text::out(&format!("  fails {audit}")));
                }
                failed |= !change.audits.is_empty();
            }
            Err(problem) => {
                text::err(&problem.to_string());
                failed = true;
            }
        }
    }
    text::out(&format!("{:<28} {rows:>9} rows  {seconds:>9.3} s", "all"));
    Ok(if failed { ExitCode::from(FOUND_WRONG) } else { ExitCode::SUCCESS })
}
