//! Every feed of the demo city has a good file, which lands whole, and a bad one, whose rows are rejected for exactly
//! the reasons that stand beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cityloom::config::{self, Settings};
use cityloom::contract::Contract;
use cityloom::decode::Progress;
use cityloom::ingest::{Lander, Upload, open_feeds};
use cityloom::lake::Lake;
use cityloom::model::{ManualClock, Micros};
use cityloom::place::Areas;
use tempfile::TempDir;

use super::binary::root;

/// 2026-03-01T12:00:00Z: four hours after the samples' events.
const NOW: Micros = Micros(1_772_366_400_000_000);

/// A lake of its own: the good and the bad file of a feed hold the same keys.
struct Sample {
    lander: Lander,
    _data: TempDir,
}

impl Sample {
    async fn open(contracts: &[Arc<Contract>], areas: &Arc<Areas>) -> Self {
        let data = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let lake = Lake::open(data.path()).unwrap();
        let clock = Arc::new(ManualClock::at(NOW));
        let feeds = open_feeds(&lake, contracts).await.unwrap();
        let lander = Lander::new(feeds, Arc::clone(areas), clock, 1 << 20);
        Self { lander, _data: data }
    }

    /// Lands a file: rows read, rows landed, reasons. A refusal is a reason too.
    async fn land(&self, feed: &str, path: PathBuf) -> Result<(u64, u64, BTreeMap<String, u64>), String> {
        let upload = Upload { name: "sample.csv".into(), path, progress: Arc::<Progress>::default() };
        let receipt = self.lander.land_file(feed, upload).await.map_err(|refusal| refusal.to_string())?;
        Ok((receipt.rows_read, receipt.rows_landed, receipt.reasons))
    }
}

fn rows_of(path: &Path) -> u64 {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().count() as u64 - 1
}

fn expected(path: &Path) -> BTreeMap<String, u64> {
    let document: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    serde_json::from_value(document["reasons"].clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_feed_takes_its_good_file_and_tells_what_is_wrong_with_its_bad_one() {
    let settings = Settings::read(&root(), None).unwrap();
    let (contracts, problems) = config::contracts(&root());
    assert!(problems.is_empty(), "{problems:?}");
    let areas = Arc::new(config::read_areas(&settings.areas).unwrap());
    let (good, bad) = (Sample::open(&contracts, &areas).await, Sample::open(&contracts, &areas).await);
    let samples = root().join("fixtures/feeds");
    let mut wrong = Vec::new();
    for contract in &contracts {
        let feed = contract.feed.to_string();
        let folder = samples.join(feed.replace('.', "__"));
        let (whole, dirty) = (folder.join("good.csv"), folder.join("bad.csv"));
        let (rows, bad_rows) = (rows_of(&whole), rows_of(&dirty));
        let landed = good.land(&feed, whole).await;
        if landed != Ok((rows, rows, BTreeMap::new())) {
            wrong.push(format!("{feed}: {rows} good rows, but {landed:?}"));
        }
        let reasons = expected(&folder.join("bad.expected.json"));
        let rejected: u64 = reasons.values().sum();
        let landed = bad.land(&feed, dirty).await;
        if landed != Ok((bad_rows, bad_rows - rejected, reasons.clone())) {
            wrong.push(format!("{feed}: {bad_rows} rows, {reasons:?} expected, but {landed:?}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_feed_has_samples_and_every_sample_a_feed() {
    let (contracts, _) = config::contracts(&root());
    let feeds: BTreeSet<String> =
        contracts.iter().map(|contract| contract.feed.to_string().replace('.', "__")).collect();
    let folders = std::fs::read_dir(root().join("fixtures/feeds")).unwrap();
    let folders: BTreeSet<String> =
        folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(feeds, folders);
}
