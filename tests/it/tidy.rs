//! The house rules that a machine can check. Each test names the rule; each failure says how to mend it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const MOST_LINES: usize = 600;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str, extension: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                let below = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
                found.push((below, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<(String, String)> {
    files("src", "rs")
}

/// The part of a file before its tests.
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or_default()
}

/// A file's module: the first part of its path below `src`.
fn module(file: &str) -> &str {
    let below = file.strip_prefix("src/").unwrap_or(file);
    below.split('/').next().unwrap_or(below).trim_end_matches(".rs")
}

fn is_test(file: &str) -> bool {
    file.contains("tests")
}

fn none(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

#[test]
fn every_file_says_on_its_first_line_what_it_is() {
    let broken: Vec<String> =
        sources().into_iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(file, _)| file).collect();
    none("begin these with a `//!` line", &broken);
}

#[test]
fn no_file_has_grown_two_jobs() {
    let long = |(file, text): (String, String)| {
        let lines = text.lines().count();
        (lines > MOST_LINES).then(|| format!("{file}: {lines} lines"))
    };
    none("split these", &sources().into_iter().filter_map(long).collect::<Vec<_>>());
}

/// The table "Who may import whom" of docs/architecture.md.
fn table() -> BTreeMap<String, String> {
    let text = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let mut table = BTreeMap::new();
    let rows = text.lines().skip_while(|line| !line.starts_with("| module |")).skip(2).take_while(|l| l.starts_with('|'));
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        for name in cells[1].split(',') {
            table.insert(name.trim().trim_matches('`').to_owned(), cells[3].to_owned());
        }
    }
    table
}

#[test]
fn imports_run_downward_as_the_architecture_says() {
    let table = table();
    let mut broken = Vec::new();
    for (file, text) in sources() {
        let own = module(&file).to_owned();
        if matches!(own.as_str(), "lib" | "main") || is_test(&file) {
            continue;
        }
        let Some(allowed) = table.get(&own) else {
            broken.push(format!("{file}: the module `{own}` is not in the table of docs/architecture.md"));
            continue;
        };
        for (number, line) in code(&text).lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for part in line.split("crate::").skip(1) {
                let used: String = part.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
                let words: Vec<&str> = allowed.split([',', ' ']).map(str::trim).collect();
                let fine = used.is_empty()
                    || used == own
                    || allowed == "everything"
                    || words.contains(&used.as_str())
                    || !table.contains_key(&used);
                if !fine {
                    broken.push(format!("{file}:{}: `{own}` uses `{used}`; it may use: {allowed}", number + 1));
                }
            }
        }
    }
    none("move the code down, or hand the value in", &broken);
}

#[test]
fn nothing_is_left_for_later() {
    let marks = ["todo!", "unimplemented!", "FIXME", "#[ignore", "#[should_panic"];
    let mut broken = Vec::new();
    for (file, text) in sources().into_iter().chain(files("tests", "rs")) {
        if file.ends_with("tidy.rs") {
            continue;
        }
        broken.extend(marks.iter().filter(|mark| text.contains(**mark)).map(|mark| format!("{file}: {mark}")));
    }
    none("finish these", &broken);
}

#[test]
fn only_the_wiring_uses_anyhow() {
    let outside = |(file, text): &(String, String)| !matches!(module(file), "app" | "cli") && code(text).contains("anyhow");
    let broken: Vec<String> = sources().into_iter().filter(outside).map(|(file, _)| file).collect();
    none("give these an error of their own, whose variants say what the caller can do", &broken);
}

#[test]
fn rules_take_the_time_as_an_argument() {
    let asks = ["SystemTime::now", "Utc::now", "Local::now"];
    let broken: Vec<String> = sources()
        .into_iter()
        .filter(|(file, text)| file != "src/model/time.rs" && !is_test(file) && asks.iter().any(|a| code(text).contains(a)))
        .map(|(file, _)| file)
        .collect();
    none("take `now` as an argument, or ask the Clock", &broken);
}

#[test]
fn every_query_has_a_case_and_an_expected_result() {
    let broken: Vec<String> = files("queries", "sql")
        .into_iter()
        .filter(|(file, _)| {
            let stem = Path::new(file).file_stem().unwrap();
            let folder = root().join("fixtures/queries").join(stem);
            !folder.join("case.yaml").exists() || !folder.join("expected.csv").exists()
        })
        .map(|(file, _)| file)
        .collect();
    none("give these fixtures/queries/<name>/case.yaml and expected.csv", &broken);
}

#[test]
fn every_contract_has_an_accepting_and_a_rejecting_sample() {
    let mut broken = Vec::new();
    for (file, _) in files("schemas", "yaml") {
        let name = file.trim_start_matches("schemas/").trim_end_matches(".odcs.yaml").replace('/', "__");
        let folder = root().join("fixtures/feeds").join(&name);
        let missing = ["good.csv", "bad.csv", "bad.expected.json"].into_iter().filter(|part| !folder.join(part).exists());
        broken.extend(missing.map(|part| format!("fixtures/feeds/{name}/{part}")));
    }
    none("write these", &broken);
}

#[test]
fn there_is_one_arrow_one_object_store_one_datafusion() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    for name in ["arrow", "arrow-array", "arrow-schema", "parquet", "object_store", "datafusion", "datafusion-common"] {
        let versions = lock.matches(&format!("name = \"{name}\"\n")).count();
        assert_eq!(versions, 1, "{versions} versions of {name} in Cargo.lock: choose versions that share one");
    }
}

#[test]
fn the_project_names_no_machine_of_its_makers() {
    let words = ["/work/", "/root/", "/home/"];
    let mut broken = Vec::new();
    for (folder, extension) in [("src", "rs"), ("tests", "rs"), ("docs", "md"), ("queries", "sql"), ("schemas", "yaml"), ("web/src", "ts")] {
        for (file, text) in files(folder, extension) {
            if !file.ends_with("tidy.rs") {
                broken.extend(words.iter().filter(|word| text.contains(**word)).map(|word| format!("{file}: {word}")));
            }
        }
    }
    none("take these paths out", &broken);
}
