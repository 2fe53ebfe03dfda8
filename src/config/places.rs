//! Where the lake is and where files are dropped: folders of this machine, or places in buckets.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::raw;
use crate::ingest::Tail;
use crate::lake::{Bucket, BucketError, Reach};
use crate::model::Problem;

/// Where dropped files are picked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drop {
    /// A place in a bucket, a folder of this machine, or where nobody says `drop` in the data folder.
    pub place: DropPlace,
    /// How often it is looked at.
    pub every: Duration,
}

/// A place that is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DropPlace {
    /// `drop` in the data folder.
    Data,
    /// Another folder of this machine.
    Folder(PathBuf),
    /// A prefix in a bucket.
    Bucket(Bucket),
}

/// Where the lake is, how eagerly tables are tended, and states of queries written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tending {
    /// A prefix in a bucket; none: `lake` in the data folder.
    pub bucket: Option<Bucket>,
    /// How often commits of other processes are looked for.
    pub look: Duration,
    /// How often each table is looked at.
    pub every: Duration,
    /// Younger files are not merged.
    pub settled: Duration,
    /// So many small files are merged, and no fewer.
    pub merge_files: usize,
    /// After so many commits a table's log is written down.
    pub checkpoint_commits: u64,
    /// How often states are written down.
    pub states: Duration,
    /// How much of each feed's live batches waits in memory before it lands.
    pub tail: Tail,
}

/// A setting's place in a bucket, where it names one.
fn bucket(
    key: &str,
    text: &str,
    s3: raw::S3,
    wrong: impl Fn(&str, String) -> Problem,
) -> Result<Option<Bucket>, Problem> {
    let raw::S3 { endpoint, region, path_style, allow_http } = s3;
    let at = endpoint.clone();
    Bucket::parse(text, Reach { endpoint, region, path_style, allow_http }).map_err(|error| {
        let value = match &error {
            BucketError::Endpoint(endpoint) | BucketError::Clear(endpoint) => endpoint,
            BucketError::Form(_) => text,
            BucketError::Secret => at.as_deref().filter(|at| at.contains('@')).unwrap_or(text),
        };
        wrong(value, format!("{key}: {error}"))
    })
}

pub(super) fn drop_place(
    root: &Path,
    raw: raw::Drop,
    wrong: impl Fn(&str, String) -> Problem,
) -> Result<Drop, Problem> {
    let place = match raw.folder {
        None => DropPlace::Data,
        Some(folder) => match bucket("drop.folder", &folder, raw.s3, wrong)? {
            Some(bucket) => DropPlace::Bucket(bucket),
            None => DropPlace::Folder(root.join(folder)),
        },
    };
    // Each look at a bucket is a request for each feed, and paid for.
    let usual = if matches!(place, DropPlace::Bucket(_)) { 10 } else { 1 };
    Ok(Drop { place, every: seconds(raw.look_s, usual) })
}

pub(super) fn seconds(given: Option<u64>, default: u64) -> Duration {
    Duration::from_secs(given.unwrap_or(default).clamp(1, 86_400))
}

pub(super) fn tending(raw: raw::Lake, wrong: impl Fn(&str, String) -> Problem) -> Result<Tending, Problem> {
    let bucket = match &raw.root {
        None => None,
        Some(root) => {
            let found = bucket("lake.root", root, raw.s3, &wrong)?;
            let folder = || format!("lake.root `{root}` is not of the form s3://bucket/prefix");
            Some(found.ok_or_else(|| wrong(root, folder()))?)
        }
    };
    let usual = if bucket.is_some() { 10 } else { 1 };
    Ok(Tending {
        bucket,
        look: seconds(raw.look_s, usual),
        every: seconds(raw.tend_s, 60),
        settled: seconds(raw.settled_s, 20 * 60),
        merge_files: raw.merge_files.unwrap_or(64).clamp(2, 100_000),
        checkpoint_commits: raw.checkpoint_commits.unwrap_or(512).clamp(1, 100_000),
        states: seconds(raw.states_s, 30),
        tail: Tail {
            age_s: i64::try_from(raw.tail_s.unwrap_or(60).min(3_600)).unwrap_or(3_600),
            bytes: usize::try_from(raw.tail_mib.unwrap_or(16).clamp(1, 1_024) << 20).unwrap_or(usize::MAX),
            rows: raw.tail_rows.unwrap_or(65_536).clamp(1, 1 << 20),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::{GOOD, read};
    use super::*;

    #[test]
    fn a_bucket_is_told_from_a_folder_and_no_secret_is_read_from_the_file() {
        let lake = "[lake]\nroot = 's3://city/lake'\ns3.endpoint = 'http://127.0.0.1:9000'\n";
        let problem = read(&format!("{GOOD}{lake}")).unwrap_err();
        assert!(problem.message.contains("allow_http = true") && problem.line == 10, "{problem}");
        let settings = read(&format!("{GOOD}{lake}s3.allow_http = true\n")).unwrap();
        assert_eq!(settings.lake.bucket.unwrap().to_string(), "s3://city/lake");
        assert_eq!(
            (settings.lake.look, settings.drop.every),
            (Duration::from_secs(10), Duration::from_secs(1))
        );
        let problem = read(&format!("{GOOD}{lake}s3.secret = 'x'\n")).unwrap_err();
        assert_eq!(problem.code, "CF002");
        let problem = read(&format!("{GOOD}[lake]\nroot = '/var/lake'\n")).unwrap_err();
        assert!(problem.message.contains("s3://bucket/prefix"), "{problem}");
        let settings = read(&format!("{GOOD}[drop]\nfolder = 's3://inbox/city'\n")).unwrap();
        assert!(matches!(settings.drop.place, DropPlace::Bucket(_)));
        let settings = read(&format!("{GOOD}[drop]\nfolder = 'in'\n")).unwrap();
        assert!(matches!(settings.drop.place, DropPlace::Folder(folder) if folder.ends_with("in")));
    }
}
