//! What `cityloom.toml` means: typed, checked, immutable.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono_tz::Tz;

use super::connectors::{self, Connector};
use super::places::{Drop, Tending, drop_place, tending};
use super::raw::{self, Raw};
use crate::access::Audience;
use crate::contract::unknown_key;
use crate::decode;
use crate::ingest::Bounds;
use crate::model::{FeedName, Problem};
use crate::place::{AreaFields, Crs, LevelField};
use crate::sandbox::ResourceLimits;

/// The settings' file in a city folder.
pub(super) const FILE: &str = "cityloom.toml";

/// A city's settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The city folder.
    pub root: PathBuf,
    /// The code of the whole city.
    pub code: String,
    /// Its English name.
    pub name_en: String,
    /// Its Chinese name.
    pub name_zh: String,
    /// Whether its data is made up; every page says so.
    pub synthetic: bool,
    /// Of the clocks on the wall.
    pub timezone: Tz,
    /// Of the demo generator.
    pub seed: u64,
    /// Where the areas come from.
    pub areas: AreaSource,
    /// Where dropped files are picked up.
    pub drop: Drop,
    /// The wall.
    pub wall: Wall,
    /// Who answers for what.
    pub duty: Option<Duty>,
    /// How much is taken.
    pub limits: Limits,
    /// How eagerly the lake is tended.
    pub lake: Tending,
    /// Who may come in; none: the city runs open, on this machine only.
    pub access: Option<Access>,
    /// How the doors speak TLS; none: in the clear.
    pub tls: Option<Tls>,
    /// Live sources.
    pub connectors: Vec<Connector>,
}

/// Whose tokens are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Where the keys are.
    pub keys: KeySource,
    /// For whom the tokens must be.
    pub audience: Audience,
}

/// Where the keys that tokens are checked with come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A JWK set.
    File(PathBuf),
    /// The issuer says it, by `OpenID` Connect discovery.
    Issuer {
        /// Its name, which is its address.
        issuer: String,
        /// It is asked no more often.
        pause: Duration,
    },
}

/// The doors' certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// PEM: the certificate, then those that vouch for it.
    pub certificate: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
}

/// The boundary file and what its properties are called.
#[derive(Debug, Clone)]
pub struct AreaSource {
    /// GeoJSON.
    pub file: PathBuf,
    /// Which property is what.
    pub fields: AreaFields,
}

/// How the wall behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Wall {
    /// At most so often results are refreshed.
    pub refresh: Duration,
    /// Where the map opens, longitude and latitude; none: the areas' bounds.
    pub centre: Option<[f64; 2]>,
    /// How near the map opens.
    pub zoom: Option<f64>,
}

/// The duty list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duty {
    /// The feed that holds it.
    pub feed: FeedName,
    /// The file that is landed when the feed is empty.
    pub file: Option<PathBuf>,
}

/// Bounds on what comes in and on what queries use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest submission, in bytes.
    pub upload: u64,
    /// Memory of all running queries together, in bytes.
    pub query_memory: usize,
    /// Rows that the state of a query may have; a query that needs more is recomputed.
    pub state_rows: Option<usize>,
    /// Threads of queries.
    pub query_threads: usize,
    /// What a file may be made of.
    pub file: decode::Limits,
    /// What its decoding may use.
    pub decoding: ResourceLimits,
    /// How much comes in at once.
    pub intake: Bounds,
}

impl Settings {
    /// Reads the folder's `cityloom.toml`; `areas` overrides its boundary file.
    ///
    /// # Errors
    /// The first thing wrong with it, at its line, with a suggestion where a key is misspelt.
    pub fn read(root: &Path, areas: Option<&Path>) -> Result<Self, Problem> {
        let file = root.join(FILE);
        let text = std::fs::read_to_string(&file).map_err(|error| {
            let help = Some(
                "a city folder holds cityloom.toml, schemas/ and queries/; name one with --city DIR".into(),
            );
            Problem { help, ..Problem::of_file(&file.display().to_string(), "CF001", error.to_string()) }
        })?;
        let raw: Raw = toml::from_str(&text).map_err(|error| told(&text, &error))?;
        Self::resolve(root, &text, raw, areas)
    }

