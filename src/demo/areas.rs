//! The demo city's areas: one city, its counties, towns and 13,649 grids, grown from a seed; and their GeoJSON.
//!
//! Faces are cut in two until each has one grid's worth of people, so grids are small in town and wide in the country.

use std::fmt::Write as _;

use crate::model::{AreaCode, AreaLevel, LngLat};

use super::dice::Dice;
use super::gazetteer::{COUNTIES, County, OUTLINE, TREE, Tree};
use super::mesh::{Face, LNG_SHRINK, Line, Mesh, Point, UNITS, centre, doubled_area, holds};

/// Grids that hold everyday life.
pub const COMPREHENSIVE: usize = 9_162;
/// Grids of one holder: parks, markets, campuses, ports.
pub const DEDICATED: usize = 4_487;
const GRIDS: usize = COMPREHENSIVE + DEDICATED;
const GRIDS_PER_COMMUNITY: usize = 7;
const REDIVIDED: usize = 16;
const FOUNDED: &str = "2020-06-19";
const REDIVIDED_ON: &str = "2024-01-01";
const KM_PER_UNIT: f64 = 111.2 / UNITS;

/// What a grid is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GridKind {
    /// Streets and villages.
    Comprehensive,
    /// One holder's ground.
    Dedicated,
}

impl GridKind {
    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Comprehensive => "comprehensive",
            Self::Dedicated => "dedicated",
        }
    }
}

/// One area as it stands in `fixtures/areas.geojson`.
#[derive(Debug, Clone)]
pub struct Area {
    /// Its code.
    pub code: AreaCode,
    /// The code of the area above it.
    pub parent: Option<AreaCode>,
    /// English name.
    pub name_en: String,
    /// Chinese name.
    pub name_zh: String,
    /// First day, ISO.
    pub valid_from: &'static str,
    /// First day on which it no longer stands; none for one that stands.
    pub valid_to: Option<&'static str>,
    /// Of grids.
    pub kind: Option<GridKind>,
    /// Corners, counter-clockwise, the first not repeated.
    pub ring: Vec<Point>,
}

impl Area {
    /// The centre of its ground.
    pub fn centre(&self) -> LngLat {
        let (lng, lat) = centre(&self.ring);
        LngLat { lng, lat }
    }

    /// Whether the place lies in it.
    pub fn holds(&self, place: LngLat) -> bool {
        holds(&self.ring, place.lng, place.lat)
    }

    /// Whether it stands today.
    pub fn stands(&self) -> bool {
        self.valid_to.is_none()
    }
}

/// The demo city's ground.
#[derive(Debug, Clone)]
pub struct City {
    /// City, counties, towns, grids, each in the order of codes, ended predecessors last.
    pub areas: Vec<Area>,
}

impl City {
    /// The city that grows from this seed. Pure: the same seed makes the same city on every machine.
    pub fn generate(seed: u64) -> Self {
        let mut grower = Grower { mesh: Mesh::default(), seed, found: Vec::new(), redivided: Vec::new() };
        let outline = grower.outline();
        grower.found.push(Found::city(outline.clone()));
        grower.counties(&TREE, outline, 0);
        let towns = grower.towns();
        grower.grids(towns);
        grower.finish()
    }

    /// The grids that stand.
    pub fn grids(&self) -> impl Iterator<Item = &Area> {
        self.areas.iter().filter(|a| a.code.level() == AreaLevel::Grid && a.stands())
    }

    /// The counties.
    pub fn counties(&self) -> impl Iterator<Item = &Area> {
        self.areas.iter().filter(|a| a.code.level() == AreaLevel::County)
    }

    /// The standing grid that holds the place; none outside the city.
    pub fn grid_at(&self, place: LngLat) -> Option<&Area> {
        self.grids().find(|grid| grid.holds(place))
    }

