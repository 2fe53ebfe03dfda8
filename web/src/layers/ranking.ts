/** Areas ranked by the mean of a column over their cells. Which cell lies where is found once a cell and remembered. */
import type { CellTable, Picture } from '../state/model';
import { type AreaFeature, type Areas, areaAt } from './areas';
import { cellCentre } from './mercator';

export type Rank = { readonly area: AreaFeature; readonly mean: number; readonly cells: number };

export type AreaIndex = {
  readonly areas: Areas;
  /** For each ordinal the index of its area, −1 for none. Lives as long as the table's epoch. */
  readonly of: Map<bigint, number>;
};

export function createAreaIndex(areas: Areas): AreaIndex {
  return { areas, of: new Map() };
}

function areaOf(index: AreaIndex, table: CellTable, ordinal: number): number {
  const cell = table.ids[ordinal];
  if (cell === undefined) return -1;
  const known = index.of.get(cell);
  if (known !== undefined) return known;
  const area = areaAt(index.areas, cellCentre(cell));
  const found = area === null ? -1 : index.areas.features.indexOf(area);
  index.of.set(cell, found);
  return found;
}

/** Highest mean first; areas without a value are left out. */
export function rankAreas(index: AreaIndex, picture: Picture, column: number): readonly Rank[] {
  const sums = index.areas.features.map(() => ({ sum: 0, cells: 0 }));
  const values = picture.columns[column];
  if (values === undefined) return [];
  if (index.of.size > 2 * picture.table.length) index.of.clear();
  values.forEach((value, ordinal) => {
    const total = Number.isNaN(value) ? undefined : sums[areaOf(index, picture.table, ordinal)];
    if (total === undefined) return;
    total.sum += value;
    total.cells += 1;
  });
  return index.areas.features
    .map((area, i) => ({
      area,
      mean: (sums[i]?.sum ?? 0) / (sums[i]?.cells || 1),
      cells: sums[i]?.cells ?? 0,
    }))
    .filter((rank) => rank.cells > 0)
    .sort((a, b) => b.mean - a.mean);
}
