/** Cells as triangles: six corners a cell, relative to an origin near them so that f32 keeps a few centimetres. Pure. */
import { cellRing, project, type Xy } from './mercator';

export const CORNERS = 6;
export const INDEXES = 12;

/** The share of a cell that is filled: the rest is the ground between cells, which keeps borders and labels readable. */
const FILL = 0.94;

/** Floats a corner: where it is, and the way to it from the cell's middle, along which a hot cell swells. */
export const CORNER_FLOATS = 4;

/** `CORNERS` corners for each cell. A pentagon repeats its last corner; a cell with more keeps every first of them. */
export function cellCorners(cells: BigUint64Array, origin: Xy): Float32Array<ArrayBuffer> {
  const corners = new Float32Array(cells.length * CORNERS * CORNER_FLOATS);
  cells.forEach((cell, i) => {
    const ring = cellRing(cell)
      .slice(0, -1)
      .map(([lng, lat]) => project(lng, lat));
    const middle = ring.reduce((sum, [x, y]) => [sum[0] + x / ring.length, sum[1] + y / ring.length] as const, [
      0, 0,
    ] as const);
    for (let j = 0; j < CORNERS; j++) {
      const [x, y] = ring[Math.min(j, ring.length - 1)] ?? middle;
      const [dx, dy] = [(x - middle[0]) * FILL, (y - middle[1]) * FILL];
      corners.set([middle[0] + dx - origin[0], middle[1] + dy - origin[1], dx, dy], (i * CORNERS + j) * CORNER_FLOATS);
    }
  });
  return corners;
}

/** A fan of four triangles for each of `count` cells from ordinal `first`. */
export function cellIndexes(first: number, count: number): Uint32Array<ArrayBuffer> {
  const indexes = new Uint32Array(count * INDEXES);
  for (let i = 0; i < count; i++) {
    const corner = (first + i) * CORNERS;
    for (let fan = 0; fan < 4; fan++) indexes.set([corner, corner + fan + 1, corner + fan + 2], i * INDEXES + fan * 3);
  }
  return indexes;
}
