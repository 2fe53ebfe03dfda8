//! Coordinate systems: departments' coordinates become WGS84 degrees. No files, no areas, no Arrow.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use proj4rs::Proj;
use proj4rs::transform::transform;

use super::china;
use crate::model::LngLat;

/// The systems that have a name of their own; every other one is `EPSG:nnnn`.
const NAMED: [(&str, Crs); 4] =
    [("WGS84", Crs::Wgs84), ("CGCS2000", Crs::Cgcs2000), ("GCJ-02", Crs::Gcj02), ("BD-09", Crs::Bd09)];

const WGS84_PROJ: &str = "+proj=longlat +datum=WGS84 +no_defs";

/// How far, in the system's own unit, a point may return beside itself before it counts as off the system.
const RETURN_TOLERANCE: f64 = 0.01;

/// A coordinate system that a contract may name.
#[derive(Debug, Clone, PartialEq)]
pub enum Crs {
    /// GPS degrees: what everything becomes.
    Wgs84,
    /// China's national datum. Treated as WGS84: the two differ by centimetres (plate motion since 2000
    /// included, decimetres), which is less than any feed's own error.
    Cgcs2000,
    /// The shifted degrees of Chinese maps (Amap, Tencent).
    Gcj02,
    /// Baidu's degrees: GCJ-02 shifted once more.
    Bd09,
    /// Any other system of the EPSG register, its projection compiled once.
    Epsg(Projection),
}

/// A compiled projection from an EPSG system to WGS84.
#[derive(Clone)]
pub struct Projection {
    code: u16,
    ends: Arc<(Proj, Proj)>,
}

impl fmt::Debug for Projection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EPSG:{}", self.code)
    }
}

impl PartialEq for Projection {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code
    }
}

/// A text that names no coordinate system that can be converted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a known coordinate system: use WGS84, CGCS2000, GCJ-02, BD-09 or EPSG:nnnn{hint}")]
pub struct UnknownCrs {
    /// What was written.
    pub text: String,
    /// Why it cannot be, or what was probably meant; empty where there is nothing to say.
    pub hint: String,
}

impl Crs {
    /// The system of a contract's word; letter case, blanks, `-` and `_` do not matter.
    ///
    /// # Errors
    /// [`UnknownCrs`] names what is known and the closest word.
    pub fn parse(text: &str) -> Result<Self, UnknownCrs> {
        let word = bare(text);
        if let Some((_, crs)) = NAMED.iter().find(|(name, _)| bare(name) == word) {
            return Ok(crs.clone());
        }
        let unknown = |hint: String| UnknownCrs { text: text.to_owned(), hint };
        match word.strip_prefix("EPSG:").map(u16::from_str) {
            Some(Ok(4326)) => Ok(Self::Wgs84),
            Some(Ok(4490)) => Ok(Self::Cgcs2000),
            Some(Ok(code)) => Projection::compile(code).map(Self::Epsg).map_err(unknown),
            Some(Err(_)) => Err(unknown(", where nnnn is a number up to 65535".into())),
            None => Err(unknown(suggestion(&word))),
        }
    }

    /// The point in WGS84; `x` is the easting or longitude, `y` the northing or latitude. None where the
    /// numbers are not finite or lie off the system.
    pub fn to_wgs84(&self, x: f64, y: f64) -> Option<LngLat> {
        if !(x.is_finite() && y.is_finite()) {
            return None;
        }
        let point = match self {
            Self::Epsg(projection) => return projection.to_wgs84(x, y),
            _ => LngLat { lng: x, lat: y },
        };
        if !point.is_valid() {
            return None;
        }
        Some(match self {
            Self::Gcj02 => china::gcj02_to_wgs84(point),
            Self::Bd09 => china::gcj02_to_wgs84(china::bd09_to_gcj02(point)),
            Self::Wgs84 | Self::Cgcs2000 | Self::Epsg(_) => point,
        })
        .filter(|p| p.is_valid())
    }

    /// [`Crs::to_wgs84`] of a column: pairs are taken up to the shorter slice, NaN stands for a missing
    /// value.
    pub fn to_wgs84_all(&self, xs: &[f64], ys: &[f64]) -> Vec<Option<LngLat>> {
        xs.iter().zip(ys).map(|(&x, &y)| self.to_wgs84(x, y)).collect()
    }
}

impl FromStr for Crs {
    type Err = UnknownCrs;

    fn from_str(text: &str) -> Result<Self, UnknownCrs> {
        Self::parse(text)
    }
}

impl fmt::Display for Crs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Epsg(projection) => write!(f, "{projection:?}"),
            named => {
                f.write_str(NAMED.iter().find(|(_, crs)| crs == named).map_or("WGS84", |(name, _)| name))
            }
        }
    }
}

impl Projection {
    fn compile(code: u16) -> Result<Self, String> {
        let Some(definition) = crs_definitions::from_code(code) else {
            return Err(format!("; the register has no EPSG:{code}"));
        };
        let compile = |text: &str| Proj::from_proj_string(text).map_err(|e| format!("; EPSG:{code}: {e}"));
        let (from, to) = (compile(definition.proj4)?, compile(WGS84_PROJ)?);
        if !(from.has_inverse() && from.has_forward()) || from.is_geocent() {
            return Err(format!("; EPSG:{code} cannot be converted to degrees and back"));
        }
        Ok(Self { code, ends: Arc::new((from, to)) })
    }

