/** The page's state against a server's, over random sequences of frames, losses and returns. */
import { describe, expect, it } from 'vitest';
import { decodeHeader } from '../src/protocol/decode-binary';
import type { Alert, AlertId, LayerBinary, ServerFrame } from '../src/protocol/frames';
import { appendCells, emptyTable, initialState, LOG_LIMIT, sinceOf, type WallState } from '../src/state/model';
import { type Happening, reduce } from '../src/state/reduce';
import { cellOf, cellsFrame, deltaFrame, type Row, randomOf, randomRow, SCHEMA, snapshotFrame } from './server';

const CH = 'layer/map';
const E = '0000a1f3';

const binary = (buffer: ArrayBuffer): LayerBinary => decodeHeader(buffer).frame;

/** Applies frames and says which channels were asked for again. */
function apply(state: WallState, ...frames: readonly ServerFrame[]): { state: WallState; asked: string[] } {
  const asked: string[] = [];
  let next = state;
  for (const frame of frames) {
    const [after, effects] = reduce(next, { type: 'frame', frame, atMs: 1000 });
    next = after;
    asked.push(...effects.map((effect) => effect.ch));
  }
  return { state: next, asked };
}

const happen = (state: WallState, what: Happening): WallState => reduce(state, what)[0];
const fresh = (): WallState => happen(initialState(), { type: 'show-layer', ch: CH });

const subscribed = (mode: 'snapshot' | 'resumed' | 'reset', q: number, ch = CH, e = E): ServerFrame => ({
  t: 'subscribed',
  ch,
  sid: ch === CH ? 3 : null,
  e,
  q,
  mode,
  schema: ch === CH ? SCHEMA : [],
}); // prettier-ignore

/** The values held, cell by cell, with null for NaN; q16 to two digits. */
function held(state: WallState): Map<bigint, Row> {
  const picture = state.layers[CH]?.picture;
  const out = new Map<bigint, Row>();
  for (let i = 0; i < (picture?.table.length ?? 0); i++) {
    const row = picture?.columns.map((column) => column[i] ?? Number.NaN) ?? [];
    const [risk = Number.NaN, level = Number.NaN, pm = Number.NaN] = row;
    const nullable = (value: number): number | null => (Number.isNaN(value) ? null : value);
    out.set(picture?.table.ids[i] ?? 0n, [nullable(Math.round(risk * 100) / 100), nullable(level), nullable(pm)]);
  }
  return out;
}

