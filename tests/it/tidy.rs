//! The house's rules that can be read off the files, each its own test. What the compiler and clippy see is not here.
//!
//! Who may import whom is read from the table of `docs/architecture.md`, so that document and test are one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The only files outside `app` and `cli` that may start a task of their own, each with its reason.
const MAY_SPAWN: [&str; 0] = [];
/// The one file that may read the clock.
const CLOCK: &str = "src/model/time.rs";
/// Folders that are made, not written.
const MADE: [&str; 6] = [".git", "target", "data", "node_modules", "dist", "test-results"];
const MOST_LINES: usize = 600;

struct Source {
    name: String,
    text: String,
}

impl Source {
    /// The module that the file belongs to: `src/lake/log.rs` is `lake`'s; `main` and `lib` are nobody's.
    fn module(&self) -> Option<&str> {
        self.name.strip_prefix("src/")?.split_once('/').map(|(module, _)| module)
    }

    fn is_test(&self) -> bool {
        self.name.ends_with("tests.rs") || self.name.contains("/tests/")
    }

    /// Its lines of code with their numbers: without comments and without the inline tests at the end.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let whole = if self.is_test() { "" } else { self.text.as_str() };
        let code = whole.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        code.lines().enumerate().map(|(at, line)| (at + 1, line)).filter(|(_, line)| {
            let line = line.trim_start();
            !line.starts_with("//")
        })
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !MADE.contains(&name.as_str()) {
                walk(&path, found);
            }
        } else if name != ".git" {
            found.push(path);
        }
    }
}

fn named(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().into_owned()
}

/// Every text file below a folder of the project.
fn files(folder: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    walk(&root().join(folder), &mut paths);
    let read = |path: PathBuf| Some(Source { name: named(&path), text: fs::read_to_string(&path).ok()? });
    paths.into_iter().filter_map(read).collect()
}

fn sources() -> Vec<Source> {
    let found: Vec<Source> = files("src")
        .into_iter()
        .filter(|file| Path::new(&file.name).extension().is_some_and(|e| e == "rs"))
        .collect();
    assert!(!found.is_empty(), "no source was found below src/");
    found
}

pub fn holds(broken: &[String], mend: &str) {
    assert!(broken.is_empty(), "\n{}\n\nTo mend it: {mend}\n", broken.join("\n"));
}

/// What stands between backticks.
fn ticked(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// A row of the table: what a module may use of ours, and what it must not use of others.
struct Allowed {
    ours: Option<BTreeSet<String>>,
    never: BTreeSet<String>,
}

/// The table of `docs/architecture.md`.
fn table() -> BTreeMap<String, Allowed> {
    let text = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let rows = text.lines().skip_while(|line| !line.starts_with("| module |")).skip(2);
    let mut table = BTreeMap::new();
    for row in rows.take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [modules, _, ours, never] = cells[..] else {
            panic!("docs/architecture.md: four columns, not `{row}`")
        };
        for module in ticked(modules) {
            let ours = (ours != "everything").then(|| ticked(ours));
            table.insert(module, Allowed { ours, never: ticked(never) });
        }
    }
    assert!(table.len() > 10, "docs/architecture.md has no table of modules that begins with `| module |`");
    table
}

/// The modules of ours that a line names: `crate::lake::Table` names `lake`, `use crate::{a, b::C}` both.
fn ours_of(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in line.split("crate::").skip(1) {
        let names: Vec<&str> = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or_default().split(',').map(str::trim).collect(),
            None => vec![rest],
        };
        let word =
            |name: &str| name.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>();
        found.extend(names.into_iter().map(word).filter(|name| !name.is_empty()));
    }
    found
}

fn names_crate(line: &str, other: &str) -> bool {
    line.match_indices(other).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + other.len()..];
        let whole =
            !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '"' || c == '.');
        let type_name = other.starts_with(char::is_uppercase) && !after.starts_with(char::is_alphanumeric);
        whole && (after.starts_with("::") || type_name)
    })
}

/// Lines of code, of the files that `of` picks, in which `wrong` holds.
fn lines_where(of: impl Fn(&Source) -> bool, wrong: impl Fn(&str) -> bool) -> Vec<String> {
    let all = sources();
    let picked = all.iter().filter(|file| of(file));
    picked
        .flat_map(|file| {
            file.code()
                .filter(|(_, line)| wrong(line))
                .map(|(at, line)| format!("{}:{at}: {}", file.name, line.trim()))
        })
        .collect()
}

