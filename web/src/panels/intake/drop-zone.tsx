/** Where a file is dropped or chosen, what is to be done with it, and how far that is. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { formatBytes } from '../../words/format';
import { INTAKE } from '../../words/intake-strings';
import { Say, say } from '../say';
import { mending, progress, submit, take, waiting } from './store';

export function DropZone() {
  const file = waiting.value;
  const first = mending.value;
  return (
    <section class="card upload" aria-labelledby="upload-title">
      <header class="card-head">
        <h2 id="upload-title">
          <Say of={first === null ? INTAKE.upload : INTAKE.uploadMended} />
        </h2>
        {first !== null && (
          <p class="mends">
            <Say of={INTAKE.mendsWhich} /> <code>{first.receipt.file}</code>{' '}
            <button
              type="button"
              class="link"
              onClick={() => {
                mending.value = null;
              }}
            >
              <Say of={INTAKE.notMending} />
            </button>
          </p>
        )}
      </header>
      {progress.value !== null ? <Bar /> : file === null ? <Empty /> : <Chosen file={file} />}
    </section>
  );
}

function Empty() {
  const [over, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the button within does the same by hand; this only catches what is dropped
    <div
      class={over ? 'drop over' : 'drop'}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        take(event.dataTransfer?.files[0] ?? null);
      }}
    >
      <input
        ref={input}
        type="file"
        id="file"
        class="unseen"
        tabIndex={-1}
        aria-label={say(INTAKE.drop)}
        onChange={(event) => take(event.currentTarget.files?.[0] ?? null)}
      />
      <button type="button" class="drop-button" onClick={() => input.current?.click()}>
        <Say of={INTAKE.drop} />
        <small>
          <Say of={INTAKE.formats} />
        </small>
      </button>
    </div>
  );
}

function Chosen({ file }: { readonly file: File }) {
  const first = useRef<HTMLButtonElement>(null);
  useEffect(() => first.current?.focus(), []);
  return (
    <div class="chosen">
      <p>
        <strong class="file-name">{file.name}</strong> <span class="figure">{formatBytes(file.size)}</span>
      </p>
      <div class="actions">
        <button type="button" class="button primary" ref={first} onClick={() => void submit(false)}>
          <Say of={INTAKE.submit} />
        </button>
        <button type="button" class="button" onClick={() => void submit(true)}>
          <Say of={INTAKE.check} />
        </button>
        <button type="button" class="link" onClick={() => take(null)}>
          <Say of={INTAKE.otherFile} />
        </button>
      </div>
    </div>
  );
}

function Bar() {
  const now = progress.value;
  if (now === null) return null;
  const { phase, share, file } = now;
  const words = INTAKE[phase];
  return (
    <div class="chosen" data-phase={phase}>
      <p role="status">
        <strong class="file-name">{file}</strong> <Say of={words} />
      </p>
      <progress aria-label={say(words)} max={1} value={share ?? undefined} />
      <span class="figure">{share === null ? '' : `${Math.floor(share * 100)}%`}</span>
    </div>
  );
}
