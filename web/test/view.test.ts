/** The pure parts under the picture: geometry, areas, ranking, colours, figures, order of lists, waiting times. */
import { cellToBoundary, gridDisk, latLngToCell } from 'h3-js';
import { describe, expect, it } from 'vitest';
import { areaAt, boundsOf, labelPoint, readAreas } from '../src/layers/areas';
import { CORNER_FLOATS, CORNERS, cellCorners, cellIndexes } from '../src/layers/cell-geometry';
import { originMatrix } from '../src/layers/gl';
import { hotFrom } from '../src/layers/hot';
import { cellCentre, project } from '../src/layers/mercator';
import { pinsOf } from '../src/layers/pins';
import { createAreaIndex, rankAreas } from '../src/layers/ranking';
import { isDue, nextScene, worthVisit } from '../src/pages/rotation';
import type { Alert, AlertId, Order, OrderId, Severity } from '../src/protocol/frames';
import { appendCells, emptyTable, initialState, type Picture } from '../src/state/model';
import { freshness, notices, rangeOf, sortedAlerts } from '../src/state/select';
import { cividis, rampTexels } from '../src/theme/ramps';
import { retryDelayMs } from '../src/transport/backoff';
import { formatAge, formatMeasure, formatTimer, formatValue } from '../src/words/format';

const disk = BigUint64Array.from(gridDisk(latLngToCell(32.05, 120.9, 9), 3), (cell) => BigInt(`0x${cell}`));

const square = (code: string, west: number, east: number) => ({
  type: 'Feature',
  properties: { code, name_zh: code, name_en: code },
  geometry: {
    type: 'Polygon',
    coordinates: [
      [
        [west, 31],
        [east, 31],
        [east, 33],
        [west, 33],
        [west, 31],
      ],
    ],
  },
}); // prettier-ignore
const areas = readAreas({
  type: 'FeatureCollection',
  features: [square('west', 120, 120.9), square('east', 120.9, 122)],
});

describe('cells', () => {
  it('corners lie inside their cell, within a metre of f32', () => {
    const origin = project(...cellCentre(disk[0] ?? 0n));
    const corners = cellCorners(disk, origin);
    disk.forEach((cell, i) => {
      const [x, y] = project(...cellCentre(cell));
      const ring = cellToBoundary(cell.toString(16), true).map(([lng, lat]) => project(lng, lat));
      const reach = Math.max(...ring.map(([a, b]) => Math.hypot(a - x, b - y)));
      for (let j = 0; j < CORNERS; j++) {
        const dx = (corners[(i * CORNERS + j) * CORNER_FLOATS] ?? 0) + origin[0] - x;
        const dy = (corners[(i * CORNERS + j) * CORNER_FLOATS + 1] ?? 0) + origin[1] - y;
        expect(Math.hypot(dx, dy)).toBeLessThan(reach);
        expect(Math.hypot(dx, dy)).toBeGreaterThan(reach * 0.7);
      }
    });
  });

  it('the fan of a later cell starts at its own corners', () => {
    expect([...cellIndexes(2, 1)]).toEqual([12, 13, 14, 12, 14, 15, 12, 15, 16, 12, 16, 17]);
  });

  it('the matrix for relative coordinates gives what the full one gives', () => {
    const matrix = Array.from({ length: 16 }, (_, i) => (i * 7) % 5);
    const moved = originMatrix(matrix, [0.25, 0.5]);
    const at = (m: ArrayLike<number>, x: number, y: number) =>
      [0, 1, 2, 3].map((r) => (m[r] ?? 0) * x + (m[4 + r] ?? 0) * y + (m[12 + r] ?? 0));
    expect(at(moved, 0.5, 0.25)).toEqual(at(matrix, 0.75, 0.75));
  });
});

