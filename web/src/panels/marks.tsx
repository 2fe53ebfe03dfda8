/** What every page says of itself on top: what must be known of its data, and the choice of its language. */
import type { Bilingual } from '../protocol/read';
import { LANGUAGE_MODES, WORDS } from '../words/strings';
import { say } from './say';
import { language, setLanguage } from './store';

/** Always in both languages: who looks at this page must be able to read it. */
export function Badge({ kind, words }: { readonly kind: string; readonly words: Bilingual }) {
  return (
    <strong class={`mark ${kind}`}>
      {words.en} {words.zh}
    </strong>
  );
}

export function LanguageSwitch() {
  return (
    <fieldset class="switch" aria-label={say(WORDS.language)}>
      {LANGUAGE_MODES.map((mode) => (
        <button
          key={mode}
          type="button"
          aria-pressed={language.value === mode}
          onClick={() => setLanguage(mode)}
          data-language={mode}
        >
          {WORDS[mode].zh}
        </button>
      ))}
    </fieldset>
  );
}
