//! A screen of twenty lines that decodes what the encoders write, and random histories that it must survive.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Float32Array, Int64Array, RecordBatch, StringArray,
};
use proptest::prelude::*;

use super::*;
use crate::model::{LngLat, Micros, Resolution};

type Picture = BTreeMap<u64, Vec<Option<f64>>>;

fn schema() -> LayerSchema {
    let column = |name: &str, kind| LayerColumn { name: name.into(), kind, unit: None };
    LayerSchema::new(vec![
        column("risk", ColumnKind::Q16 { scale: 0.01, offset: -10.0 }),
        column("level", ColumnKind::U8),
        column("pm25", ColumnKind::F32),
    ])
    .unwrap()
}

fn picture(state: &LayerState) -> Picture {
    let rows = state.snapshot();
    let value = |value: f64| (!value.is_nan()).then_some(value);
    let row = |at: usize| rows.columns().iter().map(|column| value(column[at])).collect();
    rows.cells().iter().enumerate().map(|(at, cell)| (*cell, row(at))).collect()
}

/// What a screen does with the frames.
#[derive(Default, Clone)]
struct Screen {
    cells: Vec<u64>,
    raw: Vec<Vec<u32>>,
    held: u64,
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

impl Screen {
    fn take(&mut self, frame: &[u8]) {
        assert_eq!((frame[0], frame[1], frame[7]), (0xC7, 1, 1));
        let rows = number(&frame[12..16]) as usize;
        let (from, seq) = (number(&frame[16..24]), number(&frame[24..32]));
        let mut body = frame[40..].iter().copied();
        let mut bytes = |n: usize| number(&body.by_ref().take(n).collect::<Vec<_>>());
        let widths = [2, 1, 4];
        match frame[2] {
            1 => {
                self.cells.truncate(from as usize);
                self.cells.extend((0..rows).map(|_| bytes(8)));
            }
            2 => {
                self.raw = widths.iter().map(|n| (0..rows).map(|_| bytes(*n) as u32).collect()).collect();
                self.held = seq;
            }
            3 | 4 => {
                assert_eq!(from, self.held, "a delta for another sequence");
                assert_eq!(frame[2] == 4, seq - from > 1);
                let mut at = 0;
                let mut ordinals = Vec::new();
                for _ in 0..rows {
                    let (mut gap, mut shift) = (0, 0);
                    loop {
                        let byte = bytes(1);
                        gap |= (byte & 0x7f) << shift;
                        shift += 7;
                        if byte < 0x80 {
                            break;
                        }
                    }
                    at += gap as usize;
                    ordinals.push(at);
                }
                self.raw.resize(3, Vec::new());
                for (column, n) in self.raw.iter_mut().zip(widths) {
                    let null =
                        [0xffff, 0xff, f32::NAN.to_bits()][[2, 1, 4].iter().position(|w| *w == n).unwrap()];
                    column.resize(self.cells.len(), null);
                    ordinals.iter().for_each(|ordinal| column[*ordinal] = bytes(n) as u32);
                }
                self.held = seq;
            }
            other => panic!("kind {other}"),
        }
        assert_eq!(body.next(), None, "bytes after the body");
    }

    fn picture(&self) -> Picture {
        let columns = schema();
        let value = |at: usize| -> Vec<Option<f64>> {
            let pairs = columns.columns().iter().zip(&self.raw);
            pairs.map(|(column, raw)| raw.get(at).and_then(|raw| column.kind.value(*raw))).collect()
        };
        let all = self.cells.iter().enumerate().map(|(at, cell)| (*cell, value(at)));
        all.filter(|(_, values)| values.iter().any(Option::is_some)).collect()
    }

