/** A footprint as a drawing: outlines, cells and marks in a frame of fixed width around where the rows fell. Pure. */
import type { Footprint, Mark } from '../protocol/footprint';
import { type AreaFeature, type Areas, areaAt, boundsOf, labelPoint, polygonsOf } from './areas';
import { cellCentre, cellRing, cellText, type LngLat, project, type Xy } from './mercator';

export const WIDTH = 800;
const HEIGHT = 420;
/** Ground around the rows, as a share of what they take. */
const MARGIN = 0.35;
/** The frame is never narrower than so many cells: one cell alone shows where in the city it is. */
const CELLS_ACROSS = 24;

export type CellShape = {
  readonly cell: string;
  readonly rows: number;
  readonly path: string;
  /** From 0 to 1, by the order of size of its rows. */
  readonly heat: number;
};
export type AreaRows = { readonly area: AreaFeature; readonly rows: number };
export type FootprintView = {
  readonly width: number;
  readonly height: number;
  readonly outlines: readonly string[];
  readonly labels: readonly { readonly area: AreaFeature; readonly at: Xy }[];
  readonly cells: readonly CellShape[];
  readonly marks: readonly { readonly mark: Mark; readonly at: Xy }[];
  /** The most rows in a cell. */
  readonly most: number;
  /** Landed rows in each area, most first. */
  readonly byArea: readonly AreaRows[];
  /** Landed rows and marks that lie too far from the city for the frame. */
  readonly outside: { readonly rows: number; readonly marks: number };
};

type Box = readonly [west: number, north: number, east: number, south: number];

function boxOf(points: readonly Xy[]): Box | null {
  if (points.length === 0) return null;
  let [west, north, east, south] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of points) {
    west = Math.min(west, x);
    east = Math.max(east, x);
    north = Math.min(north, y);
    south = Math.max(south, y);
  }
  return [west, north, east, south];
}

/** The box around the city in which rows are drawn: a row with swapped coordinates must not make the city a dot. */
function nearby(areas: Areas): (at: Xy) => boolean {
  const bounds = boundsOf(areas);
  if (bounds === null) return () => true;
  const [west, south, east, north] = bounds;
  const [[left, bottom], [right, top]] = [project(west, south), project(east, north)];
  const [dx, dy] = [right - left, bottom - top];
  return ([x, y]) => x >= left - dx && x <= right + dx && y >= top - dy && y <= bottom + dy;
}

/** The frame around `points`, in the frame's proportions and at least `least` wide. */
function frameOf(points: readonly Xy[], least: number): { readonly place: (at: Xy) => Xy } {
  const [west, north, east, south] = boxOf(points) ?? [0, 0, 1, 1];
  const width = Math.max((east - west) * (1 + MARGIN), ((south - north) * (1 + MARGIN) * WIDTH) / HEIGHT, least);
  const scale = WIDTH / width;
  const [x0, y0] = [(west + east) / 2, (north + south) / 2];
  return { place: ([x, y]) => [(x - x0) * scale + WIDTH / 2, (y - y0) * scale + HEIGHT / 2] };
}

function pathOf(ring: readonly LngLat[], place: (at: Xy) => Xy): string {
  const corners = ring.map(([lng, lat]) => place(project(lng, lat)).map((at) => at.toFixed(1)));
  return `M${corners.map((corner) => corner.join(' ')).join('L')}Z`;
}

export function footprintView(footprint: Footprint, areas: Areas): FootprintView {
  const near = nearby(areas);
  const cells = footprint.cells.map(({ cell, rows }) => ({ cell, rows, centre: cellCentre(cell) }));
  const shown = cells.filter(({ centre }) => near(project(...centre)));
  const marks = footprint.rejected.filter(({ lng, lat }) => near(project(lng, lat)));
  const rings = shown.map(({ cell }) => cellRing(cell));
  const across = boxOf((rings[0] ?? []).map(([lng, lat]) => project(lng, lat)));
  const points = [...shown.map(({ centre }) => project(...centre)), ...marks.map(({ lng, lat }) => project(lng, lat))];
  const least = across === null ? 1e-5 : (across[2] - across[0]) * CELLS_ACROSS;
  const { place } = frameOf(points, least);

  const most = Math.max(1, ...shown.map(({ rows }) => rows));
  const byArea = new Map<AreaFeature, number>();
  for (const { centre, rows } of cells) {
    const area = areaAt(areas, centre);
    if (area !== null) byArea.set(area, (byArea.get(area) ?? 0) + rows);
  }
  const inFrame = ([x, y]: Xy): boolean => x >= 0 && x <= WIDTH && y >= 0 && y <= HEIGHT;
  const labels = areas.features.map((area) => ({ area, at: place(project(...labelPoint(area))) }));
  return {
    width: WIDTH,
    height: HEIGHT,
    outlines: areas.features.flatMap((area) =>
      polygonsOf(area).map((rings) =>
        rings
          .map((ring) =>
            pathOf(
              ring.map(([lng = 0, lat = 0]) => [lng, lat] as const),
              place,
            ),
          )
          .join(''),
      ),
    ),
    labels: labels.filter(({ at }) => inFrame(at)),
    cells: shown.map(({ cell, rows }, i) => ({
      cell: cellText(cell),
      rows,
      path: pathOf(rings[i] ?? [], place),
      heat: most === 1 ? 1 : Math.log(rows) / Math.log(most),
    })),
    marks: marks.map((mark) => ({ mark, at: place(project(mark.lng, mark.lat)) })),
    most,
    byArea: [...byArea].map(([area, rows]) => ({ area, rows })).sort((a, b) => b.rows - a.rows),
    outside: {
      rows: cells.reduce((sum, it) => sum + (shown.includes(it) ? 0 : it.rows), 0),
      marks: footprint.rejected.length - marks.length,
    },
  };
}
