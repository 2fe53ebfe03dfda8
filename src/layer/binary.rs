//! Binary layer frames, `loom.v1`: a 40-byte little-endian header and columns. Not here: who receives them.

use super::schema::ColumnKind;
use super::state::{Delta, LayerState};

/// First byte of every binary frame.
pub const MAGIC: u8 = 0xC7;
/// Second byte: the version of the layout.
pub const VERSION: u8 = 1;
/// Bytes before the body.
pub const HEADER: usize = 40;

/// The third byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Cells = 1,
    Snapshot = 2,
    Delta = 3,
    Merged = 4,
}

struct Header {
    kind: Kind,
    sid: u16,
    rows: usize,
    from: u64,
    seq: u64,
}

impl Header {
    fn start(self, state: &LayerState, body: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + body);
        out.extend([MAGIC, VERSION, self.kind as u8, 0]);
        out.extend(self.sid.to_le_bytes());
        out.extend([0, 1]);
        out.extend(state.epoch().to_le_bytes());
        out.extend(u32::try_from(self.rows).unwrap_or(u32::MAX).to_le_bytes());
        out.extend(self.from.to_le_bytes());
        out.extend(self.seq.to_le_bytes());
        out.extend(u64::try_from(state.as_of().0).unwrap_or(0).to_le_bytes());
        out
    }
}

/// Kind 1: the cell table from the ordinal `first` on, for a receiver that holds the sequence `held`.
pub fn cells(state: &LayerState, sid: u16, first: usize, held: u64) -> Vec<u8> {
    let new = state.cells().get(first..).unwrap_or(&[]);
    let header = Header { kind: Kind::Cells, sid, rows: new.len(), from: first as u64, seq: held };
    let mut out = header.start(state, new.len() * 8);
    out.extend(new.iter().flat_map(|cell| cell.to_le_bytes()));
    out
}

/// Kind 2: the dense values of the whole cell table.
pub fn snapshot(state: &LayerState, sid: u16) -> Vec<u8> {
    let rows = state.cells().len();
    let header = Header { kind: Kind::Snapshot, sid, rows, from: 0, seq: state.seq() };
    let mut out = header.start(state, rows * state.schema().width());
    for (position, column) in state.schema().columns().iter().enumerate() {
        for raw in state.raw(position) {
            put(&mut out, column.kind, *raw);
        }
    }
    out
}

/// Kind 3, or kind 4 where the delta joins several ticks: gaps of ordinals, then each column's values.
pub fn delta(state: &LayerState, sid: u16, delta: &Delta) -> Vec<u8> {
    let kind = if delta.seq - delta.from > 1 { Kind::Merged } else { Kind::Delta };
    let header = Header { kind, sid, rows: delta.ordinals.len(), from: delta.from, seq: delta.seq };
    let mut out = header.start(state, delta.ordinals.len() * (state.schema().width() + 2));
    let mut previous = 0;
    for ordinal in &delta.ordinals {
        varint(&mut out, ordinal - previous);
        previous = *ordinal;
    }
    for (position, column) in state.schema().columns().iter().enumerate() {
        let values = state.raw(position);
        for ordinal in &delta.ordinals {
            put(&mut out, column.kind, values.get(*ordinal as usize).copied().unwrap_or(column.kind.null()));
        }
    }
    out
}

fn put(out: &mut Vec<u8>, kind: ColumnKind, raw: u32) {
    let bytes = raw.to_le_bytes();
    out.extend(bytes.iter().take(kind.width()));
}

/// Unsigned LEB128: seven bits a byte, the lowest first.
fn varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
