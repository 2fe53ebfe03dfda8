/** What panels ask of the state. Pure: the time is an argument. */
import type { Alert, Feed, LayerColumn, LayerInfo, Notice, Order } from '../protocol/frames';
import { SEVERITY_MARKS } from '../theme/ramps';
import type { Picture, WallState } from './model';

export type Freshness = { readonly ageMs: number | null; readonly level: 'fresh' | 'amber' | 'red' };

/** A heartbeat comes every 5 s; half a second more is its journey. */
const AMBER_MS = 5_500;
const RED_MS = 15_000;

/** How long ago the server last vouched for the picture. */
export function freshness(state: WallState, nowMs: number): Freshness {
  if (state.link.heardMs === null) return { ageMs: null, level: 'fresh' };
  const ageMs = Math.max(0, nowMs - state.link.heardMs);
  return { ageMs, level: ageMs >= RED_MS ? 'red' : ageMs >= AMBER_MS ? 'amber' : 'fresh' };
}

export const layerChannel = (name: string): string => `layer/${name}`;

export function layerInfo(state: WallState, name: string): LayerInfo | null {
  return state.sys?.layers.find((layer) => layer.name === name) ?? null;
}

export function pictureOf(state: WallState, name: string): Picture | null {
  return state.layers[layerChannel(name)]?.picture ?? null;
}

/** The layer's columns as the city describes them, else as the stream's schema names them. */
export function columnsOf(state: WallState, name: string): readonly LayerColumn[] {
  const described = layerInfo(state, name)?.columns ?? [];
  const schema = pictureOf(state, name)?.schema ?? state.layers[layerChannel(name)]?.schema ?? [];
  if (schema.length === 0) return described;
  return schema.map(({ name: column, unit }) => {
    const found = described.find((d) => d.name === column);
    return found ?? { name: column, title: { en: column, zh: column }, unit, range: null };
  });
}

/** The declared range, else that of the values present; never empty. */
export function rangeOf(
  picture: Picture,
  columnIndex: number,
  declared: LayerColumn['range'],
): readonly [number, number] {
  if (declared !== null) return declared;
  let [low, high] = [Infinity, -Infinity];
  for (const value of picture.columns[columnIndex] ?? []) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return [0, 1];
  return low === high ? [low, low + 1] : [low, high];
}

/** Open ones first, the worst on top, then the newest. */
export function sortedAlerts(alerts: readonly Alert[]): readonly Alert[] {
  const rank = (a: Alert): number => SEVERITY_MARKS[a.severity].rank;
  return alerts.toSorted((a, b) => {
    if (a.open !== b.open) return a.open ? -1 : 1;
    return a.open ? rank(a) - rank(b) || b.raisedMs - a.raisedMs : b.updatedMs - a.updatedMs;
  });
}

export function isActive(order: Order): boolean {
  return order.state === 'dispatched' || order.state === 'accepted';
}

export function isOverdue(order: Order, nowMs: number): boolean {
  return isActive(order) && order.dueMs !== null && nowMs > order.dueMs;
}

/** Active ones first, the gravest on top and of those the most pressing; then those done, the latest first. */
export function sortedOrders(orders: readonly Order[]): readonly Order[] {
  return orders.toSorted((a, b) => {
    if (isActive(a) !== isActive(b)) return isActive(a) ? -1 : 1;
    if (isActive(a) && a.severity !== b.severity)
      return SEVERITY_MARKS[a.severity].rank - SEVERITY_MARKS[b.severity].rank;
    if (isActive(a)) return (a.dueMs ?? Infinity) - (b.dueMs ?? Infinity) || a.dispatchedMs - b.dispatchedMs;
    return (b.closedMs ?? b.dispatchedMs) - (a.closedMs ?? a.dispatchedMs);
  });
}

/** What is said on the wall: errors and layers that stand still first, then warnings, then what is only to be known. */
export function notices(state: WallState): readonly Notice[] {
  const told = state.sys?.notices ?? [];
  const broken = (state.sys?.layers ?? []).flatMap((layer) => (layer.error === null ? [] : [layer.error]));
  const grave = told.filter((notice) => notice.level !== 'info');
  const texts = new Set(grave.map((notice) => notice.at ?? notice.text.en));
  const all = [...told, ...broken.filter((notice) => !texts.has(notice.at ?? notice.text.en))];
  const rank = ({ level }: Notice): number => ['error', 'warn', 'info'].indexOf(level);
  return all.toSorted((a, b) => rank(a) - rank(b));
}

export function sortedFeeds(feeds: readonly Feed[]): readonly Feed[] {
  return feeds.toSorted((a, b) => Number(b.stale) - Number(a.stale) || (a.lastLandedMs ?? 0) - (b.lastLandedMs ?? 0));
}
