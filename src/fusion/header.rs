//! The header of a query: YAML in SQL comments, so that the file's lines are the parser's lines.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::model::{Problem, QueryName, Resolution};

/// What a query is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Rows keyed by cell.
    Layer,
    /// Each row is a condition that holds now.
    Alert,
    /// A number or a series.
    Kpi,
    /// A building block.
    Table,
}

/// When a query is refreshed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshRule {
    /// Whenever an input moved where the result is kept up to date from what is new; else every half minute.
    Auto,
    /// Whenever an input moved; a query that would have to be recomputed for it is refused.
    Live,
    /// At most so often.
    Every(Duration),
    /// When loaded, then only when asked.
    Manual,
}

/// A text in both languages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// English.
    #[serde(default)]
    pub en: String,
    /// Chinese.
    #[serde(default)]
    pub zh: String,
}

/// How the wall shows a column.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnShow {
    /// What it is called.
    #[serde(default)]
    pub title: Text,
    /// Its unit.
    #[serde(default)]
    pub unit: String,
    /// The values at the ends of the colour ramp.
    pub range: Option<[f64; 2]>,
    /// The step to which values are rounded on the wire.
    pub scale: Option<f64>,
}

/// A test of every result.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DataTest {
    NotNull(Vec<String>),
    Unique(Vec<String>),
    Range(BTreeMap<String, [f64; 2]>),
    AcceptedValues(BTreeMap<String, Vec<String>>),
}

/// A query's header.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Header {
    pub kind: Kind,
    pub title: Text,
    pub key: Option<String>,
    pub resolution: Option<Resolution>,
    pub refresh: RefreshRule,
    pub columns: Vec<(String, ColumnShow)>,
    pub tests: Vec<DataTest>,
    pub unit: String,
    pub format: String,
    pub doc: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    layer: Option<String>,
    alert: Option<String>,
    kpi: Option<String>,
    table: Option<String>,
    #[serde(default)]
    title: Text,
    key: Option<String>,
    resolution: Option<u8>,
    refresh: Option<String>,
    window: Option<String>,
    #[serde(default)]
    columns: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    tests: Vec<DataTest>,
    #[serde(rename = "owner")]
    _owner: Option<String>,
    #[serde(default)]
    doc: String,
    #[serde(default)]
    unit: String,
    #[serde(default)]
    format: String,
}

const FENCE: &str = "-- ---";

/// Reads the header of `sql` in `file`, whose stem is `name`.
pub(super) fn parse(file: &str, name: &QueryName, sql: &str) -> Result<Header, Problem> {
    let problem =
        |line: u64, message: String| Problem { line, column: 1, ..Problem::of_file(file, "CL001", message) };
    let mut fences =
        sql.lines().enumerate().filter(|(_, line)| line.trim_end() == FENCE).map(|(number, _)| number);
    let (Some(open), Some(close)) = (fences.next(), fences.next()) else {
        let help = Some(format!(
            "begin the file with `{FENCE}`, `-- layer: {name}` (or alert, kpi, table), `{FENCE}`"
        ));
        return Err(Problem { help, ..problem(1, "the file has no header".into()) });
    };
    let yaml: String = sql
        .lines()
        .take(close)
        .enumerate()
        .map(|(number, line)| {
            if number > open {
                line.strip_prefix("--").map_or("", |l| l.strip_prefix(' ').unwrap_or(l))
            } else {
                ""
            }
        })
        .collect::<Vec<_>>()
        .join("\n");
    let raw: Raw = serde_saphyr::from_str(&yaml).map_err(|error| {
        let (line, column) =
            error.location().map_or((open as u64 + 1, 0), |spot| (spot.line(), spot.column() + 3));
        let message = crate::contract::yaml_message(&error.to_string());
        Problem { column, ..problem(line, message) }
    })?;
    let line_of = |key: &str| {
        let found = sql.lines().position(|line| line.trim_start_matches("--").trim_start().starts_with(key));
        found.map_or(1, |number| number as u64 + 1)
    };
    resolve(name, raw).map_err(|(key, message)| problem(line_of(key), message))
}

