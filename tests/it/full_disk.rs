//! A disk that is really full: what was acknowledged stays, what does not fit is refused with a code, the city goes on, and
//! once there is room everything that was refused can be done.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::server::city::{incident, readings};
use crate::server::{City, Screen, Server, cityloom, eventually};

const SPEED: &str = "traffic.speed";
const KINDS: [&str; 8] = ["theft", "assault", "fire", "accident", "noise", "missing", "fraud", "other"];

/// Whether this machine lets a test have a file system of its own.
fn may_mount(folder: &Path) -> bool {
    let mut command = in_a_disk(folder, "1m", Path::new("true"));
    let ran = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    let may = ran.is_ok_and(|status| status.success());
    if !may {
        println!("skipped: this machine lets nobody mount a file system (unshare -rm)");
    }
    may
}

/// A program that sees a small disk of its own at `folder`; it goes with the program.
fn in_a_disk(folder: &Path, size: &str, program: &Path) -> Command {
    let mut command = Command::new("unshare");
    let script = format!("mount -t tmpfs -o size={size} tmpfs \"$0\" && exec \"$@\"");
    command.args(["-rm", "sh", "-c", &script]).arg(folder).arg(program);
    command
}

/// What lies on the disk beside the city's data, to fill it.
struct Ballast {
    path: PathBuf,
}

