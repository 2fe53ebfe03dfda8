//! `check`: everything that is wrong with a city folder, at once.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use super::{FOUND_WRONG, ReceiptFormat, text};
use crate::app::WorkshopOptions;
use crate::config::{self, KeySource, Settings};
use crate::contract::Contract;
use crate::fusion::{Catalog, Engine, Known, Latest, QueryFile, SessionConfig};
use crate::ingest::quarantine_schema;
use crate::model::{Clock as _, Problem, SystemClock};
use crate::place::Areas;

pub(super) async fn check(options: WorkshopOptions, format: ReceiptFormat) -> Result<ExitCode> {
    let mut problems = Vec::new();
    match Settings::read(&options.city, options.areas.as_deref()) {
        Ok(settings) => {
            problems.extend(config::read_areas(&settings.areas).err());
            problems.extend(key_file(&settings).and_then(|file| config::read_keys(file).err()));
        }
        Err(problem) => problems.push(problem),
    }
    let (contracts, found) = config::contracts(&options.city);
    problems.extend(found);
    let catalog = promised(&contracts)?;
    let queries = match QueryFile::read_all(&options.city.join("queries"), "queries") {
        Ok(files) => {
            let engine = Engine::new(catalog);
            problems.extend(engine.load(&files, SystemClock.now()).await);
            files.len()
        }
        Err(error) => {
            problems.push(Problem::of_file("queries", "CF030", error.to_string()));
            0
        }
    };
    let broken = broken_names(&problems);
    problems.retain(|problem| !follows(problem, &broken));
    problems.sort();
    print(&problems, contracts.len(), queries, format);
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FOUND_WRONG) })
}

/// A catalog of the contracts' tables, all of them empty.
pub(super) fn promised(contracts: &[Arc<Contract>]) -> Result<Catalog> {
    let mut catalog = Catalog::new(SessionConfig { threads: 1, memory: 1 << 30, local_files: false })?;
    catalog.add_rows("ref", "areas", Areas::table_schema(), Vec::new())?;
    for contract in contracts {
        catalog.promise_feed(&contract.feed, contract.table_schema())?;
        if let Some(latest) = Latest::of(contract) {
            catalog.keep_latest(&latest)?;
        }
        catalog.add_rows("quarantine", &contract.feed.joined(), quarantine_schema(), Vec::new())?;
    }
    Ok(catalog)
}

fn print(problems: &[Problem], contracts: usize, queries: usize, format: ReceiptFormat) {
    match format {
        ReceiptFormat::Json => {
            for problem in problems {
                let Problem { file, line, column, code, message, help } = problem;
                let line = json!({ "file": file, "line": line, "column": column, "code": code, "message": message, "help": help });
                text::out(&line.to_string());
            }
        }
        ReceiptFormat::Text => {
            problems.iter().for_each(|problem| text::out(&problem.to_string()));
            let verdict = match problems.len() {
                0 => "all sound".to_owned(),
                found => counted(found, "problem", "problems"),
            };
            let (contracts, queries) =
                (counted(contracts, "contract", "contracts"), counted(queries, "query", "queries"));
            text::out(&format!("{contracts}, {queries}: {verdict}"));
        }
    }
}

fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Feeds and queries whose own files are broken, as messages name them.
fn broken_names(problems: &[Problem]) -> BTreeSet<String> {
    let name = |problem: &Problem| {
        let contract = problem.file.strip_prefix("schemas/").and_then(|path| path.strip_suffix(".odcs.yaml"));
        let query = problem.file.rsplit('/').next().and_then(|base| base.strip_suffix(".sql"));
        contract.map(|path| path.replace('/', ".")).or_else(|| query.map(str::to_owned))
    };
    let own = problems.iter().filter(|problem| problem.code != "CL020");
    own.filter_map(name).map(|name| format!("`{name}`")).collect()
}

/// A query is not wrong for reading what is broken itself: mending that mends it.
fn follows(problem: &Problem, broken: &BTreeSet<String>) -> bool {
    problem.code == "CL020" && broken.iter().any(|feed| problem.message.ends_with(feed.as_str()))
}

/// Every table that a fixture may give.
pub(super) fn known(city: &std::path::Path) -> Result<Known> {
    let (contracts, problems) = config::contracts(city);
    if !problems.is_empty() {
        anyhow::bail!("{}", crate::app::problems_of(&problems));
    }
    let mut schemas = BTreeMap::from([("ref.areas".to_owned(), Areas::table_schema())]);
    let mut latest = Vec::new();
    for contract in &contracts {
        schemas.insert(contract.feed.to_string(), contract.table_schema());
        schemas.insert(format!("quarantine.{}", contract.feed.joined()), quarantine_schema());
        if let Some(of) = Latest::of(contract) {
            let (schema, history) = of.history();
            schemas.insert(format!("{schema}.{history}"), contract.table_schema());
            latest.push(of);
        }
    }
    Ok(Known { schemas, latest })
}

fn key_file(settings: &Settings) -> Option<&std::path::Path> {
    match &settings.access.as_ref()?.keys {
        KeySource::File(file) => Some(file),
        // An issuer is asked when the city starts, not when its folder is looked over.
        KeySource::Issuer { .. } => None,
    }
}
