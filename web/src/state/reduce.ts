/** (state, what happened) → state and what to ask for. Pure: the time is part of what happened. */
import type { Alert, LogEvent, LogItems, Order, ServerFrame, StateFrame, Subscribed } from '../protocol/frames';
import { type LayerStep, layerBinary, layerSubscribed, layerText, layerWatermark } from './layer';
import { type LogStep, logEvent, logItems, logSubscribed, logWatermark } from './log';
import { type Effect, emptyLayer, type LayerState, type Step, type WallState } from './model';

export type Happening =
  | { readonly type: 'frame'; readonly frame: ServerFrame; readonly atMs: number }
  | { readonly type: 'connecting' }
  | { readonly type: 'lost'; readonly retryAtMs: number; readonly why: string | null }
  | { readonly type: 'show-layer'; readonly ch: string };

const alertDone = (alert: Alert): boolean => !alert.open;
const orderDone = (order: Order): boolean => order.state === 'closed' || order.state === 'cancelled';

export function reduce(state: WallState, what: Happening): Step<WallState> {
  switch (what.type) {
    case 'frame': {
      const heard: WallState = { ...state, link: { ...state.link, heardMs: what.atMs } };
      return reduceFrame(heard, what.frame, what.atMs);
    }
    case 'connecting':
      return [{ ...state, link: { ...state.link, phase: 'connecting', retryAtMs: null } }, []];
    case 'lost':
      return [lost(state, what.retryAtMs, what.why), []];
    case 'show-layer':
      return [showLayer(state, what.ch), []];
  }
}

function reduceFrame(state: WallState, frame: ServerFrame, atMs: number): Step<WallState> {
  switch (frame.t) {
    case 'welcome': {
      const link = { ...state.link, phase: 'live', retryAtMs: null, fault: null } as const;
      return [{ ...state, link, skewMs: frame.serverMs - atMs, hbMs: frame.hbMs, city: frame.city }, []];
    }
    case 'subscribed':
      return subscribed(state, frame);
    case 'layer':
      return withLayer(state, frame.ch, (layer) => layerText(layer, frame));
    case 'layer-binary': {
      const ch = Object.keys(state.layers).find((name) => state.layers[name]?.sid === frame.sid);
      return ch === undefined ? [state, []] : withLayer(state, ch, (layer) => layerBinary(layer, frame));
    }
    case 'items':
      return items(state, frame);
    case 'ev':
      return event(state, frame);
    case 'state':
      return [withBody(state, frame), []];
    case 'hb':
      return watermarks({ ...state, skewMs: frame.serverMs - atMs }, frame.wm);
    case 'err':
      return [{ ...state, link: { ...state.link, fault: frame.msg } }, []];
    case 'bye':
    case 'unknown':
      return [state, []];
  }
}

/** Nothing is forgotten: the pictures stay, and what they hold is resumed from. */
function lost(state: WallState, retryAtMs: number, why: string | null): WallState {
  const layers = Object.fromEntries(
    Object.entries(state.layers).map(([ch, layer]) => [ch, { ...layer, awaiting: true, sid: null }]),
  );
  return {
    ...state,
    link: { ...state.link, phase: 'lost', retryAtMs, fault: why },
    layers,
    alerts: { ...state.alerts, awaiting: true },
    orders: { ...state.orders, awaiting: true },
  };
}

/** Exactly one layer is held at a time; the one left is forgotten, so that memory stays flat. */
function showLayer(state: WallState, ch: string): WallState {
  return state.layers[ch] === undefined ? { ...state, layers: { [ch]: emptyLayer() } } : state;
}

function subscribed(before: WallState, frame: Subscribed): Step<WallState> {
  const state = { ...before, link: { ...before.link, fault: null } };
  switch (frame.ch) {
    case 'alerts':
      return withAlerts(state, logSubscribed(state.alerts, frame));
    case 'orders':
      return withOrders(state, logSubscribed(state.orders, frame));
    default:
      return withLayer(state, frame.ch, (layer) => layerSubscribed(layer, frame));
  }
}

function items(state: WallState, frame: LogItems): Step<WallState> {
  return frame.ch === 'alerts'
    ? withAlerts(state, logItems(state.alerts, frame.e, frame.q, frame.items, alertDone))
    : withOrders(state, logItems(state.orders, frame.e, frame.q, frame.items, orderDone));
}

function event(state: WallState, frame: LogEvent): Step<WallState> {
  return frame.ch === 'alerts'
    ? withAlerts(state, logEvent(state.alerts, frame, alertDone))
    : withOrders(state, logEvent(state.orders, frame, orderDone));
}

function withBody(state: WallState, frame: StateFrame): WallState {
  switch (frame.ch) {
    case 'kpis':
      return { ...state, kpis: frame.body };
    case 'feeds':
      return { ...state, feeds: frame.body };
    case 'sys':
      return { ...state, sys: frame.body };
  }
}

function watermarks(state: WallState, wm: Readonly<Record<string, number>>): Step<WallState> {
  let next = state;
  const effects: Effect[] = [];
  for (const [ch, q] of Object.entries(wm)) {
    const [after, asked] = watermark(next, ch, q);
    next = after;
    effects.push(...asked);
  }
  return [next, effects];
}

function watermark(state: WallState, ch: string, q: number): Step<WallState> {
  if (ch === 'alerts') return withAlerts(state, logWatermark(state.alerts, q));
  if (ch === 'orders') return withOrders(state, logWatermark(state.orders, q));
  return withLayer(state, ch, (layer) => layerWatermark(layer, q));
}

const asks = (ask: boolean, ch: string): readonly Effect[] => (ask ? [{ do: 'subscribe', ch }] : []);

function withAlerts(state: WallState, { log, ask }: LogStep<Alert>): Step<WallState> {
  return [{ ...state, alerts: log }, asks(ask, 'alerts')];
}

function withOrders(state: WallState, { log, ask }: LogStep<Order>): Step<WallState> {
  return [{ ...state, orders: log }, asks(ask, 'orders')];
}

function withLayer(state: WallState, ch: string, step: (layer: LayerState) => LayerStep): Step<WallState> {
  const layer = state.layers[ch];
  if (layer === undefined) return [state, []];
  const { layer: next, ask } = step(layer);
  return [next === layer ? state : { ...state, layers: { ...state.layers, [ch]: next } }, asks(ask, ch)];
}
