/** Web Mercator in the unit square, in f64. Pure. */
import { cellToBoundary, cellToLatLng } from 'h3-js';

export type Xy = readonly [x: number, y: number];
export type LngLat = readonly [lng: number, lat: number];

export function project(lng: number, lat: number): Xy {
  const phi = (Math.max(-85.05, Math.min(85.05, lat)) * Math.PI) / 180;
  return [(lng + 180) / 360, (1 - Math.log(Math.tan(Math.PI / 4 + phi / 2)) / Math.PI) / 2];
}

export const cellText = (cell: bigint): string => cell.toString(16).padStart(15, '0');

export function cellCentre(cell: bigint): LngLat {
  const [lat, lng] = cellToLatLng(cellText(cell));
  return [lng, lat];
}

/** The cell's closed ring in degrees. */
export function cellRing(cell: bigint): readonly LngLat[] {
  return cellToBoundary(cellText(cell), true).map(([lng, lat]) => [lng, lat] as const);
}