    fn resolve(root: &Path, text: &str, raw: Raw, areas: Option<&Path>) -> Result<Self, Problem> {
        let wrong = |value: &str, message: String| at_value(text, value, message);
        let timezone = raw.city.timezone.parse().map_err(|_| {
            let zone = &raw.city.timezone;
            wrong(zone, format!("city.timezone `{zone}` is no IANA zone such as Asia/Shanghai"))
        })?;
        let crs = raw.areas.crs.as_deref().unwrap_or_default();
        let fields = area_fields(&raw.areas).map_err(|error| wrong(crs, format!("areas.crs: {error}")))?;
        let file = areas.map_or_else(|| root.join(&raw.areas.file), Path::to_path_buf);
        let duty = match raw.duty {
            None => None,
            Some(duty) => {
                let feed =
                    duty.feed.parse().map_err(|error| wrong(&duty.feed, format!("duty.feed: {error}")))?;
                Some(Duty { feed, file: duty.file.map(|file| root.join(file)) })
            }
        };
        Ok(Self {
            root: root.to_path_buf(),
            code: raw.city.code,
            name_en: raw.city.name_en,
            name_zh: raw.city.name_zh,
            synthetic: raw.city.synthetic,
            timezone,
            seed: raw.city.seed,
            areas: AreaSource { file, fields },
            drop: drop_place(root, raw.drop, wrong)?,
            wall: Wall {
                refresh: Duration::from_millis(raw.wall.refresh_ms.unwrap_or(1_000).clamp(100, 60_000)),
                centre: raw.wall.centre,
                zoom: raw.wall.zoom,
            },
            duty,
            limits: limits(&raw.limits),
            lake: tending(raw.lake, wrong)?,
            connectors: connectors::resolve(root, raw.connectors, wrong)?,
            access: raw.access.map(|raw| access(root, raw, wrong)).transpose()?,
            tls: raw.tls.map(|tls| Tls { certificate: root.join(tls.certificate), key: root.join(tls.key) }),
        })
    }
}

fn access(root: &Path, raw: raw::Access, wrong: impl Fn(&str, String) -> Problem) -> Result<Access, Problem> {
    let audience = Audience { issuer: raw.issuer.clone(), audience: raw.audience };
    let pause = super::places::seconds(raw.ask_s, 30);
    let keys = match (raw.keys, raw.issuer) {
        (Some(keys), _) => KeySource::File(root.join(keys)),
        (None, None) => {
            let why = "access: name keys = \"FILE\", or issuer = \"https://…\" to ask a provider for them";
            return Err(wrong("access", why.into()));
        }
        // A provider signs for many programs with the same keys.
        (None, Some(issuer)) if audience.audience.is_none() => {
            let why = "access: say which audience its tokens must be for, or those of its other programs open this city";
            return Err(wrong(&issuer, why.into()));
        }
        (None, Some(issuer)) => KeySource::Issuer { issuer, pause },
    };
    Ok(Access { keys, audience })
}

