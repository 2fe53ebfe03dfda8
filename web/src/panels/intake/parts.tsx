/** The small things of which the intake page is made: it loads, it failed, a file to download. */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { Bilingual } from '../../protocol/read';
import { download, linksSuffice } from '../../transport/intake-api';
import { INTAKE } from '../../words/intake-strings';
import { Say } from '../say';

export function Waiting() {
  return (
    <p class="quiet waiting" role="status">
      <Say of={INTAKE.loading} />
    </p>
  );
}

export function Failure({ why, again }: { readonly why: Bilingual; readonly again: () => void }) {
  return (
    <div class="failure" role="alert">
      <p>
        <strong>
          <Say of={INTAKE.notLoaded} />
        </strong>
        <br />
        <Say of={why} />
      </p>
      <button type="button" class="button" onClick={again}>
        <Say of={INTAKE.again} />
      </button>
    </div>
  );
}

/** A link to a file; where the city asks for tokens the page fetches it. */
export function Download({ href, children }: { readonly href: string; readonly children: ComponentChildren }) {
  const [failed, setFailed] = useState(false);
  return (
    <a
      class="button"
      href={href}
      download
      onClick={(event) => {
        if (linksSuffice()) return;
        event.preventDefault();
        void download(href).then((done) => setFailed(!done));
      }}
    >
      {children}
      {failed && (
        <span role="alert">
          {' '}
          · <Say of={INTAKE.notLoaded} />
        </span>
      )}
    </a>
  );
}
