/** The page's only websocket: hello, subscriptions, the watch over silence, and coming back. It decides nothing about state. */
import { type Decoded, decodeMessage } from '../protocol/decode';
import type { ServerFrame } from '../protocol/frames';
import { Malformed } from '../protocol/read';
import { retryDelayMs } from './backoff';

export type Since = { readonly e: string; readonly q: number };

export type LinkEvents = {
  readonly onFrame: (frame: ServerFrame) => void;
  readonly onConnecting: () => void;
  readonly onLost: (retryAtMs: number, why: string | null) => void;
  /** The server wants another token: there is no point in coming back with this one. */
  readonly onRefused: () => void;
  /** Channels to subscribe to after each welcome. */
  readonly channels: () => readonly string[];
  readonly since: (ch: string) => Since | null;
};

export type Link = {
  readonly subscribe: (ch: string) => void;
  readonly unsubscribe: (ch: string) => void;
  readonly close: () => void;
};

export type LinkOptions = {
  readonly url: string;
  readonly protocol: 'loom.v1' | 'loom.v1.json';
  readonly name: string;
  /** Shown in the `hello`, never in the address. */
  readonly token: () => string | null;
};

const SILENCE_MS = 15_000;
const NO_GRANT = 4031;
const BYE_MAX_MS = 60_000;

export function openLink(options: LinkOptions, events: LinkEvents): Link {
  let socket: WebSocket | null = null;
  let watch: ReturnType<typeof setTimeout> | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let attempt = 0;
  let requests = 0;
  let askedRetryMs: number | null = null;

  function send(message: Readonly<Record<string, unknown>>): void {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ ...message, id: ++requests }));
  }

  function subscribe(ch: string): void {
    const since = events.since(ch);
    send(since === null ? { t: 'sub', ch } : { t: 'sub', ch, since });
  }

  function heard(): void {
    clearTimeout(watch);
    watch = setTimeout(() => lose('silence'), SILENCE_MS);
  }

  /** Leaves the socket at once: its own close event may take a minute on a dead network. */
  function lose(why: string | null): void {
    clearTimeout(watch);
    clearTimeout(retry);
    const old = socket;
    socket = null;
    old?.close();
    const delay = askedRetryMs ?? retryDelayMs(attempt, Math.random());
    askedRetryMs = null;
    attempt += 1;
    events.onLost(Date.now() + delay, why);
    retry = setTimeout(connect, delay);
  }

  function take(frame: ServerFrame): void {
    if (frame.t === 'bye' && frame.retryMs !== null) askedRetryMs = Math.min(frame.retryMs, BYE_MAX_MS);
    events.onFrame(frame);
    if (frame.t !== 'welcome') return;
    attempt = 0;
    for (const ch of events.channels()) subscribe(ch);
  }

  function connect(): void {
    events.onConnecting();
    const mine = new WebSocket(options.url, options.protocol);
    mine.binaryType = 'arraybuffer';
    socket = mine;
    const guarded = (deliver: () => void): void => {
      if (socket !== mine) return;
      try {
        deliver();
      } catch (error) {
        if (!(error instanceof Malformed)) throw error;
        lose(error.message);
      }
    };
    let waiting = 0;
    let tail = Promise.resolve();
    /** Frames are handed on in their order: behind one that is being unpacked, all wait. */
    const receive = (decoded: Decoded): void => {
      if (waiting === 0 && !(decoded instanceof Promise)) {
        decoded.forEach(take);
        return;
      }
      const ready = Promise.resolve(decoded).catch(() => null);
      waiting += 1;
      tail = tail
        .then(() => ready)
        .then((frames) => {
          waiting -= 1;
          if (frames === null) guarded(() => lose('a layer frame could not be unpacked'));
          else guarded(() => frames.forEach(take));
        });
    };
    mine.onopen = () => {
      const token = options.token();
      const hello = { t: 'hello', client: { kind: 'wall', name: options.name, v: '0.1.0' } };
      send(token === null ? hello : { ...hello, token });
    };
    mine.onmessage = (message) => {
      if (socket !== mine) return;
      heard();
      guarded(() => receive(decodeMessage(message.data)));
    };
    mine.onclose = (closing) => {
      if (socket !== mine) return;
      if (closing.code !== NO_GRANT) return lose(closing.reason || null);
      close();
      events.onRefused();
    };
    heard();
  }

  function close(): void {
    clearTimeout(watch);
    clearTimeout(retry);
    const old = socket;
    socket = null;
    old?.close();
  }

  connect();
  return { subscribe, unsubscribe: (ch) => send({ t: 'unsub', ch }), close };
}
