/** Where the rows of a submission fell (`docs/openapi.json`), read field by field. */
import { fields, list, number, numberOrNull, text } from './read';

export type CellRows = { readonly cell: bigint; readonly rows: number };
export type Mark = { readonly row: number; readonly code: string; readonly lng: number; readonly lat: number };

export type Footprint = {
  readonly submission: string;
  readonly resolution: number | null;
  readonly rowsPlaced: number;
  readonly rowsNowhere: number;
  readonly cells: readonly CellRows[];
  /** Of the first rejected rows those that have a place. */
  readonly rejected: readonly Mark[];
};

export function readFootprint(value: unknown): Footprint {
  const f = fields(value, 'a footprint');
  return {
    submission: text(f, 'submission'),
    resolution: numberOrNull(f, 'resolution'),
    rowsPlaced: number(f, 'rows_placed'),
    rowsNowhere: number(f, 'rows_nowhere'),
    cells: list(f['cells'], 'cells').map((it) => {
      const cell = fields(it, 'a cell');
      return { cell: BigInt(`0x${text(cell, 'cell')}`), rows: number(cell, 'rows') };
    }),
    rejected: list(f['rejected'], 'rejected').map((it) => {
      const mark = fields(it, 'a rejected row');
      return { row: number(mark, 'row'), code: text(mark, 'code'), lng: number(mark, 'lng'), lat: number(mark, 'lat') };
    }),
  };
}
