//! Past its contract's tolerance a submission is refused whole, and leaves nothing behind.

use std::fs;

use reqwest::StatusCode;

use crate::server::{City, Server};

const FEED: &str = "traffic.speed";

/// Rows of which some are too fast to be true.
fn rows(good: usize, bad: usize) -> String {
    let line = |at: usize, speed: u32| format!("2025-03-01T08:00:00Z,32.02,121.05,{},{speed}\n", at + 1);
    let rows = (0..good).map(|at| line(at, 40)).chain((0..bad).map(|at| line(good + at, 900)));
    "ts,lat,lng,vehicle,speed_kmh\n".to_owned() + &rows.collect::<String>()
}

fn city(tolerance: &str) -> City {
    let city = City::new();
    city.promise(FEED, "cityloomTolerance", tolerance);
    city
}

#[tokio::test]
async fn a_submission_past_the_tolerance_leaves_nothing_and_one_within_it_lands() {
    let city = city("{ rows: 3, share: 0.5 }");
    let server = Server::start(&city).await;
    let expected = [
        ((10, 4), Some("4 of 14 rows are rejected, more than the contract's 3 rows or 50 %: OUT_OF_RANGE 4")),
        ((1, 2), Some("2 of 3 rows are rejected, more than the contract's 3 rows or 50 %: OUT_OF_RANGE 2")),
        ((10, 3), None),
        ((2, 2), None),
        ((0, 1), Some("1 of 1 rows are rejected, more than the contract's 3 rows or 50 %: OUT_OF_RANGE 1")),
    ];
    for ((good, bad), refused) in expected {
        let (status, answer) = server.submit(FEED, "text/csv", rows(good, bad)).await;
        match refused {
            Some(why) => {
                assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
                assert_eq!(
                    (answer["code"].as_str(), answer["detail"].as_str()),
                    (Some("TOO_MANY_REJECTED"), Some(why))
                );
            }
            None => assert_eq!(status, StatusCode::CREATED, "{answer}"),
        }
    }
    let feeds = server.json("/api/feeds").await;
    let feed = feeds["feeds"].as_array().unwrap().iter().find(|feed| feed["feed"] == FEED).unwrap().clone();
    assert_eq!((feed["rows"].as_u64(), feed["quarantined"].as_u64()), (Some(12), Some(5)));
    let left = fs::read_dir(city.data().join("lake/feeds/traffic/speed")).unwrap();
    let files =
        left.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".parquet"));
    assert_eq!(files.count(), 2, "the refused ones left no file");
    server.stop().await;
}

#[test]
fn a_tolerance_that_is_none_is_told() {
    let checked = city("{ share: 1.5 }").cityloom(&["check"]);
    let told = String::from_utf8(checked.stdout).unwrap();
    assert!(
        checked.status.code() == Some(1) && told.contains("share is a part of all rows, 0 to 1"),
        "{told}"
    );
}