    /// One feature a line, so that a re-division is a readable difference.
    pub fn to_geojson(&self) -> String {
        let mut text = String::from("{\"type\":\"FeatureCollection\",\"features\":[\n");
        for (i, area) in self.areas.iter().enumerate() {
            if i > 0 {
                text.push_str(",\n");
            }
            write_feature(&mut text, area);
        }
        text.push_str("\n]}\n");
        text
    }
}

fn write_feature(text: &mut String, area: &Area) {
    let quoted = |value: Option<&str>| value.map_or_else(|| "null".to_owned(), |v| format!("\"{v}\""));
    // Names come from the gazetteer and hold no quotes; writing to a String cannot fail.
    let _ = write!(
        text,
        "{{\"type\":\"Feature\",\"properties\":{{\"code\":\"{}\",\"level\":\"{}\",\"parent\":{},\"name_en\":\"{}\",\
         \"name_zh\":\"{}\",\"valid_from\":\"{}\",\"valid_to\":{}",
        area.code,
        area.code.level().as_str(),
        quoted(area.parent.as_ref().map(AreaCode::as_str)),
        area.name_en,
        area.name_zh,
        area.valid_from,
        quoted(area.valid_to),
    );
    if let Some(kind) = area.kind {
        let _ = write!(text, ",\"kind\":\"{}\"", kind.as_str());
    }
    text.push_str("},\"geometry\":{\"type\":\"Polygon\",\"coordinates\":[[");
    for point in area.ring.iter().chain(area.ring.first()) {
        let (lng, lat) = point.degrees();
        let _ = write!(text, "[{lng},{lat}],");
    }
    text.pop();
    text.push_str("]]}}");
}

/// An area while the mesh may still put corners into its edges.
struct Found {
    code: String,
    name_en: String,
    name_zh: String,
    valid_from: &'static str,
    valid_to: Option<&'static str>,
    kind: Option<GridKind>,
    face: Face,
}

impl Found {
    fn new(code: String, name_en: String, name_zh: String, face: Face) -> Self {
        Self { code, name_en, name_zh, valid_from: FOUNDED, valid_to: None, kind: None, face }
    }

    fn city(face: Face) -> Self {
        Self::new("3206".into(), "Nantong (synthetic)".into(), "南通市（模拟）".into(), face)
    }
}

struct Town {
    code: String,
    name_en: &'static str,
    name_zh: &'static str,
    face: Face,
}

struct Grower {
    mesh: Mesh,
    seed: u64,
    found: Vec<Found>,
    redivided: Vec<Found>,
}

impl Grower {
    /// The outline with a roughened coast.
    fn outline(&mut self) -> Face {
        let mut ring = OUTLINE.to_vec();
        let mut dice = Dice::of(&[self.seed, 1]);
        for _ in 0..4 {
            let rough: Vec<_> = (0..ring.len())
                .flat_map(|i| {
                    let (a, b) = (ring[i], ring[(i + 1) % ring.len()]);
                    let by = dice.between(-0.07, 0.07);
                    let middle = (
                        f64::midpoint(a.0, b.0) - by * (b.1 - a.1),
                        f64::midpoint(a.1, b.1) + by * (b.0 - a.0),
                    );
                    [a, middle]
                })
                .collect();
            ring = rough;
        }
        ring.into_iter().map(|(lng, lat)| self.mesh.number(Point::of(lng, lat))).collect()
    }

    fn counties(&mut self, tree: &Tree, face: Face, path: u64) {
        match tree {
            Tree::Leaf(number) => {
                let county = &COUNTIES[*number];
                let (code, en, zh) = (county.code, county.name_en, county.name_zh);
                self.found.push(Found::new(code.into(), en.into(), zh.into(), face));
            }
            Tree::Cut(from, to, left, right) => {
                let mut dice = Dice::of(&[self.seed, 2, path]);
                let cut = self.mesh.cut(&face, Line::through(*from, *to), Some((0.09, &mut dice)));
                if let Some((one, two)) = cut {
                    self.counties(left, one, path * 2 + 1);
                    self.counties(right, two, path * 2 + 2);
                }
            }
        }
    }

