/** The small things that every part of the intake page says: it loads, it failed. */
import type { Bilingual } from '../../protocol/read';
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
