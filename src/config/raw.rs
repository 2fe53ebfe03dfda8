//! `cityloom.toml` as typed: every key known, none ignored.

use serde::Deserialize;

use super::raw_connectors::Connector;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub city: City,
    pub areas: Areas,
    #[serde(default)]
    pub drop: Drop,
    #[serde(default)]
    pub wall: Wall,
    pub duty: Option<Duty>,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub lake: Lake,
    pub access: Option<Access>,
    pub tls: Option<Tls>,
    #[serde(default)]
    pub connectors: Vec<Connector>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct City {
    pub code: String,
    pub name_en: String,
    pub name_zh: String,
    #[serde(default)]
    pub synthetic: bool,
    pub timezone: String,
    #[serde(default = "one")]
    pub seed: u64,
}

fn one() -> u64 {
    1
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Areas {
    pub file: String,
    pub code_property: Option<String>,
    pub name_property: Option<String>,
    pub level: Option<String>,
    pub crs: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Drop {
    pub folder: Option<String>,
    pub look_s: Option<u64>,
    #[serde(default)]
    pub s3: S3,
}

/// How a store is reached.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct S3 {
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub path_style: Option<bool>,
    #[serde(default)]
    pub allow_http: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wall {
    pub refresh_ms: Option<u64>,
    pub centre: Option<[f64; 2]>,
    pub zoom: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Duty {
    pub feed: String,
    pub file: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    pub upload_mib: Option<u64>,
    pub query_memory_mib: Option<u64>,
    pub state_rows: Option<u64>,
    pub query_threads: Option<usize>,
    pub unpacked_mib: Option<u64>,
    pub unpacked_ratio: Option<u64>,
    pub rows: Option<u64>,
    pub columns: Option<u64>,
    pub value_kib: Option<u64>,
    pub nesting: Option<u64>,
    pub decoded_mib: Option<u64>,
    pub row_groups: Option<u64>,
    pub row_group_mib: Option<u64>,
    pub decode_memory_mib: Option<u64>,
    pub decode_s: Option<u64>,
    pub decoders: Option<usize>,
    pub submissions: Option<usize>,
    pub submissions_per_department: Option<usize>,
    pub uploads_per_department: Option<usize>,
    pub uploads_mib_per_department: Option<u64>,
    pub upload_hours: Option<u64>,
    pub disk_free_mib: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lake {
    pub root: Option<String>,
    pub look_s: Option<u64>,
    #[serde(default)]
    pub s3: S3,
    pub tend_s: Option<u64>,
    pub settled_s: Option<u64>,
    pub merge_files: Option<usize>,
    pub checkpoint_commits: Option<u64>,
    pub states_s: Option<u64>,
    pub tail_s: Option<u64>,
    pub tail_mib: Option<u64>,
    pub tail_rows: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Access {
    pub keys: Option<String>,
    pub ask_s: Option<u64>,
    pub issuer: Option<String>,
    pub audience: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    pub certificate: String,
    pub key: String,
}
