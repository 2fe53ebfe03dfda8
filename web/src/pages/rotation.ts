/** What the map shows while nobody touches the wall: the next column, or a grave alert just raised. Pure: the page owns the timer. */
import type { Alert } from '../protocol/frames';

export const SCENE_MS = 30_000;
export const IDLE_MS = 30_000;
export const VISIT_MS = 12_000;
/** An alert older than this when first seen is no news: the page came later than it. */
const NEWS_MS = 60_000;

export type Rotation = { readonly paused: boolean; readonly touchedMs: number; readonly sinceMs: number };

/** Whether it is time for the next scene. */
export function isDue({ paused, touchedMs, sinceMs }: Rotation, nowMs: number): boolean {
  return !paused && nowMs - touchedMs >= IDLE_MS && nowMs - sinceMs >= SCENE_MS;
}

/** The name after `current`, around the end; the first where `current` is not among them. */
export function nextScene(names: readonly string[], current: string | null): string | null {
  if (names.length === 0) return null;
  return names[(names.indexOf(current ?? (names[0] as string)) + 1) % names.length] ?? null;
}

type Place = { readonly id: string; readonly lng: number; readonly lat: number };

/** The newest Extreme alert that is worth a visit: open, somewhere, just raised, not visited yet. */
export function worthVisit(alerts: readonly Alert[], visited: ReadonlySet<string>, serverNowMs: number): Place | null {
  let newest: (Place & { raisedMs: number }) | null = null;
  for (const { id, open, severity, lng, lat, raisedMs } of alerts) {
    const news = open && severity === 'Extreme' && serverNowMs - raisedMs <= NEWS_MS && !visited.has(id);
    if (news && lng !== null && lat !== null && (newest === null || raisedMs > newest.raisedMs))
      newest = { id, lng, lat, raisedMs };
  }
  return newest;
}
