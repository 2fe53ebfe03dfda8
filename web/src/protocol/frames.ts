/** The words of the stream `loom.v1` after decoding. No bytes, no JSON: see `decode-text.ts` and `decode-binary.ts`. */
import type { Bilingual } from './read';

export type { Bilingual } from './read';

export type AlertId = string & { readonly id: 'alert' };
export type OrderId = string & { readonly id: 'order' };
export type LogChannel = 'alerts' | 'orders';

export type ColumnSchema = {
  readonly name: string;
  readonly type: 'q16' | 'u8' | 'f32';
  readonly scale: number;
  readonly offset: number;
  readonly unit: string | null;
};

export type Severity = 'Extreme' | 'Severe' | 'Moderate' | 'Minor' | 'Unknown';

export type Scalar = string | number | boolean | null;

export type Alert = {
  readonly id: AlertId;
  readonly key: string;
  readonly category: string;
  readonly severity: Severity;
  readonly open: boolean;
  readonly title: Bilingual;
  readonly detail: Readonly<Record<string, Scalar>>;
  readonly cell: string | null;
  readonly area: string | null;
  readonly lng: number | null;
  readonly lat: number | null;
  readonly raisedMs: number;
  readonly updatedMs: number;
  readonly order: string | null;
};

export type OrderState = 'dispatched' | 'accepted' | 'closed' | 'cancelled';

export type Order = {
  readonly id: OrderId;
  readonly alert: string | null;
  readonly severity: Severity;
  readonly unitName: Bilingual;
  readonly area: string | null;
  readonly title: Bilingual;
  readonly state: OrderState;
  readonly lng: number | null;
  readonly lat: number | null;
  readonly dispatchedMs: number;
  readonly acceptedMs: number | null;
  readonly closedMs: number | null;
  readonly dueMs: number | null;
  readonly by: string | null;
  readonly note: string | null;
};

export type Point = readonly [atMs: number, value: number];

export type Kpi = {
  readonly name: string;
  readonly title: Bilingual;
  readonly unit: string | null;
  readonly format: string | null;
  readonly value: number | null;
  readonly series: readonly Point[] | null;
  readonly asOfMs: number | null;
};

export type Feed = {
  readonly feed: string;
  readonly department: string;
  readonly title: Bilingual;
  readonly rows: number;
  readonly quarantined: number;
  readonly lastEventMs: number | null;
  readonly lastLandedMs: number | null;
  readonly freshS: number | null;
  readonly stale: boolean;
};

export type Notice = {
  readonly code: string;
  readonly level: 'info' | 'warn' | 'error';
  readonly text: Bilingual;
  readonly at: string | null;
};

export type LayerColumn = {
  readonly name: string;
  readonly title: Bilingual;
  readonly unit: string | null;
  readonly range: readonly [number, number] | null;
};

export type LayerInfo = {
  readonly name: string;
  readonly title: Bilingual;
  readonly columns: readonly LayerColumn[];
  readonly asOfMs: number | null;
  readonly error: Notice | null;
};

export type Sys = {
  readonly notices: readonly Notice[];
  readonly synthetic: boolean;
  readonly open: boolean;
  readonly layers: readonly LayerInfo[];
};

export type City = {
  readonly name: Bilingual;
  readonly synthetic: boolean;
  readonly timeZone: string | null;
};

/** One row of a layer in the JSON form; `values` null is a cell that left the layer. */
export type CellRow = { readonly cell: bigint; readonly values: readonly number[] | null };

export type LayerText = {
  readonly t: 'layer';
  readonly ch: string;
  readonly kind: 'snapshot' | 'delta';
  readonly e: string;
  readonly from: number;
  readonly q: number;
  readonly tsMs: number;
  readonly rows: readonly CellRow[];
};

export type LayerBinary = {
  readonly t: 'layer-binary';
  readonly kind: 'cells' | 'snapshot' | 'delta';
  readonly sid: number;
  readonly e: string;
  readonly rows: number;
  readonly from: number;
  readonly q: number;
  readonly tsMs: number;
  /** Not compressed any more; read with the schema of its subscription. */
  readonly body: Uint8Array;
};

export type LogItems =
  | {
      readonly t: 'items';
      readonly ch: 'alerts';
      readonly e: string;
      readonly q: number;
      readonly items: readonly Alert[];
    }
  | {
      readonly t: 'items';
      readonly ch: 'orders';
      readonly e: string;
      readonly q: number;
      readonly items: readonly Order[];
    };

type EventHead = {
  readonly t: 'ev';
  readonly e: string;
  readonly q: number;
  readonly pq: number;
  readonly tsMs: number;
};

export type LogEvent =
  | (EventHead & { readonly ch: 'alerts'; readonly body: Alert })
  | (EventHead & { readonly ch: 'orders'; readonly body: Order });

export type StateFrame =
  | { readonly t: 'state'; readonly ch: 'kpis'; readonly body: readonly Kpi[] }
  | { readonly t: 'state'; readonly ch: 'feeds'; readonly body: readonly Feed[] }
  | { readonly t: 'state'; readonly ch: 'sys'; readonly body: Sys };

export type Subscribed = {
  readonly t: 'subscribed';
  readonly ch: string;
  readonly sid: number | null;
  readonly e: string;
  readonly q: number;
  readonly mode: 'snapshot' | 'resumed' | 'reset';
  readonly schema: readonly ColumnSchema[];
};

export type ServerFrame =
  | { readonly t: 'welcome'; readonly serverMs: number; readonly hbMs: number; readonly city: City }
  | Subscribed
  | LayerText
  | LayerBinary
  | LogItems
  | LogEvent
  | StateFrame
  | { readonly t: 'hb'; readonly serverMs: number; readonly wm: Readonly<Record<string, number>> }
  | {
      readonly t: 'err';
      readonly id: number | null;
      readonly code: number;
      readonly msg: string;
      readonly retry: boolean;
    }
  | { readonly t: 'bye'; readonly code: number; readonly why: string; readonly retryMs: number | null }
  /** A frame of a later protocol or a channel that this page did not ask for: left alone. */
  | { readonly t: 'unknown'; readonly what: string };
