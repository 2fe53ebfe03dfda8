/** A text in the page's language mode: in both, Chinese leads and English follows smaller. */
import type { Bilingual } from '../protocol/read';
import { plain } from '../words/strings';
import { language } from './store';

export function Say({ of }: { readonly of: Bilingual }) {
  const mode = language.value;
  if (mode !== 'both' || of.zh === of.en)
    return <span lang={mode === 'zh' ? 'zh' : 'en'}>{mode === 'zh' ? of.zh : of.en}</span>;
  return (
    <>
      <span class="zh" lang="zh">
        {of.zh}
      </span>{' '}
      <span class="en" lang="en">
        {of.en}
      </span>
    </>
  );
}

/** The same as plain text, for labels. */
export function say(words: Bilingual): string {
  return plain(words, language.value);
}
