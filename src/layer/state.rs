//! What a layer shows now: the cell table, the quantised values and the sequence at which each cell last
//! changed. Not here: bytes ([`super::binary`], [`super::json`]) and subscribers.

use std::collections::HashMap;

use super::rows::LayerRows;
use super::schema::LayerSchema;
use crate::model::Micros;

/// Tables at most this long are never compacted: dead cells cost a screen nothing worth a new picture.
const COMPACT_ABOVE: usize = 4096;

/// Rows that do not have the layer's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the rows have {found} columns, the layer has {expected}: declare the layer anew before publishing another shape"
)]
pub struct ShapeMismatch {
    /// Columns of the layer's schema.
    pub expected: usize,
    /// Columns of the rows.
    pub found: usize,
}

/// What one publication did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// The sequence after it; as before where nothing changed.
    pub seq: u64,
    /// The epoch after it; another where the cell table was compacted.
    pub epoch: u32,
    /// Cells that show something else than before.
    pub changed: usize,
}

/// The cells that changed after a sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// The sequence that the receiver must hold.
    pub from: u64,
    /// The sequence that it then holds.
    pub seq: u64,
    /// The length of the cell table at `from`: ordinals from here on are new to the receiver.
    pub known_cells: usize,
    /// The changed ordinals, ascending.
    pub ordinals: Vec<u32>,
}

/// Which row speaks for each ordinal, and for each cell that the table lacks.
struct Placed {
    known: Vec<Option<usize>>,
    fresh: HashMap<u64, usize>,
}

/// One layer.
#[derive(Debug, Clone)]
pub struct LayerState {
    schema: LayerSchema,
    epoch: u32,
    seq: u64,
    as_of: Micros,
    cells: Vec<u64>,
    ordinals: HashMap<u64, usize>,
    /// The sequence that appended each cell; ascending, because the table only grows.
    born: Vec<u64>,
    last_changed: Vec<u64>,
    /// For each column the raw values by ordinal.
    values: Vec<Vec<u32>>,
    live: usize,
    compact_above: usize,
}

impl LayerState {
    /// An empty layer at sequence 0.
    pub fn new(schema: LayerSchema, epoch: u32) -> Self {
        let values = vec![Vec::new(); schema.columns().len()];
        Self {
            schema,
            epoch,
            seq: 0,
            as_of: Micros(0),
            cells: Vec::new(),
            ordinals: HashMap::new(),
            born: Vec::new(),
            last_changed: Vec::new(),
            values,
            live: 0,
            compact_above: COMPACT_ABOVE,
        }
    }

    /// The same layer under another schema: empty, in the next epoch, its sequence running on so that
    /// watermarks never fall.
    #[must_use]
    pub fn renewed(&self, schema: LayerSchema) -> Self {
        let empty = Self::new(schema, self.epoch.wrapping_add(1));
        Self { seq: self.seq + 1, as_of: self.as_of, compact_above: self.compact_above, ..empty }
    }

    /// Compacts tables longer than `cells` instead of the usual bound.
    #[must_use]
    pub fn compacting_above(self, cells: usize) -> Self {
        Self { compact_above: cells, ..self }
    }

    /// The columns.
    pub fn schema(&self) -> &LayerSchema {
        &self.schema
    }

    /// The epoch within which ordinals and sequences hold.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The sequence of the last change.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The time of the data: that of the last publication, whether or not it changed anything.
    pub fn as_of(&self) -> Micros {
        self.as_of
    }

    /// The cell table; a cell's place in it is its ordinal.
    pub fn cells(&self) -> &[u64] {
        &self.cells
    }

    /// Cells that show something.
    pub fn live(&self) -> usize {
        self.live
    }

    /// The raw values of one column by ordinal.
    pub fn raw(&self, column: usize) -> &[u32] {
        self.values.get(column).map_or(&[], Vec::as_slice)
    }

    /// Whether the cell at `ordinal` shows anything.
    pub fn is_live(&self, ordinal: usize) -> bool {
        self.columns().any(|(null, values)| values.get(ordinal).is_some_and(|raw| *raw != null))
    }

    fn columns(&self) -> impl Iterator<Item = (u32, &Vec<u32>)> {
        self.schema.columns().iter().map(|column| column.kind.null()).zip(&self.values)
    }

    /// What the layer shows, as rows: only live cells, values as the wire carries them.
    pub fn snapshot(&self) -> LayerRows {
        let live: Vec<usize> = (0..self.cells.len()).filter(|ordinal| self.is_live(*ordinal)).collect();
        let cells = live.iter().filter_map(|ordinal| self.cells.get(*ordinal).copied()).collect();
        let column = |(column, values): (&super::LayerColumn, &Vec<u32>)| {
            let raws = live.iter().filter_map(|ordinal| values.get(*ordinal));
            raws.map(|raw| column.kind.value(*raw).unwrap_or(f64::NAN)).collect()
        };
        let columns = self.schema.columns().iter().zip(&self.values).map(column).collect();
        LayerRows::new(cells, columns).unwrap_or_default()
    }

    /// Makes `rows` the whole layer: cells that are not among them leave it.
    ///
    /// # Errors
    /// [`ShapeMismatch`] where the rows do not have the schema's columns; the layer is as before.
    pub fn apply(&mut self, rows: &LayerRows, at: Micros) -> Result<Tick, ShapeMismatch> {
        let Placed { known, fresh } = self.place(rows)?;
        let mut changed = 0;
        for (ordinal, row) in known.into_iter().enumerate() {
            changed += usize::from(self.write(ordinal, row.map(|row| (rows, row))));
        }
        changed += self.append(rows, fresh);
        Ok(self.finish(changed, at))
    }

