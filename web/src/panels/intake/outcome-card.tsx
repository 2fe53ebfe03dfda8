/** What became of a file: a receipt, the result of a check, a refusal, or that nobody knows. */

import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { FeedDetail, Problem, Receipt, RejectedRow } from '../../protocol/intake';
import type { Bilingual } from '../../protocol/read';
import { rejectsHref } from '../../transport/intake-api';
import { INTAKE } from '../../words/intake-strings';
import { Say, say } from '../say';
import { Download } from './parts';
import { Reasons } from './reasons';
import { RejectedRows } from './rejected-rows';
import { history, mend, outcome } from './store';

export function OutcomeCard({ feed }: { readonly feed: FeedDetail }) {
  const now = outcome.value;
  if (now === null) return null;
  if (now.kind === 'refused') return <Refused file={now.file} problem={now.problem} />;
  if (now.kind === 'lost') {
    return (
      <Card level="amber" title={now.words} alert>
        <p>
          <code>{now.file}</code>
        </p>
      </Card>
    );
  }
  if (now.kind === 'trial') {
    const { receipt, rejected } = now.trial;
    const words = receipt.rowsQuarantined === 0 ? INTAKE.wouldAll : INTAKE.wouldSome;
    return (
      <Card level={receipt.rowsQuarantined === 0 ? 'good' : 'amber'} title={words} over={INTAKE.trial}>
        <Figures receipt={receipt} landed={INTAKE.wouldLand} />
        <Wrong feed={feed} receipt={receipt} rejected={rejected} />
      </Card>
    );
  }
  const { receipt, rejected, known } = now;
  const words =
    receipt.rowsQuarantined === 0 ? INTAKE.allSafe : receipt.rowsLanded > 0 ? INTAKE.someSafe : INTAKE.noneSafe;
  const level = receipt.rowsQuarantined === 0 ? 'good' : receipt.rowsLanded > 0 ? 'amber' : 'red';
  return (
    <Card level={level} title={words} over={INTAKE.receipt}>
      {known && (
        <p class="known">
          <Say of={INTAKE.before} />
        </p>
      )}
      <Figures receipt={receipt} landed={INTAKE.landed} />
      {receipt.rowsQuarantined > 0 && <Downloads receipt={receipt} />}
      {feed.contract.place !== null && <Where receipt={receipt} />}
      <Wrong feed={feed} receipt={receipt} rejected={rejected} />
    </Card>
  );
}

/** The map comes when it is needed: what knows cells is larger than the rest of the page. */
function Where({ receipt }: { readonly receipt: Receipt }) {
  const [Drawn, setDrawn] = useState<typeof import('./where-map').WhereMap | null>(null);
  useEffect(() => {
    const without = (): void => undefined;
    void import('./where-map').then(({ WhereMap }) => setDrawn(() => WhereMap), without);
  }, []);
  return Drawn === null ? null : <Drawn receipt={receipt} />;
}

type CardProps = {
  readonly level: 'good' | 'amber' | 'red';
  readonly title: Bilingual;
  readonly over?: Bilingual;
  readonly alert?: boolean;
  readonly children: ComponentChildren;
};

/** The heading takes the focus, so that a screen reader reads on from what became of the file. */
function Card({ level, title, over, alert, children }: CardProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  const shown = outcome.value;
  useEffect(() => {
    if (shown !== null) heading.current?.focus();
  }, [shown]);
  return (
    <section class={`card outcome ${level}`} aria-labelledby="outcome-title" data-level={level}>
      <header class="card-head">
        <div role={alert === true ? 'alert' : undefined}>
          {over !== undefined && (
            <p class="over">
              <Say of={over} />
            </p>
          )}
          <h2 id="outcome-title" tabIndex={-1} ref={heading}>
            <Say of={title} />
          </h2>
        </div>
        <button
          type="button"
          class="button"
          aria-label={say(INTAKE.close)}
          onClick={() => {
            outcome.value = null;
          }}
        >
          ×
        </button>
      </header>
      {children}
    </section>
  );
}

function Figures({ receipt, landed }: { readonly receipt: Receipt; readonly landed: Bilingual }) {
  const figures: readonly (readonly [Bilingual, string, string])[] = [
    [landed, receipt.rowsLanded.toLocaleString('en-US'), 'landed'],
    [INTAKE.rejected, receipt.rowsQuarantined.toLocaleString('en-US'), 'rejected'],
    [INTAKE.read, receipt.rowsRead.toLocaleString('en-US'), 'read'],
  ];
  return (
    <>
      <dl class="figures">
        {figures.map(([words, value, name]) => (
          <div key={name} data-figure={name}>
            <dt>
              <Say of={words} />
            </dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <p class="fine">
        <code>{receipt.file}</code> · <Say of={INTAKE.number} /> <code>{receipt.submission}</code> ·{' '}
        {receipt.seconds.toFixed(2)} s · <Say of={INTAKE.underVersion} />{' '}
        <code class="contract-version">{receipt.contractVersion}</code>
        {receipt.leftOut.length > 0 && (
          <>
            {' '}
            · <Say of={INTAKE.leftOut} /> <code class="left-out">{receipt.leftOut.join(', ')}</code>
          </>
        )}
        {receipt.units.map(({ header, from, to }) => (
          <span key={header}>
            {' '}
            · <Say of={INTAKE.converted} />{' '}
            <code class="converted">
              {header}: {from} → {to}
            </code>
          </span>
        ))}
        {receipt.readAs.length > 0 && (
          <>
            {' '}
            · <Say of={INTAKE.readAs} /> <code class="read-as">{receipt.readAs.join(' ')}</code>
          </>
        )}
      </p>
    </>
  );
}

function Downloads({ receipt }: { readonly receipt: Receipt }) {
  const submission = history.value.value?.submissions.find((it) => it.submission === receipt.submission);
  return (
    <div class="actions">
      {submission !== undefined && submission.state === 'landed' && (
        <button type="button" class="button primary" onClick={() => mend(submission)}>
          <Say of={INTAKE.mendThese} />
        </button>
      )}
      <Download href={rejectsHref(receipt.feed, receipt.submission, 'csv')}>
        <Say of={INTAKE.downloadCsv} />
      </Download>
      <Download href={rejectsHref(receipt.feed, receipt.submission, 'parquet')}>
        <Say of={INTAKE.downloadParquet} />
      </Download>
    </div>
  );
}

type WrongProps = {
  readonly feed: FeedDetail;
  readonly receipt: Receipt;
  readonly rejected: readonly RejectedRow[];
};

function Wrong({ feed, receipt, rejected }: WrongProps) {
  if (receipt.rowsQuarantined === 0) return null;
  return (
    <>
      <Reasons reasons={receipt.reasons} />
      <RejectedRows feed={feed} rows={rejected} all={receipt.rowsQuarantined} />
    </>
  );
}

function Refused({ file, problem }: { readonly file: string; readonly problem: Problem }) {
  return (
    <Card level="red" title={INTAKE.refused} alert>
      <p>
        <code>{file}</code>: {problem.detail} <code class="tag">{problem.code}</code>
      </p>
      {problem.violations.length > 0 && (
        <ul class="violations">
          {problem.violations.map((violation) => (
            <li key={violation.detail}>{violation.detail}</li>
          ))}
        </ul>
      )}
    </Card>
  );
}
