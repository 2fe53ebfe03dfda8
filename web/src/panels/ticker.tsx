/** The line at the foot: the newest alerts and orders passing by slowly, twice over so that it has no end; and who is on duty. */
import { computed } from '@preact/signals';
import type { Bilingual } from '../protocol/read';
import { formatTime } from '../words/format';
import { WORDS } from '../words/strings';
import { Say, say } from './say';
import { language, officer, officerAsked, session, setOfficer, timeZone, wall } from './store';

type Item = {
  readonly key: string;
  readonly atMs: number;
  readonly kind: Bilingual;
  readonly title: Bilingual;
  readonly state: Bilingual;
};

const SHOWN = 12;
const CHARACTERS_A_SECOND = 5;

const items = computed<readonly Item[]>(() => {
  const { alerts, orders } = wall.value;
  const all = [
    ...alerts.rows.map((a) => ({
      key: `a${a.id}`,
      atMs: a.updatedMs,
      kind: WORDS.alert,
      title: a.title,
      state: a.open ? WORDS.openCount : WORDS.cleared,
    })),
    ...orders.rows.map((o) => ({
      key: `o${o.id}`,
      atMs: o.closedMs ?? o.acceptedMs ?? o.dispatchedMs,
      kind: WORDS.order,
      title: o.title,
      state: WORDS[o.state],
    })),
  ];
  return all.sort((a, b) => b.atMs - a.atMs).slice(0, SHOWN);
});

export function Ticker() {
  const shown = items.value;
  const known = session.value?.kind === 'known' ? session.value.name : null;
  const both = language.value === 'both' ? 1 : 0.6;
  const length = shown.reduce((sum, item) => sum + 14 + (item.title.zh.length * 2 + item.title.en.length) * both, 60);
  const run = (
    <>
      {shown.map((item) => (
        <span key={item.key} class="passing">
          <time>{formatTime(item.atMs, timeZone.value)}</time>{' '}
          <em>{language.value === 'en' ? item.kind.en : item.kind.zh}</em> <Say of={item.title} /> —{' '}
          <Say of={item.state} />
        </span>
      ))}
    </>
  );
  return (
    <footer class="foot">
      <div class="ticker">
        {shown.length === 0 ? (
          <Say of={WORDS.quiet} />
        ) : (
          <div class="run" style={{ animationDuration: `${Math.round(length / CHARACTERS_A_SECOND)}s` }}>
            {run}
            <span aria-hidden="true">{run}</span>
          </div>
        )}
      </div>
      <label class={known === null && officer.value.trim() === '' ? 'duty unnamed' : 'duty'}>
        <Say of={WORDS.officer} />
        <input
          id="officer"
          class="officer"
          value={known ?? officer.value}
          readOnly={known !== null}
          placeholder={say(WORDS.officerHint)}
          aria-describedby="officer-asked"
          onInput={(event) => setOfficer(event.currentTarget.value)}
        />
        <span id="officer-asked" role="alert">
          {officerAsked.value && (
            <strong class="asked">
              {WORDS.officerAsked.zh} {WORDS.officerAsked.en}
            </strong>
          )}
        </span>
      </label>
    </footer>
  );
}
