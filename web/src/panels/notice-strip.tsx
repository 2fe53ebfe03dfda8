/** What is wrong and where to mend it: a broken query with file, line and column; a fault of the wire. */
import { signal } from '@preact/signals';
import type { Bilingual } from '../protocol/read';
import { notices } from '../state/select';
import { Say } from './say';
import { wall } from './store';

/** Faults of the page itself: areas that did not load, no WebGL2. */
export const pageFault = signal<Bilingual | null>(null);

const SHOWN = 2;

export function NoticeStrip() {
  const told = notices(wall.value);
  const { fault, phase } = wall.value.link;
  const own = pageFault.value;
  const silent = told.length === 0 && own === null && (fault === null || phase !== 'live');
  if (silent) return null;
  return (
    <div class="notices" role="status">
      {own !== null && (
        <p class="error">
          <Say of={own} />
        </p>
      )}
      {fault !== null && phase === 'live' && <p class="error">{fault}</p>}
      {told.slice(0, SHOWN).map((notice) => (
        <p key={`${notice.code} ${notice.at}`} class={notice.level}>
          {notice.at !== null && <code>{notice.at}</code>} <Say of={notice.text} />
        </p>
      ))}
      {told.length > SHOWN && <p class="more">+{told.length - SHOWN}</p>}
    </div>
  );
}
