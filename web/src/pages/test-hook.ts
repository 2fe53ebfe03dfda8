/** What browser tests ask of the page; offered only with `?test` in the address. */
import { cellCentre, cellText } from '../layers/mercator';
import type { CityMap } from '../map/create-map';
import { columnIndex, columns, layerName, wall } from '../panels/store';
import { pictureOf, rangeOf } from '../state/select';
import { cividis, rampOpacity } from '../theme/ramps';

type Probe = {
  readonly cell: string;
  readonly value: number;
  /** Where the cell's centre is, in pixels of the canvas element. */
  readonly x: number;
  readonly y: number;
  /** The colour of the ramp, before it is laid over the ground. */
  readonly ramp: readonly [number, number, number];
  readonly opacity: number;
};

declare global {
  interface Window {
    cityloom?: {
      readonly probes: (count: number) => readonly Probe[];
      readonly held: () => number | null;
      readonly cells: () => number;
    };
  }
}

export function offerTestHook(map: CityMap): void {
  const picture = () => pictureOf(wall.value, layerName.value);
  window.cityloom = {
    held: () => picture()?.q ?? null,
    cells: () => picture()?.table.length ?? 0,
    probes: (count) => {
      const shown = picture();
      const column = columnIndex.value;
      if (shown === null) return [];
      const [low, high] = rangeOf(shown, column, columns.value[column]?.range ?? null);
      const step = Math.max(1, Math.floor(shown.table.length / count));
      return Array.from({ length: count }, (_, i) => i * step).flatMap((ordinal) => {
        const cell = shown.table.ids[ordinal];
        const value = shown.columns[column]?.[ordinal] ?? Number.NaN;
        if (ordinal >= shown.table.length || cell === undefined || Number.isNaN(value)) return [];
        const { x, y } = map.toScreen(...cellCentre(cell));
        const t = (value - low) / (high - low);
        return [{ cell: cellText(cell), value, x, y, ramp: cividis(t), opacity: rampOpacity(t) }];
      });
    },
  };
}