describe('a layer', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'snapshot and deltas give the state of the server, binary and JSON alike (seed %i)',
    (seed) => {
      const random = randomOf(seed);
      const cells = Array.from({ length: 40 + Math.floor(random() * 200) }, (_, i) => cellOf(i));
      const server = new Map(cells.map((cell) => [cell, randomRow(random)]));
      let q = 100;
      const rows = (): Row[] => cells.map((cell) => server.get(cell) ?? []);
      const json = (kind: 'snapshot' | 'delta', from: number, list: readonly bigint[]): ServerFrame => ({
        t: 'layer',
        ch: CH,
        kind,
        e: E,
        from,
        q,
        tsMs: 1,
        rows: list.map((cell) => {
          const row = server.get(cell) ?? [];
          return { cell, values: row.every((v) => v === null) ? null : row.map((v) => v ?? Number.NaN) };
        }),
      }); // prettier-ignore

      let viaBinary = apply(
        fresh(),
        subscribed('snapshot', q),
        binary(cellsFrame(cells, { from: 0, q })),
        binary(snapshotFrame(rows(), { from: 0, q })),
      );
      let viaJson = apply(fresh(), subscribed('snapshot', q), json('snapshot', 0, cells));
      for (let tick = 0; tick < 60; tick++) {
        const from = q++;
        const frames: ServerFrame[] = [];
        if (random() < 0.4) {
          const added = Array.from({ length: 1 + Math.floor(random() * 200) }, (_, i) => cellOf(cells.length + i));
          frames.push(binary(cellsFrame(added, { from: cells.length, q: from })));
          for (const cell of added) server.set(cell, [null, null, null]);
          cells.push(...added);
        }
        const changed = cells.map((_, i) => i).filter(() => random() < 0.1);
        for (const i of changed) server.set(cells[i] ?? 0n, randomRow(random));
        frames.push(
          binary(
            deltaFrame(
              changed,
              changed.map((i) => server.get(cells[i] ?? 0n) ?? []),
              { from, q },
              random() < 0.3,
            ),
          ),
        );
        viaBinary = apply(viaBinary.state, ...frames);
        viaJson = apply(
          viaJson.state,
          json(
            'delta',
            from,
            changed.map((i) => cells[i] ?? 0n),
          ),
        );
        expect([...viaBinary.asked, ...viaJson.asked]).toEqual([]);
      }
      expect(held(viaBinary.state)).toEqual(server);
      const shown = [...server].filter(([, row]) => row.some((v) => v !== null));
      const json2 = held(viaJson.state);
      for (const [cell, row] of shown) expect(json2.get(cell)).toEqual(row);
      for (const [cell, row] of json2) expect(row).toEqual(server.get(cell));
      expect(sinceOf(viaBinary.state, CH)).toEqual({ e: E, q });
    },
  );

  const rows: Row[] = [
    [1, 1, 1],
    [2, 2, 2],
    [3, 3, 3],
  ]; // prettier-ignore
  const cells = [cellOf(0), cellOf(1), cellOf(2)];
  const start = () =>
    apply(
      fresh(),
      subscribed('snapshot', 10),
      binary(cellsFrame(cells, { from: 0, q: 10 })),
      binary(snapshotFrame(rows, { from: 0, q: 10 })),
    );

  it('a delta with another `from` leaves the picture alone and asks once', () => {
    const { state } = start();
    const before = state.layers[CH]?.picture;
    const lost = (from: number) => binary(deltaFrame([1], [[9, 3, 9]], { from, q: from + 1 }));
    const after = apply(state, lost(11), lost(12), lost(13));
    expect(after.asked).toEqual([CH]);
    expect(after.state.layers[CH]?.picture).toBe(before);
    expect(sinceOf(after.state, CH)).toEqual({ e: E, q: 10 });
    const healed = apply(
      after.state,
      subscribed('resumed', 14),
      binary(deltaFrame([1], [[9, 3, 9]], { from: 10, q: 14 }, true)),
    );
    expect(healed.asked).toEqual([]);
    expect(held(healed.state).get(cellOf(1))).toEqual([9, 3, 9]);
  });

  it('what cannot be joined is asked for whole: an ordinal without a cell, another epoch, a body that does not fit', () => {
    const { state } = start();
    const strange = [
      binary(deltaFrame([7], [[9, 3, 9]], { from: 10, q: 11 })),
      binary(deltaFrame([1], [[9, 3, 9]], { e: 0xbbbb, from: 10, q: 11 })),
      { ...binary(deltaFrame([1], [[9, 3, 9]], { from: 10, q: 11 })), body: new Uint8Array(5) },
      binary(cellsFrame([cellOf(9)], { from: 5, q: 10 })),
      binary(snapshotFrame(rows.slice(1), { from: 0, q: 11 })),
    ];
    for (const frame of strange) {
      const after = apply(state, frame);
      expect(after.asked).toEqual([CH]);
      expect(sinceOf(after.state, CH)).toBeNull();
      expect(held(after.state)).toEqual(held(state));
    }
  });

  it('a reset keeps the old picture until the new one is whole', () => {
    const { state } = start();
    const lost = happen(state, { type: 'lost', retryAtMs: 0, why: null });
    const reset = apply(lost, subscribed('reset', 3, CH, '0000a1f4'));
    expect(held(reset.state)).toEqual(held(state));
    const cut = { e: 0xa1f4, from: 0, q: 3 };
    const whole = apply(
      reset.state,
      binary(cellsFrame(cells.slice(1), cut)),
      binary(snapshotFrame(rows.slice(1), cut)),
    );
    expect([...held(whole.state).keys()]).toEqual(cells.slice(1));
  });

  it('cells that are sent again are not counted twice', () => {
    const { state } = start();
    const again = apply(state, binary(cellsFrame([cellOf(2), cellOf(3)], { from: 2, q: 10 })));
    expect(again.asked).toEqual([]);
    expect(again.state.layers[CH]?.table.length).toBe(4);
  });

  it('a watermark that stays ahead for two heartbeats is a lost frame', () => {
    const hb = (q: number): ServerFrame => ({ t: 'hb', serverMs: 1, wm: { [CH]: q } });
    const { state } = start();
    const once = apply(state, hb(11));
    expect(once.asked).toEqual([]);
    expect(apply(once.state, hb(12)).asked).toEqual([CH]);
    const caught = apply(once.state, binary(deltaFrame([0], [[1, 1, 1]], { from: 10, q: 11 })), hb(12));
    expect(caught.asked).toEqual([]);
  });

  it('the table grows past its chunk without losing a cell', () => {
    const many = Array.from({ length: 9000 }, (_, i) => cellOf(i));
    const table = appendCells(appendCells(emptyTable(), many.slice(0, 4000)), many.slice(4000));
    expect([...table.ids.subarray(0, table.length)]).toEqual(many);
  });
});

