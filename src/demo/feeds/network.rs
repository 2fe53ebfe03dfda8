//! Everything that stands and reports: the demo city's stations, fixed by the seed.

use crate::demo::dice::Dice;
use crate::demo::ground::{Ground, around, km_between};
use crate::model::{LngLat, Resolution};

/// One station.
#[derive(Debug, Clone)]
pub struct Site {
    /// As the contract's pattern asks.
    pub id: String,
    /// Where it stands.
    pub place: LngLat,
    /// What is peculiar to it, 0 to 1.
    pub trait_of_own: f64,
}

/// Stations of one kind, each reporting every so many seconds.
#[derive(Debug, Clone)]
pub struct Network {
    /// In the order of their ids.
    pub sites: Vec<Site>,
    period: i64,
    key: u64,
}

impl Network {
    /// `size` stations where at least `density` people are around.
    fn new(
        seed: u64,
        prefix: &str,
        width: usize,
        size: usize,
        period: i64,
        density: f64,
        ground: &Ground,
    ) -> Self {
        let key = prefix.bytes().fold(31, |key: u64, byte| key * 257 + u64::from(byte));
        let mut dice = Dice::of(&[seed, key]);
        let sites = (1..=size)
            .filter_map(|number| {
                let spot = ground.dense(density, &mut dice)?;
                let place = around(spot.place, 0.06, &mut dice);
                Some(Site { id: format!("{prefix}-{number:0width$}"), place, trait_of_own: dice.unit() })
            })
            .collect();
        Self { sites, period, key }
    }

    /// The place of a station by chance; none of an empty network.
    pub fn any(&self, dice: &mut Dice) -> Option<LngLat> {
        dice.pick(&self.sites).map(|site| site.place)
    }

    /// Those whose turn it is in this second, each with dice of its own for it.
    pub fn due(&self, seed: u64, second: i64) -> impl Iterator<Item = (&Site, Dice)> {
        let turn = usize::try_from(second.rem_euclid(self.period)).unwrap_or_default();
        let step = usize::try_from(self.period).unwrap_or(1);
        let dice = Dice::of(&[seed, self.key, second.unsigned_abs()]);
        let mut number = 0;
        self.sites.iter().skip(turn).step_by(step).map(move |site| {
            number += 1;
            let mut of_second = dice.clone();
            (site, Dice::of(&[of_second.bits(), number]))
        })
    }
}

/// A cell in which phones are counted.
#[derive(Debug, Clone)]
pub struct PhoneCell {
    /// Hexadecimal.
    pub id: String,
    /// Its centre, roughly.
    pub place: LngLat,
    /// Who is there on an ordinary day.
    pub people: f64,
}

/// Every network of the city.
#[derive(Debug, Clone)]
pub struct Networks {
    pub signals: Network,
    pub parking: Network,
    pub air: Network,
    pub water_quality: Network,
    pub noise: Network,
    pub weather: Network,
    pub construction: Network,
    pub gas: Network,
    pub premises: Network,
    pub crowds: Network,
    pub elevators: Network,
    pub manholes: Network,
    pub gauges: Network,
    pub phones: Vec<PhoneCell>,
}

impl Networks {
    /// The networks of this seed on this ground.
    pub fn new(seed: u64, ground: &Ground) -> Self {
        let network = |prefix: &str, width, size, period, density| {
            Network::new(seed, prefix, width, size, period, density, ground)
        };
        Self {
            signals: network("TL", 4, 420, 20, 7.0),
            parking: network("PK", 3, 140, 60, 9.0),
            air: network("AQ", 3, 180, 60, 0.0),
            water_quality: network("WQ", 3, 90, 120, 0.0),
            noise: network("NS", 3, 180, 60, 6.0),
            weather: network("WX", 3, 70, 60, 0.0),
            construction: network("CS", 3, 110, 30, 3.0),
            gas: network("GS", 4, 640, 30, 5.0),
            premises: network("HP", 3, 80, 15, 0.0),
            crowds: network("TP", 3, 70, 15, 8.0),
            elevators: network("EL", 5, 900, 60, 9.0),
            manholes: network("MH", 4, 760, 60, 7.0),
            gauges: network("RL", 3, 60, 60, 0.0),
            phones: phones(ground),
        }
    }

    /// The place of a manhole that has at least three others within a kilometre and a half.
    pub fn crowded_manhole(&self, dice: &mut Dice) -> Option<LngLat> {
        let mut last = None;
        for _ in 0..50 {
            let place = self.manholes.any(dice)?;
            let others = self.manholes.sites.iter().filter(|s| km_between(s.place, place) < 1.2).count();
            last = Some(place);
            if others >= 5 {
                break;
            }
        }
        last
    }
}

/// The cells of the denser grids, each once, with the people of all its grids.
fn phones(ground: &Ground) -> Vec<PhoneCell> {
    let mut cells: std::collections::BTreeMap<String, PhoneCell> = std::collections::BTreeMap::new();
    for spot in ground.spots.iter().filter(|s| s.density > 1.6) {
        let Some(cell) = spot.place.cell(Resolution::Eight) else {
            continue;
        };
        let id = cell.to_string();
        let known = cells.entry(id.clone()).or_insert(PhoneCell { id, place: spot.place, people: 0.0 });
        known.people += 560.0;
    }
    cells.into_values().collect()
}
