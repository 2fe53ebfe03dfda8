//! Units of measure: which of them are one quantity, and how a value in one becomes a value in another.
//!
//! Written as UCUM writes them (`ug/m3`, `m/s`, `Cel`) or as people do (`mph`, `°F`, `ftUS`). There are crates of UCUM, but
//! contracts also say what UCUM does not know, and a bound such as 100 must stay 100 when it is converted: factors are
//! kept as exact ratios.

use std::collections::BTreeMap;

use crate::model::LONGEST_UNIT;

/// What is known: names, and what one of it is: `up / down` of the unit in the last place. A unit that is its own is a base.
/// The first name of some takes prefixes, such as `k`.
const KNOWN: &[(&[&str], bool, f64, f64, &str)] = &[
    // Length, area, volume.
    (&["m", "metre", "meter", "metres", "meters"], true, 1.0, 1.0, "m"),
    (&["in", "[in_i]", "inch", "inches"], false, 254.0, 10_000.0, "m"),
    (&["ft", "[ft_i]", "foot", "feet"], false, 3_048.0, 10_000.0, "m"),
    (&["yd", "[yd_i]", "yard", "yards"], false, 9_144.0, 10_000.0, "m"),
    (&["mi", "[mi_i]", "mile", "miles"], false, 1_609_344.0, 1_000.0, "m"),
    (&["ftUS", "[ft_us]"], false, 1_200.0, 3_937.0, "m"),
    (&["nmi", "[nmi_i]", "NM"], false, 1_852.0, 1.0, "m"),
    (&["ha", "har", "hectare"], false, 10_000.0, 1.0, "m2"),
    (&["acre", "acr"], false, 40_468_564_224.0, 10_000_000.0, "m2"),
    (&["L", "litre", "liter"], true, 1.0, 1_000.0, "m3"),
    (&["l"], true, 1.0, 1.0, "L"),
    (&["gal", "[gal_us]", "gallon"], false, 3_785_411_784.0, 1_000_000_000_000.0, "m3"),
    // Time, speed, frequency.
    (&["s", "sec", "second", "seconds"], true, 1.0, 1.0, "s"),
    (&["min", "minute", "minutes"], false, 60.0, 1.0, "s"),
    (&["h", "hr", "hour", "hours"], false, 3_600.0, 1.0, "s"),
    (&["d", "day", "days"], false, 86_400.0, 1.0, "s"),
    (&["wk", "week", "weeks"], false, 604_800.0, 1.0, "s"),
    (&["kn", "[kn_i]", "kt", "knot", "knots"], false, 1_852.0, 3_600.0, "m/s"),
    (&["mph"], false, 1.0, 1.0, "mi/h"),
    (&["kph", "kmh", "kmph"], false, 1.0, 1.0, "km/h"),
    (&["Hz"], true, 1.0, 1.0, "1/s"),
    // Mass, force, pressure, energy, power.
    (&["g", "gram", "grams"], true, 1.0, 1.0, "g"),
    (&["t", "tonne", "tonnes"], true, 1_000_000.0, 1.0, "g"),
    (&["lb", "[lb_av]", "lbs"], false, 45_359_237.0, 100_000.0, "g"),
    (&["N"], true, 1_000.0, 1.0, "g.m/s2"),
    (&["Pa"], true, 1.0, 1.0, "N/m2"),
    (&["bar"], true, 100_000.0, 1.0, "Pa"),
    (&["atm"], false, 101_325.0, 1.0, "Pa"),
    (&["psi", "[psi]"], false, 8_896_443_230_521.0, 1_290_320_000.0, "Pa"),
    (&["mmHg", "mm[Hg]"], false, 133_322_387_415.0, 1_000_000_000.0, "Pa"),
    (&["J"], true, 1.0, 1.0, "N.m"),
    (&["W"], true, 1.0, 1.0, "J/s"),
    (&["Wh"], true, 3_600.0, 1.0, "J"),
    (&["cal"], true, 4_184.0, 1_000.0, "J"),
    // Temperature; where zero lies is in `ZEROS`.
    (&["Cel", "°C", "℃", "degC", "celsius"], false, 1.0, 1.0, "Cel"),
    (&["degF", "[degF]", "°F", "℉", "fahrenheit"], false, 5.0, 9.0, "Cel"),
    (&["K", "kelvin"], false, 1.0, 1.0, "Cel"),
    // Electricity, light, amounts, radiation.
    (&["A"], true, 1.0, 1.0, "A"),
    (&["V"], true, 1.0, 1.0, "W/A"),
    (&["Ohm", "Ω"], true, 1.0, 1.0, "V/A"),
    (&["S"], true, 1.0, 1.0, "A/V"),
    (&["VA"], true, 1.0, 1.0, "VA"),
    (&["var"], true, 1.0, 1.0, "var"),
    (&["cd"], true, 1.0, 1.0, "cd"),
    (&["lm"], true, 1.0, 1.0, "lm"),
    (&["lx", "lux"], true, 1.0, 1.0, "lm/m2"),
    (&["mol"], true, 1.0, 1.0, "mol"),
    (&["Bq"], true, 1.0, 1.0, "Bq"),
    (&["Sv"], true, 1.0, 1.0, "Sv"),
    // Angles; a full turn has no exact ratio to a radian, and the nearest is good to the last digit.
    (&["deg", "°", "degree", "degrees"], false, 1.0, 1.0, "deg"),
    (&["rad"], true, 180.0, std::f64::consts::PI, "deg"),
    // Parts of a whole.
    (&["1"], false, 1.0, 1.0, "1"),
    (&["%", "percent", "pct"], false, 1.0, 100.0, "1"),
    (&["ppm", "[ppm]"], false, 1.0, 1_000_000.0, "1"),
    (&["ppb", "[ppb]"], false, 1.0, 1_000_000_000.0, "1"),
    // Data.
    (&["bit"], true, 1.0, 1.0, "bit"),
    (&["By", "byte", "bytes"], true, 8.0, 1.0, "bit"),
    // Scales of their own: nothing else is converted to them.
    (&["dB"], false, 1.0, 1.0, "dB"),
    (&["dB(A)", "dBA", "dB[A]"], false, 1.0, 1.0, "dB(A)"),
    (&["NTU", "[NTU]"], false, 1.0, 1.0, "NTU"),
    (&["FNU"], false, 1.0, 1.0, "FNU"),
    (&["[pH]", "pH"], false, 1.0, 1.0, "pH"),
];

