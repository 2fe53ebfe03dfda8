/** Readers of the bodies that travel in text frames: alerts, orders, KPIs, feeds and the state of the system. */
import type {
  Alert,
  AlertId,
  City,
  ColumnSchema,
  Feed,
  Kpi,
  LayerColumn,
  LayerInfo,
  Notice,
  Order,
  OrderId,
  OrderState,
  Point,
  Scalar,
  Severity,
  Sys,
} from './frames';
import {
  bilingual,
  type Fields,
  fields,
  flag,
  instant,
  instantOrNull,
  list,
  Malformed,
  number,
  numberOrNull,
  text,
  textOrNull,
} from './read';

const SEVERITIES: readonly Severity[] = ['Extreme', 'Severe', 'Moderate', 'Minor'];

function severity(f: Fields): Severity {
  const word = textOrNull(f, 'severity')?.toLowerCase();
  return SEVERITIES.find((s) => s.toLowerCase() === word) ?? 'Unknown';
}

function scalars(value: unknown): Readonly<Record<string, Scalar>> {
  if (value === null || value === undefined) return {};
  const out: Record<string, Scalar> = {};
  for (const [key, v] of Object.entries(fields(value, '`detail`'))) {
    const plain = v === null || typeof v === 'string' || typeof v === 'number' || typeof v === 'boolean';
    out[key] = plain ? v : JSON.stringify(v);
  }
  return out;
}

export function readAlert(value: unknown): Alert {
  const f = fields(value, 'an alert');
  const raisedMs = instant(f, 'raised_us');
  return {
    id: text(f, 'id') as AlertId,
    key: textOrNull(f, 'key') ?? '',
    category: textOrNull(f, 'category') ?? '',
    severity: severity(f),
    open: text(f, 'state') === 'open',
    title: bilingual(f['title'], text(f, 'id')),
    detail: scalars(f['detail']),
    cell: textOrNull(f, 'cell'),
    area: textOrNull(f, 'area'),
    lng: numberOrNull(f, 'lng'),
    lat: numberOrNull(f, 'lat'),
    raisedMs,
    updatedMs: instantOrNull(f, 'updated_us') ?? raisedMs,
    order: textOrNull(f, 'order'),
  };
}

const ORDER_STATES: readonly OrderState[] = ['dispatched', 'accepted', 'closed', 'cancelled'];

export function readOrder(value: unknown): Order {
  const f = fields(value, 'an order');
  const state = ORDER_STATES.find((s) => s === f['state']);
  if (state === undefined) throw new Malformed(`order state \`${String(f['state'])}\` is not known`);
  return {
    id: text(f, 'id') as OrderId,
    alert: textOrNull(f, 'alert'),
    severity: severity(f),
    unitName: bilingual(f['unit_name'], textOrNull(f, 'unit') ?? ''),
    area: textOrNull(f, 'area'),
    title: bilingual(f['title'], text(f, 'id')),
    state,
    lng: numberOrNull(f, 'lng'),
    lat: numberOrNull(f, 'lat'),
    dispatchedMs: instant(f, 'dispatched_us'),
    acceptedMs: instantOrNull(f, 'accepted_us'),
    closedMs: instantOrNull(f, 'closed_us'),
    dueMs: instantOrNull(f, 'due_us'),
    by: textOrNull(f, 'by'),
    note: textOrNull(f, 'note'),
  };
}

function readPoint(value: unknown): Point | null {
  const [at, v] = list(value, 'a point of a series');
  return typeof at === 'number' && typeof v === 'number' ? [at / 1000, v] : null;
}

function readKpi(value: unknown): Kpi {
  const f = fields(value, 'a KPI');
  const series = f['series'];
  return {
    name: text(f, 'name'),
    title: bilingual(f['title'], text(f, 'name')),
    unit: textOrNull(f, 'unit'),
    format: textOrNull(f, 'format'),
    value: numberOrNull(f, 'value'),
    series: Array.isArray(series) ? series.map(readPoint).filter((p) => p !== null) : null,
    asOfMs: instantOrNull(f, 'as_of_us'),
  };
}

