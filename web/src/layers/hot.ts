/** Which cells stand out: those in the upper half of the range, and of them at most the few highest. Pure. */

const HALF = 0.5;
const SHARE = 0.02;
const BINS = 256;

/** The least `t` in 0 … 1 that is hot; above 1 where no cell is. Ties at the edge stay calm, so that few remain few. */
export function hotFrom(values: Float32Array, [low, high]: readonly [number, number]): number {
  const counts = new Uint32Array(BINS + 1);
  let present = 0;
  for (const value of values) {
    if (Number.isNaN(value)) continue;
    present += 1;
    const t = Math.min(1, (value - low) / (high - low));
    if (t >= HALF) counts[Math.floor(t * BINS)] = (counts[Math.floor(t * BINS)] ?? 0) + 1;
  }
  let left = Math.max(1, Math.floor(present * SHARE));
  let from = BINS + 1;
  while (from > HALF * BINS && (counts[from - 1] ?? 0) <= left) {
    from -= 1;
    left -= counts[from] ?? 0;
  }
  return from / BINS;
}