const alert = (n: number, open: boolean): Alert => ({
  id: `al-${n}` as AlertId,
  key: `k${n}`,
  category: 'c',
  severity: 'Minor',
  open,
  title: { en: 'a', zh: 'a' },
  detail: {},
  cell: null,
  area: null,
  lng: null,
  lat: null,
  raisedMs: n,
  updatedMs: n,
  order: null,
}); // prettier-ignore
const event = (q: number, pq: number, body: Alert): ServerFrame => ({
  t: 'ev',
  ch: 'alerts',
  e: 'aa',
  q,
  pq,
  tsMs: 1,
  body,
});

describe('a log', () => {
  const start = (q: number) =>
    apply(fresh(), subscribed('snapshot', q, 'alerts', 'aa'), { t: 'items', ch: 'alerts', e: 'aa', q, items: [] })
      .state;

  it.each([1, 2, 3, 4])(
    'whatever is lost or repeated, asking again gives the events of the server (seed %i)',
    (seed) => {
      const random = randomOf(seed);
      const events: ServerFrame[] = [];
      const newest = new Map<string, Alert>();
      for (let i = 0, q = 50; i < 120; i++) {
        const pq = q;
        q += 1 + Math.floor(random() * 3);
        const body = alert(Math.floor(random() * 30), random() < 0.7);
        newest.set(body.id, body);
        events.push(event(q, pq, body));
      }
      let state = start(50);
      const deliver = (frames: readonly ServerFrame[]): string[] => {
        const after = apply(state, ...frames);
        state = after.state;
        return after.asked;
      };
      const ordered = events.filter((frame) => frame.t === 'ev');
      for (const frame of ordered) {
        if (random() < 0.2) continue;
        const asked = deliver(random() < 0.2 ? [frame, frame] : [frame]);
        if (asked.length === 0) continue;
        expect(asked).toEqual(['alerts']);
        const since = sinceOf(state, 'alerts')?.q ?? 0;
        deliver([subscribed('resumed', 0, 'alerts', 'aa'), ...ordered.filter((ev) => ev.q > since && ev.q <= frame.q)]);
      }
      const since = sinceOf(state, 'alerts')?.q ?? 0;
      deliver(ordered.filter((ev) => ev.q > since));
      expect(new Map(state.alerts.rows.map((row) => [row.id as string, row]))).toEqual(newest);
    },
  );

  it('the list is bounded: what is done leaves first, the oldest of it foremost', () => {
    let state = start(0);
    for (let n = 1; n <= LOG_LIMIT + 40; n++) state = apply(state, event(n, n - 1, alert(n, n % 2 === 0))).state;
    const ids = new Set(state.alerts.rows.map((row) => row.id as string));
    expect(state.alerts.rows).toHaveLength(LOG_LIMIT);
    expect(ids.has('al-1')).toBe(false);
    expect(ids.has('al-2')).toBe(true);
    expect(ids.has(`al-${LOG_LIMIT + 39}`)).toBe(true);
  });
});

describe('the link', () => {
  it('a loss forgets nothing and a welcome sets the clock', () => {
    const alive = apply(fresh(), {
      t: 'welcome',
      serverMs: 61_000,
      hbMs: 5000,
      city: { name: { en: 'X', zh: 'X' }, synthetic: true, timeZone: null },
    });
    expect(alive.state.skewMs).toBe(60_000);
    const lost = happen(alive.state, { type: 'lost', retryAtMs: 9, why: 'silence' });
    expect(lost.link).toMatchObject({ phase: 'lost', retryAtMs: 9, heardMs: 1000 });
    expect(lost.city).toEqual(alive.state.city);
  });
});
