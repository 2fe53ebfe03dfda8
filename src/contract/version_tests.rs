//! Versions: numbers, what they must say, rows of one in another; and that what is accepted stays accepted.

use std::collections::HashSet;

use arrow::array::{Array as _, AsArray as _, StringArray};
use arrow::datatypes::{Field, Float64Type, Schema};
use proptest::prelude::*;

use super::*;
use crate::contract::{Range, check, parse};

fn air(version: &str) -> Contract {
    let yaml =
        include_str!("testdata/air.odcs.yaml").replace("version: 1.0.0", &format!("version: {version}"));
    parse(&"environment.air".parse().unwrap(), &yaml).unwrap()
}

fn told(today: &Contract, earlier: &[&Contract]) -> Vec<String> {
    let (_, wrong) = with_earlier(today.clone(), earlier.iter().map(|it| (*it).clone()).collect());
    let file = |version: &Option<Version>| version.map_or("now".to_owned(), |version| version.to_string());
    wrong.iter().map(|(version, error)| format!("{} {}", file(version), error.message)).collect()
}

/// The air contract in another version, changed.
fn changed(version: &str, change: impl FnOnce(&mut Contract)) -> Contract {
    let mut contract = air(version);
    change(&mut contract);
    contract
}

fn text_batch(contract: &Contract, rows: &[Vec<Option<String>>]) -> RecordBatch {
    let fields: Vec<Field> =
        contract.columns.iter().map(|it| Field::new(&it.header, DataType::Utf8, true)).collect();
    let column = |index: usize| {
        let texts = rows.iter().map(|row| row.get(index).cloned().flatten());
        Arc::new(texts.collect::<StringArray>()) as ArrayRef
    };
    let columns = (0..contract.columns.len()).map(column).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

#[test]
fn a_version_is_three_numbers() {
    assert_eq!("1.20.3".parse(), Ok(Version { major: 1, minor: 20, patch: 3 }));
    assert!("1.9.0".parse::<Version>().unwrap() < "1.10.0".parse().unwrap());
    for text in
        ["", "1", "1.0", "1.0.0.0", "v1.0.0", "1.0.x", "1.-1.0", "+1.0.0", "01.0.0", "1..0", "9999999999.0.0"]
    {
        assert!(text.parse::<Version>().is_err(), "{text}");
    }
}

#[test]
fn a_number_says_what_changed() {
    let old = air("1.0.0");
    let looser =
        |it: &mut Contract| it.columns[3].range = Range { maximum: Some(2_000.0), ..it.columns[3].range };
    let tighter =
        |it: &mut Contract| it.columns[3].range = Range { maximum: Some(500.0), ..it.columns[3].range };
    let words = |it: &mut Contract| it.columns[3].description = Some("fine dust".into());
    assert_eq!(told(&changed("1.0.1", words), &[&old]), Vec::<String>::new());
    assert_eq!(told(&changed("1.1.0", looser), &[&old]), Vec::<String>::new());
    assert_eq!(told(&changed("2.0.0", tighter), &[&old]), Vec::<String>::new());
    let [compatible] = &told(&changed("1.0.1", looser), &[&old])[..] else { panic!("one error") };
    assert_eq!(
        compatible,
        "now 1.0.1 is no version for a compatible change of 1.0.0 (`pm25`: its largest value is looser): call it 1.1.0"
    );
    let [breaking] = &told(&changed("1.1.0", tighter), &[&old])[..] else { panic!("one error") };
    assert!(breaking.ends_with("(`pm25`: its largest value is tighter): call it 2.0.0"), "{breaking}");
    let [typed] = &told(&changed("2.0.0", |it| it.columns[3].data_type = DataType::Utf8), &[&old])[..] else {
        panic!()
    };
    assert!(typed.contains("`pm25` is Utf8 and was"), "{typed}");
    assert!(typed.contains("cityloomWas"), "{typed}");
    assert_eq!(
        told(&old, &[&air("1.0.0")]),
        ["1.0.0 version 1.0.0 is not earlier than 1.0.0, which is in force"]
    );
    let renamed = changed("2.0.0", |it| {
        it.columns[0].name = "id".into();
        it.columns[0].was = Some("station_id".into());
    });
    assert!(told(&renamed, &[&old])[0].contains("`station_id` is called `id` now, and is of the key"));
    let keyed = changed("2.0.0", |it| {
        it.columns[4].name = "state".into();
        it.key.push(4);
    });
    let retired = changed("1.0.0", |it| it.retired = true);
    assert!(told(&keyed, &[&old])[0].contains("the key's column `state` is not in version 1.0.0"));
    assert_eq!(told(&keyed, &[&retired]), Vec::<String>::new());
}

#[test]
fn rows_of_an_earlier_version_are_brought_to_todays_columns_through_every_version_between() {
    let measured = |it: &mut Contract| it.columns[3].unit = Some("ug/m3".into());
    let first = changed("1.0.0", measured);
    let second = changed("2.0.0", |it| {
        measured(it);
        it.columns[3].name = "dust".into();
        it.columns[3].was = Some("pm25".into());
    });
    let mut today = second.clone();
    today.version = "3.0.0".parse().unwrap();
    today.columns[3].name = "fine_dust".into();
    today.columns[3].was = Some("dust".into());
    today.columns[3].unit = Some("mg/m3".into());
    today.columns[3].data_type = DataType::Float64;
    today.columns.remove(4);
    let mut new = today.columns[0].clone();
    (new.name, new.header, new.required) = ("maker".into(), "maker".into(), false);
    today.columns.push(new);
    let (today, wrong) = with_earlier(today, vec![first, second]);
    assert_eq!(wrong, Vec::new());
    let earlier = &today.earlier[1];
    assert_eq!(
        (earlier.contract.version.to_string(), earlier.left_out()),
        ("1.0.0".into(), vec!["status".to_owned()])
    );
    let row =
        ["AQ-001", "2026-03-01T08:00:00Z", "32.0", "12.5", "ok"].map(|text| Some(text.to_owned())).to_vec();
    let checked = check(&earlier.contract, &text_batch(&earlier.contract, &[row]), &[]).unwrap();
    let rows = earlier.in_todays(&today, &checked.batch).unwrap();
    assert_eq!(rows.schema(), today.schema());
    assert_eq!(format!("{:?}", rows["fine_dust"].as_primitive::<Float64Type>().value(0)), "0.0125");
    assert!(rows["maker"].is_null(0));
}

/// A change of a contract, whatever it is.
#[derive(Debug, Clone)]
enum Op {
    Required(usize, bool),
    Unique(usize, bool),
    Range(usize, [Option<i8>; 4]),
    Length(Option<u8>, Option<u8>),
    Allowed(Option<HashSet<String>>),
    NoPattern,
    Add(bool),
    Remove(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let bound = || prop::option::of(-20..20_i8);
    let words = prop::collection::hash_set(prop::sample::select(vec!["ok", "off", "fault"]), 0..3);
    prop_oneof![
        (0..5_usize, any::<bool>()).prop_map(|(index, it)| Op::Required(index, it)),
        (0..5_usize, any::<bool>()).prop_map(|(index, it)| Op::Unique(index, it)),
        (2..4_usize, [bound(), bound(), bound(), bound()]).prop_map(|(index, ends)| Op::Range(index, ends)),
        (prop::option::of(0..8_u8), prop::option::of(0..8_u8))
            .prop_map(|(least, most)| Op::Length(least, most)),
        prop::option::of(words)
            .prop_map(|it| { Op::Allowed(it.map(|words| words.into_iter().map(str::to_owned).collect())) }),
        Just(Op::NoPattern),
        any::<bool>().prop_map(Op::Add),
        (2..5_usize).prop_map(Op::Remove),
    ]
}

fn apply(contract: &mut Contract, op: &Op) {
    let columns = &mut contract.columns;
    let many = columns.len();
    match op {
        Op::Required(index, it) => columns[*index % many].required = *it,
        Op::Unique(index, it) => columns[*index % many].unique = *it,
        Op::Range(index, [minimum, maximum, above, below]) => {
            if let Some(column) = columns.get_mut(*index).filter(|it| it.data_type.is_numeric()) {
                column.range = Range {
                    minimum: minimum.map(f64::from),
                    maximum: maximum.map(f64::from),
                    exclusive_minimum: above.map(f64::from),
                    exclusive_maximum: below.map(f64::from),
                };
            }
        }
        Op::Length(least, most) => columns[0].length = (least.map(usize::from), most.map(usize::from)),
        Op::Allowed(words) => {
            if let Some(column) = columns.iter_mut().find(|it| it.name == "status") {
                column.allowed = words.clone().map(Arc::new);
            }
        }
        Op::NoPattern => columns[0].pattern = None,
        Op::Add(required) => {
            let mut new = columns[0].clone();
            let name = format!("new{}", columns.len());
            (new.name, new.header, new.required, new.pattern) = (name.clone(), name, *required, None);
            new.length = (None, None);
            if columns.iter().all(|it| it.name != new.name) {
                columns.push(new);
            }
        }
        Op::Remove(index) if *index < columns.len() => {
            columns.remove(*index);
        }
        Op::Remove(_) => {}
    }
}

fn rows() -> impl Strategy<Value = Vec<Vec<Option<String>>>> {
    let text = |values: &'static [&'static str]| {
        prop::option::of(prop::sample::select(values).prop_map(str::to_owned))
    };
    let number =
        || prop::option::of(prop_oneof![(-25..25_i8).prop_map(|it| it.to_string()), Just("NaN".to_owned())]);
    let row = (
        text(&["AQ-001", "AQ-01", "x"]),
        text(&["2026-03-01T08:00:00Z"]),
        number(),
        number(),
        text(&["ok", "off", "fault", ""]),
    );
    prop::collection::vec(row.prop_map(|(id, ts, lat, pm25, status)| vec![id, ts, lat, pm25, status]), 1..12)
}

proptest! {
    #[test]
    fn what_is_accepted_stays_accepted_where_nothing_is_said_to_break(
        before in prop::collection::vec(op(), 0..4),
        after in prop::collection::vec(op(), 0..4),
        rows in rows(),
    ) {
        let mut old = air("1.0.0");
        before.iter().filter(|op| !matches!(op, Op::Remove(_) | Op::Add(_))).for_each(|op| apply(&mut old, op));
        let mut new = old.clone();
        new.version = "1.1.0".parse().unwrap();
        after.iter().for_each(|op| apply(&mut new, op));
        if changes(&old, &new).iter().any(|change| change.grade > Grade::Compatible) {
            return Ok(());
        }
        let was = check(&old, &text_batch(&old, &rows), &[]).unwrap();
        let is = check(&new, &text_batch(&new, &rows), &[]).unwrap();
        for row in is.rejects.keys() {
            prop_assert!(was.rejects.contains_key(row), "{row}: {:?}", is.rejects[row]);
        }
        // And a file of the old version lands under it, with the same values.
        let (new, wrong) = with_earlier(new, vec![old]);
        prop_assert!(wrong.is_empty(), "{wrong:?}");
        let brought = new.earlier[0].in_todays(&new, &was.batch).unwrap();
        for (column, field) in was.batch.columns().iter().zip(was.batch.schema().fields()) {
            prop_assert_eq!(column, &brought[field.name()]);
        }
    }
}
