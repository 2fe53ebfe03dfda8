/** How a page comes in: it asks until the server answers whether it knows this page, and then opens its stream. */
import { session, wall } from '../panels/store';
import { type Happening, reduce } from '../state/reduce';
import { fetchSession, heldToken, holdToken } from '../transport/session';
import { type Link, type LinkEvents, type LinkOptions, openLink } from '../transport/socket';

const LONGEST_MS = 15_000;

export type Wanted = {
  readonly protocol: LinkOptions['protocol'];
  readonly name: string;
  readonly channels: LinkEvents['channels'];
  readonly since: LinkEvents['since'];
  /** Before the stream opens, each time. */
  readonly onOpening?: () => void;
  /** Each time that the server lets the page in. */
  readonly onEntered: () => void;
};

export type Entry = {
  readonly happen: (what: Happening) => void;
  /** None before the page was let in. */
  readonly link: () => Link | null;
  readonly enter: () => void;
  readonly giveToken: (token: string) => void;
  readonly leave: () => void;
};

export function entry(wanted: Wanted): Entry {
  let link: Link | null = null;
  let retry: ReturnType<typeof setTimeout> | undefined;

  function happen(what: Happening): void {
    const [next, effects] = reduce(wall.value, what);
    wall.value = next;
    for (const { ch } of effects) link?.subscribe(ch);
  }

  function openStream(): Link {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const url = `${scheme}://${location.host}/api/stream`;
    return openLink(
      { url, protocol: wanted.protocol, name: wanted.name, token: heldToken },
      {
        onFrame: (frame) => happen({ type: 'frame', frame, atMs: Date.now() }),
        onConnecting: () => happen({ type: 'connecting' }),
        onLost: (retryAtMs, why) => happen({ type: 'lost', retryAtMs, why }),
        onRefused: enter,
        channels: wanted.channels,
        since: wanted.since,
      },
    );
  }

  /** The stream and all else only make sense once the server knows this page. */
  async function ask(attempt: number): Promise<void> {
    const now = await fetchSession();
    if (now === null) {
      retry = setTimeout(() => void ask(attempt + 1), Math.min(LONGEST_MS, 1000 * 2 ** attempt));
      return;
    }
    session.value = now;
    if (now.kind === 'locked') return;
    link?.close();
    wanted.onOpening?.();
    link = openStream();
    wanted.onEntered();
  }

  function enter(): void {
    clearTimeout(retry);
    void ask(0);
  }

  return {
    happen,
    link: () => link,
    enter,
    giveToken: (token) => {
      holdToken(token);
      enter();
    },
    leave: () => {
      clearTimeout(retry);
      link?.close();
    },
  };
}
