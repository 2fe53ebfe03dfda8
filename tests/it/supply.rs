//! What comes into the binary from others: under which licence, and from where. `deny.toml` is the one list of both.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::tidy::holds;

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

struct Rules {
    licences: Vec<String>,
    /// Of one package each: its name, and what it may have besides.
    exceptions: BTreeMap<String, Vec<String>>,
    advisories: Vec<toml::Table>,
}

fn rules() -> Rules {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml")).unwrap();
    let rules: toml::Table = text.parse().unwrap();
    let list = |table: &str, key: &str| rules[table][key].as_array().unwrap().clone();
    let names = |list: &[toml::Value]| list.iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    let exception = |entry: &toml::Value| {
        (entry["crate"].as_str().unwrap().to_owned(), names(entry["allow"].as_array().unwrap()))
    };
    Rules {
        licences: names(&list("licenses", "allow")),
        exceptions: list("licenses", "exceptions").iter().map(exception).collect(),
        advisories: list("advisories", "ignore")
            .iter()
            .map(|entry| entry.as_table().unwrap().clone())
            .collect(),
    }
}

/// Where the target's packages alone are here, nobody is asked for those of other targets.
fn packages() -> Vec<Value> {
    let host = Command::new(env!("CARGO")).arg("-vV").output().unwrap();
    let host = String::from_utf8(host.stdout).unwrap();
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let attempts: [&[&str]; 3] = [&["--offline"], &["--offline", "--filter-platform", host], &[]];
    let metadata = attempts.iter().find_map(|more| {
        let told = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--locked"])
            .args(*more)
            .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
            .envs([("CARGO_HTTP_TIMEOUT", "20"), ("CARGO_NET_RETRY", "1")])
            .output()
            .unwrap();
        told.status.success().then_some(told.stdout)
    });
    let metadata: Value =
        serde_json::from_slice(&metadata.expect("cargo to know the packages of Cargo.lock")).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

impl Rules {
    /// What the package of this name may have.
    fn of(&self, package: &str) -> Vec<String> {
        self.licences.iter().chain(self.exceptions.get(package).into_iter().flatten()).cloned().collect()
    }
}

/// Whether the list allows it: one of those that it offers, all of those that it demands.
fn allowed(licence: &str, list: &[String]) -> bool {
    let expression = spdx::Expression::parse_mode(licence, spdx::ParseMode::LAX);
    expression.is_ok_and(|expression| {
        expression.evaluate(|required| list.iter().any(|name| *name == required.to_string()))
    })
}

#[test]
fn every_package_has_a_licence_that_the_list_allows_and_comes_from_the_public_registry() {
    let (rules, packages) = (rules(), packages());
    assert!(packages.len() > 500, "{} packages: cargo did not tell of all", packages.len());
    let mut broken = Vec::new();
    for package in packages {
        let list = rules.of(package["name"].as_str().unwrap());
        let name = format!("{} {}", package["name"].as_str().unwrap(), package["version"].as_str().unwrap());
        match package["license"].as_str() {
            Some(licence) if allowed(licence, &list) => {}
            other => broken.push(format!("{name}: its licence is {other:?}")),
        }
        match package["source"].as_str() {
            None | Some(CRATES_IO) => {}
            Some(other) => broken.push(format!("{name}: it comes from {other}")),
        }
    }
    holds(
        &broken,
        "use another package; if the licence is one to live with, add it to deny.toml and say why",
    );
}

#[test]
fn licences_are_read_as_they_are_meant() {
    let list = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"].map(String::from);
    for sound in
        ["MIT", "MIT/GPL-3.0", "GPL-3.0-only OR (MIT AND Apache-2.0)", "Apache-2.0 WITH LLVM-exception"]
    {
        assert!(allowed(sound, &list), "{sound}");
    }
    for other in ["", "GPL-3.0-only", "MIT AND GPL-3.0-only", "MIT WITH LLVM-exception", "as you like"] {
        assert!(!allowed(other, &list), "{other}");
    }
}

#[test]
fn each_weakness_that_stays_says_since_when_and_why() {
    let dated = |reason: &str| {
        reason.split_once(": ").is_some_and(|(date, why)| {
            chrono::NaiveDate::parse_from_str(date, "%Y-%m-%d").is_ok() && !why.is_empty()
        })
    };
    let silent = rules()
        .advisories
        .into_iter()
        .filter(|entry| !entry.get("reason").and_then(toml::Value::as_str).is_some_and(dated));
    let silent: Vec<String> = silent.map(|entry| format!("{:?}", entry.get("id"))).collect();
    holds(
        &silent,
        "write `reason = \"YYYY-MM-DD: …\"`: the day it was looked at, why it does no harm, what ends it",
    );
}
