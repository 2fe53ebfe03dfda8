/** Cells as triangles: six corners a cell, relative to an origin near them so that f32 keeps a few centimetres. Pure. */
import { cellRing, project, type Xy } from './mercator';

export const CORNERS = 6;
export const INDEXES = 12;

/** The share of a cell that is filled: the rest is the ground between cells, which keeps borders and labels readable. */
const FILL = 0.94;

/** x,y of `CORNERS` corners for each cell. A pentagon repeats its last corner; a cell with more keeps every first of them. */
export function cellCorners(cells: BigUint64Array, origin: Xy): Float32Array<ArrayBuffer> {
  const corners = new Float32Array(cells.length * CORNERS * 2);
  cells.forEach((cell, i) => {
    const ring = cellRing(cell)
      .slice(0, -1)
      .map(([lng, lat]) => project(lng, lat));
    const middle = ring.reduce((sum, [x, y]) => [sum[0] + x / ring.length, sum[1] + y / ring.length] as const, [
      0, 0,
    ] as const);
    for (let j = 0; j < CORNERS; j++) {
      const [x, y] = ring[Math.min(j, ring.length - 1)] ?? middle;
      corners[(i * CORNERS + j) * 2] = middle[0] + (x - middle[0]) * FILL - origin[0];
      corners[(i * CORNERS + j) * 2 + 1] = middle[1] + (y - middle[1]) * FILL - origin[1];
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
