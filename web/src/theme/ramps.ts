/** Colours with a meaning: the cividis ramp for measures, the four statutory warning colours for severities. One legend source. */
import type { Severity } from '../protocol/frames';

export type Rgb = readonly [number, number, number];

/** Cividis at even steps: lightness grows monotonically, safe for the three kinds of colour-blindness. */
const CIVIDIS: readonly Rgb[] = [
  [0, 34, 78],
  [8, 51, 112],
  [53, 69, 108],
  [79, 87, 108],
  [102, 105, 112],
  [125, 124, 120],
  [148, 142, 119],
  [174, 163, 113],
  [200, 184, 102],
  [229, 207, 82],
  [254, 232, 56],
];

export const RAMP_STEPS = 256;

/** The colour at `t` in 0 … 1. */
export function cividis(t: number): Rgb {
  const at = Math.min(1, Math.max(0, t)) * (CIVIDIS.length - 1);
  const low = Math.min(CIVIDIS.length - 2, Math.floor(at));
  const a = CIVIDIS[low] ?? [0, 0, 0];
  const b = CIVIDIS[low + 1] ?? a;
  const mix = (i: 0 | 1 | 2): number => Math.round(a[i] + (b[i] - a[i]) * (at - low));
  return [mix(0), mix(1), mix(2)];
}

/** How much of the ground a cell covers: calm ones are a hint of colour, from half the range on they are solid. */
export function rampOpacity(t: number): number {
  const s = Math.min(1, Math.max(0, (t - 0.05) / 0.45));
  return 0.36 + 0.6 * s * s * (3 - 2 * s);
}

/** 256 steps, RGBA: what the graphics card holds. */
export function rampTexels(): Uint8Array<ArrayBuffer> {
  const texels = new Uint8Array(RAMP_STEPS * 4);
  for (let i = 0; i < RAMP_STEPS; i++) {
    const t = i / (RAMP_STEPS - 1);
    texels.set([...cividis(t), Math.round(rampOpacity(t) * 255)], i * 4);
  }
  return texels;
}

/** The ramp as a CSS gradient from left to right, as it is seen over the ground. */
export function rampGradient(): string {
  const stops = CIVIDIS.map(([r, g, b], i) => {
    const t = i / (CIVIDIS.length - 1);
    return `rgb(${r} ${g} ${b} / ${rampOpacity(t).toFixed(2)}) ${t * 100}%`;
  });
  return `linear-gradient(to right, ${stops.join(', ')})`;
}

export type SeverityMark = {
  readonly numeral: string;
  readonly colour: string;
  readonly sides: number;
  readonly rank: number;
};

/** Colour, numeral and shape together, because red and orange, or blue and the ground, are confusable. `sides` 0 is a circle. */
export const SEVERITY_MARKS: Readonly<Record<Severity, SeverityMark>> = {
  Extreme: { numeral: 'Ⅰ', colour: '#ff5a5f', sides: 8, rank: 1 },
  Severe: { numeral: 'Ⅱ', colour: '#ff9f40', sides: 3, rank: 2 },
  Moderate: { numeral: 'Ⅲ', colour: '#ffd94a', sides: 4, rank: 3 },
  Minor: { numeral: 'Ⅳ', colour: '#5aa9ff', sides: 0, rank: 4 },
  Unknown: { numeral: '–', colour: '#9db2cc', sides: 0, rank: 5 },
};

/** The corners of a severity's shape around (0.5, 0.5) in a unit square; none for a circle. */
export function shapeCorners(sides: number): readonly (readonly [number, number])[] {
  const turn = sides === 8 ? Math.PI / 8 : 0;
  const centreY = sides === 3 ? 0.6 : 0.5;
  const radius = sides === 3 ? 0.56 : 0.5;
  return Array.from({ length: sides }, (_, i) => {
    const angle = -Math.PI / 2 + turn + (i * 2 * Math.PI) / sides;
    return [0.5 + radius * Math.cos(angle), centreY + radius * Math.sin(angle)] as const;
  });
}
