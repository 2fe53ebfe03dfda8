//! The rules of raising, as sentences.

use proptest::prelude::*;

use super::*;
use crate::model::{Cell, LngLat, Micros, QueryName, Resolution, Severity};

fn row(key: &str, severity: Severity) -> Condition {
    Condition {
        query: "smog".parse().unwrap(),
        key: key.to_owned(),
        category: "air".to_owned(),
        severity,
        title_en: "Smog".to_owned(),
        title_zh: "雾霾".to_owned(),
        cell: None,
        place: None,
        area: None,
        detail: Detail::new(),
    }
}

fn with_detail(key: &str, pm: f64) -> Condition {
    Condition { detail: [("pm25".to_owned(), DetailValue::Number(pm))].into(), ..row(key, Severity::Minor) }
}

/// The desk in small: what is open, what is missing, the rule.
struct Town(OpenAlerts, Absences, Rule);

impl Town {
    fn new() -> Self {
        Self(OpenAlerts::default(), Absences::new(), Rule::PLAIN)
    }

    fn apply(&mut self, verdict: Verdict) -> Verdict {
        self.1.clone_from(&verdict.absences);
        self.0 = verdict.events.iter().fold(std::mem::take(&mut self.0), OpenAlerts::evolve);
        verdict
    }

    fn refresh(&mut self, second: i64, rows: Vec<Condition>) -> Verdict {
        self.refresh_of("smog", second, rows)
    }

    fn refresh_of(&mut self, query: &str, second: i64, rows: Vec<Condition>) -> Verdict {
        let now = Micros(second * 1_000_000);
        let refresh = Refresh { query: query.parse().unwrap(), rows, now, rule: self.2 };
        let verdict = raise(&self.0, &self.1, refresh);
        self.apply(verdict)
    }
}

fn words(verdict: &Verdict) -> Vec<(&str, &str)> {
    verdict.events.iter().map(|e| (e.kind().as_str(), e.alert().id.as_str())).collect()
}

#[test]
fn a_row_that_appears_is_raised_stays_silent_and_clears_when_it_goes() {
    let mut town = Town::new();
    assert_eq!(words(&town.refresh(0, vec![row("a", Severity::Minor)])), [("raised", "al-1")]);
    assert_eq!(words(&town.refresh(1, vec![row("a", Severity::Minor)])), []);
    let gone = town.refresh(2, vec![]);
    assert_eq!(words(&gone), [("cleared", "al-1")]);
    assert_eq!(gone.events[0].alert().cleared, Some(Micros(2_000_000)));
    assert!(town.0.is_empty());
}

#[test]
fn a_condition_that_returns_is_a_new_alert_even_in_the_same_instant() {
    let mut town = Town::new();
    town.refresh(0, vec![row("a", Severity::Minor)]);
    town.refresh(0, vec![]);
    assert_eq!(words(&town.refresh(0, vec![row("a", Severity::Minor)])), [("raised", "al-2")]);
}

#[test]
fn a_change_of_severity_is_told_at_once_and_of_detail_at_most_every_ten_seconds() {
    let mut town = Town::new();
    town.refresh(0, vec![with_detail("a", 1.0)]);
    assert_eq!(words(&town.refresh(9, vec![with_detail("a", 2.0)])), []);
    assert_eq!(words(&town.refresh(10, vec![with_detail("a", 2.0)])), [("updated", "al-1")]);
    let worse = Condition { severity: Severity::Severe, ..with_detail("a", 3.0) };
    assert_eq!(words(&town.refresh(11, vec![worse.clone()])), [("updated", "al-1")]);
    assert_eq!(
        town.0.iter().next().unwrap().condition,
        Condition { query: "smog".parse().unwrap(), ..worse }
    );
}

#[test]
fn a_value_that_is_no_number_is_null_and_never_differs_from_itself() {
    let mut town = Town::new();
    let first = town.refresh(0, vec![with_detail("a", f64::NAN)]);
    assert_eq!(first.events[0].alert().condition.detail["pm25"], DetailValue::Null);
    assert_eq!(words(&town.refresh(60, vec![with_detail("a", f64::NAN)])), []);
}

#[test]
fn a_condition_in_a_cell_stands_at_its_centre_and_off_the_globe_nowhere() {
    let cell: Cell = LngLat { lng: 120.86, lat: 32.01 }.cell(Resolution::Nine).unwrap();
    let placed = Condition { cell: Some(cell), ..row("a", Severity::Minor) }.bounded();
    assert_eq!(placed.place.unwrap().cell(Resolution::Nine), Some(cell));
    let off =
        Condition { place: Some(LngLat { lng: f64::NAN, lat: 0.0 }), ..row("a", Severity::Minor) }.bounded();
    assert_eq!(off.place, None);
}

