// A server of the page and of the stream for browser tests and for work on the page without the real one.
// It speaks docs/stream.md over a synthetic city; `node e2e/mock-server.mjs 8090` runs it by itself.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';
import { alertAt, areas, cells, city, columns, feedsAt, kpisAt, orderFor, schema, valuesAt } from './mock-city.mjs';
import { mockIntake } from './mock-intake.mjs';
import { layerFrame } from './mock-wire.mjs';

const DIST = fileURLToPath(new URL('../dist/', import.meta.url));
const TYPES = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};
export const CSP =
  "default-src 'self'; worker-src 'self' blob:; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'";
const EPOCH = 0xa1f3;
const SID = 3;
const HISTORY = 64;

const nowUs = () => Date.now() * 1000;
const hex = (n) => n.toString(16).padStart(8, '0');

/** Starts on a free port unless one is named; with `token`, nobody comes in without it. `cut()` drops every socket and refuses new ones until `mend()`. */
export async function startMock({ port = 0, tickMs = 1000, notices = [], token = null } = {}) {
  const layer = { q: 4800, tick: 0, known: Math.floor(cells.length * 0.98), values: [], changes: [] };
  layer.values = cells.slice(0, layer.known).map((_, i) => valuesAt(i, 0));
  const logs = {
    alerts: { e: '1f00aa01', q: 90240, rows: new Map(), events: [] },
    orders: { e: '1f00aa02', q: 300, rows: new Map(), events: [] },
  };
  const clients = new Set();
  const intake = mockIntake();
  let made = 0;
  let refusing = false;

  function send(client, message) {
    if (client.socket.readyState === 1)
      client.socket.send(Buffer.isBuffer(message) ? message : JSON.stringify(message));
  }
  const publish = (ch, message) => {
    for (const client of clients)
      if (client.channels.has(ch)) send(client, typeof message === 'function' ? message(client) : message);
  };

  function event(ch, kind, body) {
    const log = logs[ch];
    const pq = log.q;
    log.q += 1 + (log.q % 2);
    log.rows.set(body.id, body);
    const ev = { t: 'ev', ch, e: log.e, q: log.q, pq, ts_us: nowUs(), key: body.id, kind, body };
    log.events = [...log.events, ev].slice(-HISTORY);
    publish(ch, ev);
  }

  const isOpen = (row) => !['cleared', 'closed', 'cancelled'].includes(row.state);
  const openRows = (ch) => [...logs[ch].rows.values()].filter(isOpen);

  function raise(ageUs = 0) {
    const at = nowUs() - ageUs;
    const n = made++;
    const alert = alertAt(n, at);
    event('alerts', 'raised', alert);
    if (n % 3 === 1) return;
    const sent = at + Math.min(20e6, ageUs / 2);
    const order = orderFor(alert, n, sent);
    event('orders', 'dispatched', order);
    event('alerts', 'updated', { ...alert, order: order.id, updated_us: sent });
  }
  for (let age = 14; age > 0; age--) raise(age * 70e6);
  for (const [i, order] of openRows('orders').entries())
    if (i % 3 === 0)
      event('orders', 'accepted', {
        ...order,
        state: 'accepted',
        accepted_us: order.dispatched_us + 95e6,
        by: 'li.wei',
      });
  for (const [i, alert] of openRows('alerts').entries())
    if (i % 6 === 2)
      event('alerts', 'cleared', { ...alert, state: 'cleared', cleared_us: nowUs(), updated_us: nowUs() });

  const about = (from, q) => ({ sid: SID, epoch: EPOCH, from, q, tsUs: nowUs() });

  function jsonRow(ordinal) {
    return [cells[ordinal], ...layer.values[ordinal]];
  }

  function delta(client, from, ordinals) {
    if (client.json)
      return {
        t: 'layer',
        ch: 'layer/map',
        kind: 'delta',
        e: hex(EPOCH),
        from,
        q: layer.q,
        ts_us: nowUs(),
        cells: ordinals.map(jsonRow),
      };
    return layerFrame('delta', about(from, layer.q), schema, { ordinals, rows: ordinals.map((i) => layer.values[i]) });
  }

  function snapshot(client) {
    const ordinals = layer.values.map((_, i) => i);
    if (client.json)
      return send(client, {
        t: 'layer',
        ch: 'layer/map',
        kind: 'snapshot',
        e: hex(EPOCH),
        from: 0,
        q: layer.q,
        ts_us: nowUs(),
        cells: ordinals.map(jsonRow),
      });
    send(client, layerFrame('cells', about(0, layer.q), schema, { cells: cells.slice(0, layer.known) }));
    send(client, layerFrame('snapshot', about(0, layer.q), schema, { rows: layer.values, deflate: true }));
  }

  /** A twentieth of the cells changes; now and then a cell is new. */
  function tickLayer() {
    layer.tick += 1;
    const from = layer.q;
    const grown = layer.known < cells.length && layer.tick % 3 === 0 ? [layer.known] : [];
    if (grown.length > 0)
      publish('layer/map', (client) =>
        client.json
          ? { t: 'none' }
          : layerFrame('cells', about(layer.known, from), schema, { cells: [cells[layer.known]] }),
      );
    layer.known += grown.length;
    const ordinals = [];
    for (let i = layer.tick % 8; i < layer.values.length; i += 8) ordinals.push(i);
    ordinals.push(...grown);
    for (const i of ordinals) layer.values[i] = valuesAt(i, layer.tick);
    layer.q += 1;
    layer.changes = [...layer.changes, { q: layer.q, ordinals }].slice(-HISTORY);
    publish('layer/map', (client) => delta(client, from, ordinals));
  }

  const state = (ch, body) => ({ t: 'state', ch, e: '00000001', q: layer.tick, ts_us: nowUs(), body });
  const states = {
    kpis: () =>
      state('kpis', { kpis: kpisAt(layer.tick, nowUs(), openRows('alerts').length, openRows('orders').length) }),
    feeds: () => state('feeds', { feeds: feedsAt(layer.tick, nowUs()) }),
    sys: () =>
      state('sys', {
        notices,
        synthetic: true,
        open: true,
        layers: [
          {
            name: 'map',
            title: { en: 'City picture', zh: '城市一张图' },
            columns: columns.map(({ name, title, unit, range }) => ({ name, title, unit, range })),
            as_of_us: nowUs(),
            error: null,
          },
        ],
      }),
  };

  function tick() {
    tickLayer();
    publish('kpis', states.kpis());
    if (layer.tick % 2 === 0) publish('feeds', states.feeds());
    if (layer.tick % 9 === 0) raise();
    if (layer.tick % 14 === 0) {
      const [oldest] = openRows('alerts');
      if (oldest) event('alerts', 'cleared', { ...oldest, state: 'cleared', cleared_us: nowUs(), updated_us: nowUs() });
    }
    if (layer.tick % 5 === 0) {
      const wm = { alerts: logs.alerts.q, orders: logs.orders.q, 'layer/map': layer.q };
      for (const client of clients) send(client, { t: 'hb', server_us: nowUs(), wm });
    }
  }

  function subscribe(client, { id, ch, since }) {
    client.channels.add(ch);
    if (ch in states) {
      send(client, { t: 'subscribed', id, ch, sid: null, e: '00000001', q: layer.tick, mode: 'snapshot' });
      return send(client, states[ch]());
    }
    if (ch in logs) return subscribeLog(client, id, ch, since);
    if (ch !== 'layer/map')
      return send(client, { t: 'err', id, code: 4004, msg: `no channel \`${ch}\``, retry: false });
    const resumable = since?.e === hex(EPOCH) && layer.changes.some((c) => c.q === since.q);
    const mode = resumable ? 'resumed' : since ? 'reset' : 'snapshot';
    send(client, { t: 'subscribed', id, ch, sid: SID, e: hex(EPOCH), q: layer.q, mode, schema });
    if (!resumable) return snapshot(client);
    const missed = [...new Set(layer.changes.filter((c) => c.q > since.q).flatMap((c) => c.ordinals))].sort(
      (a, b) => a - b,
    );
    if (missed.length === 0) return undefined;
    if (!client.json)
      send(client, layerFrame('cells', about(0, since.q), schema, { cells: cells.slice(0, layer.known) }));
    return send(client, delta(client, since.q, missed));
  }

  function subscribeLog(client, id, ch, since) {
    const log = logs[ch];
    const resumable = since?.e === log.e && log.events.some((ev) => ev.pq <= since.q);
    const mode = resumable ? 'resumed' : since ? 'reset' : 'snapshot';
    send(client, { t: 'subscribed', id, ch, sid: null, e: log.e, q: log.q, mode });
    if (!resumable) return send(client, { t: 'items', ch, e: log.e, q: log.q, items: openRows(ch).reverse() });
    for (const ev of log.events) if (ev.q > since.q) send(client, ev);
    return undefined;
  }

  async function act(request, response, id, action) {
    let body = '';
    for await (const chunk of request) body += chunk;
    const order = logs.orders.rows.get(id);
    const { by = 'Li Wei', note } = JSON.parse(body);
    const right = order && order.state === (action === 'accept' ? 'dispatched' : 'accepted');
    if (!right)
      return answer(response, 409, 'application/json', JSON.stringify({ message: `order ${id} cannot ${action}` }));
    const at = nowUs();
    const next =
      action === 'accept'
        ? { ...order, state: 'accepted', accepted_us: at, by }
        : { ...order, state: 'closed', closed_us: at, by, note };
    event('orders', next.state, next);
    return answer(response, 200, 'application/json', JSON.stringify(next));
  }

  function answer(response, status, type, body, headers = {}) {
    response.writeHead(status, { 'content-type': type, 'content-security-policy': CSP, ...headers });
    response.end(body);
  }

  const server = createServer(async (request, response) => {
    const url = new URL(request.url, 'http://mock');
    const shown = request.headers.authorization ?? null;
    if (url.pathname.startsWith('/api/') && token !== null && shown !== `Bearer ${token}`) {
      const [code, detail] = shown === null ? ['TOKEN_MISSING', 'a token'] : ['TOKEN_INVALID', 'it is not taken'];
      return answer(response, 401, 'application/problem+json', JSON.stringify({ code, detail }));
    }
    if (url.pathname === '/api/session') {
      const session = token === null ? { open: true } : { open: false, name: 'Li Wei', roles: ['duty'] };
      return answer(response, 200, 'application/json', JSON.stringify(session));
    }
    const order = /^\/api\/orders\/([^/]+)\/(accept|close)$/.exec(url.pathname);
    if (order && request.method === 'POST') return act(request, response, decodeURIComponent(order[1]), order[2]);
    if (url.pathname === '/api/areas')
      return answer(response, 200, 'application/geo+json', JSON.stringify(areas[url.searchParams.get('level')]));
    const said = await intake.answer(request, url);
    if (said === 'cut') return request.socket.destroy();
    if (said !== null) {
      const [status, type, body, headers] = said;
      return answer(response, status, type, typeof body === 'string' ? body : JSON.stringify(body), headers);
    }
    const pages = { '/': '/index.html', '/intake': '/intake.html' };
    const path = normalize(pages[url.pathname] ?? url.pathname);
    try {
      answer(response, 200, TYPES[extname(path)] ?? 'application/octet-stream', await readFile(join(DIST, path)));
    } catch {
      answer(response, 404, 'text/plain', 'not found');
    }
    return undefined;
  });

  const sockets = new WebSocketServer({
    noServer: true,
    handleProtocols: (offered) => ['loom.v1', 'loom.v1.json'].find((p) => offered.has(p)) ?? false,
  });
  server.on('upgrade', (request, socket, head) => {
    if (refusing || request.url !== '/api/stream') return socket.destroy();
    return sockets.handleUpgrade(request, socket, head, (ws) => {
      const client = { socket: ws, channels: new Set(), json: ws.protocol === 'loom.v1.json' };
      clients.add(client);
      ws.on('close', () => clients.delete(client));
      ws.on('message', (data) => {
        const message = JSON.parse(String(data));
        if (message.t === 'hello' && token !== null && message.token !== token) return ws.close(4031, 'a token');
        if (message.t === 'hello')
          send(client, { t: 'welcome', id: message.id, server_us: nowUs(), hb_ms: 5000, city, limits: { subs: 64 } });
        if (message.t === 'sub') subscribe(client, message);
        if (message.t === 'unsub') client.channels.delete(message.ch);
        return undefined;
      });
    });
  });

  await new Promise((done) => server.listen(port, '127.0.0.1', done));
  const timer = setInterval(tick, tickMs);
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    layer,
    intake: intake.state,
    cut: () => {
      refusing = true;
      for (const { socket } of clients) socket.terminate();
    },
    mend: () => {
      refusing = false;
    },
    stop: async () => {
      clearInterval(timer);
      for (const { socket } of clients) socket.terminate();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const broken = {
    code: 'query.broken',
    level: 'error',
    text: {
      en: 'Column `spede_kmh` is not in traffic.speed; did you mean `speed_kmh`?',
      zh: '列 `spede_kmh` 不存在，是否为 `speed_kmh`？',
    },
    at: 'queries/layer/traffic.sql:12:8',
  };
  const { url } = await startMock({
    port: Number(process.argv[2] ?? 8090),
    notices: process.argv.includes('--broken') ? [broken] : [],
  });
  console.log(url);
}