/// What a thermometer shows at the zero of degrees Celsius.
const ZEROS: &[(&str, f64)] = &[("degF", 32.0), ("K", 273.15)];

/// Prefixes, `up / down`; longer ones first.
const PREFIXES: &[(&str, f64, f64)] = &[
    ("da", 10.0, 1.0),
    ("T", 1e12, 1.0),
    ("G", 1e9, 1.0),
    ("M", 1e6, 1.0),
    ("k", 1e3, 1.0),
    ("h", 1e2, 1.0),
    ("d", 1.0, 10.0),
    ("c", 1.0, 1e2),
    ("m", 1.0, 1e3),
    ("u", 1.0, 1e6),
    ("n", 1.0, 1e9),
    ("p", 1.0, 1e12),
];

/// A unit that is known: `up / down` of its bases, counted from `zero`.
#[derive(Debug, Clone, PartialEq)]
struct Unit {
    bases: BTreeMap<String, i32>,
    up: f64,
    down: f64,
    zero: f64,
}

impl Unit {
    /// Of no quantity, counted by ones.
    const fn one() -> Self {
        Self { bases: BTreeMap::new(), up: 1.0, down: 1.0, zero: 0.0 }
    }
}

/// How a value in one unit becomes a value in another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conversion {
    from_zero: f64,
    up: f64,
    down: f64,
    to_zero: f64,
}

/// Why there is no conversion.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// No unit that is known.
    #[error("the unit `{unit}` is not known{hint}")]
    Unknown {
        /// What was said.
        unit: String,
        /// What was probably meant, or the empty text.
        hint: String,
    },
    /// There is no such column.
    #[error("the contract has no such column")]
    NoColumn,
    /// The contract says none.
    #[error("the file says `{from}`, and the contract says no unit")]
    Unstated {
        /// What is there.
        from: String,
    },
    /// Units of different quantities.
    #[error("`{from}` cannot become `{to}`: they measure different things")]
    Mismatch {
        /// What is there.
        from: String,
        /// What is wanted.
        to: String,
    },
}

