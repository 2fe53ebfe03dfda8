//! `explain`: how each query is kept up to date, and why one is not.

use std::collections::HashMap;
use std::process::ExitCode;

use anyhow::{Result, bail};

use super::check::promised;
use super::{FOUND_WRONG, text};
use crate::app::{Workshop, WorkshopOptions};
use crate::config;
use crate::fusion::{Engine, Explained, QueryFile, Tick};
use crate::model::{Clock as _, SystemClock};

pub(super) async fn explain(options: WorkshopOptions, names: Vec<String>, measure: bool) -> Result<ExitCode> {
    let (engine, files) = if measure {
        let workshop = Workshop::open(&options).await?;
        (workshop.engine()?, workshop.query_files()?)
    } else {
        let (contracts, problems) = config::contracts(&options.city);
        problems.iter().for_each(|problem| text::err(&problem.to_string()));
        (Engine::new(promised(&contracts)?), QueryFile::read_all(&options.city.join("queries"), "queries")?)
    };
    let now = SystemClock.now();
    let problems = engine.load(&files, now).await;
    problems.iter().for_each(|problem| text::err(&problem.to_string()));
    let queries = engine.queries().await;
    let known = |name: &String| queries.ordered().iter().any(|query| query.name.as_str() == name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        bail!("there is no query `{unknown}`");
    }
    let mut seconds: HashMap<String, f64> = HashMap::new();
    if measure {
        let changes = engine.refresh(Tick::All, now).await.into_iter().flatten();
        seconds.extend(changes.map(|change| (change.query.name.to_string(), change.seconds)));
    }
    for query in queries.ordered() {
        let name = query.name.to_string();
        let wanted = names.is_empty() || names.contains(&name);
        if wanted && let Some(explained) = engine.explain(&name).await {
            print(&name, &explained, seconds.get(&name).copied());
        }
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FOUND_WRONG) })
}

fn print(name: &str, explained: &Explained, seconds: Option<f64>) {
    let took = seconds.map_or(String::new(), |seconds| format!("  ({seconds:.3} s from the landed data)"));
    text::out(&format!("{name}  {}  {}{took}", explained.class, explained.class_text()));
    if explained.by_cell {
        text::out("  head   only of the cells that changed");
    }
    for state in &explained.states {
        let by = if state.groups.is_empty() { "no group".to_owned() } else { state.groups.join(", ") };
        let step = state.step_us.map_or("everything".to_owned(), |step| {
            format!("a window that moves every {} s", step / 1_000_000)
        });
        text::out(&format!("  state  {} by {by}; {step}", state.feeds.join(" + ")));
        if !state.beside.is_empty() {
            text::out(&format!("         starts anew when {} changes", state.beside.join(" or ")));
        }
        if seconds.is_some() {
            let size = state.size;
            text::out(&format!(
                "         {} groups, {} rows in {} buckets, {:.1} MiB",
                size.groups,
                size.rows,
                size.buckets,
                size.bytes as f64 / f64::from(1 << 20)
            ));
        }
    }
    for reason in &explained.reasons {
        text::out(&format!("  {reason}"));
        text::out(&format!("         {}", reason.advice));
    }
}
