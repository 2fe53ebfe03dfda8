/** The feeds to choose from, with how good each one's files are. */
import { useState } from 'preact/hooks';
import { type FeedSummary, score } from '../../protocol/intake';
import { formatCount } from '../../words/format';
import { INTAKE } from '../../words/intake-strings';
import { Say, say } from '../say';
import { Failure, Waiting } from './parts';
import { choose, chosen, feeds, loadFeeds } from './store';

export function FeedList() {
  const [sought, setSought] = useState('');
  const { value, why } = feeds.value;
  const found = (value ?? []).filter((feed) => matches(feed, sought.trim().toLowerCase()));
  return (
    <nav class="feeds-nav" aria-labelledby="feeds-title">
      <h2 id="feeds-title">
        <Say of={INTAKE.feeds} />
      </h2>
      {value !== null && value.length > 0 && (
        <input
          type="search"
          class="field"
          value={sought}
          aria-label={say(INTAKE.find)}
          placeholder={say(INTAKE.find)}
          onInput={(event) => setSought(event.currentTarget.value)}
        />
      )}
      {value === null && why === null && <Waiting />}
      {value === null && why !== null && <Failure why={why} again={() => void loadFeeds()} />}
      {value !== null && found.length === 0 && (
        <p class="quiet">
          <Say of={value.length === 0 ? INTAKE.noFeeds : INTAKE.noneFound} />
        </p>
      )}
      <ul>
        {found.map((feed) => (
          <Entry key={feed.feed} feed={feed} />
        ))}
      </ul>
    </nav>
  );
}

function matches(feed: FeedSummary, sought: string): boolean {
  return [feed.feed, feed.title.en, feed.title.zh].some((text) => text.toLowerCase().includes(sought));
}

function Entry({ feed }: { readonly feed: FeedSummary }) {
  const current = chosen.value === feed.feed;
  return (
    <li>
      <button
        type="button"
        class="feed-choice"
        aria-current={current ? 'true' : undefined}
        data-feed={feed.feed}
        onClick={() => choose(feed.feed)}
      >
        <span class="feed-title">
          <Say of={feed.title} />
        </span>
        <code>{feed.feed}</code>
        <span class="figure">
          {formatCount(feed.rows)} <Say of={INTAKE.rows} />
        </span>
        <Score feed={feed} />
      </button>
    </li>
  );
}

function Score({ feed }: { readonly feed: FeedSummary }) {
  const shown = score(feed.quality);
  if (shown === null) return null;
  const level = shown === 100 ? 'good' : shown >= 95 ? 'amber' : 'red';
  return (
    <span class={`score ${level}`} title={say(INTAKE.qualityWhy)}>
      <span class="unseen">{say(INTAKE.quality)} </span>
      {shown}%
    </span>
  );
}