    fn towns(&mut self) -> Vec<Town> {
        let mut towns = Vec::new();
        for county in COUNTIES {
            let face =
                self.found.iter().find(|f| f.code == county.code).map(|f| f.face.clone()).unwrap_or_default();
            let mut dice = Dice::of(&[self.seed, 3, number_of(county.code)]);
            let mut faces = self.parts(face, county.towns.len(), &mut dice, true);
            faces.sort_by(|a, b| self.remoteness(a, county).total_cmp(&self.remoteness(b, county)));
            for (face, (code, name_en, name_zh)) in faces.into_iter().zip(county.towns) {
                towns.push(Town { code: format!("{}{code}", county.code), name_en, name_zh, face });
            }
        }
        towns.sort_by(|a, b| a.code.cmp(&b.code));
        for town in &towns {
            let (code, en, zh) = (town.code.clone(), town.name_en.to_owned(), town.name_zh.to_owned());
            self.found.push(Found::new(code, en, zh, town.face.clone()));
        }
        towns
    }

    fn remoteness(&self, face: &[u32], county: &County) -> f64 {
        let (lng, lat) = centre(&self.mesh.ring(face));
        let (dx, dy) = ((lng - county.seat.0) * LNG_SHRINK, lat - county.seat.1);
        dx * dx + dy * dy
    }

    fn grids(&mut self, towns: Vec<Town>) {
        let weights: Vec<f64> = towns.iter().map(|t| self.weight(&t.face)).collect();
        for (town, grids) in towns.into_iter().zip(shares(&weights, GRIDS)) {
            let mut dice = Dice::of(&[self.seed, 4, number_of(&town.code)]);
            let communities = grids.div_ceil(GRIDS_PER_COMMUNITY);
            let mut faces = self.parts(town.face.clone(), communities, &mut dice, false);
            self.sort_west_to_east(&mut faces);
            let weights: Vec<f64> = faces.iter().map(|f| self.weight(f)).collect();
            for (i, (face, grids)) in faces.into_iter().zip(shares(&weights, grids)).enumerate() {
                self.community(&town, i + 1, face, grids, &mut dice);
            }
        }
    }

    fn community(&mut self, town: &Town, community: usize, face: Face, grids: usize, dice: &mut Dice) {
        let short = town.name_zh.trim_end_matches("街道").trim_end_matches('镇');
        let named = |sequence: usize, face: Face| {
            let code = format!("{}{community:03}{sequence:03}", town.code);
            let (en, zh) = (town.name_en, short);
            Found::new(
                code,
                format!("{en} {community}-{sequence}"),
                format!("{zh}{community}-{sequence}"),
                face,
            )
        };
        let mut faces = self.parts(face.clone(), grids, dice, false);
        self.sort_west_to_east(&mut faces);
        // A community that was one grid until it grew: its predecessor stays, ended, under a number of its own.
        let was_one = self.redivided.len() < REDIVIDED && dice.chance(0.03);
        if was_one {
            let ended = Found {
                valid_to: Some(REDIVIDED_ON),
                kind: Some(GridKind::Comprehensive),
                ..named(901, face)
            };
            self.redivided.push(ended);
        }
        for (i, face) in faces.into_iter().enumerate() {
            let valid_from = if was_one { REDIVIDED_ON } else { FOUNDED };
            self.found.push(Found { valid_from, kind: Some(GridKind::Comprehensive), ..named(i + 1, face) });
        }
    }

    /// West to east in bands from north to south, as the grid coding standard numbers them.
    fn sort_west_to_east(&self, faces: &mut [Face]) {
        let centres: Vec<_> = faces.iter().map(|f| centre(&self.mesh.ring(f))).collect();
        let north = centres.iter().map(|c| c.1).fold(f64::MIN, f64::max);
        let south = centres.iter().map(|c| c.1).fold(f64::MAX, f64::min);
        #[expect(clippy::cast_precision_loss, reason = "a handful of grids")]
        let bands = (faces.len() as f64).sqrt().ceil();
        let band = |lat: f64| ((north - lat) / (north - south).max(1e-9) * bands).min(bands - 1.0).floor();
        faces.sort_by_cached_key(|face| {
            let (lng, lat) = centre(&self.mesh.ring(face));
            #[expect(clippy::cast_possible_truncation, reason = "degrees in units fit")]
            let key = (band(lat) as i64, (lng * UNITS * 1000.0) as i64);
            key
        });
    }