    /// The point, if going back leads to where it came from: outside their domain most projections answer
    /// with a finite but meaningless number.
    fn to_wgs84(&self, x: f64, y: f64) -> Option<LngLat> {
        let (from, to) = &*self.ends;
        let unit = if from.is_latlong() { 1f64.to_radians() } else { 1.0 };
        let mut point = (x * unit, y * unit, 0.0);
        transform(from, to, &mut point).ok()?;
        let found = LngLat { lng: point.0.to_degrees(), lat: point.1.to_degrees() };
        if !found.is_valid() {
            return None;
        }
        transform(to, from, &mut point).ok()?;
        let returned = (point.0 / unit - x).hypot(point.1 / unit - y);
        (returned <= RETURN_TOLERANCE).then_some(found)
    }
}

fn bare(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '-' | '_'))
        .collect::<String>()
        .to_ascii_uppercase()
}

fn suggestion(word: &str) -> String {
    let closeness = |name: &str| strsim::jaro_winkler(word, &bare(name));
    NAMED
        .iter()
        .map(|(name, _)| (closeness(name), *name))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(score, _)| *score > 0.6)
        .map_or_else(String::new, |(_, name)| format!(" (did you mean {name}?)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metres(a: LngLat, b: LngLat) -> f64 {
        let east = (a.lng - b.lng) * a.lat.to_radians().cos();
        east.hypot(a.lat - b.lat) * 111_320.0
    }

    #[test]
    fn every_documented_word_is_known_in_any_spelling() {
        for (text, is) in [("WGS84", "WGS84"), ("wgs 84", "WGS84"), ("gcj02", "GCJ-02"), ("BD_09", "BD-09")] {
            assert_eq!(Crs::parse(text).unwrap().to_string(), is);
        }
        assert_eq!(Crs::parse("EPSG:4326").unwrap(), Crs::Wgs84);
        assert_eq!(Crs::parse("EPSG:4490").unwrap(), Crs::Cgcs2000);
        assert_eq!(Crs::parse("epsg:3435").unwrap().to_string(), "EPSG:3435");
    }

    #[test]
    fn an_unknown_word_is_answered_with_the_known_ones_and_the_closest() {
        let said = Crs::parse("CGS2000").unwrap_err().to_string();
        assert!(said.contains("GCJ-02") && said.ends_with("(did you mean CGCS2000?)"), "{said}");
        assert!(Crs::parse("EPSG:1").unwrap_err().to_string().ends_with("the register has no EPSG:1"));
        assert!(Crs::parse("EPSG:70000").unwrap_err().to_string().contains("65535"));
        assert!(Crs::parse("").is_err());
    }

    #[test]
    fn what_is_off_the_globe_or_not_finite_is_nowhere() {
        for crs in
            ["WGS84", "CGCS2000", "GCJ-02", "BD-09", "EPSG:3435", "EPSG:3857"].map(|c| Crs::parse(c).unwrap())
        {
            for (x, y) in [(f64::NAN, 1.0), (1.0, f64::INFINITY), (1e300, 1e300), (-1e18, 0.0)] {
                assert_eq!(crs.to_wgs84(x, y), None, "{crs} {x} {y}");
            }
        }
        assert_eq!(Crs::Wgs84.to_wgs84(180.5, 0.0), None);
        assert_eq!(Crs::Wgs84.to_wgs84(0.0, -90.1), None);
    }

    #[test]
    fn state_plane_feet_become_the_degrees_that_the_city_publishes() {
        let feet = Crs::parse("EPSG:3435").unwrap();
        let got = feet.to_wgs84(1_181_868.507_588_49, 1_871_686.597_780_03).unwrap();
        assert!(
            metres(got, LngLat { lng: -87.608_526_106_088_4, lat: 41.803_136_450_704_64 }) < 0.001,
            "{got:?}"
        );
    }

    #[test]
    fn a_geographic_system_of_the_register_reads_degrees() {
        let nad83 = Crs::parse("EPSG:4269").unwrap();
        let got = nad83.to_wgs84(-87.6, 41.8).unwrap();
        assert!(metres(got, LngLat { lng: -87.6, lat: 41.8 }) < 0.001, "{got:?}");
    }

    #[test]
    fn a_column_is_converted_pair_by_pair() {
        let got = Crs::Wgs84.to_wgs84_all(&[1.0, f64::NAN, 3.0], &[4.0, 5.0, 600.0]);
        assert_eq!(got, [Some(LngLat { lng: 1.0, lat: 4.0 }), None, None]);
    }

    /// Both coordinate pairs of every row of two real files agree to the millimetre.
    #[test]
    fn state_plane_feet_of_real_files_agree_with_their_own_degrees() {
        let Some(folder) = super::super::real_data("chicago_2013") else { return };
        let feet = Crs::parse("EPSG:3435").unwrap();
        for file in ["public_safety_burglary.csv", "city_services_311_sanitation.csv"] {
            let text = std::fs::read_to_string(folder.join(file)).unwrap();
            let mut lines = text.lines();
            let head: Vec<&str> = lines.next().unwrap().split(',').collect();
            let from_end = |name| head.len() - head.iter().position(|h| *h == name).unwrap();
            let (mut rows, mut worst) = (0, 0f64);
            for line in lines {
                // Counted from the end: the last column is quoted and holds one comma, earlier ones may be
                // quoted too.
                let cells: Vec<&str> = line.split(',').collect();
                let cell = |name| cells[cells.len() - 1 - from_end(name)].parse::<f64>().ok();
                let all = (cell("X_Coordinate"), cell("Y_Coordinate"), cell("Longitude"), cell("Latitude"));
                let (Some(x), Some(y), Some(lng), Some(lat)) = all else { continue };
                worst = worst.max(metres(feet.to_wgs84(x, y).unwrap(), LngLat { lng, lat }));
                rows += 1;
            }
            assert!(rows > 17_000, "{file}: only {rows} rows hold both pairs");
            assert!(worst < 0.005, "{file}: worst {worst} m of {rows} rows");
        }
    }
}
