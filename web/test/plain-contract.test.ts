import { describe, expect, it } from 'vitest';
import { readFeed, readFeeds, readProblem, readReceipt, readStanding, score } from '../src/protocol/intake';
import { Malformed } from '../src/protocol/read';
import { formatBytes } from '../src/words/format';
import { clauses, sentences } from '../src/words/plain-contract';

const quality = { submissions: 1, rows_read: 1000, rows_landed: 999 };
const column = {
  name: 'speed',
  header: 'Speed',
  type: 'number',
  required: true,
  unique: false,
  minimum: 0,
  maximum: 250,
  unit: 'ug/m3',
};
const wire = {
  feed: 'traffic.speed',
  title: { en: 'Speeds', zh: '车速' },
  rows: 5,
  quarantined: 1,
  last_landed_us: 2_000_000,
  quality,
  contract: {
    version: '1.0.0',
    fresh_s: 120,
    key: ['a', 'b'],
    latest: false,
    event_time: { column: 'ts', future_s: 600, late_s: 172_800 },
    place: { kind: 'point', columns: ['lng', 'lat'], crs: 'WGS84', outside_refused: true },
    columns: [
      column,
      { ...column, minimum: null, maximum: null, above: 0, type: 'integer', unit: null, unique: true },
      { ...column, minimum: null, maximum: null, type: 'text', unit: null, shortest: 3, longest: 3, pattern: '^A' },
      { ...column, minimum: null, maximum: null, type: 'text', unit: null, allowed: [...'abcdefghijklmn'] },
      { ...column, minimum: null, maximum: null, type: 'time', unit: null, time_zone: 'Asia/Shanghai' },
    ],
  },
};

const english = (of: readonly { readonly en: string }[]): readonly string[] => of.map(({ en }) => en);

describe('a contract in plain words', () => {
  const { contract, lastLandedMs } = readFeed(wire);

  it('says of each column what it must be', () => {
    expect(lastLandedMs).toBe(2000);
    expect(contract.columns.map((it) => english(clauses(it)))).toEqual([
      ['a number in µg/m³', 'from 0 to 250'],
      ['a whole number', 'more than 0', 'no value twice'],
      ['text', '3 characters', 'in the pattern ^A'],
      ['text', 'one of: a, b, c, d, e, f, g, h, i, j, k, l and 2 more'],
      ['a date and time', 'Asia/Shanghai where no zone is written'],
    ]);
    expect(clauses(contract.columns[0] as never).map(({ zh }) => zh)).toEqual(['数值（µg/m³）', '0 至 250']);
  });

  it('says what holds for a file', () => {
    expect(english(sentences(contract))).toEqual([
      'One row of each a + b',
      'When: ts, at most 10 min ahead of now',
      'Rows come at most 2 d after their event',
      'Place: lng (east) and lat (north) in WGS84, within the city',
      'Late when nothing has come for 2 min',
    ]);
    expect(english(sentences({ ...contract, latest: true }))[0]).toBe(
      'Of each a + b the newest row counts; one that is known may come again',
    );
    expect(sentences({ ...contract, key: [], eventTime: null, place: null, freshS: null })).toEqual([]);
  });
});

describe('what the server says', () => {
  const receipt = {
    submission: 's',
    feed: 'a.b',
    file: 'f.csv',
    rows_read: 3,
    rows_landed: 1,
    rows_quarantined: 2,
    reasons: { A: 1, B: 5 },
    duplicate_of: null,
    bytes: 9,
    seconds: 0.5,
    contract_version: '1.0.0',
    mends: null,
  };

  it('is read field by field, the commonest reason first', () => {
    expect(readReceipt(receipt).reasons).toEqual([
      ['B', 5],
      ['A', 1],
    ]);
    expect(readReceipt(receipt).readAs).toEqual([]);
    expect(readReceipt(receipt).leftOut).toEqual([]);
    expect(readReceipt({ ...receipt, left_out: ['lane'] }).leftOut).toEqual(['lane']);
    expect(readReceipt(receipt).units).toEqual([]);
    expect(readReceipt({ ...receipt, units: { speed: { from: 'mi/h', to: 'km/h' } } }).units).toEqual([
      { header: 'speed', from: 'mi/h', to: 'km/h' },
    ]);
    const csv = { format: 'csv', packing: 'gzip', encoding: 'gb18030', byte_order_mark: true, delimiter: '\t' };
    expect(readReceipt({ ...receipt, read_as: { ...csv, decimal_comma: true } }).readAs).toEqual([
      'csv',
      'gzip',
      'gb18030',
      'BOM',
      'tab',
      '0,0',
    ]);
    expect(() => readReceipt({ ...receipt, rows_read: 'many' })).toThrow(Malformed);
    expect(() => readFeeds({ feeds: [{ feed: 'a.b' }] })).toThrow(Malformed);
  });

  it('tells a submission under way from one that landed', () => {
    const landed = {
      state: 'landed',
      submission: 's',
      landed_us: 5000,
      withdrawn_us: null,
      mended_by: [],
      rows_open: 2,
    };
    expect(readStanding({ ...landed, receipt })).toMatchObject({ state: 'landed', landedMs: 5, rowsOpen: 2 });
    const way = { state: 'reading', submission: 's', file: 'f', received: 9, expected: null, read: 3, total: 9 };
    expect(readStanding(way)).toEqual({ state: 'reading', received: 9, expected: null, read: 3, total: 9 });
  });

  it('may be a refusal with several violations, or none', () => {
    const violation = { code: 'COLUMN_MISSING', column: 'lat', detail: 'no lat' };
    expect(readProblem({ code: 'X', detail: 'y' }).violations).toEqual([]);
    expect(readProblem({ code: 'X', detail: 'y', violations: [violation] }).violations).toEqual([violation]);
  });
});

describe('numbers', () => {
  it('a score is full only where every row landed', () => {
    expect(score({ submissions: 0, rowsRead: 0, rowsLanded: 0 })).toBeNull();
    expect(score({ submissions: 1, rowsRead: 100_000, rowsLanded: 99_999 })).toBe(99.9);
    expect(score({ submissions: 1, rowsRead: 7, rowsLanded: 7 })).toBe(100);
  });

  it('bytes are told in their order of size', () => {
    expect([0, 999, 1000, 3_450_000, 7e13].map(formatBytes)).toEqual(['0 B', '999 B', '1.0 kB', '3.5 MB', '70.0 TB']);
  });
});