    /// Cuts a face into `n` of about equal weight.
    fn parts(&mut self, face: Face, n: usize, dice: &mut Dice, bend: bool) -> Vec<Face> {
        if n < 2 {
            return vec![face];
        }
        let left = n / 2;
        #[expect(clippy::cast_precision_loss, reason = "at most 13,649")]
        let share = left as f64 / n as f64;
        let Some((one, two)) = self.split(&face, share, dice, bend) else {
            return vec![face];
        };
        let mut parts = self.parts(one, left, dice, bend);
        parts.extend(self.parts(two, n - left, dice, bend));
        parts
    }

    /// Cuts across the longest extent so that the left part has `share` of the weight.
    fn split(&mut self, face: &[u32], share: f64, dice: &mut Dice, bend: bool) -> Option<(Face, Face)> {
        let ring = self.mesh.ring(face);
        for direction in directions(&ring, dice) {
            let line = balanced(&ring, direction, share);
            let bent = bend.then_some((0.10, &mut *dice));
            if let Some(parts) = self.mesh.cut(face, line, bent) {
                return Some(parts);
            }
        }
        None
    }

    fn weight(&self, face: &[u32]) -> f64 {
        weight(&self.mesh.ring(face))
    }

    fn finish(mut self) -> City {
        self.found.sort_by(|a, b| (a.code.len(), &a.code).cmp(&(b.code.len(), &b.code)));
        let mut ranks: Vec<(u64, usize)> = self
            .found
            .iter()
            .enumerate()
            .filter(|(_, f)| f.kind.is_some())
            .map(|(i, f)| (Dice::of(&[self.seed, 5, number_of(&f.code)]).bits(), i))
            .collect();
        ranks.sort_unstable();
        for (_, i) in ranks.into_iter().take(DEDICATED) {
            self.found[i].kind = Some(GridKind::Dedicated);
        }
        let ended = std::mem::take(&mut self.redivided);
        let areas = self.found.iter().chain(&ended).filter_map(|f| self.area(f)).collect();
        City { areas }
    }

    fn area(&self, found: &Found) -> Option<Area> {
        let code: AreaCode = found.code.parse().ok()?;
        let above = match code.level() {
            AreaLevel::City => None,
            AreaLevel::County => Some(AreaLevel::City),
            AreaLevel::Town => Some(AreaLevel::County),
            AreaLevel::Grid => Some(AreaLevel::Town),
        };
        Some(Area {
            parent: above.and_then(|level| code.at(level)),
            code,
            name_en: found.name_en.clone(),
            name_zh: found.name_zh.clone(),
            valid_from: found.valid_from,
            valid_to: found.valid_to,
            kind: found.kind,
            ring: self.mesh.ring(&found.face),
        })
    }
}

fn number_of(code: &str) -> u64 {
    code.parse().unwrap_or_default()
}

/// How many people live around a place, the open country being 1.
pub fn density(lng: f64, lat: f64) -> f64 {
    COUNTIES.iter().fold(1.0, |sum, county| {
        let (dx, dy) = ((lng - county.seat.0) * LNG_SHRINK * 111.2, (lat - county.seat.1) * 111.2);
        let near = 1.0 + (dx * dx + dy * dy) / (county.reach_km * county.reach_km);
        sum + county.density / (near * near)
    })
}

