//! Layer frames as JSON text, `loom.v1.json`: the same picture as [`super::binary`], for people and small
//! programs.

use std::fmt::Write as _;

use super::schema::ColumnKind;
use super::state::{Delta, LayerState};
use crate::model::QueryName;

/// Decimals beyond which a number is written as it is rather than rounded to its scale.
const MOST_DECIMALS: usize = 9;

/// The whole picture: every live cell.
pub fn snapshot(state: &LayerState, name: &QueryName) -> String {
    let live = (0..state.cells().len()).filter(|ordinal| state.is_live(*ordinal));
    frame(state, name, "snapshot", 0, live)
}

/// What changed; a row of nothing but its cell left the layer.
pub fn delta(state: &LayerState, name: &QueryName, delta: &Delta) -> String {
    frame(state, name, "delta", delta.from, delta.ordinals.iter().map(|ordinal| *ordinal as usize))
}

fn frame(
    state: &LayerState,
    name: &QueryName,
    kind: &str,
    from: u64,
    ordinals: impl Iterator<Item = usize>,
) -> String {
    let decimals: Vec<Option<usize>> = state.schema().columns().iter().map(|c| decimals(c.kind)).collect();
    let (epoch, seq, time) = (state.epoch(), state.seq(), state.as_of().0);
    let mut out = format!(
        r#"{{"t":"layer","ch":"layer/{name}","kind":"{kind}","e":"{epoch:08x}","from":{from},"q":{seq},"ts_us":{time},"cells":["#
    );
    for (at, ordinal) in ordinals.enumerate() {
        if at > 0 {
            out.push(',');
        }
        row(&mut out, state, ordinal, &decimals);
    }
    out.push_str("]}");
    out
}

fn row(out: &mut String, state: &LayerState, ordinal: usize, decimals: &[Option<usize>]) {
    let cell = state.cells().get(ordinal).copied().unwrap_or_default();
    // Writing to a String cannot fail.
    let _ = write!(out, "[\"{cell:x}\"");
    if state.is_live(ordinal) {
        for (position, (column, decimals)) in state.schema().columns().iter().zip(decimals).enumerate() {
            out.push(',');
            let raw = state.raw(position).get(ordinal).copied().unwrap_or(column.kind.null());
            number(out, column.kind, raw, *decimals);
        }
    }
    out.push(']');
}

fn number(out: &mut String, kind: ColumnKind, raw: u32, decimals: Option<usize>) {
    let start = out.len();
    let _ = match (kind.value(raw), kind, decimals) {
        (None, ..) => write!(out, "null"),
        (Some(_), ColumnKind::F32, _) => write!(out, "{}", f32::from_bits(raw)),
        (Some(value), _, None) => write!(out, "{value}"),
        (Some(value), _, Some(0)) => write!(out, "{value:.0}"),
        (Some(value), _, Some(decimals)) => {
            let written = write!(out, "{value:.decimals$}");
            let kept = out.trim_end_matches('0').trim_end_matches('.').len();
            out.truncate(kept.max(start + 1));
            written
        }
    };
    // Rounding −0.001 to two decimals leaves a sign without a number.
    if out.get(start..) == Some("-0") {
        out.truncate(start);
        out.push('0');
    }
}

/// How many decimals a column's values have: those of its scale and offset, so that 5231 × 0.01 reads 52.31.
fn decimals(kind: ColumnKind) -> Option<usize> {
    let of = |number: f64| number.to_string().split_once('.').map_or(0, |(_, fraction)| fraction.len());
    match kind {
        ColumnKind::Q16 { scale, offset } => Some(of(scale).max(of(offset))).filter(|n| *n <= MOST_DECIMALS),
        ColumnKind::U8 => Some(0),
        ColumnKind::F32 => None,
    }
}
