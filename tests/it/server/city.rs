//! A city small enough to open at once: two counties of two towns, three feeds, one layer and the map, one
//! alert, one KPI. Its feeds are under the repository's own contracts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::cityloom;

const SETTINGS: &str = r#"
[city]
code = "9901"
name_en = "Squareton"
name_zh = "方城"
timezone = "Asia/Shanghai"
[areas]
file = "areas.geojson"
[wall]
refresh_ms = 100
[duty]
feed = "command.duty_list"
file = "duty_list.csv"
[limits]
upload_mib = 1
query_threads = 2
"#;

pub const DUTY: &str = "\
category,area,unit,unit_name_en,unit_name_zh,accept_within_s,close_within_s
*,9901,command,City Command,市指挥中心,300,3600
incident,9901,police,City Police,市公安局,120,3600
incident,990101,police-990101,West Police,西区公安分局,60,1800
";

pub const TRAFFIC: &str = "\
-- ---
-- layer: traffic
-- title: { en: Traffic, zh: 交通 }
-- key: cell
-- resolution: 8
-- refresh: live
-- columns:
--   speed_kmh: { title: { en: Mean speed, zh: 平均车速 }, unit: km/h, range: [0, 120], scale: 0.01 }
-- ---
SELECT h3_cell_to_parent(_cell, 8) AS cell, avg(speed_kmh) AS speed_kmh
FROM traffic.speed
GROUP BY 1
";

