// The feeds and submissions of the mock city, as docs/openapi.json describes them: one feed of speeds, checked as simply
// as it can be. `refuse` makes every answer fail, `lose` cuts the next submission's answer after it has landed.
import { randomUUID } from 'node:crypto';
import { latLngToCell } from 'h3-js';
import { mockTus } from './mock-tus.mjs';

const HEADERS = ['ts', 'lat', 'lng', 'vehicle', 'speed_kmh'];
const FASTEST = 250;

const column = (header, type, rules = {}) => ({
  name: header,
  header,
  type,
  required: true,
  unique: false,
  minimum: null,
  maximum: null,
  above: null,
  below: null,
  shortest: null,
  longest: null,
  pattern: null,
  allowed: null,
  time_zone: null,
  unit: null,
  description: null,
  classification: 'internal',
  ...rules,
});

const contract = {
  version: '1.0.0',
  fresh_s: 120,
  key: [],
  latest: false,
  event_time: { column: 'ts', future_s: 600 },
  place: { kind: 'point', columns: ['lng', 'lat'], crs: 'WGS84', outside_refused: false },
  columns: [
    column('ts', 'time', { time_zone: 'UTC' }),
    column('lat', 'number', { minimum: -90, maximum: 90, unit: 'deg' }),
    column('lng', 'number', { minimum: -180, maximum: 180, unit: 'deg' }),
    column('vehicle', 'integer', { minimum: 1 }),
    column('speed_kmh', 'number', { minimum: 0, maximum: FASTEST, unit: 'km/h' }),
  ],
};

export const goodFile = `${HEADERS.join(',')}\n2026-03-01T08:00:00Z,32.02,121.05,1,30\n2026-03-01T08:00:01Z,32.02,121.05,2,50\n`;

