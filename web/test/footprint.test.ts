/** Where rows fell as a drawing: nothing is lost between the answer and the frame, and far rows do not shrink the city. */
import { latLngToCell } from 'h3-js';
import { describe, expect, it } from 'vitest';
import { NO_AREAS, readAreas } from '../src/layers/areas';
import { footprintView } from '../src/layers/footprint-view';
import { readFootprint } from '../src/protocol/footprint';

const square = (code: string, west: number) => ({
  type: 'Feature',
  properties: { code, name_en: code, name_zh: code },
  geometry: {
    type: 'Polygon',
    coordinates: [
      [
        [west, 32],
        [west + 0.1, 32],
        [west + 0.1, 32.1],
        [west, 32.1],
        [west, 32],
      ],
    ],
  },
});
const areas = readAreas({ features: [square('a', 121), square('b', 121.1)] });
const cell = (lng: number, lat: number): string => latLngToCell(lat, lng, 8);
const told = (cells: object[], rejected: object[] = []) =>
  readFootprint({ submission: 's', resolution: 8, rows_placed: 0, rows_nowhere: 0, cells, rejected });

describe('a footprint', () => {
  const footprint = told(
    [
      { cell: cell(121.05, 32.05), rows: 100 },
      { cell: cell(121.15, 32.05), rows: 1 },
      { cell: cell(32.05, 60), rows: 7 },
    ],
    [
      { row: 3, code: 'OUT_OF_RANGE', lng: 121.06, lat: 32.05 },
      { row: 4, code: 'OUTSIDE_CITY', lng: 0, lat: 0 },
    ],
  );

  it('draws what is near the city inside the frame and counts what is not', () => {
    const view = footprintView(footprint, areas);
    expect(view.cells.map(({ rows, heat }) => [rows, heat])).toEqual([
      [100, 1],
      [1, 0],
    ]);
    expect(view.outside).toEqual({ rows: 7, marks: 1 });
    expect(view.byArea.map(({ area, rows }) => [area.properties.code, rows])).toEqual([
      ['a', 100],
      ['b', 1],
    ]);
    const numbers = view.cells.flatMap(({ path }) =>
      [...path.matchAll(/[-\d.]+ [-\d.]+/g)].map(([at]) => at.split(' ')),
    );
    for (const [x, y] of numbers) {
      expect(Number(x)).toBeGreaterThan(0);
      expect(Number(x)).toBeLessThan(view.width);
      expect(Number(y)).toBeGreaterThan(0);
      expect(Number(y)).toBeLessThan(view.height);
    }
    // West is left: the crowded cell of area a, the mark just east of it, the other cell.
    const left = (path: string): number => Number(/M([-\d.]+)/.exec(path)?.[1]);
    const [a, b] = view.cells.map(({ path }) => left(path));
    expect(a).toBeLessThan(view.marks[0]?.at[0] ?? 0);
    expect(view.marks[0]?.at[0] ?? 0).toBeLessThan(b ?? 0);
  });

  it('is drawn without areas, and without rows', () => {
    expect(footprintView(footprint, NO_AREAS).cells).toHaveLength(3);
    expect(footprintView(told([]), areas)).toMatchObject({ cells: [], marks: [], most: 1, byArea: [] });
  });

  it('shows one cell small enough to see where it is', () => {
    const view = footprintView(told([{ cell: cell(121.05, 32.05), rows: 5 }]), areas);
    const xs = [...(view.cells[0]?.path ?? '').matchAll(/[ML]([-\d.]+)/g)].map(([, x]) => Number(x));
    expect(Math.max(...xs) - Math.min(...xs)).toBeLessThan(view.width / 12);
  });
});