pub const MAP: &str = "\
-- ---
-- layer: map
-- title: { en: The city, zh: 全城 }
-- key: cell
-- resolution: 8
-- refresh: live
-- columns:
--   speed_kmh: { title: { en: Mean speed, zh: 平均车速 }, unit: km/h, range: [0, 120], scale: 0.01 }
--   incidents: { title: { en: Incidents, zh: 警情 }, unit: \"1\", range: [0, 50] }
-- ---
SELECT coalesce(t.cell, p.cell) AS cell, t.speed_kmh, p.incidents
FROM traffic AS t
FULL JOIN (SELECT h3_cell_to_parent(_cell, 8) AS cell, count(*) AS incidents FROM police.incidents GROUP BY 1) AS p
  ON p.cell = t.cell
";

/// What was said last of a kind of incident in a town holds there: a later slight one clears a grave one.
const ALERT: &str = "\
-- ---
-- alert: alert_grave
-- title: { en: Grave incident, zh: 严重警情 }
-- key: key
-- refresh: live
-- ---
WITH latest AS (
  SELECT
    _area AS area, kind, max(event_id) AS event_id,
    last_value(severity ORDER BY event_id) AS gravity, last_value(_cell ORDER BY event_id) AS cell
  FROM police.incidents
  GROUP BY 1, 2
)
SELECT
  kind || '-' || area AS key, 'incident' AS category,
  CASE WHEN gravity = 5 THEN 'Extreme' ELSE 'Severe' END AS severity,
  'Grave ' || kind || ' in ' || area AS title_en, area || '严重警情' AS title_zh,
  cell, area, event_id
FROM latest
WHERE gravity >= 4
";

const KPI: &str = "\
-- ---
-- kpi: kpi_readings
-- title: { en: Readings, zh: 读数 }
-- unit: \"1\"
-- format: \"0\"
-- refresh: live
-- ---
SELECT count(*) AS value FROM traffic.speed
";

/// The towns: their codes and a place within.
pub const TOWNS: [(&str, f64, f64); 4] = [
    ("990101001", 121.05, 32.025),
    ("990101002", 121.05, 32.075),
    ("990102001", 121.15, 32.025),
    ("990102002", 121.15, 32.075),
];

/// A city folder and a data folder, gone with the handle.
pub struct City {
    folder: TempDir,
    root: PathBuf,
    data: PathBuf,
}

impl City {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (root, data) = (folder.path().join("city"), folder.path().join("data"));
        let city = Self { folder, root, data };
        city.write("cityloom.toml", SETTINGS);
        city.write("areas.geojson", &areas().to_string());
        city.write("duty_list.csv", DUTY);
        city.write(
            "schemas/traffic/speed.odcs.yaml",
            include_str!("../../../schemas/traffic/speed.odcs.yaml"),
        );
        city.write(
            "schemas/police/incidents.odcs.yaml",
            include_str!("../../../schemas/police/incidents.odcs.yaml"),
        );
        city.write(
            "schemas/command/duty_list.odcs.yaml",
            include_str!("../../../schemas/command/duty_list.odcs.yaml"),
        );
        city.write("queries/traffic.sql", TRAFFIC);
        city.write("queries/map.sql", MAP);
        city.write("queries/alert/alert_grave.sql", ALERT);
        city.write("queries/kpi_readings.sql", KPI);
        city
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    /// A folder beside both, on the same disk.
    pub fn aside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Saves a file of the city folder as careful editors do: beside it, then in its place.
    pub fn write(&self, file: &str, text: &str) {
        let path = self.root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let draft = path.with_extension("draft");
        fs::write(&draft, text).unwrap();
        fs::rename(&draft, path).unwrap();
    }

    /// Adds a property to the contract of a feed.
    pub fn promise(&self, feed: &str, property: &str, value: &str) {
        let file = format!("schemas/{}.odcs.yaml", feed.replace('.', "/"));
        let contract = fs::read_to_string(self.root.join(&file)).unwrap();
        let place = "      - { property: cityloomPlace";
        assert!(contract.contains(place));
        let added = format!("      - {{ property: {property}, value: {value} }}\n{place}");
        self.write(&file, &contract.replacen(place, &added, 1));
    }

    pub fn remove(&self, file: &str) {
        fs::remove_file(self.root.join(file)).unwrap();
    }

    /// Runs a command that ends by itself.
    pub fn cityloom(&self, arguments: &[&str]) -> Output {
        cityloom(&self.root, &self.data).args(arguments).output().unwrap()
    }
}

/// Readings of one speed in the middle of a town.
pub fn readings(town: usize, vehicles: std::ops::Range<u32>, speed: f64) -> String {
    let (_, lng, lat) = TOWNS[town];
    let line = |vehicle: u32| format!("2025-03-01T08:00:00Z,{lat},{lng},{},{speed}\n", vehicle + 1);
    "ts,lat,lng,vehicle,speed_kmh\n".to_owned() + &vehicles.map(line).collect::<String>()
}

/// One incident in the middle of a town.
pub fn incident(number: u32, town: usize, kind: &str, severity: u8) -> String {
    let (_, lng, lat) = TOWNS[town];
    format!(
        "event_id,ts,lat,lng,kind,severity\n{number},2025-03-01T08:00:00Z,{lat},{lng},{kind},{severity}\n"
    )
}

/// The cell of resolution 8 in the middle of a town.
pub fn cell(town: usize) -> String {
    let (_, lng, lat) = TOWNS[town];
    h3o::LatLng::new(lat, lng).unwrap().to_cell(h3o::Resolution::Eight).to_string()
}

fn areas() -> Value {
    let square = |code: &str, level: &str, parent: Option<&str>, [west, south, east, north]: [f64; 4]| {
        let ring = [[west, south], [east, south], [east, north], [west, north], [west, south]];
        json!({
            "type": "Feature",
            "properties": { "code": code, "level": level, "parent": parent, "name_en": code, "name_zh": code,
                            "valid_from": "2020-01-01", "valid_to": null },
            "geometry": { "type": "Polygon", "coordinates": [ring] },
        })
    };
    let features = [
        square("9901", "city", None, [121.0, 32.0, 121.2, 32.1]),
        square("990101", "county", Some("9901"), [121.0, 32.0, 121.1, 32.1]),
        square("990102", "county", Some("9901"), [121.1, 32.0, 121.2, 32.1]),
        square("990101001", "town", Some("990101"), [121.0, 32.0, 121.1, 32.05]),
        square("990101002", "town", Some("990101"), [121.0, 32.05, 121.1, 32.1]),
        square("990102001", "town", Some("990102"), [121.1, 32.0, 121.2, 32.05]),
        square("990102002", "town", Some("990102"), [121.1, 32.05, 121.2, 32.1]),
    ];
    json!({ "type": "FeatureCollection", "features": features })
}
