/** The health of the feeds: those that are late on top, each with the age of its last row. */
import type { Feed } from '../protocol/frames';
import { sortedFeeds } from '../state/select';
import { formatAge, formatCount } from '../words/format';
import { WORDS } from '../words/strings';
import { Empty, Panel } from './panel';
import { Say } from './say';
import { serverNowMs, wall } from './store';

export function FeedHealth() {
  const feeds = wall.value.feeds;
  const stale = feeds?.filter((feed) => feed.stale).length ?? 0;
  const aside = feeds !== null && feeds.length > 0 && (
    <span class="counts">
      <span class="count">
        <strong>{feeds.length - stale}</strong> <Say of={WORDS.feedsLive} />
      </span>
      {stale > 0 && (
        <span class="count amber">
          <strong>{stale}</strong> <Say of={WORDS.feedsStale} />
        </span>
      )}
    </span>
  );
  return (
    <Panel name="feeds" title={WORDS.feeds} aside={aside}>
      {feeds === null || feeds.length === 0 ? (
        <Empty words={feeds === null ? WORDS.loading : WORDS.noFeeds} waiting={feeds === null} />
      ) : (
        <ul class="feed-list">
          {sortedFeeds(feeds).map((feed) => (
            <FeedRow key={feed.feed} feed={feed} />
          ))}
        </ul>
      )}
    </Panel>
  );
}

function FeedRow({ feed }: { readonly feed: Feed }) {
  const landed = feed.lastLandedMs;
  return (
    <li class={feed.stale ? 'stale' : ''} data-feed={feed.feed}>
      <i class={landed === null ? 'lamp never' : feed.stale ? 'lamp stale' : 'lamp'} />
      <span class="feed-name">
        <Say of={feed.title} />
      </span>
      <span class="figure">
        {formatCount(feed.rows)}
        {feed.quarantined > 0 && <em> −{formatCount(feed.quarantined)}</em>}
      </span>
      <span class="figure age">
        {landed === null ? <Say of={WORDS.never} /> : formatAge(Math.round((serverNowMs.value - landed) / 1000) * 1000)}
      </span>
    </li>
  );
}