fn limits(raw: &raw::Limits) -> Limits {
    let mib = |given: Option<u64>, default: u64| given.map_or(default, |mib| mib.saturating_mul(1 << 20));
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let (file, decoding, intake) = (decode::Limits::default(), ResourceLimits::default(), Bounds::default());
    Limits {
        upload: mib(raw.upload_mib, 5 << 30),
        query_memory: usize::try_from(mib(raw.query_memory_mib, 2 << 30)).unwrap_or(usize::MAX),
        state_rows: raw.state_rows.and_then(|rows| usize::try_from(rows).ok()),
        query_threads: raw.query_threads.unwrap_or(cores),
        file: decode::Limits {
            unpacked: mib(raw.unpacked_mib, file.unpacked),
            ratio: raw.unpacked_ratio.unwrap_or(file.ratio).max(1),
            rows: raw.rows.unwrap_or(file.rows),
            columns: raw.columns.unwrap_or(file.columns),
            cell: raw.value_kib.map_or(file.cell, |kib| kib.saturating_mul(1 << 10)),
            nesting: raw.nesting.unwrap_or(file.nesting),
            decoded: mib(raw.decoded_mib, file.decoded),
            row_groups: raw.row_groups.unwrap_or(file.row_groups),
            row_group: mib(raw.row_group_mib, file.row_group),
        },
        decoding: ResourceLimits {
            memory: mib(raw.decode_memory_mib, decoding.memory),
            seconds: raw.decode_s.unwrap_or(decoding.seconds).clamp(1, 86_400),
            children: raw.decoders.unwrap_or(decoding.children).clamp(1, 256),
        },
        intake: Bounds {
            submissions: raw.submissions.unwrap_or(intake.submissions),
            submissions_each: raw.submissions_per_department.unwrap_or(intake.submissions_each),
            uploads_each: raw.uploads_per_department.unwrap_or(intake.uploads_each),
            uploads_bytes: mib(raw.uploads_mib_per_department, intake.uploads_bytes),
            upload_seconds: raw
                .upload_hours
                .map_or(intake.upload_seconds, |hours| hours.clamp(1, 8760) * 3600),
            free: mib(raw.disk_free_mib, intake.free),
        },
    }
}

fn area_fields(raw: &raw::Areas) -> Result<AreaFields, crate::place::UnknownCrs> {
    let mut fields = AreaFields::default();
    if let Some(code) = &raw.code_property {
        fields.code.clone_from(code);
    }
    if let Some(name) = &raw.name_property {
        fields.name_en.clone_from(name);
        fields.name_zh.clone_from(name);
    }
    if let Some(level) = &raw.level {
        fields.level = LevelField::Fixed(level.clone());
    }
    if let Some(crs) = &raw.crs {
        fields.crs = Crs::parse(crs)?;
    }
    Ok(fields)
}

/// A problem at the line and column where a quoted value stands.
fn at_value(text: &str, value: &str, message: String) -> Problem {
    let quoted = [format!("\"{value}\""), format!("'{value}'")];
    let place = text.lines().enumerate().find_map(|(number, line)| {
        let at = quoted.iter().find_map(|quoted| line.find(quoted))?;
        Some((number as u64 + 1, line.get(..at)?.chars().count() as u64 + 1))
    });
    let (line, column) = place.unwrap_or_default();
    Problem { line, column, ..Problem::of_file(FILE, "CF003", message) }
}