fn is_wiring(file: &Source) -> bool {
    matches!(file.module(), Some("app" | "cli"))
}

#[test]
fn every_source_says_on_its_first_line_what_it_is() {
    let silent: Vec<String> =
        sources().into_iter().filter(|file| !file.text.starts_with("//!")).map(|file| file.name).collect();
    holds(
        &silent,
        "begin the file with `//!` and a sentence: what lives here, and what deliberately does not",
    );
}

#[test]
fn no_source_is_longer_than_six_hundred_lines() {
    let long: Vec<String> = sources()
        .iter()
        .map(|file| (file.text.lines().count(), &file.name))
        .filter(|(lines, _)| *lines > MOST_LINES)
        .map(|(lines, name)| format!("{name}: {lines} lines"))
        .collect();
    holds(&long, "cut the file where it begins to speak of a second thing");
}

#[test]
fn every_module_stands_in_the_table_of_the_architecture() {
    let table = table();
    let there: BTreeSet<String> =
        sources().iter().filter_map(|file| file.module().map(str::to_owned)).collect();
    let missing =
        there.iter().filter(|name| !table.contains_key(*name)).map(|name| format!("{name} has no row"));
    let gone = table.keys().filter(|name| !there.contains(*name)).map(|name| format!("{name} is no module"));
    let broken: Vec<String> = missing.chain(gone).collect();
    holds(&broken, "correct the table in docs/architecture.md");
}

#[test]
fn every_module_imports_only_what_the_architecture_allows() {
    let table = table();
    let mut broken = Vec::new();
    for file in sources() {
        let Some((module, allowed)) = file.module().and_then(|name| Some((name, table.get(name)?))) else {
            continue;
        };
        let Some(ours) = &allowed.ours else { continue };
        for (at, line) in file.code() {
            for used in ours_of(line).into_iter().filter(|used| used != module && table.contains_key(used)) {
                if !ours.contains(&used) {
                    broken.push(format!("{}:{at}: `{module}` uses `{used}`", file.name));
                }
            }
        }
    }
    holds(
        &broken,
        "hand the value in from a module above; if the arrow is right, change docs/architecture.md and say why",
    );
}

#[test]
fn no_module_uses_what_the_architecture_forbids_it() {
    let table = table();
    let mut broken = Vec::new();
    for file in sources() {
        let Some(allowed) = file.module().and_then(|name| table.get(name)) else { continue };
        for (at, line) in file.code() {
            let named = allowed.never.iter().filter(|other| names_crate(line, other));
            broken.extend(named.map(|other| format!("{}:{at}: names `{other}`", file.name)));
        }
    }
    holds(&broken, "move what needs it one layer up; rules get values, hands touch the world");
}

#[test]
fn nothing_is_left_for_later() {
    let marks = ["todo!(", "unimplemented!(", "#[ignore", "FIXME", "TODO"];
    let mut all = sources();
    all.extend(files("tests").into_iter().filter(|file| !file.name.ends_with("tidy.rs")));
    let broken: Vec<String> = all
        .iter()
        .flat_map(|file| {
            let lines = file.text.lines().enumerate();
            lines
                .filter(|(_, line)| marks.iter().any(|mark| line.contains(mark)))
                .map(|(at, line)| format!("{}:{}: {}", file.name, at + 1, line.trim()))
        })
        .collect();
    holds(&broken, "finish it, or take it out");
}

#[test]
fn untyped_errors_stay_in_the_wiring() {
    let broken = lines_where(|file| !is_wiring(file), |line| names_crate(line, "anyhow"));
    holds(&broken, "give the module an error of its own (thiserror) that says what the caller can do");
}

#[test]
fn tasks_are_started_by_the_wiring_alone() {
    let of = |file: &Source| !is_wiring(file) && !MAY_SPAWN.contains(&file.name.as_str());
    let broken = lines_where(of, |line| line.contains("tokio::spawn("));
    holds(&broken, "offer an `async fn run(…)` and let app start it, so that it is stopped with the rest");
}

