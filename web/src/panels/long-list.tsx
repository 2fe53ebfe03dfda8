/** A list that fills its panel and says how many rows are below: by hand it scrolls, from far one knows that there is more. */
import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { WORDS } from '../words/strings';
import { Say } from './say';

type Props = {
  /** Rows that matter: those of the children that are done, at the end, need not be announced. */
  readonly total: number;
  readonly live?: boolean;
  readonly children: ComponentChildren;
};

export function LongList({ total, live = false, children }: Props) {
  const list = useRef<HTMLOListElement>(null);
  const [seen, setSeen] = useState(total);

  function measure(): void {
    const rows = list.current;
    if (rows === null) return;
    const end = rows.getBoundingClientRect().bottom + 1;
    setSeen([...rows.children].filter((row) => row.getBoundingClientRect().bottom <= end).length);
  }

  useLayoutEffect(measure);
  useLayoutEffect(() => {
    const watch = new ResizeObserver(measure);
    if (list.current !== null) watch.observe(list.current);
    return () => watch.disconnect();
  }, []);

  const below = Math.max(0, total - seen);
  return (
    <div class="long">
      <ol class="rows" ref={list} onScroll={measure} aria-live={live ? 'polite' : undefined}>
        {children}
      </ol>
      {below > 0 && (
        <button
          type="button"
          class="below"
          onClick={() => list.current?.scrollBy({ top: list.current.clientHeight * 0.85 })}
        >
          +{below} <Say of={WORDS.more} />
        </button>
      )}
    </div>
  );
}