export function mockIntake() {
  /** By feed, newest first. */
  const landed = new Map([
    ['traffic.speed', []],
    ['police.incidents', []],
  ]);
  const rejects = new Map();
  const placed = new Map();
  const state = { refuse: false, lose: false, slowMs: 0 };
  const underWay = new Map();

  const titles = {
    'traffic.speed': { en: 'Vehicle speeds', zh: '车辆速度' },
    'police.incidents': { en: 'Police incidents', zh: '警情' },
  };
  const live = (feed) => landed.get(feed).filter((it) => it.state === 'landed');
  const sum = (of, key) => of.reduce((all, it) => all + it.receipt[key], 0);
  const open = (feed, it) =>
    Math.max(
      0,
      it.receipt.rows_quarantined -
        sum(
          live(feed).filter((mend) => mend.receipt.mends === it.submission),
          'rows_landed',
        ),
    );

  function quality(feed) {
    const counted = live(feed).filter((it) => it.receipt.mends === null);
    const read = sum(counted, 'rows_read');
    return {
      submissions: counted.length,
      rows_read: read,
      rows_landed: read - counted.reduce((all, it) => all + open(feed, it), 0),
    };
  }

  const summary = (feed) => ({
    feed,
    department: feed.split('.')[0],
    title: titles[feed],
    contract_version: '1.0.0',
    rows: sum(live(feed), 'rows_landed'),
    files: live(feed).length,
    quarantined: sum(live(feed), 'rows_quarantined'),
    last_event_us: null,
    last_landed_us: landed.get(feed)[0]?.landed_us ?? null,
    quality: quality(feed),
  });

  const told = (feed, it) => ({
    ...it,
    rows_open: open(feed, it),
    mended_by: live(feed)
      .filter((mend) => mend.receipt.mends === it.submission)
      .map((mend) => mend.submission),
  });

  const problem = (status, code, detail, more = {}) => [
    status,
    'application/problem+json',
    { type: 'about:blank', title: 'refused', status, code, detail, ...more },
  ];
  const json = (value, status = 200) => [status, 'application/json', value];

  function check(text) {
    const lines = text
      .replace(/^\uFEFF/, '')
      .trim()
      .split('\n');
    const found = lines[0].split(',');
    const missing = HEADERS.filter((header) => !found.includes(header));
    if (missing.length > 0) return { missing };
    const bad = [];
    for (const [i, line] of lines.slice(1).entries()) {
      const cells = line.split(',');
      const values = Object.fromEntries(found.map((header, at) => [header, cells[at] ?? '']));
      if (cells.length !== found.length)
        bad.push({
          row: i + 1,
          code: 'ROW_UNREADABLE',
          column: '',
          value: `${cells.length} values`,
          codes: 'ROW_UNREADABLE()',
          values: {},
          line,
        });
      else if (Number(values.speed_kmh) > FASTEST)
        bad.push({
          row: i + 1,
          code: 'OUT_OF_RANGE',
          column: 'speed_kmh',
          value: values.speed_kmh,
          codes: 'OUT_OF_RANGE(speed_kmh)',
          values: Object.fromEntries(HEADERS.map((header) => [header, values[header]])),
          line: null,
        });
    }
    return { read: lines.length - 1, bad };
  }

  /** Rows of the landed lines by cell. */
  function cellsOf(text, bad) {
    const rejected = new Set(bad.map(({ row }) => row));
    const counts = new Map();
    for (const [i, line] of text.trim().split('\n').slice(1).entries()) {
      if (rejected.has(i + 1)) continue;
      const [, lat, lng] = line.split(',').map(Number);
      const cell = latLngToCell(lat, lng, 8);
      counts.set(cell, (counts.get(cell) ?? 0) + 1);
    }
    return counts;
  }

  function footprint(id) {
    const cells = [...placed.get(id)].map(([cell, rows]) => ({ cell, rows }));
    const marks = rejects.get(id).filter(({ values }) => values.lat !== undefined);
    return {
      submission: id,
      resolution: cells.length > 0 ? 8 : null,
      rows_placed: cells.reduce((sum, { rows }) => sum + rows, 0),
      rows_nowhere: 0,
      cells,
      rejected: marks.map(({ row, code, values }) => ({
        row,
        code,
        lng: Number(values.lng),
        lat: Number(values.lat),
      })),
    };
  }

  async function body(request) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  }

  async function land(feed, { id, name, mends = null, dryRun = false }, text) {
    const bytes = Buffer.byteLength(text);
    underWay.set(id, {
      state: 'reading',
      submission: id,
      file: name,
      received: bytes,
      expected: bytes,
      read: bytes / 2,
      total: bytes,
    });
    if (state.slowMs > 0) await new Promise((done) => setTimeout(done, state.slowMs));
    underWay.delete(id);
    const { missing, read, bad } = check(text);
    if (missing) {
      const detail = (header) => `the file has no column \`${header}\``;
      return problem(422, 'COLUMN_MISSING', detail(missing[0]), {
        violations: missing.map((header) => ({ code: 'COLUMN_MISSING', column: header, detail: detail(header) })),
      });
    }
    const reasons = {};
    for (const { code } of bad) reasons[code] = (reasons[code] ?? 0) + 1;
    const receipt = {
      submission: id,
      feed,
      file: name,
      rows_read: read,
      rows_landed: read - bad.length,
      rows_quarantined: bad.length,
      reasons,
      duplicate_of: null,
      bytes,
      seconds: 0.01,
      contract_version: '1.0.0',
      mends,
      read_as: {
        format: 'csv',
        packing: null,
        encoding: 'UTF-8',
        byte_order_mark: text.startsWith('\uFEFF'),
        delimiter: ',',
        decimal_comma: false,
      },
    };
    if (dryRun) return json({ ...receipt, dry_run: true, rejected: bad });
    const known = live(feed).find((it) => it.text === text);
    if (known)
      return json({ ...receipt, rows_landed: 0, rows_quarantined: 0, reasons: {}, duplicate_of: known.submission });
    landed
      .get(feed)
      .unshift({ state: 'landed', submission: id, landed_us: Date.now() * 1000, withdrawn_us: null, receipt, text });
    placed.set(id, cellsOf(text, bad));
    rejects.set(id, bad);
    return json(receipt, 201);
  }

  const tus = mockTus(land);

  async function submit(feed, query, request) {
    const said = { id: query.get('id') ?? randomUUID(), name: query.get('name'), mends: query.get('mends') };
    return land(feed, { ...said, dryRun: query.get('dry_run') === 'true' }, await body(request));
  }

  function csv(bad) {
    const rows = bad.map((it) => [
      ...HEADERS.map((header) => it.values[header] ?? ''),
      it.row,
      it.code,
      it.column,
      it.value,
      it.codes,
      it.line ?? '',
    ]);
    const headers = [...HEADERS, '_row', '_code', '_column', '_value', '_codes', '_line'];
    return [200, 'text/csv', `\uFEFF${[headers, ...rows].map((row) => row.join(',')).join('\n')}\n`];
  }

  function about(feed, id, rest, method, query) {
    const it = landed.get(feed).find((one) => one.submission === id);
    if (underWay.has(id)) return json(underWay.get(id));
    if (!it) return problem(404, 'SUBMISSION_UNKNOWN', `no submission \`${id}\``);
    if (rest === 'rejects') {
      const bad = it.state === 'landed' ? rejects.get(id) : [];
      return query.get('format') === 'json'
        ? json({ rejected: bad.slice(0, Number(query.get('limit') ?? 20)) })
        : csv(bad);
    }
    if (rest === 'cells') return json(footprint(id));
    if (method === 'DELETE') {
      it.state = 'withdrawn';
      it.withdrawn_us = Date.now() * 1000;
    }
    return json(told(feed, it));
  }

  /** An answer, `null` where the path is not of here, `'cut'` where there shall be none. */
  async function answer(request, url) {
    if (!url.pathname.startsWith('/api/feeds')) return null;
    if (state.refuse) return problem(503, 'LAKE_UNAVAILABLE', 'the lake could not take it');
    const [, , , department, name, part, id, rest] = url.pathname.split('/');
    if (department === undefined) return json({ feeds: [...landed.keys()].map(summary) });
    const feed = `${department}.${name}`;
    if (!landed.has(feed)) return problem(404, 'FEED_UNKNOWN', `there is no feed \`${feed}\``);
    if (part === undefined) return json({ ...summary(feed), contract });
    if (part === 'sample') return [200, 'text/csv', goodFile];
    if (part === 'uploads') return tus(feed, `/api/feeds/${department}/${name}/uploads`, id, request);
    if (id !== undefined) return about(feed, id, rest, request.method, url.searchParams);
    if (request.method !== 'POST')
      return json({
        submissions: landed.get(feed).map((it) => told(feed, it)),
        total: landed.get(feed).length,
        quality: quality(feed),
      });
    const done = await submit(feed, url.searchParams, request);
    const lost = state.lose;
    state.lose = false;
    return lost ? 'cut' : done;
  }

  return { answer, state };
}
