/** What has been sent before, newest first: each file's state, its receipt, and taking it back. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { type Submission, score } from '../../protocol/intake';
import type { Bilingual } from '../../protocol/read';
import { formatStamp } from '../../words/format';
import { INTAKE } from '../../words/intake-strings';
import { Say, say } from '../say';
import { timeZone } from '../store';
import { Failure, Waiting } from './parts';
import { confirmLeave, history, leaving, loadChosen, mend, show } from './store';

export function HistoryCard() {
  const { value, why } = history.value;
  const shown = value === null ? null : score(value.quality);
  return (
    <section class="card history" aria-labelledby="history-title">
      <header class="card-head">
        <h2 id="history-title">
          <Say of={INTAKE.history} />
        </h2>
        {value !== null && (
          <p class="quality" title={say(INTAKE.qualityWhy)}>
            <Say of={INTAKE.quality} />{' '}
            <strong data-quality={shown ?? ''}>{shown === null ? <Say of={INTAKE.unrated} /> : `${shown}%`}</strong>
          </p>
        )}
      </header>
      {value === null && why === null && <Waiting />}
      {value === null && why !== null && <Failure why={why} again={() => void loadChosen()} />}
      {value !== null && value.submissions.length === 0 && (
        <p class="quiet">
          <Say of={INTAKE.noHistory} />
        </p>
      )}
      {value !== null && value.submissions.length > 0 && <Table submissions={value.submissions} />}
      <Leave />
    </section>
  );
}

function Table({ submissions }: { readonly submissions: readonly Submission[] }) {
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            {[INTAKE.when, INTAKE.file].map((words) => (
              <th scope="col" key={words.en}>
                <Say of={words} />
              </th>
            ))}
            {[INTAKE.read, INTAKE.landed, INTAKE.rejected].map((words) => (
              <th scope="col" key={words.en} class="number">
                <Say of={words} />
              </th>
            ))}
            <th scope="col">
              <Say of={INTAKE.state} />
            </th>
            <td />
          </tr>
        </thead>
        <tbody>
          {submissions.map((submission) => (
            <Row key={submission.submission} submission={submission} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ submission }: { readonly submission: Submission }) {
  const { receipt, state } = submission;
  const number = (value: number) => <td class="number">{value.toLocaleString('en-US')}</td>;
  return (
    <tr data-submission={submission.submission} data-state={state}>
      <td class="figure">{formatStamp(submission.landedMs, timeZone.value)}</td>
      <th scope="row" class="file-name">
        {receipt.file}
      </th>
      {number(receipt.rowsRead)}
      {number(receipt.rowsLanded)}
      {number(receipt.rowsQuarantined)}
      <td>
        <State submission={submission} />
      </td>
      <td class="actions">
        <button type="button" class="link" onClick={() => void show(submission)}>
          <Say of={INTAKE.show} />
          <span class="unseen"> {receipt.file}</span>
        </button>
        {state === 'landed' && submission.rowsOpen > 0 && (
          <button type="button" class="link" onClick={() => mend(submission)}>
            <Say of={INTAKE.mendShort} />
            <span class="unseen"> {receipt.file}</span>
          </button>
        )}
        {state === 'landed' && (
          <button
            type="button"
            class="link danger"
            onClick={() => {
              leaving.value = submission;
            }}
          >
            <Say of={INTAKE.withdraw} />
            <span class="unseen"> {receipt.file}</span>
          </button>
        )}
      </td>
    </tr>
  );
}

function State({ submission }: { readonly submission: Submission }) {
  const { state, rowsOpen, mendedBy, receipt } = submission;
  if (state === 'withdrawn') {
    return (
      <span class="tag">
        <Say of={INTAKE.withdrawn} />
      </span>
    );
  }
  if (rowsOpen > 0) {
    return (
      <span class="tag amber">
        {rowsOpen.toLocaleString('en-US')} <Say of={INTAKE.open} />
      </span>
    );
  }
  const words = mendedBy.length > 0 ? INTAKE.mended : receipt.mends !== null ? INTAKE.isMend : INTAKE.complete;
  return (
    <span class="tag good">
      <Say of={words} />
    </span>
  );
}

/** Asks once more before rows leave: a dialog, so that the keyboard stays within and Escape keeps everything. */
function Leave() {
  const dialog = useRef<HTMLDialogElement>(null);
  const [refusal, setRefusal] = useState<Bilingual | null>(null);
  const submission = leaving.value;
  useEffect(() => {
    setRefusal(null);
    if (submission === null) dialog.current?.close();
    else if (dialog.current?.open === false) dialog.current.showModal();
  }, [submission]);
  const keep = (): void => {
    leaving.value = null;
  };
  return (
    <dialog ref={dialog} onClose={keep} aria-labelledby="leave-title">
      <h2 id="leave-title">
        <Say of={INTAKE.withdraw} /> <code>{submission?.receipt.file}</code>
      </h2>
      <p>
        <Say of={INTAKE.withdrawAsk} />
      </p>
      {refusal !== null && (
        <p class="failure" role="alert">
          <Say of={refusal} />
        </p>
      )}
      <div class="actions">
        <button type="button" class="button danger" onClick={() => void confirmLeave().then(setRefusal)}>
          <Say of={INTAKE.withdrawDo} />
        </button>
        <button type="button" class="button" onClick={keep}>
          <Say of={INTAKE.keep} />
        </button>
      </div>
    </dialog>
  );
}
