//! Both cities are sound by our check and their contracts by the standard's own tool; each kind of mistake in a city
//! folder is told in the same words every time.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::binary::{City, root, tiny_city, tool};

/// Tools that run at a time.
const AT_ONCE: usize = 4;

fn cities() -> [PathBuf; 2] {
    [root(), root().join("fixtures/cities/chicago")]
}

fn contracts_of(city: &Path) -> Vec<PathBuf> {
    let list = |folder: &Path| -> Vec<PathBuf> {
        let entries =
            std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let mut files: Vec<PathBuf> =
        list(&city.join("schemas")).iter().flat_map(|department| list(department)).collect();
    files.sort();
    files
}

#[test]
fn the_standards_own_tool_accepts_every_contract() {
    let Some(lint) = tool("CITYLOOM_DATACONTRACT") else { return };
    let files: Vec<PathBuf> = cities().iter().flat_map(|city| contracts_of(city)).collect();
    assert!(files.len() >= 33, "{files:?}");
    for some in files.chunks(AT_ONCE) {
        let started = some.iter().map(|file| {
            let mut command = Command::new(&lint);
            command.arg("lint").arg(file).stdout(Stdio::piped()).stderr(Stdio::piped());
            (file, command.spawn().expect("the tool starts"))
        });
        for (file, child) in started.collect::<Vec<_>>() {
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(
                output.status.success(),
                "{}: {said}{}",
                file.display(),
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
}

#[test]
fn the_demo_city_is_sound() {
    let ran = City::at(root()).run(&["check"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", ran.out);
    assert!(ran.out.ends_with("all sound\n"), "{}", ran.out);
}

#[test]
fn the_second_city_is_sound() {
    // Its boundaries are real data that is not everywhere; one made-up area with their property names stands in.
    let areas = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let ring = "[[-87.9,41.6],[-87.5,41.6],[-87.5,42.1],[-87.9,42.1],[-87.9,41.6]]";
    let area = format!(
        r#"{{"type":"FeatureCollection","features":[{{"type":"Feature","properties":{{"AREA_NUMBE":"1","COMMUNITY":"ALL"}},
        "geometry":{{"type":"Polygon","coordinates":[{ring}]}}}}]}}"#
    );
    std::fs::write(areas.path(), area).unwrap();
    let ran = City::at(&cities()[1]).with_areas(areas.path().to_path_buf()).run(&["check"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (Some(0), "6 contracts, 12 queries: all sound\n"),
        "{}",
        ran.err
    );
}

#[test]
fn each_mistake_in_a_city_is_told_with_its_place_and_how_to_mend_it() {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root().join("tests/bad_cities"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    assert!(folders.len() >= 10, "{folders:?}");
    let mut wrong = Vec::new();
    for folder in folders {
        let ran = City::at(&folder).run(&["check"]);
        let expected = std::fs::read_to_string(folder.join("expected.txt")).unwrap_or_default();
        if ran.code != Some(1) || !ran.err.is_empty() || ran.out != expected {
            let name = folder.file_name().unwrap().to_string_lossy();
            wrong.push(format!("{name}: {:?} {}\n{}instead of\n{expected}", ran.code, ran.err, ran.out));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_city_that_the_broken_ones_are_made_from_is_sound() {
    let ran = City::at(tiny_city()).run(&["check"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "1 contract, 1 query: all sound\n"), "{}", ran.err);
}

/// Every file of `tests/bad_queries` beside the demo city's contracts; `expected.txt` says what `check` finds.
#[test]
fn each_mistake_in_a_query_is_told_with_its_place_and_a_code() {
    let bad = root().join("tests/bad_queries");
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for part in ["schemas", "fixtures", "cityloom.toml"] {
        std::os::unix::fs::symlink(root().join(part), folder.path().join(part)).unwrap();
    }
    std::os::unix::fs::symlink(&bad, folder.path().join("queries")).unwrap();
    let ran = City::at(folder.path()).run(&["check"]);
    let expected = std::fs::read_to_string(bad.join("expected.txt")).unwrap_or_default();
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), ""));
    assert!(ran.out == expected, "{}\ninstead of\n{expected}", ran.out);
    let silent: Vec<String> = std::fs::read_dir(&bad)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter(|name| name != "expected.txt" && !expected.contains(name.as_str()))
        .collect();
    assert!(silent.is_empty(), "nothing is found wrong with {silent:?}");
}
