/** The base map without any tile or glyph file: ground, graticule, areas, labels, pins. Names are drawn from the machine's fonts. */
import type { FeatureCollection, LineString, Point } from 'geojson';
import type { ExpressionSpecification, StyleSpecification, SymbolLayerSpecification } from 'maplibre-gl';
import { type Areas, type Bounds, labelPoint } from '../layers/areas';
import { SEVERITY_MARKS } from '../theme/ramps';
import type { LanguageMode } from '../words/strings';

const FONTS = ['WenQuanYi Micro Hei', 'Noto Sans CJK SC', 'sans-serif'];
const EMPTY: FeatureCollection = { type: 'FeatureCollection', features: [] };
const TOWNS_FROM_ZOOM = 9.6;

/** The layer before which the cells are drawn: borders and names lie over them. */
export const ABOVE_CELLS = 'towns';

/** Pins are placed first and never left out; a name steps aside for them. */
const ALWAYS = { 'icon-allow-overlap': true } as const;
const BESIDE_PINS = {
  'text-variable-anchor': ['center', 'bottom', 'top', 'left', 'right'],
  'text-radial-offset': 1.3,
} as const satisfies Pick<SymbolLayerSpecification['layout'] & object, 'text-variable-anchor' | 'text-radial-offset'>;

/** The picture of a pin by the rank of the worst that stands there. */
const PIN_IMAGE = [
  'match',
  ['get', 'rank'],
  ...Object.entries(SEVERITY_MARKS).flatMap(([severity, { rank }]) => [rank, `alert-${severity}`]),
  'alert-Unknown',
] as unknown as ExpressionSpecification;

/** Sizes of what is written on the map, in rem: a wall's text follows its height. */
const TEXT_REMS = { 'county-names': 1.08, 'town-names': 0.85, 'pin-counts': 0.875 } as const;

export function textSizes(remPx: number): readonly (readonly [layer: string, px: number])[] {
  return Object.entries(TEXT_REMS).map(([layer, rems]) => [layer, rems * remPx]);
}

export function baseStyle(): StyleSpecification {
  const source = { type: 'geojson', data: EMPTY } as const;
  return {
    version: 8,
    sources: {
      graticule: source,
      counties: { ...source, tolerance: 0.2 },
      towns: { ...source, tolerance: 0.2 },
      'county-names': source,
      'town-names': source,
      picked: source,
      pins: {
        ...source,
        cluster: true,
        clusterRadius: 30,
        clusterProperties: { rank: ['min', ['get', 'rank']], flag: ['max', ['get', 'flag']] },
      },
    },
    layers: [
      { id: 'ground', type: 'background', paint: { 'background-color': '#07101f' } },
      {
        id: 'graticule',
        type: 'line',
        source: 'graticule',
        paint: { 'line-color': '#10233c', 'line-width': 1 },
      },
      { id: 'land', type: 'fill', source: 'counties', paint: { 'fill-color': '#0d1c31' } },
      {
        id: 'towns',
        type: 'line',
        source: 'towns',
        minzoom: TOWNS_FROM_ZOOM,
        paint: { 'line-color': '#8fb6dd', 'line-opacity': 0.35, 'line-width': 1 },
      },
      {
        id: 'counties-glow',
        type: 'line',
        source: 'counties',
        paint: { 'line-color': '#5fd0ff', 'line-opacity': 0.16, 'line-width': 7, 'line-blur': 5 },
      },
      {
        id: 'counties',
        type: 'line',
        source: 'counties',
        paint: { 'line-color': '#7fdcff', 'line-width': 1.4 },
      },
      { id: 'picked', type: 'line', source: 'picked', paint: { 'line-color': '#ffffff', 'line-width': 2.5 } },
      {
        id: 'town-names',
        type: 'symbol',
        source: 'town-names',
        minzoom: TOWNS_FROM_ZOOM + 0.4,
        layout: { 'text-font': FONTS, ...BESIDE_PINS },
        paint: { 'text-color': '#d3e2f4', 'text-halo-color': '#07101f', 'text-halo-width': 1.6 },
      },
      {
        id: 'county-names',
        type: 'symbol',
        source: 'county-names',
        layout: { 'text-font': FONTS, 'text-line-height': 1.15, 'text-padding': 1, ...BESIDE_PINS },
        paint: { 'text-color': '#ffffff', 'text-halo-color': '#07101f', 'text-halo-width': 2 },
      },
      {
        id: 'flags',
        type: 'symbol',
        source: 'pins',
        filter: ['>', ['get', 'flag'], 0],
        layout: {
          'icon-image': ['match', ['get', 'flag'], 1, 'order-accepted', 'order-dispatched'],
          'icon-offset': [11, -7],
          ...ALWAYS,
        },
      },
      {
        id: 'pins',
        type: 'symbol',
        source: 'pins',
        layout: {
          'icon-image': PIN_IMAGE,
          'symbol-sort-key': ['-', 0, ['get', 'rank']],
          ...ALWAYS,
        },
      },
      {
        id: 'pin-counts',
        type: 'symbol',
        source: 'pins',
        filter: ['has', 'point_count'],
        layout: {
          'icon-image': 'pin-count',
          'icon-offset': [-16, -13],
          'text-field': ['get', 'point_count_abbreviated'],
          'text-font': FONTS,
          'text-offset': [-1.14, -0.93],
          ...ALWAYS,
          'text-allow-overlap': true,
        },
        paint: { 'text-color': '#07101f' },
      },
    ],
  };
}

/** What a name label says in each language mode. */
export function nameField(mode: LanguageMode): ExpressionSpecification {
  switch (mode) {
    case 'zh':
      return ['get', 'nameZh'];
    case 'en':
      return ['get', 'nameEn'];
    case 'both':
      return ['format', ['get', 'nameZh'], {}, '\n', {}, ['get', 'nameEn'], { 'font-scale': 0.72 }];
  }
}

export function namePoints(areas: Areas): FeatureCollection<Point> {
  const features = areas.features.map((area) => {
    const [lng, lat] = labelPoint(area);
    const geometry = { type: 'Point' as const, coordinates: [lng, lat] };
    return { type: 'Feature' as const, properties: area.properties, geometry };
  });
  return { type: 'FeatureCollection', features };
}

/** Lines at a tenth of a degree, half a degree beyond the city on each side. */
export function graticule([west, south, east, north]: Bounds): FeatureCollection<LineString> {
  const [left, right] = [Math.floor(west * 5 - 8) / 5, Math.ceil(east * 5 + 8) / 5];
  const [bottom, top] = [Math.floor(south * 5 - 4) / 5, Math.ceil(north * 5 + 4) / 5];
  const line = (coordinates: [number, number][]) => ({
    type: 'Feature' as const,
    properties: {},
    geometry: { type: 'LineString' as const, coordinates },
  });
  const features = [];
  const step = 0.2;
  for (let x = left; x <= right + step / 2; x += step)
    features.push(
      line([
        [x, bottom],
        [x, top],
      ]),
    );
  for (let y = bottom; y <= top + step / 2; y += step)
    features.push(
      line([
        [left, y],
        [right, y],
      ]),
    );
  return { type: 'FeatureCollection', features };
}
