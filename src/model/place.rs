//! Where things are: points, H3 cells and the codes of the four-level areas.

use std::fmt;
use std::str::FromStr;

pub use h3o::Resolution;

/// A point in WGS 84 degrees. Named fields, because GeoJSON says lng,lat and CAP says lat,lng.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LngLat {
    /// Degrees east, −180 to 180.
    pub lng: f64,
    /// Degrees north, −90 to 90.
    pub lat: f64,
}

impl LngLat {
    /// Whether both are finite and inside the globe's bounds.
    pub fn is_valid(self) -> bool {
        self.lng.is_finite() && self.lat.is_finite() && self.lng.abs() <= 180.0 && self.lat.abs() <= 90.0
    }

    /// The cell that holds the point; none for an invalid point.
    pub fn cell(self, resolution: Resolution) -> Option<Cell> {
        h3o::LatLng::new(self.lat, self.lng).ok().map(|p| Cell(p.to_cell(resolution)))
    }
}

/// An H3 cell. Int64 in tables (its top bit is always 0), hexadecimal on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cell(pub h3o::CellIndex);

impl Cell {
    /// The cell of a table's Int64; none where the bits are no cell.
    pub fn from_i64(bits: i64) -> Option<Self> {
        h3o::CellIndex::try_from(u64::try_from(bits).ok()?).ok().map(Self)
    }

    /// The Int64 that tables store.
    pub fn to_i64(self) -> i64 {
        u64::from(self.0).cast_signed()
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", u64::from(self.0))
    }
}

impl FromStr for Cell {
    type Err = h3o::error::InvalidCellIndex;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// The four levels of command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AreaLevel {
    /// The whole city (prefecture): 4 digits.
    City,
    /// County or district: 6 digits, GB/T 2260.
    County,
    /// Town or street: 9 digits, GB/T 10114.
    Town,
    /// Grid: 15 digits, county 6 + town 3 + community 3 + sequence 3.
    Grid,
}

impl AreaLevel {
    /// The word on the wire and in `ref.areas`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::City => "city",
            Self::County => "county",
            Self::Town => "town",
            Self::Grid => "grid",
        }
    }

    fn digits(self) -> usize {
        match self {
            Self::City => 4,
            Self::County => 6,
            Self::Town => 9,
            Self::Grid => 15,
        }
    }
}

/// A text that is no area code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an area code: city 4, county 6, town 9 or grid 15 digits")]
pub struct InvalidAreaCode(pub String);

/// The code of an area; a lower level's code begins with its parent's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AreaCode(String);

impl AreaCode {
    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The level that the code's length says.
    pub fn level(&self) -> AreaLevel {
        match self.0.len() {
            4 => AreaLevel::City,
            6 => AreaLevel::County,
            9 => AreaLevel::Town,
            _ => AreaLevel::Grid,
        }
    }

    /// The area itself or the one above it at `level`; none where `level` lies below.
    pub fn at(&self, level: AreaLevel) -> Option<Self> {
        self.0.get(..level.digits()).map(|code| Self(code.to_owned()))
    }

    /// Whether `self` is `other` or lies above it.
    pub fn contains(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }
}

impl FromStr for AreaCode {
    type Err = InvalidAreaCode;

    fn from_str(text: &str) -> Result<Self, InvalidAreaCode> {
        let known = [AreaLevel::City, AreaLevel::County, AreaLevel::Town, AreaLevel::Grid];
        let right =
            known.iter().any(|l| l.digits() == text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        if right { Ok(Self(text.to_owned())) } else { Err(InvalidAreaCode(text.to_owned())) }
    }
}

impl fmt::Display for AreaCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_lies_in_its_town_county_and_city() {
        let grid: AreaCode = "320613001002003".parse().unwrap();
        assert_eq!(grid.level(), AreaLevel::Grid);
        assert_eq!(grid.at(AreaLevel::Town).unwrap().as_str(), "320613001");
        assert!(grid.at(AreaLevel::County).unwrap().contains(&grid));
        assert!("32061300100200".parse::<AreaCode>().is_err());
        assert_eq!("320613".parse::<AreaCode>().unwrap().at(AreaLevel::Grid), None);
    }

    #[test]
    fn a_cell_survives_the_int64_and_the_hex() {
        let cell = LngLat { lng: 120.86, lat: 32.01 }.cell(Resolution::Nine).unwrap();
        assert_eq!(Cell::from_i64(cell.to_i64()), Some(cell));
        assert_eq!(cell.to_string().parse::<Cell>().unwrap(), cell);
        assert_eq!(Cell::from_i64(-1), None);
        assert_eq!(LngLat { lng: f64::NAN, lat: 0.0 }.cell(Resolution::Nine), None);
    }
}