impl Conversion {
    /// From one unit to another; none where values stay as they are.
    ///
    /// # Errors
    /// Where one is not known, or they measure different things.
    pub fn between(from: &str, to: &str) -> Result<Option<Self>, UnitError> {
        let (one, other) = (parse(from)?, parse(to)?);
        if one.bases != other.bases {
            return Err(UnitError::Mismatch { from: from.to_owned(), to: to.to_owned() });
        }
        let (up, down) = lowest(one.up * other.down, one.down * other.up);
        let conversion = Self { from_zero: one.zero, up, down, to_zero: other.zero };
        let nothing = Self { up: conversion.down, to_zero: conversion.from_zero, ..conversion };
        Ok(Some(conversion).filter(|it| *it != nothing))
    }

    /// The value in the other unit.
    pub fn of(&self, value: f64) -> f64 {
        (value - self.from_zero) * self.up / self.down + self.to_zero
    }
}

/// Whether a unit is known.
///
/// # Errors
/// [`UnitError::Unknown`] with the unit that was probably meant.
pub fn known(unit: &str) -> Result<(), UnitError> {
    parse(unit).map(|_| ())
}

/// The same ratio in the smallest whole numbers, so that nothing is lost to rounding that need not be.
fn lowest(up: f64, down: f64) -> (f64, f64) {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let whole = |number: f64| number.fract() == 0.0 && (1.0..=EXACT).contains(&number);
    if !whole(up) || !whole(down) {
        return (up, down);
    }
    let (mut larger, mut smaller) = (up, down);
    while smaller != 0.0 {
        (larger, smaller) = (smaller, larger % smaller);
    }
    (up / larger, down / larger)
}

fn parse(text: &str) -> Result<Unit, UnitError> {
    let said = || UnitError::Unknown { unit: text.chars().take(LONGEST_UNIT).collect(), hint: String::new() };
    if text.len() > LONGEST_UNIT {
        return Err(said());
    }
    if let Some(unit) = atom(text.trim()) {
        return Ok(unit);
    }
    let plain = plain(text.trim());
    let terms = terms(&plain).ok_or_else(said)?;
    let mut product = Unit::one();
    for (term, inverse) in &terms {
        match power(term) {
            Some(unit) => product = times(product, &unit, if *inverse { -1 } else { 1 }),
            None => return Err(UnitError::Unknown { unit: text.to_owned(), hint: hint(&plain, term) }),
        }
    }
    // Powers upon powers have no ratio: values would become no number.
    if !(product.up.is_normal() && product.down.is_normal()) {
        return Err(said());
    }
    // Alone a temperature is a point of a scale, beside others it is a difference.
    if let [(term, false)] = terms.as_slice() {
        product.zero = zero(term);
    }
    Ok(product)
}

/// Letters of print as those of the keyboard.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '²' => plain.push('2'),
            '³' => plain.push('3'),
            '¹' => plain.push('1'),
            '⁻' => plain.push('-'),
            'µ' | 'μ' => plain.push('u'),
            '·' | '⋅' | '*' => plain.push('.'),
            '^' => {}
            other => plain.push(other),
        }
    }
    plain
}

/// The terms of a product, and whether each divides it; what stands in braces is left together.
fn terms(text: &str) -> Option<Vec<(String, bool)>> {
    let mut terms = Vec::new();
    let (mut term, mut inverse, mut within) = (String::new(), false, false);
    for letter in text.chars() {
        match letter {
            '/' | '.' if !within => {
                // UCUM writes `/m3` for one of something in each cubic metre.
                if !term.is_empty() || (terms.is_empty() && letter == '/') {
                    let first = if term.is_empty() { "1".to_owned() } else { std::mem::take(&mut term) };
                    terms.push((first, inverse));
                } else {
                    return None;
                }
                inverse = letter == '/';
            }
            _ => {
                within = letter == '{' || (within && letter != '}');
                term.push(letter);
            }
        }
    }
    if term.is_empty() || within {
        return None;
    }
    terms.push((term, inverse));
    Some(terms)
}

