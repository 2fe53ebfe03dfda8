/** The frame of a panel: a heading, something small beside it, and the body. */
import type { ComponentChildren } from 'preact';
import type { Bilingual } from '../protocol/read';
import { Say } from './say';

type Props = {
  readonly name: string;
  readonly title: Bilingual;
  readonly aside?: ComponentChildren;
  readonly children: ComponentChildren;
};

export function Panel({ name, title, aside, children }: Props) {
  return (
    <section class={`panel ${name}`} aria-labelledby={`${name}-title`}>
      <header class="panel-head">
        <h2 id={`${name}-title`}>
          <Say of={title} />
        </h2>
        <div class="panel-aside">{aside}</div>
      </header>
      <div class="panel-body">{children}</div>
    </section>
  );
}

/** What a panel says before there is anything: loading, or nothing to show. */
export function Empty({ words, waiting }: { readonly words: Bilingual; readonly waiting: boolean }) {
  return (
    <p class={waiting ? 'empty waiting' : 'empty'}>
      <Say of={words} />
    </p>
  );
}
