/** The administrative areas: reading their GeoJSON, their bounds, label points, and which of them holds a point. Pure. */
import type { Feature, FeatureCollection, MultiPolygon, Polygon, Position } from 'geojson';
import { type Bilingual, fields, list, Malformed, text, textOrNull } from '../protocol/read';
import type { LngLat } from './mercator';

export type AreaProperties = { readonly code: string; readonly nameEn: string; readonly nameZh: string };
export type AreaFeature = Feature<Polygon | MultiPolygon, AreaProperties>;
export type Areas = FeatureCollection<Polygon | MultiPolygon, AreaProperties>;
export type Bounds = readonly [west: number, south: number, east: number, north: number];

export const NO_AREAS: Areas = { type: 'FeatureCollection', features: [] };

export function readAreas(value: unknown): Areas {
  const found = list(fields(value, 'areas')['features'], '`features`');
  return { type: 'FeatureCollection', features: found.map(readArea) };
}

function readArea(value: unknown): AreaFeature {
  const f = fields(value, 'an area');
  const geometry = fields(f['geometry'], 'its geometry');
  const type = geometry['type'];
  if (type !== 'Polygon' && type !== 'MultiPolygon') throw new Malformed(`geometry \`${String(type)}\` is no area`);
  list(geometry['coordinates'], '`coordinates`');
  const p = fields(f['properties'], 'its properties');
  const code = text(p, 'code');
  const nameZh = textOrNull(p, 'name_zh') ?? code;
  const properties = { code, nameZh, nameEn: textOrNull(p, 'name_en') ?? nameZh };
  return { type: 'Feature', properties, geometry: geometry as unknown as Polygon | MultiPolygon };
}

export function areaName(area: AreaFeature): Bilingual {
  return { en: area.properties.nameEn, zh: area.properties.nameZh };
}

/** The rings of each of its parts. */
export function polygonsOf(area: AreaFeature): readonly Position[][][] {
  return area.geometry.type === 'Polygon' ? [area.geometry.coordinates] : area.geometry.coordinates;
}

/** The bounds of all areas; none where there is no point. */
export function boundsOf(areas: Areas): Bounds | null {
  let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x = 0, y = 0] of areas.features.flatMap(polygonsOf).flat(2)) {
    west = Math.min(west, x);
    east = Math.max(east, x);
    south = Math.min(south, y);
    north = Math.max(north, y);
  }
  return west <= east ? [west, south, east, north] : null;
}

function ringArea(ring: readonly Position[]): number {
  let sum = 0;
  ring.forEach(([x = 0, y = 0], i) => {
    const [nextX = 0, nextY = 0] = ring[(i + 1) % ring.length] ?? [];
    sum += x * nextY - nextX * y;
  });
  return sum / 2;
}

/** Where the name stands: the centre of mass of the largest part. */
export function labelPoint(area: AreaFeature): LngLat {
  const rings = polygonsOf(area).map((polygon) => polygon[0] ?? []);
  const ring = rings.reduce((a, b) => (Math.abs(ringArea(b)) > Math.abs(ringArea(a)) ? b : a), rings[0] ?? []);
  const [x0 = 0, y0 = 0] = ring[0] ?? [];
  let [x, y, sum] = [0, 0, 0];
  for (let i = 0; i + 1 < ring.length; i++) {
    const [ax, ay] = [(ring[i]?.[0] ?? 0) - x0, (ring[i]?.[1] ?? 0) - y0];
    const [bx, by] = [(ring[i + 1]?.[0] ?? 0) - x0, (ring[i + 1]?.[1] ?? 0) - y0];
    const cross = ax * by - bx * ay;
    sum += cross;
    x += (ax + bx) * cross;
    y += (ay + by) * cross;
  }
  return sum === 0 ? [x0, y0] : [x0 + x / (3 * sum), y0 + y / (3 * sum)];
}

function inRing(ring: readonly Position[], lng: number, lat: number): boolean {
  let inside = false;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
    const [ax = 0, ay = 0] = ring[i] ?? [];
    const [bx = 0, by = 0] = ring[j] ?? [];
    if (ay > lat !== by > lat && lng < ((bx - ax) * (lat - ay)) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}

/** The area that holds the point. */
export function areaAt(areas: Areas, [lng, lat]: LngLat): AreaFeature | null {
  const holds = (area: AreaFeature): boolean =>
    polygonsOf(area).some((rings) => rings.reduce((inside, ring) => inside !== inRing(ring, lng, lat), false));
  return areas.features.find(holds) ?? null;
}