fn weight(ring: &[Point]) -> f64 {
    let (lng, lat) = centre(ring);
    #[expect(clippy::cast_precision_loss, reason = "areas are far below 2⁵³")]
    let area = doubled_area(ring).max(0) as f64;
    area * KM_PER_UNIT * KM_PER_UNIT * 0.5 * LNG_SHRINK * density(lng, lat)
}

/// Cutting directions, the best first: across the longest extent, a little askew.
fn directions(ring: &[Point], dice: &mut Dice) -> Vec<(f64, f64)> {
    const FAN: [(f64, f64); 8] = [
        (1.0, 0.0),
        (0.924, 0.383),
        (0.707, 0.707),
        (0.383, 0.924),
        (0.0, 1.0),
        (-0.383, 0.924),
        (-0.707, 0.707),
        (-0.924, 0.383),
    ];
    let askew = dice.between(-0.18, 0.18);
    let mut fan: Vec<(f64, (f64, f64))> = FAN
        .iter()
        .map(|&(x, y)| {
            let (x, y) = (x - askew * y, y + askew * x);
            let along = |p: &Point| f64::from(p.x) * LNG_SHRINK * x + f64::from(p.y) * y;
            let (low, high) =
                ring.iter().map(along).fold((f64::MAX, f64::MIN), |(l, h), s| (l.min(s), h.max(s)));
            (high - low, (x * LNG_SHRINK, y))
        })
        .collect();
    fan.sort_by(|a, b| b.0.total_cmp(&a.0));
    fan.into_iter().map(|(_, direction)| direction).collect()
}

/// The line across `direction` that leaves `share` of the weight on its left (positive) side.
fn balanced(ring: &[Point], (nx, ny): (f64, f64), share: f64) -> Line {
    let along = |p: &Point| f64::from(p.x) * nx + f64::from(p.y) * ny;
    let (mut low, mut high) =
        ring.iter().map(along).fold((f64::MAX, f64::MIN), |(l, h), s| (l.min(s), h.max(s)));
    let mut line = Line { nx, ny, at: f64::midpoint(low, high) };
    for _ in 0..22 {
        line.at = f64::midpoint(low, high);
        let (left, right) = (clipped_weight(ring, line, 1.0), clipped_weight(ring, line, -1.0));
        if left > share * (left + right) { low = line.at } else { high = line.at }
    }
    line
}

/// The weight of the part of a ring on one side of a line (Sutherland and Hodgman).
fn clipped_weight(ring: &[Point], line: Line, sign: f64) -> f64 {
    let side = |p: &Point| sign * (f64::from(p.x) * line.nx + f64::from(p.y) * line.ny - line.at);
    let mut kept = Vec::with_capacity(ring.len() + 2);
    for (i, a) in ring.iter().enumerate() {
        let b = &ring[(i + 1) % ring.len()];
        let (side_a, side_b) = (side(a), side(b));
        if side_a >= 0.0 {
            kept.push(*a);
        }
        if (side_a >= 0.0) != (side_b >= 0.0) {
            let t = side_a / (side_a - side_b);
            let (x, y) =
                (f64::from(a.x) + t * f64::from(b.x - a.x), f64::from(a.y) + t * f64::from(b.y - a.y));
            kept.push(Point::of(x / UNITS, y / UNITS));
        }
    }
    weight(&kept)
}

/// `total` shared out by weight: everyone gets at least one, remainders go to the largest fractions.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small counts"
)]
fn shares(weights: &[f64], total: usize) -> Vec<usize> {
    let sum: f64 = weights.iter().sum();
    let spare = total.saturating_sub(weights.len()) as f64;
    let exact: Vec<f64> = weights.iter().map(|w| 1.0 + spare * w / sum.max(1e-12)).collect();
    let mut counts: Vec<usize> = exact.iter().map(|e| *e as usize).collect();
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.sort_by(|&a, &b| exact[b].fract().total_cmp(&exact[a].fract()).then(a.cmp(&b)));
    let missing = total.saturating_sub(counts.iter().sum());
    for &i in order.iter().cycle().take(missing) {
        counts[i] += 1;
    }
    counts
}