/// A term: a unit, its exponent, and in braces what is counted.
fn power(term: &str) -> Option<Unit> {
    if let Some(unit) = atom(term) {
        return Some(unit);
    }
    if let Some(start) = term.find('{') {
        let (before, counted) = term.split_at(start);
        let within = counted.strip_prefix('{')?.strip_suffix('}')?;
        if within.is_empty() || within.contains(['{', '}']) {
            return None;
        }
        let counted = BTreeMap::from([(counted.to_owned(), 1)]);
        let counted = Unit { bases: counted, ..Unit::one() };
        return if before.is_empty() { Some(counted) } else { Some(times(counted, &power(before)?, 1)) };
    }
    let (symbol, digit) = term.split_at_checked(term.len().checked_sub(1)?)?;
    let exponent = Some(i32::from(digit.parse::<u8>().ok()?)).filter(|exponent| *exponent > 0)?;
    let (symbol, exponent) = match symbol.strip_suffix('-') {
        Some(symbol) => (symbol, -exponent),
        None => (symbol, exponent),
    };
    Some(times(Unit::one(), &atom(symbol)?, exponent))
}

/// A unit that has a name, with a prefix or without.
fn atom(symbol: &str) -> Option<Unit> {
    if let Some(found) = named(symbol) {
        return made(found, 1.0, 1.0);
    }
    let symbol = plain(symbol);
    PREFIXES.iter().find_map(|(prefix, up, down)| {
        let metric = symbol.strip_prefix(prefix)?;
        let found = KNOWN.iter().find(|(names, metrical, ..)| *metrical && names.first() == Some(&metric))?;
        made(found, *up, *down)
    })
}

type Entry = (&'static [&'static str], bool, f64, f64, &'static str);

fn named(symbol: &str) -> Option<&'static Entry> {
    KNOWN.iter().find(|(names, ..)| names.contains(&symbol))
}

fn made((names, _, up, down, of): &Entry, more: f64, less: f64) -> Option<Unit> {
    let base = match *of {
        "1" => BTreeMap::new(),
        of if names.contains(&of) => BTreeMap::from([(of.to_owned(), 1)]),
        of => {
            let unit = parse(of).ok()?;
            let own = Unit { up: up * more, down: down * less, ..Unit::one() };
            return Some(Unit { zero: zero_of(names), ..times(own, &unit, 1) });
        }
    };
    let (up, down) = lowest(up * more, down * less);
    Some(Unit { bases: base, up, down, zero: zero_of(names) })
}

fn zero_of(names: &[&str]) -> f64 {
    ZEROS.iter().find(|(name, _)| names.contains(name)).map_or(0.0, |(_, zero)| *zero)
}

fn zero(term: &str) -> f64 {
    named(term).map_or(0.0, |(names, ..)| zero_of(names))
}

/// A product of units; as a factor a scale counts by its degrees.
fn times(mut unit: Unit, other: &Unit, exponent: i32) -> Unit {
    for (base, power) in &other.bases {
        let sum = unit.bases.entry(base.clone()).or_insert(0);
        *sum += power * exponent;
    }
    unit.bases.retain(|_, power| *power != 0);
    let (up, down) = if exponent < 0 { (other.down, other.up) } else { (other.up, other.down) };
    let times = exponent.abs();
    (unit.up, unit.down) = lowest(unit.up * up.powi(times), unit.down * down.powi(times));
    unit.zero = 0.0;
    unit
}

