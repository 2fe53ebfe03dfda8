//! The files of a city folder: contracts by department, each with its earlier versions, and the areas.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::AreaSource;
use crate::access::{Keys, Revoked};
use crate::contract::{self, Contract, ContractError, Place, WrongIn};
use crate::model::{FeedName, Problem};
use crate::place::{Areas, Crs};

const SUFFIX: &str = ".odcs.yaml";
/// Between a feed and the version of an earlier contract.
const AT: char = '@';

/// All contracts in `<root>/schemas/<department>/<feed>.odcs.yaml`, each with its earlier versions beside it in
/// `<feed>@<version>.odcs.yaml`, and everything that is wrong with the files.
pub fn contracts(root: &Path) -> (Vec<Arc<Contract>>, Vec<Problem>) {
    let mut contracts = Vec::new();
    let mut problems = Vec::new();
    let schemas = root.join("schemas");
    for department in entries(&schemas, &mut problems) {
        if !schemas.join(&department).is_dir() {
            continue;
        }
        let mut feeds: BTreeMap<String, Vec<Option<&str>>> = BTreeMap::new();
        let names = entries(&schemas.join(&department), &mut problems);
        for name in names.iter().filter_map(|name| name.strip_suffix(SUFFIX)) {
            let (feed, version) = name.split_once(AT).map_or((name, None), |(feed, it)| (feed, Some(it)));
            feeds.entry(feed.to_owned()).or_default().push(version);
        }
        for (feed, versions) in feeds {
            match versioned(root, &department, &feed, &versions) {
                Ok(contract) => contracts.push(Arc::new(contract)),
                Err(found) => problems.extend(found),
            }
        }
    }
    (contracts, problems)
}

fn file_of(department: &str, feed: &str, version: Option<&str>) -> String {
    let version = version.map_or_else(String::new, |version| format!("{AT}{version}"));
    format!("schemas/{department}/{feed}{version}{SUFFIX}")
}

/// The contract of a feed with its earlier versions.
fn versioned(
    root: &Path,
    department: &str,
    feed: &str,
    versions: &[Option<&str>],
) -> Result<Contract, Vec<Problem>> {
    let (mut today, mut earlier, mut problems) = (None, Vec::new(), Vec::new());
    for version in versions {
        let file = file_of(department, feed, *version);
        match (read(root, &file, department, feed), version) {
            (Ok(contract), None) => today = Some(contract),
            (Ok(contract), Some(version)) if contract.version.to_string() == *version => {
                earlier.push(contract);
            }
            (Ok(contract), Some(_)) => {
                let (line, column) = contract.version_at;
                let message = format!("version {} is not the one of the file's name", contract.version);
                problems.push(at(&file, "CF013", line, column, message));
            }
            (Err(found), _) => problems.extend(found),
        }
    }
    if !versions.contains(&None) {
        let message = format!(
            "there is no version in force: the newest is called {feed}{SUFFIX}, the earlier ones stand beside it"
        );
        let file = file_of(department, feed, versions.last().copied().flatten());
        problems.push(Problem::of_file(&file, "CF013", message));
    }
    let Some(today) = today.filter(|_| problems.is_empty()) else { return Err(problems) };
    let (contract, wrong) = contract::with_earlier(today, earlier);
    let problem = |(version, error): WrongIn| {
        let version = version.map(|version| version.to_string());
        at(&file_of(department, feed, version.as_deref()), "CF013", error.line, error.column, error.message)
    };
    if wrong.is_empty() { Ok(contract) } else { Err(wrong.into_iter().map(problem).collect()) }
}

fn at(file: &str, code: &'static str, line: u32, column: u32, message: String) -> Problem {
    Problem { line: u64::from(line), column: u64::from(column), ..Problem::of_file(file, code, message) }
}

fn entries(folder: &Path, problems: &mut Vec<Problem>) -> Vec<String> {
    let listed = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match listed {
        Ok(entries) => {
            let mut names: Vec<String> =
                entries.iter().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
            names.sort();
            names
        }
        Err(error) => {
            problems.push(Problem::of_file(&folder.display().to_string(), "CF010", error.to_string()));
            Vec::new()
        }
    }
}

fn read(root: &Path, file: &str, department: &str, feed: &str) -> Result<Contract, Vec<Problem>> {
    let of_file = |message: String| vec![Problem::of_file(file, "CF011", message)];
    let name = FeedName::new(department, feed).map_err(|error| of_file(error.to_string()))?;
    let yaml = std::fs::read_to_string(root.join(file)).map_err(|error| of_file(error.to_string()))?;
    let contract = contract::parse(&name, &yaml).map_err(|errors| {
        let problem = |error: ContractError| at(file, "CF012", error.line, error.column, error.message);
        errors.into_iter().map(problem).collect::<Vec<_>>()
    })?;
    if let Place::Point { crs, .. } = &contract.place {
        Crs::parse(crs).map_err(|error| of_file(format!("cityloomPlace: {error}")))?;
    }
    Ok(contract)
}

/// The city's areas.
///
/// # Errors
/// Where the file cannot be read or is no list of areas.
pub fn read_areas(source: &AreaSource) -> Result<Areas, Problem> {
    let file = source.file.display().to_string();
    let text = std::fs::read_to_string(&source.file).map_err(|error| {
        let help = Some("set areas.file in cityloom.toml, or --areas FILE".to_owned());
        Problem { help, ..Problem::of_file(&file, "CF020", error.to_string()) }
    })?;
    Areas::from_geojson_with(&text, &source.fields)
        .map_err(|error| Problem::of_file(&file, "CF021", error.to_string()))
}

/// The keys in a file that the city's tokens are checked with.
///
/// # Errors
/// Where the file cannot be read or holds no such key.
pub fn read_keys(path: &Path) -> Result<Keys, Problem> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let help =
            Some("set access.keys in cityloom.toml, or make one with `cityloom token keygen DIR`".into());
        Problem { help, ..Problem::of_file(&file, "CF040", error.to_string()) }
    })?;
    Keys::from_jwks(&text).map_err(|error| Problem::of_file(&file, "CF041", error.to_string()))
}

/// What has ended before its time; nothing where there is no such list.
///
/// # Errors
/// Where the file cannot be read or is no such list.
pub fn read_revoked(path: &Path) -> Result<Revoked, Problem> {
    let file = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Revoked::default()),
        Err(error) => return Err(Problem::of_file(&file, "CF042", error.to_string())),
    };
    Revoked::parse(&text).map_err(|error| Problem::of_file(&file, "CF043", error.to_string()))
}