impl Ballast {
    /// Fills the disk to its last page.
    fn fill(&self) {
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path).unwrap();
        let block = vec![0; 4096];
        while file.write_all(&block).is_ok() {}
    }

    /// Gives so many bytes back.
    fn give(&self, bytes: u64) {
        let file = File::options().write(true).open(&self.path).unwrap();
        let size = file.metadata().unwrap().len();
        file.set_len(size.saturating_sub(bytes)).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.file_name() != "ballast" {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

async fn keys_of_alerts(server: &Server) -> usize {
    server.json("/api/alerts").await["alerts"].as_array().unwrap().len()
}

/// Submits what needs ever other room, and fills up what is left; how many did not fit.
async fn crowd(server: &Server, ballast: &Ballast, rows: &mut u64, incidents: &mut usize) -> u32 {
    let mut refused = 0;
    // With every page more that there is, something else does not fit: the body, its file, the commit, the journal.
    for step in 0..60_u32 {
        ballast.give(4096 * u64::from(1 + step % 7));
        let (status, answer) = if step % 2 == 0 {
            let first = 100_000 + step * 1_000;
            server.submit(SPEED, "text/csv", readings(0, first..first + 400, 30.0)).await
        } else {
            // One of each kind in each town: each is an alert of its own.
            let number = step / 2 + 1;
            let (kind, town) = (KINDS[number as usize / 4 % KINDS.len()], number as usize % 4);
            server.submit("police.incidents", "text/csv", incident(100 + step, town, kind, 5)).await
        };
        assert!(answer["rows_quarantined"].as_u64().is_none_or(|rows| rows == 0), "{answer}");
        match (status, step % 2) {
            (StatusCode::CREATED, 0) => *rows += 400,
            (StatusCode::CREATED, _) => *incidents += 1,
            _ => {
                assert_eq!(
                    (status, &answer["code"]),
                    (StatusCode::INSUFFICIENT_STORAGE, &json!("DISK_FULL")),
                    "{answer}"
                );
                refused += 1;
            }
        }
        assert_eq!(server.get("/healthz").await.status(), StatusCode::OK);
        assert_eq!(server.rows(SPEED).await, *rows, "what was acknowledged, and no more");
        ballast.fill();
    }
    refused
}

/// An order that was not taken, as the line that says so did not fit.
async fn untaken(server: &Server) -> Option<String> {
    // A step whose line does not fit was not taken; filling up goes on until that is so.
    let orders = server.json("/api/orders").await["orders"].as_array().unwrap().clone();
    let note = "x".repeat(200);
    for order in &orders {
        let id = order["id"].as_str().unwrap();
        let (status, answer) = server.step(id, "accept", json!({"by": "Li", "note": note})).await;
        if status != StatusCode::OK {
            assert_eq!((status, &answer["code"]), (StatusCode::INSUFFICIENT_STORAGE, &json!("DISK_FULL")));
            return Some(id.to_owned());
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_what_does_not_fit_and_keeps_everything_else() {
    let city = City::new();
    std::fs::create_dir_all(city.data()).unwrap();
    if !may_mount(city.data()) {
        return;
    }
    let settings = std::fs::read_to_string(city.root().join("cityloom.toml")).unwrap();
    city.write("cityloom.toml", &format!("{settings}disk_free_mib = 0\n"));
    let plain = cityloom(city.root(), city.data());
    let mut command = in_a_disk(city.data(), "48m", Path::new(plain.get_program()));
    command.args(plain.get_args()).args(["serve", "--listen", "127.0.0.1:0"]);
    let mut server = Server::run(command).await;
    for words in ["full", "No space left on device", "audit log", "states", "queries in force"] {
        server.claim(words);
    }
    let seen = format!("/proc/{}/root{}", server.pid(), city.data().display());
    let ballast = Ballast { path: Path::new(&seen).join("ballast") };

    server.land(SPEED, readings(0, 0..700, 30.0)).await;
    server.land("police.incidents", incident(1, 0, "theft", 5)).await;
    eventually("the alert", async || (keys_of_alerts(&server).await == 1).then_some(())).await;
    let (mut rows, mut incidents) = (700, 1);

    ballast.fill();
    let body = readings(0, 10_000..14_000, 30.0);
    let (status, problem) = server.submit(SPEED, "text/csv", body.clone()).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::INSUFFICIENT_STORAGE, &json!("DISK_FULL")),
        "{problem}"
    );
    assert!(problem["detail"].as_str().unwrap().contains("room"), "{problem}");
    let refused = crowd(&server, &ballast, &mut rows, &mut incidents).await;
    assert!(refused > 0, "everything fitted");
    println!("{refused} of 60 submissions did not fit");
    let untaken = untaken(&server).await;
    std::fs::remove_file(&ballast.path).unwrap();
    if let Some(id) = untaken {
        let (status, order) = server.step(&id, "accept", json!({"by": "Li"})).await;
        assert_eq!(status, StatusCode::OK, "the journal goes on: {order}");
    }
    let receipt = server.land(SPEED, body).await;
    assert_eq!((&receipt["rows_landed"], &receipt["duplicate_of"]), (&json!(4000), &Value::Null));
    rows += 4000;
    eventually("every incident to have its alert", async || {
        (keys_of_alerts(&server).await == incidents).then_some(())
    })
    .await;
    assert_eq!(server.rows(SPEED).await, rows);
    // The disk goes with the process: what lies on it is looked at from a copy, as after a restart.
    let other = City::new();
    copy(Path::new(&seen), other.data());
    server.stop().await;
    let again = Server::start(&other).await;
    assert_eq!(again.rows(SPEED).await, rows);
    assert_eq!(keys_of_alerts(&again).await, incidents);
    again.stop().await;
    let verified = other.cityloom(&["audit", "verify"]);
    assert!(verified.status.success(), "{verified:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alerts_that_the_journal_has_no_room_for_are_raised_once_there_is_some() {
    let city = City::new();
    let journal = city.data().join("journal");
    std::fs::create_dir_all(&journal).unwrap();
    if !may_mount(&journal) {
        return;
    }
    let plain = cityloom(city.root(), city.data());
    let mut command = in_a_disk(&journal, "1m", Path::new(plain.get_program()));
    command.args(plain.get_args()).args(["serve", "--listen", "127.0.0.1:0"]);
    let server = Server::run(command).await;
    let mut screen = Screen::following(&server, &["sys"]).await;
    let ballast =
        Ballast { path: format!("/proc/{}/root{}/ballast", server.pid(), journal.display()).into() };
    server.land("police.incidents", incident(1, 0, "theft", 5)).await;
    eventually("the alert", async || (keys_of_alerts(&server).await == 1).then_some(())).await;

    ballast.fill();
    for number in 1..32_u32 {
        let (kind, town) = (KINDS[number as usize / 4], number as usize % 4);
        server.land("police.incidents", incident(1 + number, town, kind, 5)).await;
    }
    let tells = |screen: &Screen| {
        let notices = screen.states.get("sys").and_then(|body| body["notices"].as_array().cloned());
        notices.unwrap_or_default().iter().any(|notice| notice["code"] == "JN001")
    };
    screen.shows("that the journal has no room", tells).await;
    assert!(keys_of_alerts(&server).await < 32, "all of it fitted");
    assert_eq!(server.rows("police.incidents").await, 32, "landing goes on");
    assert_eq!(server.get("/healthz").await.status(), StatusCode::OK);

    std::fs::remove_file(&ballast.path).unwrap();
    eventually("all alerts", async || (keys_of_alerts(&server).await == 32).then_some(())).await;
    screen.shows("that the journal goes on", |screen| !tells(screen)).await;
    server.stop().await;
}
