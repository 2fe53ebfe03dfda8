//! A contract may say how late a row may come; what is later is rejected, and mending makes no row late.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use cityloom::config::{self, Settings};
use cityloom::decode::Progress;
use cityloom::ingest::{Lander, Receipt, Terms, Upload, open_feeds};
use cityloom::lake::Lake;
use cityloom::model::{ManualClock, Micros};

use crate::server::City;

const FEED: &str = "traffic.speed";
/// 2025-03-03T08:00:00Z.
const NOW: Micros = Micros(1_740_988_800_000_000);
const MONTH_S: i64 = 30 * 86_400;

fn city(rule: &str) -> City {
    let city = City::new();
    let file = "schemas/traffic/speed.odcs.yaml";
    let contract = fs::read_to_string(city.root().join(file)).unwrap();
    let plain = "{ property: cityloomEventTime, value: { column: ts, future: 10 min } }";
    assert!(contract.contains(plain));
    let ruled = format!("{{ property: cityloomEventTime, value: {{ column: ts, {rule} }} }}");
    city.write(file, &contract.replacen(plain, &ruled, 1));
    city
}

struct Intake<'c> {
    city: &'c City,
    lander: Lander,
    clock: Arc<ManualClock>,
}

impl<'c> Intake<'c> {
    async fn open(city: &'c City) -> Self {
        let (contracts, problems) = config::contracts(city.root());
        assert!(problems.is_empty(), "{problems:?}");
        let settings = Settings::read(city.root(), None).unwrap();
        let areas = Arc::new(config::read_areas(&settings.areas).unwrap());
        let clock = Arc::new(ManualClock::at(NOW));
        let lake = Lake::open(city.data()).unwrap();
        let feeds = open_feeds(&lake, &contracts).await.unwrap();
        let lander = Lander::new(feeds, areas, Arc::<ManualClock>::clone(&clock), 1 << 20);
        Self { city, lander, clock }
    }

    fn upload(&self, rows: &[(&str, u32)]) -> Upload {
        let line = |(ts, speed): &(&str, u32)| format!("{ts},32.02,121.05,1,{speed}\n");
        let text = "ts,lat,lng,vehicle,speed_kmh\n".to_owned() + &rows.iter().map(line).collect::<String>();
        let path = self.city.aside("rows.csv");
        fs::write(&path, text).unwrap();
        Upload { path, name: "rows.csv".into(), progress: Arc::<Progress>::default() }
    }

    async fn land(&self, rows: &[(&str, u32)], mends: Option<&Receipt>) -> Receipt {
        let terms = Terms { mends: mends.map(|first| first.submission.clone()), ..Terms::default() };
        self.lander.land_with(FEED, self.upload(rows), terms).await.unwrap()
    }
}

/// Rows landed, and the reasons of the others.
fn told(receipt: &Receipt) -> (u64, Vec<(&str, u64)>) {
    (receipt.rows_landed, receipt.reasons.iter().map(|(code, rows)| (code.as_str(), *rows)).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_later_than_the_contract_waits_is_rejected_with_its_time() {
    let city = city("late: 2 d, future: 1 min");
    fs::create_dir_all(city.data()).unwrap();
    let intake = Intake::open(&city).await;
    let rows = [
        ("2025-03-03T08:01:00Z", 30),
        ("2025-03-03T08:01:01Z", 30),
        ("2025-03-01T08:00:00Z", 30),
        ("2025-03-01T07:59:59Z", 30),
    ];
    let trial = intake.lander.check_file(FEED, intake.upload(&rows), Terms::default()).await.unwrap();
    let shown: Vec<_> =
        trial.rejected.iter().map(|row| (row.row, row.code.as_str(), row.column.as_str())).collect();
    assert_eq!(shown, [(2, "EVENT_TIME_FUTURE", "ts"), (4, "TOO_LATE", "ts")]);
    assert_eq!(trial.rejected[1].value.as_deref(), Some("2025-03-01T07:59:59.000000Z"));
    let receipt = intake.land(&rows, None).await;
    assert_eq!(told(&receipt), (2, vec![("EVENT_TIME_FUTURE", 1), ("TOO_LATE", 1)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mended_rows_are_as_late_as_they_were_however_long_mending_took() {
    let city = city("late: 2 d");
    fs::create_dir_all(city.data()).unwrap();
    let intake = Intake::open(&city).await;
    let first = intake.land(&[("2025-03-02T08:00:00Z", 900), ("2025-03-02T08:30:00Z", 901)], None).await;
    assert_eq!(told(&first), (0, vec![("OUT_OF_RANGE", 2)]));

    intake.clock.set(NOW.plus_seconds(MONTH_S));
    let (mended_row, again, still_wrong, new) = (
        ("2025-03-02T08:00:00Z", 90),
        ("2025-03-02T08:00:00Z", 91),
        ("2025-03-02T08:30:00Z", 902),
        ("2025-03-02T09:00:00Z", 50),
    );
    let unsaid = intake.land(&[mended_row], None).await;
    assert_eq!(told(&unsaid), (0, vec![("TOO_LATE", 1)]));
    let mended = intake.land(&[mended_row, again, still_wrong, new], Some(&first)).await;
    assert_eq!(told(&mended), (1, vec![("OUT_OF_RANGE", 1), ("TOO_LATE", 2)]), "one row was mended");

    intake.clock.set(NOW.plus_seconds(2 * MONTH_S));
    let last = intake.land(&[("2025-03-02T08:30:00Z", 93), new], Some(&mended)).await;
    assert_eq!(told(&last), (1, vec![("TOO_LATE", 1)]), "a mend of a mend goes back to the first");
}

#[test]
fn a_lateness_that_is_none_is_told_with_its_place() {
    for (rule, said) in [
        ("late: soon", "cityloomEventTime: late `soon` is not like `2 d`"),
        ("late: 0 s", "cityloomEventTime: late `0` would reject every row"),
    ] {
        let city = city(rule);
        let contract = fs::read_to_string(city.root().join("schemas/traffic/speed.odcs.yaml")).unwrap();
        let line = contract.lines().position(|line| line.contains("cityloomEventTime")).unwrap() + 1;
        let told = String::from_utf8(city.cityloom(&["check"]).stdout).unwrap();
        let place = format!("{}:{line}:", Path::new("schemas/traffic/speed.odcs.yaml").display());
        assert!(told.contains(said) && told.contains(&place), "{told}");
    }
}
