/** Alerts and orders as points of the map: one for each open case, with a flag where somebody was sent. Pure. */
import type { Feature, FeatureCollection, Point } from 'geojson';
import type { Alert, Order } from '../protocol/frames';
import { SEVERITY_MARKS } from '../theme/ramps';

export type PinProperties = {
  readonly id: string;
  /** 1 is the worst: of many in one place it is the one drawn. */
  readonly rank: number;
  /** 0 nobody was sent, 1 the order is accepted, 2 it still waits: of many the most pressing counts. */
  readonly flag: 0 | 1 | 2;
};
export type Pins = FeatureCollection<Point, PinProperties>;

function pin({ id, severity, lng, lat }: Alert | Order, flag: 0 | 1 | 2): Feature<Point, PinProperties>[] {
  if (lng === null || lat === null) return [];
  const properties = { id, rank: SEVERITY_MARKS[severity].rank, flag };
  return [{ type: 'Feature', properties, geometry: { type: 'Point', coordinates: [lng, lat] } }];
}

function flagOf(order: Order | undefined): 0 | 1 | 2 {
  return order?.state === 'dispatched' ? 2 : order?.state === 'accepted' ? 1 : 0;
}

/** Mild ones first, so that the worst is drawn on top. An order is a pin of its own only where its alert has none. */
export function pinsOf(alerts: readonly Alert[], orders: readonly Order[]): Pins {
  const open = alerts.filter((alert) => alert.open && alert.lng !== null && alert.lat !== null);
  const byAlert = new Map(orders.filter((order) => flagOf(order) > 0).map((order) => [order.alert, order]));
  const shown = new Set<string | null>(open.map(({ id }) => id));
  const features = [
    ...open.flatMap((alert) => pin(alert, flagOf(byAlert.get(alert.id)))),
    ...orders.flatMap((order) => (flagOf(order) > 0 && !shown.has(order.alert) ? pin(order, flagOf(order)) : [])),
  ];
  return {
    type: 'FeatureCollection',
    features: features.sort((a, b) => b.properties.rank - a.properties.rank),
  };
}
