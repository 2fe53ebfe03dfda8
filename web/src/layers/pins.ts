/** Alerts and orders as points of the map: open ones only, at most the bounded lists' length. Pure. */
import type { Feature, FeatureCollection, Point } from 'geojson';
import type { Alert, Order } from '../protocol/frames';
import { SEVERITY_MARKS } from '../theme/ramps';

export type PinProperties = {
  readonly image: string;
  readonly rank: number;
  readonly kind: 'alert' | 'order';
  readonly id: string;
};
export type Pins = FeatureCollection<Point, PinProperties>;

function pin(lng: number, lat: number, properties: PinProperties): Feature<Point, PinProperties> {
  return { type: 'Feature', properties, geometry: { type: 'Point', coordinates: [lng, lat] } };
}

/** Mild ones first, so that the worst is drawn on top. */
export function pinsOf(alerts: readonly Alert[], orders: readonly Order[]): Pins {
  const features = [
    ...alerts.flatMap(({ id, open, severity, lng, lat }) => {
      const rank = SEVERITY_MARKS[severity].rank;
      return open && lng !== null && lat !== null
        ? [pin(lng, lat, { image: `alert-${severity}`, rank, kind: 'alert', id })]
        : [];
    }),
    ...orders.flatMap(({ id, state, severity, lng, lat }) => {
      const rank = SEVERITY_MARKS[severity].rank;
      return (state === 'dispatched' || state === 'accepted') && lng !== null && lat !== null
        ? [pin(lng, lat, { image: `order-${state}`, rank, kind: 'order', id })]
        : [];
    }),
  ];
  return {
    type: 'FeatureCollection',
    features: features.sort((a, b) => b.properties.rank - a.properties.rank),
  };
}
