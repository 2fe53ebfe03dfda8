//! The repository's own city, live: `cityloom demo` as somebody runs it first, small enough for every machine.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::server::{Screen, Server, cityloom, eventually};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn run(data: &Path, arguments: &[&str]) -> (Output, String) {
    let output = cityloom(Path::new(ROOT), data).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    (output, said)
}

fn queries() -> Vec<String> {
    let mut folders = vec![PathBuf::from(ROOT).join("queries")];
    let mut names = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                Some(extension) if extension == "sql" => {
                    names.push(path.file_stem().unwrap().to_string_lossy().into_owned());
                }
                _ if path.is_dir() => folders.push(path),
                _ => {}
            }
        }
    }
    names.sort();
    names
}

#[tokio::test]
async fn the_demo_city_lives_and_stops() {
    let data = tempfile::tempdir().unwrap();
    let mut command = cityloom(Path::new(ROOT), data.path());
    command.args(["demo", "--scale", "0.05", "--history", "30", "--listen", "127.0.0.1:0"]);
    let mut server = Server::run(command).await;
    // A machine that compiles beside it may fall behind; then it must say so and go on.
    server.claim("the demo skips time");
    let mut screen = Screen::open(&server).await;
    for channel in ["layer/map", "kpis", "feeds", "sys"] {
        assert_eq!(screen.follow(channel, None).await["t"], "subscribed", "{channel}");
    }
    screen
        .shows("cells on the map", |screen| {
            screen.layers.get("layer/map").is_some_and(|cells| cells.len() > 20)
        })
        .await;
    screen
        .shows("numbers", |screen| {
            screen.states["kpis"]["kpis"].as_array().is_some_and(|kpis| kpis.len() >= 10)
        })
        .await;
    assert_eq!(screen.notices(), Vec::<String>::new());
    let before = server.rows("traffic.speed").await;
    eventually("rows of traffic", async || (server.rows("traffic.speed").await > before).then_some(())).await;
    let feeds = server.json("/api/feeds").await;
    let landed =
        feeds["feeds"].as_array().unwrap().iter().filter(|feed| feed["rows"].as_u64() > Some(0)).count();
    // In half an hour somebody calls at the dead of night, too: what is counted does not depend on the hour.
    assert!(landed >= 20, "{feeds}");
    // It plants a little dirt, as departments do; most of what it makes is sound.
    let sum = |name: &str| {
        feeds["feeds"].as_array().unwrap().iter().filter_map(|feed| feed[name].as_u64()).sum::<u64>()
    };
    assert!(sum("quarantined") * 20 < sum("rows"), "{feeds}");

    server.stop().await;
    screen.until_end().await;
    assert!(screen.bye.is_some());

    // What it left is a lake like any other.
    let (_, said) = run(data.path(), &["refresh"]);
    for name in queries() {
        assert!(
            said.lines().any(|line| line.starts_with(&name) && line.contains(" rows ")),
            "{name} not in\n{said}"
        );
    }
    let map = said.lines().find(|line| line.starts_with("map ")).unwrap();
    assert_ne!(map.split_whitespace().nth(1), Some("0"), "{map}");
    assert!(!said.contains("fails"), "{said}");
}

#[test]
fn every_query_of_the_demo_passes_its_test() {
    let data = tempfile::tempdir().unwrap();
    let (_, said) = run(data.path(), &["test"]);
    let cases = |query: &String| {
        let folder = PathBuf::from(ROOT).join("fixtures/queries").join(query);
        let names =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("case")).count()
    };
    let cases: usize = queries().iter().map(cases).sum();
    assert!(cases > queries().len(), "a query has a case of several steps");
    let verdict = format!("queries: {cases} passed, 0 failed, 0 skipped");
    assert!(said.lines().any(|line| line == verdict), "no `{verdict}` in\n{said}");
}

#[test]
fn lineage_leads_from_the_map_to_its_feeds() {
    let data = tempfile::tempdir().unwrap();
    let (_, said) = run(data.path(), &["lineage", "map"]);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "map");
    for query in ["traffic", "safety", "environment", "services", "risk_weights"] {
        assert!(lines.contains(&format!("  reads query {query}").as_str()), "{said}");
    }
    let end = lines.iter().find_map(|line| line.strip_prefix("  in the end: ")).unwrap();
    for feed in ["traffic.speed", "police.incidents", "environment.air", "hotline.requests"] {
        assert!(end.split(", ").any(|name| name == feed), "{end}");
    }
}
