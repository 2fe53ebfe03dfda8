//! The city's areas: who lies above whom, on which days each holds, and which one owns a point.

use std::collections::HashMap;
use std::sync::OnceLock;

use arrow::array::{AsArray, StringArray, UInt32Array};
use arrow::compute::take;
use arrow::error::ArrowError;
use chrono::NaiveDate;
use geo::MultiPolygon;

use super::locate::Index;
use super::read::{AreaFields, AreasError, read};
use super::table::point_inside;
use crate::model::{AreaLevel, LngLat, Micros};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The number of an area in its [`Areas`]: its place in the order of the files.
pub type AreaIdx = u32;

/// One node of the hierarchy.
#[derive(Debug, Clone, PartialEq)]
pub struct Area {
    /// Its code; any text.
    pub code: String,
    /// Its level; any word, [`Area::known_level`] where it is one of the four.
    pub level: String,
    /// The code of the area above it.
    pub parent: Option<String>,
    /// Its English name.
    pub name_en: String,
    /// Its Chinese name.
    pub name_zh: String,
    /// The first day (UTC) on which it holds; none: always did.
    pub valid_from: Option<NaiveDate>,
    /// The first day (UTC) on which it no longer holds; none: holds on.
    pub valid_to: Option<NaiveDate>,
    /// Its outline in WGS84 degrees.
    pub shape: MultiPolygon,
}

impl Area {
    /// The areas of one `GeoJSON` file, to be put together with those of others by [`Areas::new`].
    ///
    /// # Errors
    /// [`AreasError`] names the first wrong feature and what is wrong with it.
    pub fn read_all(geojson: &str, fields: &AreaFields) -> Result<Vec<Self>, AreasError> {
        read(geojson, fields)
    }

    /// The level as one of the four of command.
    pub fn known_level(&self) -> Option<AreaLevel> {
        [AreaLevel::City, AreaLevel::County, AreaLevel::Town, AreaLevel::Grid]
            .into_iter()
            .find(|level| level.as_str() == self.level)
    }

    /// Whether it holds at that instant.
    pub fn is_valid_at(&self, at: Micros) -> bool {
        self.holds_on(day(at))
    }

    pub(super) fn holds_on(&self, day: i64) -> bool {
        self.valid_from.is_none_or(|from| day_number(from) <= day)
            && self.valid_to.is_none_or(|to| day < day_number(to))
    }
}

/// When the points of a batch happened.
#[derive(Debug, Clone, Copy)]
pub enum Instants<'a> {
    /// All of them at once.
    One(Micros),
    /// Each at its own; a point beyond the slice's end is in no area.
    Each(&'a [Micros]),
}

/// All areas of a city, ready to be asked.
#[derive(Debug)]
pub struct Areas {
    areas: Vec<Area>,
    index: Index,
    /// All codes side by side: a column of them is made without a look at the areas.
    codes: StringArray,
    /// A point inside each, made when the first is asked for.
    inside: OnceLock<Vec<LngLat>>,
}

impl Areas {
    /// The areas of one `GeoJSON` file that uses the property names of `ref.areas`.
    ///
    /// # Errors
    /// [`AreasError`] names the feature and what is wrong with it.
    pub fn from_geojson(text: &str) -> Result<Self, AreasError> {
        Self::from_geojson_with(text, &AreaFields::default())
    }

    /// The areas of one `GeoJSON` file with property names of its own.
    ///
    /// # Errors
    /// [`AreasError`] names the feature and what is wrong with it.
    pub fn from_geojson_with(text: &str, fields: &AreaFields) -> Result<Self, AreasError> {
        Self::new(read(text, fields)?)
    }

    /// The city that these areas make.
    ///
    /// # Errors
    /// [`AreasError::Feature`] where two areas have one code on the same day.
    pub fn new(areas: Vec<Area>) -> Result<Self, AreasError> {
        refuse_doubles(&areas)?;
        let index = Index::new(&areas, &depths(&areas));
        let codes = areas.iter().map(|area| Some(area.code.as_str())).collect();
        Ok(Self { areas, index, codes, inside: OnceLock::new() })
    }

