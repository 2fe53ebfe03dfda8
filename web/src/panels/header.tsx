/** The bar on top: clock, the city's name, what must be known about this wall, and how the data stand. */
import { formatAge, formatClock } from '../words/format';
import { WORDS } from '../words/strings';
import { Badge, LanguageSwitch } from './marks';
import { Say, say } from './say';
import { fresh, language, serverNowMs, timeZone, wall } from './store';

export function Header() {
  const { city, sys } = wall.value;
  const name = city?.name ?? { zh: 'cityloom', en: 'cityloom' };
  return (
    <header class="bar">
      <ClockFace />
      <div class="heading">
        <h1>
          <Say of={name} />
        </h1>
        <p>
          <Say of={WORDS.centre} />
        </p>
      </div>
      <div class="standing">
        <div class="badges">
          {(city?.synthetic || sys?.synthetic) && <Badge kind="synthetic" words={WORDS.synthetic} />}
          {sys?.open && <Badge kind="open" words={WORDS.open} />}
        </div>
        <FeedLamps />
        <LinkState />
        <LanguageSwitch />
      </div>
    </header>
  );
}

function ClockFace() {
  const clock = formatClock(serverNowMs.value, timeZone.value);
  const mode = language.value;
  return (
    <div class="clock">
      <time>{clock.time}</time>
      <span>
        {clock.date}
        <br />
        {mode !== 'en' && clock.weekdayZh} {mode !== 'zh' && clock.weekdayEn}
      </span>
    </div>
  );
}

const LAMPS = 24;

function FeedLamps() {
  const feeds = wall.value.feeds ?? [];
  const stale = feeds.filter((feed) => feed.stale).length;
  if (feeds.length === 0) return null;
  return (
    <div
      class={feeds.length > LAMPS ? 'lamps many' : 'lamps'}
      role="img"
      aria-label={`${say(WORDS.feeds)}: ${feeds.length - stale} / ${feeds.length} ${say(WORDS.feedsLive)}`}
    >
      {feeds.map((feed) => (
        <i
          key={feed.feed}
          class={feed.lastLandedMs === null ? 'lamp never' : feed.stale ? 'lamp stale' : 'lamp'}
          title={say(feed.title)}
        />
      ))}
    </div>
  );
}

function LinkState() {
  const { link } = wall.value;
  const { ageMs, level } = fresh.value;
  const words = level === 'red' ? WORDS.stale : WORDS[link.phase];
  return (
    <div class={`link ${link.phase} ${level}`} role="status" data-phase={link.phase} data-level={level}>
      <span class="link-word">
        <i class="lamp" />
        <Say of={words} />
      </span>
      <span class="age">
        <Say of={WORDS.dataAge} /> <b>{ageMs === null ? '–' : formatAge(ageMs)}</b>
      </span>
    </div>
  );
}
