/** How long to wait before the next attempt: full jitter, so that a thousand walls do not return together. */

const FLOOR_MS = 500;
const CEILING_MS = 15_000;

/** `attempt` counts failures from 0, `random` is in [0, 1). Drawn between the floor and a bound that doubles to the ceiling. */
export function retryDelayMs(attempt: number, random: number): number {
  const bound = Math.min(CEILING_MS, FLOOR_MS * 2 ** Math.min(attempt + 1, 10));
  return FLOOR_MS + random * (bound - FLOOR_MS);
}