    /// The lowest area that holds at that instant and owns the point. A point on a shared edge has exactly
    /// one owner.
    pub fn locate(&self, point: LngLat, at: Micros) -> Option<AreaIdx> {
        self.index.locate(point, day(at))
    }

    /// [`Areas::locate`] of a column.
    pub fn locate_all(&self, points: &[Option<LngLat>], at: Instants<'_>) -> Vec<Option<AreaIdx>> {
        match at {
            Instants::One(at) => self.index.locate_all(points, |_| Some(day(at))),
            Instants::Each(all) => self.index.locate_all(points, |i| all.get(i).map(|at| day(*at))),
        }
    }

    /// The codes of a column of areas.
    ///
    /// # Errors
    /// Where one of the numbers is no area's.
    pub fn codes(&self, areas: Vec<Option<AreaIdx>>) -> Result<StringArray, ArrowError> {
        take(&self.codes, &UInt32Array::from(areas), None).map(|codes| codes.as_string().clone())
    }

    /// The area of that number.
    pub fn get(&self, idx: AreaIdx) -> Option<&Area> {
        self.areas.get(idx as usize)
    }

    /// The area that has the code at that instant.
    pub fn find(&self, code: &str, at: Micros) -> Option<AreaIdx> {
        self.index
            .with_code(code)
            .iter()
            .copied()
            .find(|&idx| self.get(idx).is_some_and(|a| a.is_valid_at(at)))
    }

    /// A point inside each area, by its number: where what is known to lie in it stands on the map.
    pub fn inside(&self) -> &[LngLat] {
        self.inside.get_or_init(|| self.areas.iter().map(|area| point_inside(&area.shape)).collect())
    }

    /// All areas, in the order of the files.
    pub fn iter(&self) -> std::slice::Iter<'_, Area> {
        self.areas.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.areas.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.areas.is_empty()
    }
}

impl<'a> IntoIterator for &'a Areas {
    type Item = &'a Area;
    type IntoIter = std::slice::Iter<'a, Area>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

fn day(at: Micros) -> i64 {
    at.0.div_euclid(MICROS_PER_DAY)
}

/// Days since 1970.
pub(super) fn day_number(date: NaiveDate) -> i64 {
    i64::from(date.to_epoch_days())
}

/// How far below the top each area lies: its level where that is one of the four, else the number of areas
/// above it.
fn depths(areas: &[Area]) -> Vec<usize> {
    let parents: HashMap<&str, Option<&str>> =
        areas.iter().map(|a| (a.code.as_str(), a.parent.as_deref())).collect();
    let above = |area: &Area| {
        let chain =
            std::iter::successors(area.parent.as_deref(), |code| parents.get(code).copied().flatten());
        // A file may say that two areas lie above each other; no hierarchy is 16 deep.
        chain.take(16).filter(|code| parents.contains_key(code)).count()
    };
    areas.iter().map(|area| area.known_level().map_or_else(|| above(area), |level| level as usize)).collect()
}

fn refuse_doubles(areas: &[Area]) -> Result<(), AreasError> {
    let mut seen: HashMap<&str, Vec<(usize, &Area)>> = HashMap::with_capacity(areas.len());
    for (i, area) in areas.iter().enumerate() {
        let before = seen.entry(&area.code).or_default();
        if let Some((first, _)) = before.iter().find(|(_, other)| overlap(area, other)) {
            return Err(AreasError::Feature {
                feature: format!("feature {} (`{}`)", i + 1, area.code),
                why: format!(
                    "feature {} has the same code on the same days: end one's validity first",
                    first + 1
                ),
            });
        }
        before.push((i, area));
    }
    Ok(())
}

fn overlap(a: &Area, b: &Area) -> bool {
    let starts_before_end = |a: &Area, b: &Area| match (a.valid_from, b.valid_to) {
        (Some(from), Some(to)) => from < to,
        _ => true,
    };
    starts_before_end(a, b) && starts_before_end(b, a)
}

#[cfg(test)]
#[path = "areas_tests.rs"]
mod tests;