    fn catch_up(&mut self, state: &LayerState) {
        let delta = state.delta_since(self.held).unwrap();
        if delta.known_cells < state.cells().len() {
            self.take(&binary::cells(state, 3, delta.known_cells, delta.from));
        }
        self.take(&binary::delta(state, 3, &delta));
    }
}

fn json_take(held: &mut Picture, text: &str) {
    let frame: serde_json::Value = serde_json::from_str(text).unwrap();
    if frame["kind"] == "snapshot" {
        held.clear();
    }
    for row in frame["cells"].as_array().unwrap() {
        let cell = u64::from_str_radix(row[0].as_str().unwrap(), 16).unwrap();
        match row.as_array().unwrap().len() {
            1 => drop(held.remove(&cell)),
            _ => drop(held.insert(cell, (1..4).map(|at| row[at].as_f64()).collect())),
        }
    }
}

fn assert_same(json: &Picture, exact: &Picture) {
    assert_eq!(json.keys().collect::<Vec<_>>(), exact.keys().collect::<Vec<_>>());
    for (cell, values) in exact {
        for (left, right) in json[cell].iter().zip(values) {
            match (left, right) {
                (Some(left), Some(right)) => {
                    assert!((left - right).abs() <= 1e-6 * right.abs().max(1.0), "{left} {right}");
                }
                other => assert_eq!(other.0, other.1),
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Full(Vec<(u64, [f64; 3])>),
    Some(Vec<(u64, [f64; 3])>, Vec<u64>),
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![2 => Just(f64::NAN), 6 => (0..40i32).prop_map(|n| f64::from(n) / 4.0), 1 => any::<f64>()]
}

fn step() -> impl Strategy<Value = Step> {
    let rows = || prop::collection::vec((0..40u64, [value(), value(), value()]), 0..30);
    let some = (rows(), prop::collection::vec(0..40u64, 0..8));
    prop_oneof![rows().prop_map(Step::Full), some.prop_map(|(rows, gone)| Step::Some(rows, gone))]
}

fn rows(list: &[(u64, [f64; 3])]) -> LayerRows {
    let columns = (0..3).map(|at| list.iter().map(|(_, values)| values[at]).collect()).collect();
    LayerRows::new(list.iter().map(|(cell, _)| *cell).collect(), columns).unwrap()
}

fn perform(state: &mut LayerState, step: &Step, at: i64) -> Tick {
    match step {
        Step::Full(list) => state.apply(&rows(list), Micros(at)).unwrap(),
        Step::Some(list, gone) => state.apply_changes(&rows(list), gone, Micros(at)).unwrap(),
    }
}

/// The plain meaning of a step, without sequences.
fn model(picture: &mut Picture, step: &Step) {
    let columns = schema();
    let quantised = |values: &[f64; 3]| -> Vec<Option<f64>> {
        columns.columns().iter().zip(values).map(|(c, v)| c.kind.value(c.kind.raw(*v))).collect()
    };
    let list = match step {
        Step::Full(list) => {
            picture.clear();
            list
        }
        Step::Some(list, gone) => {
            picture.retain(|cell, _| !gone.contains(cell));
            list
        }
    };
    for (cell, values) in list {
        picture.insert(*cell, quantised(values));
    }
    picture.retain(|_, values| values.iter().any(Option::is_some));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_screen_that_applies_every_tick_and_one_that_resumes_anywhere_show_the_state(
        steps in prop::collection::vec(step(), 1..25),
    ) {
        let mut state = LayerState::new(schema(), 7);
        let (mut screen, mut json, mut plain) = (Screen::default(), Picture::new(), Picture::new());
        let mut left_behind = vec![(screen.clone(), json.clone())];
        for (at, step) in steps.iter().enumerate() {
            let before = (state.seq(), picture(&state));
            let tick = perform(&mut state, step, at as i64);
            model(&mut plain, step);
            prop_assert_eq!(&picture(&state), &plain);
            prop_assert_eq!(state.live(), plain.len());
            prop_assert_eq!(tick.changed == 0, before.1 == plain);
            prop_assert_eq!(tick.seq, before.0 + u64::from(tick.changed > 0));
            let delta = state.delta_since(screen.held).unwrap();
            json_take(&mut json, &json::delta(&state, &"map".parse().unwrap(), &delta));
            screen.catch_up(&state);
            prop_assert_eq!(&screen.picture(), &plain);
            assert_same(&json, &plain);
            left_behind.push((screen.clone(), json.clone()));
        }
        for (mut screen, mut json) in left_behind {
            let delta = state.delta_since(screen.held).unwrap();
            json_take(&mut json, &json::delta(&state, &"map".parse().unwrap(), &delta));
            assert_same(&json, &plain);
            screen.catch_up(&state);
            prop_assert_eq!(&screen.picture(), &plain);
        }
        let mut fresh = Screen::default();
        fresh.take(&binary::cells(&state, 3, 0, 0));
        fresh.take(&binary::snapshot(&state, 3));
        prop_assert_eq!(&fresh.picture(), &plain);
        let mut json = Picture::from([(99, vec![])]);
        json_take(&mut json, &json::snapshot(&state, &"map".parse().unwrap()));
        assert_same(&json, &plain);
    }

    #[test]
    fn quantising_twice_is_quantising_once(value in any::<f64>()) {
        for column in schema().columns() {
            let raw = column.kind.raw(value);
            let again = column.kind.value(raw).map_or(column.kind.null(), |value| column.kind.raw(value));
            prop_assert_eq!(raw, again);
        }
    }

    #[test]
    fn a_compacted_table_shows_the_same_in_another_epoch(steps in prop::collection::vec(step(), 1..25)) {
        let mut state = LayerState::new(schema(), u32::MAX).compacting_above(5);
        let mut plain = Picture::new();
        for step in &steps {
            let before = (state.epoch(), state.cells().to_vec());
            let tick = perform(&mut state, step, 0);
            model(&mut plain, step);
            prop_assert_eq!(&picture(&state), &plain);
            prop_assert_eq!(tick.epoch, state.epoch());
            if tick.epoch == before.0 {
                prop_assert!(state.cells().starts_with(&before.1), "the table of an epoch only grows");
            } else {
                prop_assert_eq!(state.cells().len(), plain.len());
            }
        }
    }
}

#[test]
fn a_delta_of_three_cells_is_the_bytes_that_the_protocol_shows() {
    let column = |name: &str, kind| LayerColumn { name: name.into(), kind, unit: None };
    let kinds = [("risk", ColumnKind::Q16 { scale: 0.01, offset: 0.0 }), ("level", ColumnKind::U8)];
    let schema = LayerSchema::new(kinds.map(|(name, kind)| column(name, kind)).into()).unwrap();
    let mut state = LayerState::new(schema, 0x5a17_c0de);
    let many = LayerRows::new((0..500).collect(), vec![vec![1.0; 500], vec![0.0; 500]]).unwrap();
    state.apply(&many, Micros(1)).unwrap();
    let three =
        LayerRows::new(vec![17, 18, 402], vec![vec![52.31, 71.05, 88.9], vec![1.0, 2.0, 3.0]]).unwrap();
    state.apply_changes(&three, &[], Micros(1_795_342_119_000_000)).unwrap();
    let delta = state.delta_since(1).unwrap();
    assert!(!state.prefers_snapshot(&delta));
    let frame = binary::delta(&state, 3, &delta);
    let mut expected = vec![0xc7, 1, 3, 0, 3, 0, 0, 1, 0xde, 0xc0, 0x17, 0x5a, 3, 0, 0, 0];
    expected.extend([1u64, 2, 1_795_342_119_000_000].iter().flat_map(|n| n.to_le_bytes()));
    expected.extend([0x11, 0x01, 0x80, 0x03, 0x6f, 0x14, 0xc1, 0x1b, 0xba, 0x22, 1, 2, 3]);
    assert_eq!(frame, expected);
    assert_eq!(
        json::delta(&state, &"risk".parse().unwrap(), &delta),
        r#"{"t":"layer","ch":"layer/risk","kind":"delta","e":"5a17c0de","from":1,"q":2,"ts_us":1795342119000000,"cells":[["11",52.31,1],["12",71.05,2],["192",88.9,3]]}"#
    );
}

#[test]
fn the_same_rows_again_and_a_difference_below_the_scale_are_no_change() {
    let mut state = LayerState::new(schema(), 1);
    let one = |risk: f64| rows(&[(5, [risk, f64::NAN, 0.0]), (6, [f64::NAN; 3])]);
    assert_eq!(state.apply(&one(3.0), Micros(1)).unwrap(), Tick { seq: 1, epoch: 1, changed: 1 });
    assert_eq!(state.apply(&one(3.004), Micros(2)).unwrap(), Tick { seq: 1, epoch: 1, changed: 0 });
    assert_eq!((state.as_of(), state.cells()), (Micros(2), &[5][..]));
    assert_eq!(state.delta_since(2), None);
    let two = LayerRows::new(vec![5], vec![vec![1.0]]).unwrap();
    assert_eq!(state.apply(&two, Micros(3)), Err(ShapeMismatch { expected: 3, found: 1 }));
}

#[test]
fn a_schema_says_what_is_wrong_with_it() {
    let column = |name: &str, kind| LayerColumn { name: name.into(), kind, unit: None };
    assert_eq!(LayerSchema::new(vec![]), Err(InvalidSchema::Empty));
    let twice = vec![column("a", ColumnKind::U8), column("a", ColumnKind::F32)];
    assert_eq!(LayerSchema::new(twice), Err(InvalidSchema::Twice("a".into())));
    for (scale, offset) in [(0.0, 0.0), (-1.0, 0.0), (f64::NAN, 0.0), (1.0, f64::INFINITY)] {
        let bad = vec![column("a", ColumnKind::Q16 { scale, offset })];
        assert_eq!(LayerSchema::new(bad), Err(InvalidSchema::Scale("a".into())));
    }
}

#[test]
fn rows_come_from_any_numbers_and_leave_out_what_is_no_cell() {
    let cell = LngLat { lng: 120.86, lat: 32.01 }.cell(Resolution::Nine).unwrap().to_i64();
    let batch = |columns: Vec<(&str, ArrayRef)>| {
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
            .unwrap()
    };
    let good = batch(vec![
        ("cell", Arc::new(Int64Array::from(vec![Some(cell), None, Some(-1), Some(12)]))),
        ("a", Arc::new(Float32Array::from(vec![Some(0.5), Some(1.0), None, None]))),
        ("b", Arc::new(BooleanArray::from(vec![Some(true); 4]))),
        ("c", Arc::new(Decimal128Array::from(vec![Some(125); 4]).with_precision_and_scale(9, 2).unwrap())),
        ("d", Arc::new(StringArray::from(vec!["x"; 4]))),
    ]);
    let rows = LayerRows::from_batches(&[good.clone(), good.clone()], "cell", &["a", "b", "c"]).unwrap();
    assert_eq!((rows.cells().len(), rows.skipped()), (2, 6));
    assert_eq!(rows.columns(), [vec![0.5; 2], vec![1.0; 2], vec![1.25; 2]]);
    let refused = |key, columns: &[&str]| {
        LayerRows::from_batches(std::slice::from_ref(&good), key, columns).unwrap_err()
    };
    assert_eq!(refused("cell", &["z"]), RowsError::NoColumn("z".into()));
    assert!(matches!(refused("a", &[]), RowsError::NotCells { .. }));
    assert!(matches!(refused("cell", &["d"]), RowsError::NotNumbers { .. }));
}
