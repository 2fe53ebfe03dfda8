/** What the page knows: one value, replaced and never changed, except the append-only cell table that its versions share. */
import type { Alert, City, ColumnSchema, Feed, Kpi, Order, Sys } from '../protocol/frames';

/** Rows that a log keeps; the oldest that are done leave first. */
export const LOG_LIMIT = 200;
export const EVENTS_LIMIT = 20;

/** Cells of an epoch in the order of their ordinals. Versions share the arrays: only `length` says how much a version sees. */
export type CellTable = {
  readonly ids: BigUint64Array;
  readonly ordinals: Map<bigint, number>;
  readonly length: number;
};

/** A whole layer at one sequence. `columns[i]` belongs to `schema[i]`; null is NaN. */
export type Picture = {
  readonly schema: readonly ColumnSchema[];
  readonly table: CellTable;
  readonly columns: readonly Float32Array[];
  readonly q: number;
  readonly tsMs: number;
};

export type LayerState = {
  readonly sid: number | null;
  readonly epoch: string | null;
  readonly schema: readonly ColumnSchema[];
  readonly table: CellTable;
  /** The sequence held; null where a full picture is needed. */
  readonly held: number | null;
  /** A subscription is asked for and not yet answered: frames of the old one do not count. */
  readonly awaiting: boolean;
  /** Kept through a reset, so that the wall is never blank. */
  readonly picture: Picture | null;
  /** The watermark that the last heartbeat had and this layer had not. */
  readonly behind: number | null;
};

export type Log<T> = {
  readonly epoch: string | null;
  readonly held: number | null;
  readonly awaiting: boolean;
  readonly behind: number | null;
  /** Newest first, at most `LOG_LIMIT`. */
  readonly rows: readonly T[];
};

export type Link = {
  readonly phase: 'connecting' | 'live' | 'lost';
  /** When the server was last heard, by this machine's clock; null before the first word. */
  readonly heardMs: number | null;
  readonly retryAtMs: number | null;
  /** The last complaint about the wire, for the notice strip. */
  readonly fault: string | null;
};

export type WallState = {
  readonly link: Link;
  /** Server's clock minus this machine's. */
  readonly skewMs: number;
  readonly hbMs: number;
  readonly city: City | null;
  readonly layers: Readonly<Record<string, LayerState>>;
  readonly alerts: Log<Alert>;
  readonly orders: Log<Order>;
  readonly kpis: readonly Kpi[] | null;
  readonly feeds: readonly Feed[] | null;
  readonly sys: Sys | null;
};

/** What the reducer wants done: ask for a channel again, with `since` if something is held. */
export type Effect = { readonly do: 'subscribe'; readonly ch: string };

export type Step<S> = readonly [state: S, effects: readonly Effect[]];

const CHUNK = 4096;

export function emptyTable(): CellTable {
  return { ids: new BigUint64Array(CHUNK), ordinals: new Map(), length: 0 };
}

/** The table with `cells` behind its end. Grows in chunks, so that appending is cheap and old versions stay readable. */
export function appendCells(table: CellTable, cells: readonly bigint[] | BigUint64Array): CellTable {
  const length = table.length + cells.length;
  let ids = table.ids;
  if (length > ids.length) {
    ids = new BigUint64Array(Math.ceil((length * 1.25) / CHUNK) * CHUNK);
    ids.set(table.ids.subarray(0, table.length));
  }
  ids.set(cells, table.length);
  cells.forEach((cell, i) => {
    table.ordinals.set(cell, table.length + i);
  });
  return { ids, ordinals: table.ordinals, length };
}

/** The ordinal of a cell in this version of the table. */
export function ordinalOf(table: CellTable, cell: bigint): number | null {
  const ordinal = table.ordinals.get(cell);
  return ordinal !== undefined && ordinal < table.length ? ordinal : null;
}

export function emptyLayer(): LayerState {
  return {
    sid: null,
    epoch: null,
    schema: [],
    table: emptyTable(),
    held: null,
    awaiting: true,
    picture: null,
    behind: null,
  };
}

export function emptyLog<T>(): Log<T> {
  return { epoch: null, held: null, awaiting: true, behind: null, rows: [] };
}

export function initialState(): WallState {
  return {
    link: { phase: 'connecting', heardMs: null, retryAtMs: null, fault: null },
    skewMs: 0,
    hbMs: 5000,
    city: null,
    layers: {},
    alerts: emptyLog(),
    orders: emptyLog(),
    kpis: null,
    feeds: null,
    sys: null,
  };
}

/** What a channel can resume from. */
export function sinceOf(state: WallState, ch: string): { readonly e: string; readonly q: number } | null {
  const held = ch === 'alerts' ? state.alerts : ch === 'orders' ? state.orders : state.layers[ch];
  return held === undefined || held.epoch === null || held.held === null ? null : { e: held.epoch, q: held.held };
}
