/** The map itself, the only place that knows MapLibre's objects. Told what to show; tells where a hand or a finger was. */
import { latLngToCell } from 'h3-js';
import { type GeoJSONSource, Map as MapLibre, setWorkerUrl } from 'maplibre-gl';
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?url';
import 'maplibre-gl/dist/maplibre-gl.css';
import { type Areas, type Bounds, boundsOf } from '../layers/areas';
import { createCellLayer } from '../layers/cell-layer';
import { cellRing } from '../layers/mercator';
import type { Pins } from '../layers/pins';
import type { Picture } from '../state/model';
import type { LanguageMode } from '../words/strings';
import { addPinImages } from './pin-images';
import { ABOVE_CELLS, baseStyle, graticule, nameField, namePoints, textSizes } from './style';

export type MapEvents = {
  /** The cell under the pointer at the layer's resolution, null outside. */
  readonly onHover: (cell: bigint | null) => void;
  readonly onPick: (cell: bigint) => void;
  readonly onTouched: () => void;
};

export type CityMap = {
  readonly showAreas: (level: 'county' | 'town', areas: Areas) => void;
  readonly showCells: (shown: { picture: Picture; column: number; range: readonly [number, number] } | null) => void;
  readonly showPins: (pins: Pins) => void;
  readonly showPicked: (cell: bigint | null) => void;
  readonly showLanguage: (mode: LanguageMode) => void;
  readonly fitCity: (bounds?: Bounds) => void;
  readonly flyTo: (lng: number, lat: number) => void;
  /** For tests: where a cell's centre is on the page. */
  readonly toScreen: (lng: number, lat: number) => { x: number; y: number };
  readonly loaded: Promise<void>;
  readonly canvas: HTMLCanvasElement;
};

const CLOSE_ZOOM = 11.2;

export function createMap(container: HTMLElement, testing: boolean, events: MapEvents): CityMap {
  setWorkerUrl(workerUrl);
  const map = new MapLibre({
    container,
    style: baseStyle(),
    center: [116.4, 35],
    zoom: 4,
    maxZoom: 16,
    attributionControl: false,
    dragRotate: false,
    pitchWithRotate: false,
    // With fading, names are placed over many frames and begun anew when a source moves: on a slow wall they never end.
    fadeDuration: 0,
    canvasContextAttributes: { preserveDrawingBuffer: testing, antialias: true },
  });
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();
  const cells = createCellLayer('cells');
  const calm = testing || matchMedia('(prefers-reduced-motion: reduce)').matches;
  let city: Bounds | null = null;
  let resolution: number | null = null;
  const loaded = new Promise<void>((done) => void map.once('load', () => done())).then(() => {
    addPinImages(map);
    fitText();
    map.addLayer(cells.layer, ABOVE_CELLS);
  });

  const source = (id: string): GeoJSONSource | undefined => map.getSource<GeoJSONSource>(id);
  const whenLoaded = (act: () => void): void => void loaded.then(act);

  function fitText(): void {
    const remPx = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
    for (const [layer, px] of textSizes(remPx)) map.setLayoutProperty(layer, 'text-size', px);
    for (const layer of ['flags', 'pins', 'pin-counts']) map.setLayoutProperty(layer, 'icon-size', remPx / 16);
  }

  function fitCity(bounds?: Bounds): void {
    const first = city === null;
    city = bounds ?? city;
    if (city === null) return;
    const [west, south, east, north] = city;
    map.fitBounds([west, south, east, north], {
      padding: 32,
      duration: calm || first ? 0 : 900,
    });
  }

  function cellUnder({ lng, lat }: { lng: number; lat: number }): bigint | null {
    return resolution === null ? null : BigInt(`0x${latLngToCell(lat, lng, resolution)}`);
  }

  map.on('mousemove', (event) => events.onHover(cellUnder(event.lngLat)));
  map.on('mouseout', () => events.onHover(null));
  map.on('click', (event) => {
    const cell = cellUnder(event.lngLat);
    if (cell !== null) events.onPick(cell);
  });
  for (const type of ['dragstart', 'wheel', 'touchstart'] as const) map.on(type, events.onTouched);
  map.on('resize', () => {
    whenLoaded(fitText);
    fitCity();
  });

  return {
    loaded,
    canvas: map.getCanvas(),
    fitCity,
    showAreas: (level, areas) =>
      whenLoaded(() => {
        source(level === 'county' ? 'counties' : 'towns')?.setData(areas);
        source(`${level}-names`)?.setData(namePoints(areas));
        const bounds = level === 'county' ? boundsOf(areas) : null;
        if (bounds === null) return;
        source('graticule')?.setData(graticule(bounds));
        fitCity(bounds);
      }),
    showCells: (shown) => {
      const first = shown?.picture.table.ids[0];
      resolution =
        shown === null || first === undefined || shown.picture.table.length === 0 ? null : resolutionOf(first);
      cells.show(shown);
      map.triggerRepaint();
    },
    showPins: (pins) => whenLoaded(() => void source('pins')?.setData(pins)),
    showPicked: (cell) =>
      whenLoaded(() => {
        const coordinates = cell === null ? [] : cellRing(cell).map(([lng, lat]) => [lng, lat]);
        source('picked')?.setData({ type: 'LineString', coordinates });
      }),
    showLanguage: (mode) =>
      whenLoaded(() => {
        for (const id of ['county-names', 'town-names']) map.setLayoutProperty(id, 'text-field', nameField(mode));
      }),
    flyTo: (lng, lat) => {
      const camera = { center: [lng, lat] as [number, number], zoom: Math.max(map.getZoom(), CLOSE_ZOOM) };
      if (calm) map.jumpTo(camera);
      else map.flyTo({ ...camera, duration: 1600 });
    },
    toScreen: (lng, lat) => map.project([lng, lat]),
  };
}

/** Bits 52–55 of an H3 index. */
function resolutionOf(cell: bigint): number {
  return Number((cell >> 52n) & 15n);
}
