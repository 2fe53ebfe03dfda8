/** The reader of the wire against frames written by hand from docs/stream.md, in both sub-protocols. */
import { describe, expect, it } from 'vitest';
import { decodeMessage } from '../src/protocol/decode';
import { decodeHeader, inflate, readCells, readColumns, readDelta } from '../src/protocol/decode-binary';
import { decodeText } from '../src/protocol/decode-text';
import { Malformed } from '../src/protocol/read';
import { cellOf, cellsFrame, deltaFrame, header, type Row, SCHEMA, snapshotFrame } from './server';

const ROWS: readonly Row[] = [
  [52.31, 1, 12.5],
  [null, null, null],
  [-5, 4, 0],
];

const plain = (columns: readonly Float32Array[]): number[][] => columns.map((column) => [...column]);

describe('binary frames', () => {
  it('a header gives every field of the protocol', () => {
    const { frame, deflated } = decodeHeader(snapshotFrame(ROWS, { sid: 513, from: 0, q: 2 ** 40 }));
    expect(deflated).toBe(false);
    expect(frame).toMatchObject({ kind: 'snapshot', sid: 513, e: '0000a1f3', rows: 3, from: 0, q: 2 ** 40 });
    expect(frame.tsMs).toBe(1_795_342_119_000);
  });

  it('a cell table keeps all 64 bits', () => {
    const { frame } = decodeHeader(cellsFrame([cellOf(0), cellOf(7)], { from: 4, q: 9 }));
    expect([...readCells(frame)]).toEqual([cellOf(0), cellOf(7)]);
  });

  it('a snapshot gives each column with its scale, and null as NaN', () => {
    const columns = readColumns(decodeHeader(snapshotFrame(ROWS, { from: 0, q: 1 })).frame, SCHEMA);
    expect(columns[0]?.[0]).toBeCloseTo(52.31, 4);
    expect(plain(columns).map((column) => column[1])).toEqual([Number.NaN, Number.NaN, Number.NaN]);
    expect(plain(columns).map((column) => column[2])).toEqual([-5, 4, 0]);
  });

  it('a deflated body reads as the plain one does', async () => {
    const packed = decodeHeader(snapshotFrame(ROWS, { from: 0, q: 1, deflate: true }));
    expect(packed.deflated).toBe(true);
    const frame = await inflate(packed);
    const straight = decodeHeader(snapshotFrame(ROWS, { from: 0, q: 1 })).frame;
    expect(plain(readColumns(frame, SCHEMA))).toEqual(plain(readColumns(straight, SCHEMA)));
  });

  it.each([false, true])('a delta (merged: %s) names its ordinals by gaps of one to three bytes', (merged) => {
    const ordinals = [5, 6, 200, 70_000];
    const rows = [...ROWS, [1, 2, 3]];
    const { frame } = decodeHeader(deltaFrame(ordinals, rows, { from: 7, q: 8 }, merged));
    const delta = readDelta(frame, SCHEMA);
    expect(frame.kind).toBe('delta');
    expect([...delta.ordinals]).toEqual(ordinals);
    expect(delta.columns[1]?.[3]).toBe(2);
  });

  it('what is cut, foreign or too long is refused by name', () => {
    const whole = deltaFrame([1, 2], [ROWS[0] ?? [], ROWS[2] ?? []], { from: 1, q: 2 });
    for (let end = 0; end < whole.byteLength; end++) {
      const read = () => readDelta(decodeHeader(whole.slice(0, end)).frame, SCHEMA);
      expect(read, `cut at ${end}`).toThrow(Malformed);
    }
    const foreign = Buffer.from(whole.slice(0));
    foreign[1] = 9;
    expect(() => decodeHeader(foreign.buffer.slice(foreign.byteOffset, foreign.byteOffset + 60))).toThrow(/loom\.v1/);
    const endless = Buffer.concat([header('delta', 1, { from: 0, q: 1 }), Buffer.alloc(12, 0xff)]);
    const frame = { ...decodeHeader(whole).frame, rows: 1, body: new Uint8Array(endless.subarray(40)) };
    expect(() => readDelta(frame, SCHEMA)).toThrow(/gap/);
  });
});

