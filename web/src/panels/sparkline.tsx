/** A small line of a series, its last point marked. No axes: the tile's number is the reading. */
import type { Point } from '../protocol/frames';

const WIDTH = 100;
const HEIGHT = 28;

export function Sparkline({ series }: { readonly series: readonly Point[] }) {
  const first = series[0];
  const last = series.at(-1);
  if (first === undefined || last === undefined || first === last) return null;
  const values = series.map(([, value]) => value);
  const low = Math.min(...values);
  const span = Math.max(...values) - low || 1;
  const x = (at: number): number => ((at - first[0]) / (last[0] - first[0] || 1)) * WIDTH;
  const y = (value: number): number => HEIGHT - 3 - ((value - low) / span) * (HEIGHT - 6);
  const line = series.map(([at, value]) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
  return (
    <svg class="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      <polygon points={`0,${HEIGHT} ${line} ${WIDTH},${HEIGHT}`} />
      <polyline points={line} vector-effect="non-scaling-stroke" />
    </svg>
  );
}
