//! `plan`: what the city folder as it is now would change of what the server ran last, contracts and queries.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use super::{FOUND_WRONG, text};
use crate::app::{Workshop, WorkshopOptions, queries_in_force};
use crate::contract::{Grade, Version, changes};
use crate::fusion::{Change, Difference, Engine, Fate, Rollout, StateFootprint, Tick, difference, rollout};
use crate::model::{Clock as _, Micros, SystemClock};

pub(super) async fn plan(options: WorkshopOptions, sample: bool) -> Result<ExitCode> {
    let workshop = Workshop::open(&options).await?;
    let engine = workshop.engine()?;
    let now = SystemClock.now();
    // What ran before is loaded first and the folder over it, just as a running server takes a change.
    for problem in engine.load(&queries_in_force(&options.data)?, now).await {
        text::err(&format!("before: {problem}"));
    }
    let before = engine.footprints(now).await?;
    let old = if sample { results(&engine, now).await } else { BTreeMap::new() };
    let problems = engine.load(&workshop.query_files()?, now).await;
    problems.iter().for_each(|problem| text::err(&problem.to_string()));
    let after = engine.footprints(now).await?;
    let new = if sample { results(&engine, now).await } else { BTreeMap::new() };
    let mut nothing = !contracts(&workshop);
    for rolled in rollout(&before, &after) {
        let found = match (old.get(&rolled.query), new.get(&rolled.query)) {
            (Some(old), Some(new)) => Some(difference(&new.query, old, new).context("comparing results")?),
            _ => None,
        };
        let differs = found.as_ref().is_some_and(|found| *found != Difference::default());
        if rolled.fate != Fate::Stays || differs {
            nothing = false;
            print(&rolled, found.as_ref().filter(|_| differs));
        }
    }
    if nothing {
        text::out("nothing changes");
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FOUND_WRONG) })
}

/// Prints what the contracts change of the versions that rows landed under last. True where anything does.
fn contracts(workshop: &Workshop) -> bool {
    let mut any = false;
    for feed in workshop.lander.feeds().values() {
        let today = &feed.contract;
        let versions =
            feed.submissions().into_iter().filter_map(|it| it.receipt.contract_version.parse().ok());
        let Some(last) = versions.max().filter(|last: &Version| *last != today.version) else { continue };
        any = true;
        text::out(&format!("{}  contract {last} becomes {}", today.feed, today.version));
        let Some(before) = today.earlier.iter().find(|it| it.contract.version == last) else {
            text::out("  the file of that version is not kept: nobody can tell what changes");
            continue;
        };
        for change in changes(&before.contract, today) {
            let grade = match change.grade {
                Grade::Words => "words",
                Grade::Compatible => "compatible",
                Grade::Breaking | Grade::Impossible => "breaking",
            };
            text::out(&format!("  {grade:<10} {}", change.message));
        }
    }
    any
}

/// Every query's result, by name. What fails is told and left out.
async fn results(engine: &Engine, now: Micros) -> BTreeMap<String, Change> {
    let mut results = BTreeMap::new();
    for change in engine.refresh(Tick::All, now).await {
        match change {
            Ok(change) => {
                results.insert(change.query.name.to_string(), change);
            }
            Err(problem) => text::err(&problem.to_string()),
        }
    }
    results
}

fn print(rolled: &Rollout, found: Option<&Difference>) {
    let fate = match rolled.fate {
        Fate::Stays => "stays, its result changes",
        Fate::Changes => "changes",
        Fate::Comes => "is new",
        Fate::Goes => "goes",
    };
    let class = rolled.class.map_or(String::new(), |class| format!("  ({class})"));
    text::out(&format!("{}  {fate}{class}", rolled.query));
    let states = |what: &str, states: &[StateFootprint], rows: bool| {
        for state in states {
            let rows = if rows { format!(", from {} rows", state.history_rows) } else { String::new() };
            text::out(&format!("  {what:<9} {}{rows}", state.text));
        }
    };
    states("reuses", &rolled.reused, false);
    states("backfills", &rolled.filled, true);
    states("drops", &rolled.dropped, false);
    let Some(found) = found else { return };
    text::out(&format!("  result    {} rows change, {} come, {} go", found.changed, found.added, found.gone));
    for (key, before, after) in &found.sample {
        text::out(&format!("    {key}\n      before  {before}\n      after   {after}"));
    }
}