fn told(text: &str, error: &toml::de::Error) -> Problem {
    let at = error.span().map_or(0, |span| span.start);
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() as u64 + 1;
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) as u64 + 1;
    let said = error.message();
    let (message, help) =
        unknown_key(said).map_or_else(|| (said.to_owned(), None), |(message, help)| (message, Some(help)));
    Problem { file: FILE.into(), line, column, code: "CF002", message, help }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::connect::Source;

    pub(in crate::config) const GOOD: &str = "[city]\ncode = '1'\nname_en = 'A'\nname_zh = '甲'\ntimezone = 'Asia/Shanghai'\n[areas]\nfile = 'a.geojson'\n";

    pub(in crate::config) fn read(text: &str) -> Result<Settings, Problem> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), text).unwrap();
        Settings::read(folder.path(), None)
    }

    #[test]
    fn a_connector_is_told_where_it_is_wrong() {
        let connector = "[[connectors]]\nname = 'fire'\nfeed = 'fire.incidents'\nhttp_poll.url = 'https://a.example/x'\nhttp_poll.every_s = 60\nhttp_poll.rows = '/features'\n";
        let settings = read(&format!("{GOOD}{connector}")).unwrap();
        let fire = &settings.connectors[0];
        assert_eq!((fire.feed.to_string().as_str(), fire.every), ("fire.incidents", Duration::from_mins(1)));
        let Source::HttpPoll(poll) = &fire.source else { panic!("{fire:?}") };
        assert_eq!(poll.most_bytes, 16 << 20);
        let wrong = |from: &str, to: &str| {
            let problem = read(&format!("{GOOD}{}", connector.replace(from, to))).unwrap_err();
            (problem.line, problem.message)
        };
        assert_eq!(wrong("https://a", "ftp://a").0, 11);
        assert!(wrong("'/features'", "'features'").1.contains("`features` is no JSON Pointer"));
        assert!(wrong("fire.incidents", "fire").1.contains("connectors: `fire`: feed"));
        let twice = read(&format!("{GOOD}{connector}{connector}")).unwrap_err();
        assert!(twice.message.contains("of one connector only"), "{twice}");
        assert!(wrong("https://a", "https://u:p@a").1.contains("in the clear"));
        assert!(
            wrong("http_poll.rows", "websocket.url = 'ws://a'\nhttp_poll.rows")
                .1
                .contains("it has 2 sources")
        );
    }

    #[test]
    fn each_kind_of_connector_is_read() {
        let broker = "[[connectors]]\nname = 'air'\nfeed = 'env.air'\n[connectors.mqtt]\nurl = 'mqtts://b.example'\n\
            client_id = 'city'\ntopics = ['air/#']\nuser = 'u'\npassword = { env = 'P' }\nmessages = { format = 'sensorthings' }\n";
        let database = "[[connectors]]\nname = 'calls'\nfeed = 'city.calls'\n[connectors.postgres]\n\
            url = 'postgres://reader@db.example/calls'\nevery_s = 5\nselect = 'SELECT * FROM calls'\ncursor = 'changed'\nkey = ['id']\n";
        let settings = read(&format!("{GOOD}{broker}{database}")).unwrap();
        let Source::Mqtt(mqtt) = &settings.connectors[0].source else { panic!("no broker") };
        assert_eq!((mqtt.port, mqtt.tls.is_some(), mqtt.most_messages), (8883, true, 500));
        assert!(matches!(&settings.connectors[1].source, Source::Postgres(_)));
        let problem = read(&format!("{GOOD}{}", broker.replace("topics", "topic"))).unwrap_err();
        assert_eq!(problem.help.as_deref(), Some("did you mean `topics`?"));
        let problem = read(&format!("{GOOD}{}", broker.replace("user = 'u'\n", ""))).unwrap_err();
        assert!(problem.message.contains("user and password come together"), "{problem}");
        let problem = read(&format!("{GOOD}{}", database.replace("['id']", "[]"))).unwrap_err();
        assert!(problem.message.contains("tell rows of one cursor value apart"), "{problem}");
    }

    #[test]
    fn keys_come_from_a_file_or_from_an_issuer_for_an_audience() {
        let access = |text: &str| read(&format!("{GOOD}[access]\n{text}"));
        let found = |text: &str| access(text).unwrap().access.unwrap();
        assert!(matches!(found("keys = 'k.json'\nissuer = 'x'").keys, KeySource::File(_)));
        let asked = found("issuer = 'https://id.example'\naudience = 'cityloom'");
        assert!(matches!(asked.keys, KeySource::Issuer { pause, .. } if pause == Duration::from_secs(30)));
        assert!(access("").unwrap_err().message.contains("issuer ="));
        let problem = access("issuer = 'https://id.example'").unwrap_err();
        assert_eq!((problem.line, problem.message.contains("audience")), (9, true));
    }

    #[test]
    fn a_misspelt_key_is_refused_with_the_right_one() {
        assert_eq!(read(GOOD).unwrap().limits.upload, 5 << 30);
        let problem = read(&format!("{GOOD}[wall]\nrefersh_ms = 5\n")).unwrap_err();
        assert_eq!(problem.place(), "cityloom.toml:9:1");
        assert_eq!(problem.help.as_deref(), Some("did you mean `refresh_ms`?"));
        assert!(read(&GOOD.replace("Asia/Shanghai", "Beijing time")).unwrap_err().message.contains("IANA"));
        assert_eq!(
            read(&GOOD.replace("Asia/Shanghai", "Beijing time")).unwrap_err().place(),
            "cityloom.toml:5:12"
        );
    }
}