    /// Puts `upserts` into the layer and takes `removed` out of it; a cell in both stays. All other cells are
    /// as before.
    ///
    /// # Errors
    /// [`ShapeMismatch`] where the upserts do not have the schema's columns; the layer is as before.
    pub fn apply_changes(
        &mut self,
        upserts: &LayerRows,
        removed: &[u64],
        at: Micros,
    ) -> Result<Tick, ShapeMismatch> {
        let Placed { known, fresh } = self.place(upserts)?;
        let mut changed = 0;
        for cell in removed {
            if let Some(ordinal) = self.ordinals.get(cell).copied()
                && known.get(ordinal).is_some_and(Option::is_none)
            {
                changed += usize::from(self.write(ordinal, None));
            }
        }
        for (ordinal, row) in known.into_iter().enumerate() {
            if let Some(row) = row {
                changed += usize::from(self.write(ordinal, Some((upserts, row))));
            }
        }
        changed += self.append(upserts, fresh);
        Ok(self.finish(changed, at))
    }

    /// Of two rows for one cell the later speaks, so that a double row is one value and not two changes.
    fn place(&self, rows: &LayerRows) -> Result<Placed, ShapeMismatch> {
        let expected = self.schema.columns().len();
        if rows.columns().len() != expected {
            return Err(ShapeMismatch { expected, found: rows.columns().len() });
        }
        let mut placed = Placed { known: vec![None; self.cells.len()], fresh: HashMap::new() };
        for (row, cell) in rows.cells().iter().enumerate() {
            match self.ordinals.get(cell).and_then(|ordinal| placed.known.get_mut(*ordinal)) {
                Some(slot) => *slot = Some(row),
                None => {
                    placed.fresh.insert(*cell, row);
                }
            }
        }
        Ok(placed)
    }

    /// Writes a row, or nulls, at `ordinal`; says whether that changed anything.
    fn write(&mut self, ordinal: usize, row: Option<(&LayerRows, usize)>) -> bool {
        let was_live = self.is_live(ordinal);
        let mut changed = false;
        for (position, (column, values)) in self.schema.columns().iter().zip(&mut self.values).enumerate() {
            let value = row.and_then(|(rows, row)| rows.columns().get(position)?.get(row).copied());
            let raw = value.map_or(column.kind.null(), |value| column.kind.raw(value));
            if let Some(slot) = values.get_mut(ordinal).filter(|slot| **slot != raw) {
                *slot = raw;
                changed = true;
            }
        }
        if changed {
            if let Some(at) = self.last_changed.get_mut(ordinal) {
                *at = self.seq + 1;
            }
            self.live = self.live + usize::from(self.is_live(ordinal)) - usize::from(was_live);
        }
        changed
    }

    /// Appends cells in ascending order, so that the same rows always make the same table.
    fn append(&mut self, rows: &LayerRows, fresh: HashMap<u64, usize>) -> usize {
        let mut fresh: Vec<(u64, usize)> = fresh.into_iter().collect();
        fresh.sort_unstable();
        let before = self.cells.len();
        for (cell, row) in fresh {
            let mut values = self.schema.columns().iter().zip(rows.columns());
            let shows = |(column, values): (&super::LayerColumn, &Vec<f64>)| {
                values.get(row).is_some_and(|value| column.kind.raw(*value) != column.kind.null())
            };
            if !values.any(shows) {
                continue;
            }
            let ordinal = self.cells.len();
            self.cells.push(cell);
            self.ordinals.insert(cell, ordinal);
            self.born.push(self.seq + 1);
            self.last_changed.push(self.seq + 1);
            for (column, values) in self.schema.columns().iter().zip(&mut self.values) {
                values.push(column.kind.null());
            }
            self.write(ordinal, Some((rows, row)));
        }
        self.cells.len() - before
    }

    fn finish(&mut self, changed: usize, at: Micros) -> Tick {
        self.as_of = at;
        if changed > 0 {
            self.seq += 1;
            if self.cells.len() > self.compact_above && self.live < self.cells.len() / 2 {
                self.compact();
            }
        }
        Tick { seq: self.seq, epoch: self.epoch, changed }
    }

    /// Begins a new epoch with a table of the live cells only.
    fn compact(&mut self) {
        let live: Vec<usize> = (0..self.cells.len()).filter(|ordinal| self.is_live(*ordinal)).collect();
        let keep = |list: &Vec<u32>| live.iter().filter_map(|at| list.get(*at).copied()).collect::<Vec<_>>();
        self.values = self.values.iter().map(keep).collect();
        self.cells = live.iter().filter_map(|at| self.cells.get(*at).copied()).collect();
        self.ordinals = self.cells.iter().enumerate().map(|(ordinal, cell)| (*cell, ordinal)).collect();
        self.born = vec![self.seq; live.len()];
        self.last_changed = vec![self.seq; live.len()];
        self.epoch = self.epoch.wrapping_add(1);
    }

    /// What changed after `q`, of this epoch; none where the layer has not come to `q` yet.
    pub fn delta_since(&self, q: u64) -> Option<Delta> {
        if q > self.seq {
            return None;
        }
        let changed = self.last_changed.iter().enumerate().filter(|(_, at)| **at > q);
        let ordinals = changed.filter_map(|(ordinal, _)| u32::try_from(ordinal).ok()).collect();
        let known_cells = self.born.partition_point(|born| *born <= q);
        Some(Delta { from: q, seq: self.seq, known_cells, ordinals })
    }

    /// Whether the dense picture is the shorter way to say `delta`: when more than about 40 % of the cells
    /// changed.
    pub fn prefers_snapshot(&self, delta: &Delta) -> bool {
        delta.ordinals.len() * 5 > self.cells.len() * 2
    }
}