type Wrong = (&'static str, String);

fn resolve(name: &QueryName, raw: Raw) -> Result<Header, Wrong> {
    let kinds = [
        ("layer:", Kind::Layer, raw.layer),
        ("alert:", Kind::Alert, raw.alert),
        ("kpi:", Kind::Kpi, raw.kpi),
        ("table:", Kind::Table, raw.table),
    ];
    let mut given = kinds.into_iter().filter_map(|(key, kind, name)| Some((key, kind, name?)));
    let Some((key, kind, said)) = given.next() else {
        return Err((
            "--",
            format!("the header must say what the query is: `layer: {name}`, `alert:`, `kpi:` or `table:`"),
        ));
    };
    if given.next().is_some() {
        return Err((key, "a query is one of layer, alert, kpi, table".into()));
    }
    if said != name.as_str() {
        return Err((key, format!("the name `{said}` is not the file's `{name}`")));
    }
    let resolution = raw.resolution.map(Resolution::try_from).transpose();
    let resolution = resolution.map_err(|_| ("resolution", "resolution is 0 to 15".to_owned()))?;
    if let Some(window) = &raw.window
        && !window.contains(" on ")
    {
        return Err(("window", format!("window `{window}` is not like `15 minutes on _event_time`")));
    }
    Ok(Header {
        kind,
        title: raw.title,
        key: raw.key,
        resolution,
        refresh: refresh(raw.refresh.as_deref())?,
        columns: columns(raw.columns)?,
        tests: raw.tests,
        unit: raw.unit,
        format: raw.format,
        doc: raw.doc,
    })
}

fn refresh(text: Option<&str>) -> Result<RefreshRule, Wrong> {
    match text.map(str::trim) {
        None => Ok(RefreshRule::Auto),
        Some("live") => Ok(RefreshRule::Live),
        Some("manual") => Ok(RefreshRule::Manual),
        Some(other) => {
            let split = other.find(|c: char| !c.is_ascii_digit()).unwrap_or(other.len());
            let (number, unit) = other.split_at_checked(split).unwrap_or((other, ""));
            let factor = match unit.trim() {
                "s" => 1,
                "min" | "m" => 60,
                "h" => 3_600,
                _ => 0,
            };
            match number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)) {
                Some(seconds) if seconds > 0 => Ok(RefreshRule::Every(Duration::from_secs(seconds))),
                _ => Err(("refresh", format!("refresh `{other}` is not live, manual or like 30s, 5min, 1h"))),
            }
        }
    }
}

/// In the order of the file: the first is what the wall shows first.
fn columns(raw: serde_json::Map<String, serde_json::Value>) -> Result<Vec<(String, ColumnShow)>, Wrong> {
    raw.into_iter()
        .map(|(name, value)| match serde_json::from_value::<ColumnShow>(value) {
            Ok(show) => Ok((name, show)),
            Err(error) => Err(("columns", format!("columns.{name}: {error}"))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(yaml: &str) -> Result<Header, Problem> {
        let lines: Vec<String> = yaml.lines().map(|line| format!("-- {line}")).collect();
        parse("q.sql", &"q".parse().unwrap(), &format!("-- ---\n{}\n-- ---\nSELECT 1", lines.join("\n")))
    }

    #[test]
    fn a_header_says_what_the_query_is() {
        let good = header(
            "layer: q\nkey: cell\nresolution: 8\nrefresh: 30s\ncolumns:\n  b: { unit: km/h }\n  a: {}",
        )
        .unwrap();
        assert_eq!(good.kind, Kind::Layer);
        assert_eq!(good.refresh, RefreshRule::Every(Duration::from_secs(30)));
        assert_eq!(good.columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    }

    #[test]
    fn what_is_wrong_has_its_line() {
        for (yaml, place) in [
            ("kpi: q\nlayer: q", "q.sql:3:1"),
            ("layer: other", "q.sql:2:1"),
            ("layer: q\nrefresh: often", "q.sql:3:1"),
            ("layer: q\nresolution: 16", "q.sql:3:1"),
            ("key: cell", "q.sql:1:1"),
        ] {
            assert_eq!(header(yaml).unwrap_err().place(), place, "{yaml}");
        }
        assert!(header("layer: q\nlayr: x").unwrap_err().message.contains("layr"));
        assert!(parse("q.sql", &"q".parse().unwrap(), "SELECT 1").is_err());
    }
}
