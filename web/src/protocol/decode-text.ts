/** One text frame of the stream into one `ServerFrame`. A field that does not fit is `Malformed`; a frame not known is `unknown`. */
import { readAlert, readCity, readFeeds, readKpis, readOrder, readSchema, readSys } from './decode-body';
import type { CellRow, LayerText, ServerFrame, Subscribed } from './frames';
import { type Fields, fields, flag, instant, list, Malformed, measure, number, numberOrNull, text } from './read';

export function decodeText(line: string): ServerFrame {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    throw new Malformed('the frame is not JSON');
  }
  const f = fields(json, 'the frame');
  switch (f['t']) {
    case 'welcome':
      return {
        t: 'welcome',
        serverMs: instant(f, 'server_us'),
        hbMs: numberOrNull(f, 'hb_ms') ?? 5000,
        city: readCity(f['city']),
      };
    case 'subscribed':
      return subscribed(f);
    case 'layer':
      return layer(f);
    case 'items':
      return items(f);
    case 'ev':
      return event(f);
    case 'state':
      return state(f);
    case 'hb':
      return { t: 'hb', serverMs: instant(f, 'server_us'), wm: watermarks(f['wm']) };
    case 'err':
      return {
        t: 'err',
        id: numberOrNull(f, 'id'),
        code: number(f, 'code'),
        msg: text(f, 'msg'),
        retry: flag(f, 'retry'),
      };
    case 'bye':
      return { t: 'bye', code: number(f, 'code'), why: text(f, 'why'), retryMs: numberOrNull(f, 'retry_ms') };
    default:
      return { t: 'unknown', what: String(f['t']) };
  }
}

function subscribed(f: Fields): Subscribed {
  const mode = f['mode'];
  if (mode !== 'snapshot' && mode !== 'resumed' && mode !== 'reset')
    throw new Malformed(`mode \`${String(mode)}\` is not known`);
  const ch = text(f, 'ch');
  const schema = readSchema(f['schema']);
  return {
    t: 'subscribed',
    ch,
    sid: numberOrNull(f, 'sid'),
    e: text(f, 'e'),
    q: number(f, 'q'),
    mode,
    schema,
  };
}

function cellRow(value: unknown): CellRow {
  const [cell, ...values] = list(value, 'a cell row');
  if (typeof cell !== 'string' || !/^[0-9a-f]{15,16}$/i.test(cell)) throw new Malformed('a cell is not hexadecimal');
  return { cell: BigInt(`0x${cell}`), values: values.length === 0 ? null : values.map(measure) };
}

function layer(f: Fields): LayerText {
  const kind = f['kind'];
  if (kind !== 'snapshot' && kind !== 'delta') throw new Malformed(`layer kind \`${String(kind)}\` is not known`);
  return {
    t: 'layer',
    ch: text(f, 'ch'),
    kind,
    e: text(f, 'e'),
    from: number(f, 'from'),
    q: number(f, 'q'),
    tsMs: instant(f, 'ts_us'),
    rows: list(f['cells'], '`cells`').map(cellRow),
  };
}

function items(f: Fields): ServerFrame {
  const ch = text(f, 'ch');
  const rows = list(f['items'], '`items`');
  const head = { t: 'items', e: text(f, 'e'), q: number(f, 'q') } as const;
  if (ch === 'alerts') return { ...head, ch, items: rows.map(readAlert) };
  if (ch === 'orders') return { ...head, ch, items: rows.map(readOrder) };
  return { t: 'unknown', what: `items of ${ch}` };
}

function event(f: Fields): ServerFrame {
  const ch = text(f, 'ch');
  const head = {
    t: 'ev',
    e: text(f, 'e'),
    q: number(f, 'q'),
    pq: number(f, 'pq'),
    tsMs: instant(f, 'ts_us'),
  } as const;
  if (ch === 'alerts') return { ...head, ch, body: readAlert(f['body']) };
  if (ch === 'orders') return { ...head, ch, body: readOrder(f['body']) };
  return { t: 'unknown', what: `event of ${ch}` };
}

function state(f: Fields): ServerFrame {
  const ch = text(f, 'ch');
  switch (ch) {
    case 'kpis':
      return { t: 'state', ch, body: readKpis(f['body']) };
    case 'feeds':
      return { t: 'state', ch, body: readFeeds(f['body']) };
    case 'sys':
      return { t: 'state', ch, body: readSys(f['body']) };
    default:
      return { t: 'unknown', what: `state of ${ch}` };
  }
}

function watermarks(value: unknown): Readonly<Record<string, number>> {
  const out: Record<string, number> = {};
  for (const [ch, q] of Object.entries(fields(value ?? {}, '`wm`'))) if (typeof q === 'number') out[ch] = q;
  return out;
}
