/** One layer's frames folded into its picture. A frame that does not join what is held changes nothing and asks again. */
import { readCells, readColumns, readDelta } from '../protocol/decode-binary';
import type { CellRow, LayerBinary, LayerText, Subscribed } from '../protocol/frames';
import { Malformed } from '../protocol/read';
import { appendCells, type CellTable, emptyTable, type LayerState, ordinalOf, type Picture } from './model';

/** `ask`: the layer must be subscribed again. */
export type LayerStep = { readonly layer: LayerState; readonly ask: boolean };

const keep = (layer: LayerState): LayerStep => ({ layer, ask: false });

/** Asks for what came after the sequence held. */
const resume = (layer: LayerState): LayerStep => ({ layer: { ...layer, awaiting: true }, ask: true });

/** Asks for a full picture: what is held cannot be trusted to join. */
const restart = (layer: LayerState): LayerStep => ({
  layer: { ...layer, awaiting: true, held: null },
  ask: true,
});

export function layerSubscribed(layer: LayerState, frame: Subscribed): LayerStep {
  const { sid, e, schema, mode } = frame;
  if (mode === 'resumed' && e === layer.epoch && layer.held !== null) {
    return keep({ ...layer, sid, awaiting: false, behind: null });
  }
  if (mode === 'resumed') return restart(layer);
  const table = emptyTable();
  return keep({ ...layer, sid, epoch: e, schema, table, held: null, awaiting: false, behind: null });
}

export function layerBinary(layer: LayerState, frame: LayerBinary): LayerStep {
  if (layer.awaiting) return keep(layer);
  if (frame.e !== layer.epoch) return restart(layer);
  try {
    switch (frame.kind) {
      case 'cells':
        return cells(layer, frame);
      case 'snapshot':
        return snapshot(layer, frame);
      case 'delta':
        return delta(layer, frame);
    }
  } catch (error) {
    if (error instanceof Malformed) return restart(layer);
    throw error;
  }
}

function cells(layer: LayerState, frame: LayerBinary): LayerStep {
  const known = layer.table.length - frame.from;
  if (known < 0) return restart(layer);
  if (known >= frame.rows) return keep(layer);
  return keep({ ...layer, table: appendCells(layer.table, readCells(frame).subarray(known)) });
}

function snapshot(layer: LayerState, frame: LayerBinary): LayerStep {
  if (frame.rows !== layer.table.length) return restart(layer);
  return keep(withPicture(layer, layer.table, readColumns(frame, layer.schema), frame.q, frame.tsMs));
}

function delta(layer: LayerState, frame: LayerBinary): LayerStep {
  const { table, picture } = layer;
  if (layer.held === null || picture === null || frame.from !== layer.held) return resume(layer);
  const { ordinals, columns } = readDelta(frame, layer.schema);
  if (ordinals.some((ordinal) => ordinal >= table.length)) return restart(layer);
  const next = picture.columns.map((column, i) => {
    const copy = stretched(column, table.length);
    for (const [row, ordinal] of ordinals.entries()) copy[ordinal] = columns[i]?.[row] ?? Number.NaN;
    return copy;
  });
  return keep(withPicture(layer, table, next, frame.q, frame.tsMs));
}

export function layerText(layer: LayerState, frame: LayerText): LayerStep {
  if (layer.awaiting) return keep(layer);
  if (frame.e !== layer.epoch) return restart(layer);
  const whole = frame.kind === 'snapshot';
  const { picture } = layer;
  if (!whole && (layer.held === null || picture === null || frame.from !== layer.held)) return resume(layer);
  const width = layer.schema.length;
  if (frame.rows.some((row) => row.values !== null && row.values.length !== width)) return restart(layer);
  const table = withRows(whole ? emptyTable() : layer.table, frame.rows);
  const before = whole ? layer.schema.map(() => new Float32Array(0)) : (picture?.columns ?? []);
  const columns = before.map((column, i) => {
    const copy = stretched(column, table.length);
    for (const row of frame.rows) {
      const ordinal = ordinalOf(table, row.cell);
      if (ordinal !== null) copy[ordinal] = row.values?.[i] ?? Number.NaN;
    }
    return copy;
  });
  return keep(withPicture(layer, table, columns, frame.q, frame.tsMs));
}

/** In the JSON form the client numbers the cells: in the order of their first appearance. */
function withRows(table: CellTable, rows: readonly CellRow[]): CellTable {
  const fresh = rows.filter((row) => row.values !== null && ordinalOf(table, row.cell) === null).map((row) => row.cell);
  return fresh.length === 0 ? table : appendCells(table, [...new Set(fresh)]);
}

/** A heartbeat's watermark; behind it twice in a row means that a frame was lost. */
export function layerWatermark(layer: LayerState, q: number): LayerStep {
  if (layer.awaiting || layer.held === null) return keep(layer);
  if (layer.behind !== null && layer.held < layer.behind) return resume({ ...layer, behind: null });
  const behind = layer.held < q ? q : null;
  return keep(behind === layer.behind ? layer : { ...layer, behind });
}

function withPicture(
  layer: LayerState,
  table: CellTable,
  columns: readonly Float32Array[],
  q: number,
  tsMs: number,
): LayerState {
  const picture: Picture = { schema: layer.schema, table, columns, q, tsMs };
  return { ...layer, table, picture, held: q };
}

/** A copy as long as the table, its new end null. */
function stretched(column: Float32Array, length: number): Float32Array {
  const copy = new Float32Array(length);
  copy.set(column.subarray(0, length));
  copy.fill(Number.NaN, Math.min(column.length, length));
  return copy;
}