describe('areas', () => {
  it('a point has its area, a name its place, a city its bounds', () => {
    expect(areaAt(areas, [121, 32])?.properties.code).toBe('east');
    expect(areaAt(areas, [123, 32])).toBeNull();
    expect(boundsOf(areas)).toEqual([120, 31, 122, 33]);
    const [first] = areas.features;
    expect(first && labelPoint(first).map((v) => Math.round(v * 1e6) / 1e6)).toEqual([120.45, 32]);
  });

  it('districts are ranked by the mean of the cells that have a value', () => {
    const table = appendCells(emptyTable(), disk);
    const column = Float32Array.from(disk, (cell) => (cellCentre(cell)[0] > 120.9 ? 8 : 2));
    column[0] = Number.NaN;
    const picture: Picture = { schema: [], table, columns: [column], q: 1, tsMs: 1 };
    const ranks = rankAreas(createAreaIndex(areas), picture, 0);
    expect(ranks.map((rank) => [rank.area.properties.code, rank.mean])).toEqual([
      ['east', 8],
      ['west', 2],
    ]); // prettier-ignore
    expect(ranks.reduce((sum, rank) => sum + rank.cells, 0)).toBe(disk.length - 1);
    expect(rangeOf(picture, 0, null)).toEqual([2, 8]);
  });
});

describe('colours and figures', () => {
  it('the ramp grows lighter at every step', () => {
    const light = ([r, g, b]: readonly number[]) => 0.2126 * (r ?? 0) + 0.7152 * (g ?? 0) + 0.0722 * (b ?? 0);
    const steps = Array.from({ length: 256 }, (_, i) => light(cividis(i / 255)));
    steps.forEach((step, i) => void (i > 0 && expect(step).toBeGreaterThanOrEqual((steps[i - 1] ?? 0) - 0.3)));
    const opacity = Array.from({ length: 256 }, (_, i) => rampTexels()[i * 4 + 3] ?? 0);
    opacity.forEach((step, i) => void (i > 0 && expect(step).toBeGreaterThanOrEqual(opacity[i - 1] ?? 0)));
    expect([...rampTexels().slice(0, 3)]).toEqual([0, 34, 78]);
  });

  it('few cells are hot, none of a calm field, and never more than the share', () => {
    const hotIn = (values: Float32Array) => values.filter((value) => value / 30 >= hotFrom(values, [0, 30])).length;
    expect([2, 15, 30].map((value) => hotIn(new Float32Array(100).fill(value)))).toEqual([0, 0, 0]);
    const one = new Float32Array(100).fill(4);
    one[7] = 28;
    expect(hotFrom(one, [0, 30])).toBeLessThanOrEqual(28 / 30);
    expect(hotFrom(one, [0, 30])).toBeGreaterThanOrEqual(0.5);
    const even = Float32Array.from({ length: 1000 }, (_, i) => i / 10);
    const hot = hotFrom(even, [0, 100]);
    const share = even.filter((value) => value / 100 >= hot).length;
    expect(share).toBeGreaterThan(0);
    expect(share).toBeLessThanOrEqual(20);
  });

  it('figures follow their format', () => {
    expect([
      formatValue(0.893, '0.0%'),
      formatValue(1234.5, '0'),
      formatValue(3.1449, '0.00'),
      formatValue(null, '0'),
    ]).toEqual(['89.3%', '1,235', '3.14', '–']);
    expect([formatMeasure(0.123), formatMeasure(45.67), formatMeasure(789.4)]).toEqual(['0.12', '45.7', '789']);
    expect([formatTimer(-5), formatTimer(62_000), formatTimer(3_723_000)]).toEqual(['0:00', '1:02', '1:02:03']);
    expect([formatAge(400), formatAge(61_000), formatAge(200_000), formatAge(9_000_000)]).toEqual([
      '0.4 s',
      '61 s',
      '3 min',
      '3 h',
    ]);
  });
});

describe('notices', () => {
  it('what is broken stands first, what is only to be known last, and it hides no error of its file', () => {
    const at = 'queries/layer/map.sql';
    const words = (text: string) => ({ zh: text, en: text });
    const error = { code: 'CL040', level: 'error', text: words('broken'), at } as const;
    const layer = { name: 'map', title: words('map'), columns: [], asOfMs: null, error };
    const told = [
      { code: 'FILLING', level: 'info', text: words('map reads its history'), at },
      { code: 'NO_SIGNAL', level: 'warn', text: words('No signal'), at: null },
    ] as const;
    const sys = { notices: told, synthetic: false, open: false, layers: [layer] };
    expect(notices({ ...initialState(), sys }).map(({ code }) => code)).toEqual(['CL040', 'NO_SIGNAL', 'FILLING']);
  });
});