export function readKpis(value: unknown): readonly Kpi[] {
  return list(fields(value, 'kpis')['kpis'], '`kpis`').map(readKpi);
}

function readFeed(value: unknown): Feed {
  const f = fields(value, 'a feed');
  return {
    feed: text(f, 'feed'),
    department: textOrNull(f, 'department') ?? '',
    title: bilingual(f['title'], text(f, 'feed')),
    rows: numberOrNull(f, 'rows') ?? 0,
    quarantined: numberOrNull(f, 'quarantined') ?? 0,
    lastEventMs: instantOrNull(f, 'last_event_us'),
    lastLandedMs: instantOrNull(f, 'last_landed_us'),
    freshS: numberOrNull(f, 'fresh_s'),
    stale: flag(f, 'stale'),
  };
}

export function readFeeds(value: unknown): readonly Feed[] {
  return list(fields(value, 'feeds')['feeds'], '`feeds`').map(readFeed);
}

function readNotice(value: unknown): Notice {
  const f = fields(value, 'a notice');
  const level = f['level'];
  return {
    code: textOrNull(f, 'code') ?? '',
    level: level === 'warn' || level === 'error' ? level : 'info',
    text: bilingual(f['text'], textOrNull(f, 'code') ?? ''),
    at: textOrNull(f, 'at'),
  };
}

/** What stopped a layer: a notice, or a text `file:line:column: CODE: what is wrong`. */
function readError(value: unknown): Notice | null {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string') {
    const [, at = null, code = 'layer', what = value] = /^(\S+:\d+:\d+): (?:(\w+): )?([\s\S]*)$/.exec(value) ?? [];
    return { code, level: 'error', text: bilingual(what, ''), at };
  }
  return { ...readNotice(value), level: 'error' };
}

function readColumn(value: unknown): LayerColumn {
  const f = fields(value, 'a column');
  const range = f['range'];
  const [low, high] = Array.isArray(range) ? range : [];
  const isRange = typeof low === 'number' && typeof high === 'number' && low < high;
  return {
    name: text(f, 'name'),
    title: bilingual(f['title'], text(f, 'name')),
    unit: textOrNull(f, 'unit'),
    range: isRange ? [low, high] : null,
  };
}

function readLayer(value: unknown): LayerInfo {
  const f = fields(value, 'a layer');
  return {
    name: text(f, 'name'),
    title: bilingual(f['title'], text(f, 'name')),
    columns: list(f['columns'] ?? [], '`columns`').map(readColumn),
    asOfMs: instantOrNull(f, 'as_of_us'),
    error: readError(f['error']),
  };
}

export function readSys(value: unknown): Sys {
  const f = fields(value, 'sys');
  return {
    notices: list(f['notices'] ?? [], '`notices`').map(readNotice),
    synthetic: flag(f, 'synthetic'),
    open: flag(f, 'open'),
    layers: list(f['layers'] ?? [], '`layers`').map(readLayer),
  };
}

export function readCity(value: unknown): City {
  const f = fields(value, '`city`');
  return {
    name: bilingual(f['name'], 'cityloom'),
    synthetic: flag(f, 'synthetic'),
    timeZone: textOrNull(f, 'time_zone'),
  };
}

export function readSchema(value: unknown): readonly ColumnSchema[] {
  return list(value ?? [], '`schema`').map((column) => {
    const f = fields(column, 'a column of the schema');
    const type = f['type'];
    if (type !== 'q16' && type !== 'u8' && type !== 'f32')
      throw new Malformed(`column type \`${String(type)}\` is not known`);
    const scale = type === 'q16' ? number(f, 'scale') : 1;
    return {
      name: text(f, 'name'),
      type,
      scale,
      offset: numberOrNull(f, 'offset') ?? 0,
      unit: textOrNull(f, 'unit'),
    };
  });
}