/// The whole text with the nearest known name in the place of the one that is not.
fn hint(text: &str, term: &str) -> String {
    let symbol = term.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '-');
    let prefixed = KNOWN.iter().filter(|(_, metrical, ..)| *metrical).flat_map(|(names, ..)| {
        PREFIXES.iter().filter_map(|(prefix, ..)| Some(format!("{prefix}{}", names.first()?)))
    });
    let names: Vec<String> =
        KNOWN.iter().flat_map(|(names, ..)| names.iter().map(ToString::to_string)).chain(prefixed).collect();
    let lower = symbol.to_lowercase();
    let same = names.iter().find(|name| name.to_lowercase() == lower).map(String::as_str);
    // Of names that are equally near the shortest: `hh` is meant to be `h` rather than `Wh`.
    let near =
        names.iter().map(|name| (strsim::damerau_levenshtein(symbol, name), name.len(), name.as_str()));
    let near = near.filter(|(distance, length, _)| *distance <= 1 + length / 4).min();
    match same.or_else(|| near.map(|(.., name)| name)) {
        Some(meant) if !symbol.is_empty() => {
            format!("; did you mean `{}`?", text.replacen(symbol, meant, 1))
        }
        _ => "; what is counted stands in braces, as in `{veh}/h`".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn converted(value: f64, from: &str, to: &str) -> f64 {
        Conversion::between(from, to).unwrap().map_or(value, |conversion| conversion.of(value))
    }

    #[test]
    fn every_entry_is_made_of_others() {
        for (names, ..) in KNOWN {
            for name in *names {
                assert!(known(name).is_ok(), "{name}");
            }
        }
    }

    #[test]
    fn values_become_values_of_the_other_unit_exactly_where_they_can() {
        for (value, from, to, expected) in [
            (30.0, "mi/h", "km/h", 48.280_32),
            (30.0, "mph", "km/h", 48.280_32),
            (36.0, "km/h", "m/s", 10.0),
            (1.0, "kn", "km/h", 1.852),
            (212.0, "degF", "Cel", 100.0),
            (100.0, "°C", "°F", 212.0),
            (-40.0, "[degF]", "Cel", -40.0),
            (300.0, "cm", "m", 3.0),
            (3_937.0, "ftUS", "m", 1_200.0),
            (1.0, "in/h", "mm/h", 25.4),
            (35.0, "µg/m³", "mg/m3", 0.035),
            (5.0, "mg/L", "g/m3", 5.0),
            (1_013.25, "hPa", "kPa", 101.325),
            (2.0, "kWh", "MJ", 7.2),
            (12.5, "%", "1", 0.125),
            (1.0, "m3/s", "L/s", 1_000.0),
            (10.0, "m.s-1", "km/h", 36.0),
            (60.0, "/min", "Hz", 1.0),
            (90.0, "{veh}/min", "{veh}/h", 5_400.0),
            (1.0, "kBy", "kbit", 8.0),
            (9.0, "degF/h", "K/h", 5.0),
        ] {
            let found = converted(value, from, to);
            assert!(found.total_cmp(&expected).is_eq(), "{value} {from} is {found} {to}");
        }
        assert_eq!(Conversion::between("kph", "km/h"), Ok(None));
    }

    #[test]
    fn what_is_not_known_or_not_the_same_is_told() {
        for (unit, told) in [
            ("km/hh", "the unit `km/hh` is not known; did you mean `km/h`?"),
            ("ftus", "the unit `ftus` is not known; did you mean `ftUS`?"),
            ("KM/h", "the unit `KM/h` is not known; did you mean `km/h`?"),
            (
                "vehicles",
                "the unit `vehicles` is not known; what is counted stands in braces, as in `{veh}/h`",
            ),
        ] {
            assert_eq!(known(unit).unwrap_err().to_string(), told);
        }
        for unit in ["", "/", "m/", "m//s", "m..s", "{", "{}", "{veh", "m{a}{b}", "{a{b}}", "m0", "2", "m/-1"]
        {
            assert!(known(unit).is_err(), "{unit}");
        }
        assert!(known(&"m.".repeat(1_000)).is_err());
        assert!(known("km/h.Tm9.Tm9.Tm9/Tm9/Tm9/Tm9").is_err(), "it has no ratio that is a number");
        for (from, to) in
            [("km", "km/h"), ("dB", "dB(A)"), ("NTU", "mg/L"), ("{veh}/h", "{person}/h"), ("ppm", "mg/L")]
        {
            assert!(matches!(Conversion::between(from, to), Err(UnitError::Mismatch { .. })), "{from} {to}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "[\\PC{}/.0-9a-zA-Z\\[\\]°²³µ-]{0,24}") {
            let _ = known(&text);
        }

        #[test]
        fn there_and_back_is_where_it_began(
            value in -1e9..1e9_f64,
            units in prop::sample::select(vec![
                ("mi/h", "m/s"), ("degF", "K"), ("ftUS", "km"), ("psi", "hPa"), ("gal/min", "L/s"), ("acre", "ha"),
            ]),
        ) {
            let back = converted(converted(value, units.0, units.1), units.1, units.0);
            prop_assert!((back - value).abs() <= 1e-9 * value.abs().max(1.0));
        }
    }
}