#[test]
fn the_clock_is_read_in_one_place() {
    let reads =
        |line: &str| ["SystemTime::now", "Utc::now", "Local::now"].iter().any(|call| line.contains(call));
    let broken = lines_where(|file| file.name != CLOCK, reads);
    holds(&broken, "take `now` as an argument, or ask the Clock that app hands out");
}

#[test]
fn every_query_of_the_demo_city_has_a_case_and_its_expected_rows() {
    let mut broken = Vec::new();
    for query in
        files("queries").iter().filter(|file| Path::new(&file.name).extension().is_some_and(|e| e == "sql"))
    {
        let stem = Path::new(&query.name).file_stem().unwrap_or_default();
        let folder = root().join("fixtures/queries").join(stem);
        for file in ["case.yaml", "expected.csv"] {
            if !folder.join(file).is_file() {
                broken.push(format!("{}: there is no {}", query.name, named(&folder.join(file))));
            }
        }
    }
    holds(
        &broken,
        "write case.yaml with what is given, then `cityloom test --update NAME` and read what it wrote",
    );
}

#[test]
fn every_contract_of_the_demo_city_has_a_good_and_a_bad_file() {
    let mut broken = Vec::new();
    for contract in files("schemas").iter().filter(|file| file.name.ends_with(".odcs.yaml")) {
        let stem =
            contract.name.trim_start_matches("schemas/").trim_end_matches(".odcs.yaml").replace('/', "__");
        let samples = files(&format!("fixtures/feeds/{stem}"));
        for kind in ["good.", "bad."] {
            let there = |file: &&Source| {
                Path::new(&file.name).file_name().is_some_and(|n| n.to_string_lossy().starts_with(kind))
            };
            if samples.iter().find(there).is_none() {
                broken.push(format!("{}: there is no fixtures/feeds/{stem}/{kind}csv", contract.name));
            }
        }
    }
    holds(
        &broken,
        "add a file that lands whole and one whose rows are rejected, each for a reason of its own",
    );
}

#[test]
fn no_file_names_a_developers_machine_or_a_registry() {
    let places = ["/home/", "/root/", "/Users/", "/work/", "C:\\Users"];
    let hosts = [
        "registry.npmjs.org",
        "npmmirror.com",
        "static.crates.io",
        "index.crates.io",
        "rsproxy.cn",
        "files.pythonhosted.org",
    ];
    let own = |name: &str| {
        name.ends_with("tidy.rs") || name.ends_with("Cargo.lock") || name.ends_with("package-lock.json")
    };
    let mut broken = Vec::new();
    for file in files(".").iter().filter(|file| !own(&file.name)) {
        for (at, line) in file.text.lines().enumerate() {
            let found = places.iter().chain(&hosts).find(|word| line.contains(**word));
            broken.extend(found.map(|word| format!("{}:{}: `{word}`", file.name, at + 1)));
        }
    }
    holds(&broken, "use a path relative to the project; where packages come from is the machine's business");
}

#[test]
fn locked_packages_come_from_the_public_registries() {
    let mut broken = Vec::new();
    let cargo = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let crates = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    broken.extend(cargo.lines().filter(|l| l.starts_with("source = ") && *l != crates).map(str::to_owned));
    let npm = fs::read_to_string(root().join("web/package-lock.json")).unwrap();
    let public =
        |line: &&str| line.contains("\"resolved\":") && !line.contains("\"https://registry.npmjs.org/");
    broken.extend(npm.lines().filter(public).map(|line| line.trim().to_owned()));
    holds(&broken, "make the lock file anew with the public registry");
}

#[test]
fn there_is_one_version_of_what_data_passes_through() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let lines: Vec<&str> = lock.lines().collect();
    for pair in lines.windows(2) {
        if let (Some(name), Some(version)) =
            (pair[0].strip_prefix("name = "), pair[1].strip_prefix("version = "))
        {
            versions.entry(name.trim_matches('"')).or_default().push(version.trim_matches('"'));
        }
    }
    let single = ["arrow", "parquet", "datafusion", "object_store"];
    let broken: Vec<String> = single
        .iter()
        .filter(|name| versions.get(*name).map_or(0, Vec::len) != 1)
        .map(|name| format!("{name}: {:?}", versions.get(name)))
        .collect();
    holds(&broken, "choose releases of datafusion, deltalake-core and geodatafusion that share one Arrow");
}
