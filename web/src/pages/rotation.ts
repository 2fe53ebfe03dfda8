/** Which column the map shows while nobody touches the wall. Pure but for the timer that the page owns. */

export const SCENE_MS = 30_000;
export const IDLE_MS = 30_000;

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