#[test]
fn texts_and_detail_are_clipped_to_their_bounds() {
    let long = "长".repeat(5000);
    let mut wide = row(&long, Severity::Minor);
    wide.title_zh.clone_from(&long);
    wide.detail = (0..500).map(|i| (format!("c{i}"), DetailValue::Text(long.clone()))).collect();
    let bounded = wide.bounded();
    assert_eq!(
        (bounded.key.chars().count(), bounded.title_zh.chars().count(), bounded.detail.len()),
        (200, 400, 64)
    );
    assert!(bounded.detail.values().all(|v| matches!(v, DetailValue::Text(t) if t.chars().count() == 1000)));
}

#[test]
fn of_two_rows_with_one_key_the_first_wins_and_the_other_is_counted() {
    let verdict = Town::new().refresh(0, vec![row("a", Severity::Severe), row("a", Severity::Minor)]);
    assert_eq!((verdict.events.len(), verdict.duplicates), (1, 1));
    assert_eq!(verdict.events[0].alert().condition.severity, Severity::Severe);
}

#[test]
fn a_refresh_touches_only_its_own_query() {
    let mut town = Town::new();
    town.refresh(0, vec![row("a", Severity::Minor)]);
    assert_eq!(words(&town.refresh_of("flood", 1, vec![row("a", Severity::Minor)])), [("raised", "al-2")]);
    assert_eq!(words(&town.refresh_of("flood", 2, vec![])), [("cleared", "al-2")]);
    assert_eq!(town.0.len(), 1);
}

#[test]
fn what_flaps_for_fewer_refreshes_than_the_rule_says_stays_one_alert() {
    let mut town = Town::new();
    town.2.clear_after = ClearAfter::Refreshes(2);
    town.refresh(0, vec![row("a", Severity::Minor)]);
    assert_eq!(words(&town.refresh(1, vec![])), []);
    assert_eq!(words(&town.refresh(2, vec![row("a", Severity::Minor)])), []);
    assert_eq!(words(&town.refresh(3, vec![])), []);
    assert_eq!(words(&town.refresh(4, vec![])), [("cleared", "al-1")]);
    assert!(town.1.is_empty());
}

#[test]
fn what_is_missing_for_its_seconds_clears_without_a_further_refresh() {
    let mut town = Town::new();
    town.2.clear_after = ClearAfter::Seconds(30);
    town.refresh(0, vec![row("a", Severity::Minor)]);
    assert_eq!(words(&town.refresh(10, vec![])), []);
    let early = lapse(&town.0, &town.1, Micros(39_999_999));
    assert_eq!(words(&town.apply(early)), []);
    let over = lapse(&town.0, &town.1, Micros(40_000_000));
    assert_eq!(words(&town.apply(over)), [("cleared", "al-1")]);
    assert!(town.0.is_empty() && town.1.is_empty());
}

#[test]
fn a_query_that_goes_wild_raises_no_more_than_its_bound() {
    let mut town = Town::new();
    town.2.max_open = 3;
    let verdict = town.refresh(0, (0..10).map(|i| row(&i.to_string(), Severity::Minor)).collect());
    assert_eq!((verdict.events.len(), verdict.overflow), (3, 7));
    let again = town.refresh(1, (0..10).map(|i| row(&i.to_string(), Severity::Minor)).collect());
    assert_eq!((again.events.len(), again.overflow), (0, 7));
}

proptest! {
    /// Without hysteresis the open alerts of a query are exactly the keys of its last result, and an id
    /// never comes twice.
    #[test]
    fn what_is_open_is_what_the_last_result_says(results in prop::collection::vec((0..2usize, prop::collection::vec((0..6u8, 0..3u8), 0..8)), 0..20)) {
        let mut town = Town::new();
        let mut ids = std::collections::BTreeSet::new();
        for (second, (query, rows)) in results.into_iter().enumerate() {
            let query = ["smog", "flood"][query];
            let severities = [Severity::Extreme, Severity::Moderate, Severity::Minor];
            let rows: Vec<_> = rows.iter().map(|(k, s)| row(&k.to_string(), severities[usize::from(*s)])).collect();
            let keys: std::collections::BTreeSet<_> = rows.iter().map(|r| r.key.clone()).collect();
            let verdict = town.refresh_of(query, i64::try_from(second).unwrap(), rows);
            for event in verdict.events.iter().filter(|e| e.kind() == AlertKind::Raised) {
                prop_assert!(ids.insert(event.alert().id.clone()));
            }
            let name: QueryName = query.parse().unwrap();
            let open: std::collections::BTreeSet<_> = town.0.of_query(&name).map(|a| a.condition.key.clone()).collect();
            prop_assert_eq!(open, keys);
        }
    }
}
