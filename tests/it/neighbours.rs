//! Several processes on one lake: a second server is refused with the first one's number, and landings beside a server, of
//! many processes at once and killed in between, lose and double nothing.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::server::city::readings;
use crate::server::{City, Server, cityloom, eventually};

const SPEED: &str = "traffic.speed";
const PROCESSES: u32 = 4;
const FILES: u32 = 3;
const ROWS: u32 = 15_000;

#[tokio::test]
async fn a_second_server_on_the_same_data_is_refused_with_the_number_of_the_first() {
    let city = City::new();
    let server = Server::start(&city).await;
    server.land(SPEED, readings(0, 0..3, 30.0)).await;
    let second = city.cityloom(&["serve", "--listen", "127.0.0.1:0"]);
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(2), "{said}");
    let told = [format!("another process ({})", server.pid()), "use another data folder".to_owned()];
    assert!(told.iter().all(|words| said.contains(words)), "{said}");
    assert!(second.stdout.is_empty(), "it said where it is");
    assert_eq!(server.rows(SPEED).await, 3);
    server.land(SPEED, readings(0, 5..6, 30.0)).await;
    server.stop().await;
    // What a server that ended left in the lock keeps nobody out.
    Server::start(&city).await.stop().await;
}

/// The files of a process, and one that all of them land.
fn files(city: &City, process: u32) -> Vec<String> {
    let own = (0..FILES).map(|file| (process + 1) * 1_000_000 + file * 20_000);
    let path = |first: u32| {
        let path = city.aside(&format!("{first}.csv"));
        if !path.exists() {
            std::fs::write(&path, readings(0, first..first + ROWS, 30.0)).unwrap();
        }
        path.display().to_string()
    };
    own.chain([0]).map(path).collect()
}

/// Files that were ever written for the feed.
fn written(city: &City) -> usize {
    std::fs::read_dir(city.data().join("lake/feeds/traffic/speed")).unwrap().count()
}

fn landing(city: &City, files: &[String]) -> Command {
    let mut command = cityloom(city.root(), city.data());
    command.args(["land", SPEED]).args(files).args(["--format", "json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn landings_of_many_processes_beside_a_server_are_exact_whoever_is_killed() {
    let city = City::new();
    let server = Server::start(&city).await;
    let mut dice = StdRng::seed_from_u64(4);
    let mut met = 0;
    for round in 0..3 {
        let before = written(&city) + 1;
        let mut children: Vec<Child> = (0..PROCESSES)
            .map(|process| landing(&city, &files(&city, round * 10 + process)).spawn().unwrap())
            .collect();
        // The server's own officers do not wait meanwhile.
        let first = 500_000 + round * 20_000;
        let (status, receipt) =
            server.submit(SPEED, "text/csv", readings(0, first..first + ROWS, 30.0)).await;
        assert_eq!(status, StatusCode::CREATED, "{receipt}");
        eventually("the first of them to write", async || (written(&city) > before).then_some(())).await;
        tokio::time::sleep(Duration::from_millis(dice.random_range(0..300))).await;
        for child in children.iter_mut().skip(2) {
            met += u32::from(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
        }
        for (process, child) in children.into_iter().enumerate() {
            let ran = child.wait_with_output().unwrap();
            if process < 2 {
                assert_eq!(ran.status.code(), Some(0), "{ran:?}");
            }
        }
        // Those that were killed are done again by somebody who does not know how far they were.
        for process in 2..PROCESSES {
            let ran = landing(&city, &files(&city, round * 10 + process)).output().unwrap();
            assert_eq!(ran.status.code(), Some(0), "{ran:?}");
        }
        let landed = u64::from((round + 1) * (PROCESSES * FILES + 1) * ROWS + ROWS);
        eventually("the server to learn of the others' commits", async || {
            let rows = server.rows(SPEED).await;
            assert!(rows <= landed, "{rows} of {landed} rows");
            (rows == landed).then_some(())
        })
        .await;
        let statement = "SELECT count(*) AS rows, count(DISTINCT vehicle) AS vehicles FROM traffic.speed";
        let ran = city.cityloom(&["sql", statement, "--format", "json"]);
        let counted: Value = serde_json::from_slice(&ran.stdout).unwrap();
        assert_eq!(counted, json!({ "rows": landed, "vehicles": landed }));
    }
    println!("{met} kills met a landing alive");
    assert!(met > 0, "no kill met a landing alive");
    server.stop().await;
}