describe('text frames', () => {
  it('several frames joined by line ends are read in their order', () => {
    const hb = (at: number) => `{"t":"hb","server_us":${at},"wm":{"alerts":1}}`;
    expect(decodeMessage(`${hb(1000)}\n${hb(2000)}`)).toEqual([
      { t: 'hb', serverMs: 1, wm: { alerts: 1 } },
      { t: 'hb', serverMs: 2, wm: { alerts: 1 } },
    ]);
  });

  it('a layer delta has cells, values, nulls and departures', () => {
    const frame = decodeText(
      '{"t":"layer","ch":"layer/map","kind":"delta","e":"0000a1f3","from":4810,"q":4811,"ts_us":1795342119000000,' +
        '"cells":[["8930a1c0d1fffff",52.31,1],["8930a1c0d3fffff",71.05,null],["8930a1c0d5fffff"]]}',
    );
    expect(frame).toMatchObject({
      t: 'layer',
      kind: 'delta',
      e: '0000a1f3',
      from: 4810,
      q: 4811,
      tsMs: 1_795_342_119_000,
    });
    expect(frame.t === 'layer' && frame.rows).toEqual([
      { cell: 0x8930a1c0d1fffffn, values: [52.31, 1] },
      { cell: 0x8930a1c0d3fffffn, values: [71.05, Number.NaN] },
      { cell: 0x8930a1c0d5fffffn, values: null },
    ]);
  });

  it('a welcome and a subscription keep what resuming needs', () => {
    const welcome = decodeText(
      '{"t":"welcome","id":1,"server_us":5000,"hb_ms":5000,"city":{"name":{"en":"X"},"synthetic":true}}',
    );
    expect(welcome).toMatchObject({ t: 'welcome', serverMs: 5, city: { name: { en: 'X', zh: 'X' }, synthetic: true } });
    const text =
      '{"t":"subscribed","id":2,"ch":"layer/map","sid":3,"e":"0000a1f3","q":4811,"mode":"resumed","schema":[{"name":"risk","type":"q16","scale":0.01,"offset":0.0,"unit":"1"},{"name":"level","type":"u8"}]}';
    expect(decodeText(text)).toMatchObject({
      sid: 3,
      mode: 'resumed',
      schema: [
        { name: 'risk', type: 'q16', scale: 0.01 },
        { name: 'level', type: 'u8', unit: null },
      ],
    });
  });

  it('an alert that does not fit is refused with its field; an unknown frame is left alone', () => {
    expect(() => decodeText('{"t":"ev","ch":"alerts","e":"1","q":2,"pq":1,"ts_us":1,"body":{"id":"a"}}')).toThrow(
      'raised_us',
    );
    expect(() => decodeText('nonsense')).toThrow(Malformed);
    expect(() => decodeText('[]')).toThrow(Malformed);
    expect(decodeText('{"t":"presence"}')).toEqual({ t: 'unknown', what: 'presence' });
    expect(decodeText('{"t":"state","ch":"presence","body":{}}')).toEqual({ t: 'unknown', what: 'state of presence' });
  });

  it('a broken layer told as a line of text is taken apart', () => {
    const line = 'queries/layer/traffic.sql:12:8: SQL_COLUMN: no column `spede`';
    const sys = decodeText(JSON.stringify({ t: 'state', ch: 'sys', body: { layers: [{ name: 'map', error: line }] } }));
    const error = {
      code: 'SQL_COLUMN',
      level: 'error',
      at: 'queries/layer/traffic.sql:12:8',
      text: { en: 'no column `spede`' },
    };
    expect(sys).toMatchObject({ body: { layers: [{ error }] } });
  });

  it('a broken layer is known by its place', () => {
    const error = '{"code":"q","text":{"en":"no column"},"at":"queries/x.sql:12:8"}';
    const sys = decodeText(
      `{"t":"state","ch":"sys","body":{"open":true,"layers":[{"name":"map","columns":[{"name":"risk","range":[0,100]}],"error":${error}}]}}`,
    );
    expect(sys).toMatchObject({
      body: {
        open: true,
        synthetic: false,
        layers: [{ columns: [{ range: [0, 100] }], error: { level: 'error', at: 'queries/x.sql:12:8' } }],
      },
    });
  });
});