describe('waiting', () => {
  it('the picture is amber after a missed heartbeat and red at 15 s', () => {
    const state = initialState();
    const heard = { ...state, link: { ...state.link, heardMs: 1000 } };
    expect([2000, 6600, 16_000].map((now) => freshness(heard, now).level)).toEqual(['fresh', 'amber', 'red']);
    expect(freshness(state, 99).ageMs).toBeNull();
  });

  it('a retry waits between half a second and fifteen, wider with each failure', () => {
    for (let attempt = 0; attempt < 40; attempt++) {
      expect(retryDelayMs(attempt, 0)).toBe(500);
      expect(retryDelayMs(attempt, 0.999)).toBeLessThanOrEqual(15_000);
      expect(retryDelayMs(attempt + 1, 0.5)).toBeGreaterThanOrEqual(retryDelayMs(attempt, 0.5));
    }
  });

  it('scenes go round while nobody touches the wall', () => {
    expect(['a', 'b', 'c', null, 'x'].map((name) => nextScene(['a', 'b', 'c'], name))).toEqual([
      'b',
      'c',
      'a',
      'b',
      'a',
    ]);
    expect(nextScene([], 'a')).toBeNull();
    const calm = { paused: false, touchedMs: 0, sinceMs: 0 };
    expect([
      isDue(calm, 30_000),
      isDue(calm, 29_000),
      isDue({ ...calm, paused: true }, 60_000),
      isDue({ ...calm, touchedMs: 9000 }, 31_000),
    ]).toEqual([true, false, false, false]);
  });
});

describe('alerts on the map', () => {
  const alert = (id: string, severity: Severity, raisedMs: number, more: Partial<Alert> = {}) =>
    ({ id: id as AlertId, severity, raisedMs, updatedMs: raisedMs, open: true, lng: 120.9, lat: 32, ...more }) as Alert;
  const order = (id: string, of: string | null, state: Order['state']) =>
    ({ id: id as OrderId, alert: of, severity: 'Severe', state, lng: 120.9, lat: 32 }) as Order;

  it('an alert and its order are one pin with a flag; an order left alone keeps its own', () => {
    const alerts = [alert('a', 'Extreme', 1), alert('b', 'Minor', 2), alert('c', 'Severe', 3, { open: false })];
    const orders = [order('x', 'a', 'dispatched'), order('y', 'c', 'accepted'), order('z', 'b', 'closed')];
    const seen = pinsOf(alerts, orders).features.map(({ properties }) => properties);
    expect(seen).toEqual([
      { id: 'b', rank: 4, flag: 0 },
      { id: 'y', rank: 2, flag: 1 },
      { id: 'a', rank: 1, flag: 2 },
    ]);
  });

  it('the gravest stand on top, the newest of them first', () => {
    const rows = [alert('a', 'Minor', 9), alert('b', 'Extreme', 1), alert('c', 'Extreme', 5)];
    expect(sortedAlerts(rows).map(({ id }) => id)).toEqual(['c', 'b', 'a']);
  });

  it('only a new, open, unvisited Extreme alert with a place is worth a visit', () => {
    const now = 1_000_000;
    const rows = [
      alert('old', 'Extreme', now - 61_000),
      alert('mild', 'Severe', now),
      alert('done', 'Extreme', now, { open: false }),
      alert('nowhere', 'Extreme', now, { lng: null }),
      alert('new', 'Extreme', now - 5000),
      alert('newest', 'Extreme', now - 1000),
    ];
    expect(worthVisit(rows, new Set(), now)?.id).toBe('newest');
    expect(worthVisit(rows, new Set(['newest']), now)?.id).toBe('new');
    expect(worthVisit(rows, new Set(['newest', 'new']), now)).toBeNull();
  });
});
