/** The signals of the intake page, and what is done to them. Every answer of the server passes through here. */
import { computed, signal } from '@preact/signals';
import type {
  FeedDetail,
  FeedSummary,
  History,
  Problem,
  Receipt,
  RejectedRow,
  Submission,
  Trial,
  UnderWay,
} from '../../protocol/intake';
import type { Bilingual } from '../../protocol/read';
import {
  type Answer,
  fetchFeed,
  fetchFeeds,
  fetchHistory,
  fetchRejected,
  fetchStanding,
  fetchUpload,
  newId,
  send,
  withdraw,
} from '../../transport/intake-api';
import { sendInParts, WORTH_PARTS } from '../../transport/resumable';
import { INTAKE } from '../../words/intake-strings';

/** Something that is asked of the server: its last good value is kept when asking again fails. */
export type Loaded<T> = {
  readonly value: T | null;
  readonly why: Bilingual | null;
  readonly atMs: number | null;
};

const NOTHING = { value: null, why: null, atMs: null };
const LISTED = 50;
const SHOWN_ROWS = 20;
const ASK_MS = 500;
/** How often a lost answer is asked after. */
const ASK_LOST = 10;

export const feeds = signal<Loaded<readonly FeedSummary[]>>(NOTHING);
export const chosen = signal<string | null>(new URLSearchParams(location.search).get('feed'));
export const detail = signal<Loaded<FeedDetail>>(NOTHING);
export const history = signal<Loaded<History>>(NOTHING);

/** The file that was chosen and waits for a word. */
export const waiting = signal<File | null>(null);
/** The submission whose rejected rows are sent mended. */
export const mending = signal<Submission | null>(null);
/** The submission that somebody wants withdrawn and has not yet confirmed. */
export const leaving = signal<Submission | null>(null);

export type Progress = {
  /** `cut`: the line was lost, and what is under way goes on by itself. */
  readonly phase: 'sending' | 'cut' | 'receiving' | 'reading' | 'asking';
  readonly share: number | null;
  readonly file: string;
};
export const progress = signal<Progress | null>(null);

export type Outcome =
  | {
      readonly kind: 'receipt';
      readonly receipt: Receipt;
      readonly rejected: readonly RejectedRow[];
      readonly known: boolean;
    }
  | { readonly kind: 'trial'; readonly trial: Trial }
  | { readonly kind: 'refused'; readonly file: string; readonly problem: Problem }
  | { readonly kind: 'lost'; readonly file: string; readonly words: Bilingual };
export const outcome = signal<Outcome | null>(null);

/** When the server last answered, where it does not now. */
export const staleSinceMs = computed(() => {
  const { why, atMs } = feeds.value;
  return why === null ? null : atMs;
});

function said<T>(answer: Answer<T>): Bilingual {
  if (answer.kind !== 'refused') return INTAKE.noAnswer;
  const text = `${answer.problem.detail} (${answer.problem.code})`;
  return { zh: text, en: text };
}

function merged<T>(before: Loaded<T>, answer: Answer<T>): Loaded<T> {
  if (answer.kind === 'done') return { value: answer.value, why: null, atMs: Date.now() };
  return { ...before, why: said(answer) };
}

export async function loadFeeds(): Promise<void> {
  feeds.value = merged(feeds.value, await fetchFeeds());
}

/** Asks anew for all that is shown of the chosen feed; an answer that comes late for another feed is dropped. */
export async function loadChosen(): Promise<void> {
  const feed = chosen.value;
  if (feed === null) return;
  const [about, past] = await Promise.all([fetchFeed(feed), fetchHistory(feed, LISTED)]);
  if (chosen.value !== feed) return;
  detail.value = merged(detail.value, about);
  history.value = merged(history.value, past);
}

export function choose(feed: string): void {
  if (chosen.value === feed) return;
  chosen.value = feed;
  detail.value = NOTHING;
  history.value = NOTHING;
  waiting.value = null;
  mending.value = null;
  outcome.value = null;
  const url = new URL(location.href);
  url.searchParams.set('feed', feed);
  window.history.replaceState(null, '', url);
  void loadChosen();
}

export function take(file: File | null): void {
  waiting.value = file;
  outcome.value = null;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function isLanded(standing: Submission | UnderWay): standing is Submission {
  return standing.state === 'landed' || standing.state === 'withdrawn';
}

/** Follows a submission on the server until `ended` says that its answer has come. */
async function follow(feed: string, id: string, file: string, ended: () => boolean): Promise<void> {
  while (!ended()) {
    await pause(ASK_MS);
    if (ended() || progress.value === null || progress.value.phase === 'sending') continue;
    const answer = await fetchStanding(feed, id);
    if (ended() || answer.kind !== 'done' || isLanded(answer.value)) continue;
    const { state, received, expected, read, total } = answer.value;
    const [part, whole] = state === 'reading' ? [read, total] : [received, expected ?? 0];
    progress.value = { phase: state, share: whole > 0 ? Math.min(1, part / whole) : null, file };
  }
}

/** The answer was lost: what became of the file is asked for until the server says. */
async function askAfter(feed: string, id: string, file: string): Promise<Outcome> {
  progress.value = { phase: 'asking', share: null, file };
  for (let asked = 0; asked < ASK_LOST; asked++) {
    const answer = await fetchStanding(feed, id);
    if (answer.kind === 'done' && isLanded(answer.value)) return received(feed, answer.value.receipt);
    if (answer.kind === 'refused' && answer.status === 404) return { kind: 'lost', file, words: INTAKE.lostNothing };
    await pause(ASK_MS * 2);
  }
  return { kind: 'lost', file, words: INTAKE.lostUnknown };
}

/** A receipt with its first rejected rows; content that landed before has its first receipt. */
async function received(feed: string, receipt: Receipt): Promise<Outcome> {
  const first = receipt.duplicateOf === null ? null : await fetchStanding(feed, receipt.duplicateOf);
  const known = first?.kind === 'done' && isLanded(first.value) ? first.value.receipt : null;
  const shown = known ?? receipt;
  const rejected = shown.rowsQuarantined > 0 ? await fetchRejected(feed, shown.submission, SHOWN_ROWS) : null;
  return {
    kind: 'receipt',
    receipt: shown,
    rejected: rejected?.kind === 'done' ? rejected.value : [],
    known: receipt.duplicateOf !== null,
  };
}

async function outcomeOf(feed: string, id: string, file: string, answer: Answer<Receipt | Trial>): Promise<Outcome> {
  if (answer.kind === 'silent') return askAfter(feed, id, file);
  if (answer.kind === 'refused') return { kind: 'refused', file, problem: answer.problem };
  return 'receipt' in answer.value ? { kind: 'trial', trial: answer.value } : received(feed, answer.value);
}

/** Sends a file in one request; what becomes of it is the answer. */
async function sendWhole(feed: string, file: File, dryRun: boolean): Promise<Outcome> {
  const id = newId();
  let ended = false;
  const onSent = (share: number): void => {
    if (ended) return;
    progress.value = { phase: share < 1 ? 'sending' : 'receiving', share: share < 1 ? share : null, file: file.name };
  };
  const following = follow(feed, id, file.name, () => ended);
  const answer = await send({ feed, file, id, mends: mending.value?.submission ?? null, dryRun, onSent });
  ended = true;
  const what = await outcomeOf(feed, id, file.name, answer);
  await following;
  return what;
}

/** Sends a big file in parts, and asks until the server has landed or refused it: no lost line ends that. */
async function sendParts(feed: string, file: File): Promise<Outcome> {
  let share = 0;
  const sent = await sendInParts({
    feed,
    file,
    mends: mending.value?.submission ?? null,
    onSent: (now) => {
      share = now;
      progress.value = { phase: 'sending', share, file: file.name };
    },
    onLost: () => {
      progress.value = { phase: 'cut', share, file: file.name };
    },
  });
  if (sent.kind === 'refused') return { kind: 'refused', file: file.name, problem: sent.problem };
  if (sent.kind === 'silent') return { kind: 'lost', file: file.name, words: INTAKE.lostUnknown };
  for (;;) {
    const answer = await fetchUpload(sent.value);
    if (answer.kind === 'refused' && answer.status < 500) {
      return { kind: 'refused', file: file.name, problem: answer.problem };
    }
    if (answer.kind !== 'done') progress.value = { phase: 'cut', share: null, file: file.name };
    else if (answer.value.state === 'landed') return received(feed, answer.value.receipt);
    else if (answer.value.state === 'refused')
      return { kind: 'refused', file: file.name, problem: answer.value.problem };
    else progress.value = await reading(feed, answer.value.submission, file.name);
    await pause(ASK_MS);
  }
}

/** How far the rows of a file that has come whole are; it may still wait for others before it. */
async function reading(feed: string, id: string, file: string): Promise<Progress> {
  const answer = await fetchStanding(feed, id);
  if (answer.kind !== 'done' || isLanded(answer.value)) return { phase: 'receiving', share: null, file };
  const { read, total } = answer.value;
  return { phase: 'reading', share: total > 0 ? Math.min(1, read / total) : null, file };
}

/** Sends the file that waits. A check keeps it waiting, so that it can be sent afterwards. */
export async function submit(dryRun: boolean): Promise<void> {
  const [feed, file] = [chosen.value, waiting.value];
  if (feed === null || file === null || progress.value !== null) return;
  outcome.value = null;
  progress.value = { phase: 'sending', share: 0, file: file.name };
  const inParts = !dryRun && file.size >= WORTH_PARTS;
  const what = await (inParts ? sendParts(feed, file) : sendWhole(feed, file, dryRun));
  progress.value = null;
  if (chosen.value !== feed) return;
  outcome.value = what;
  if (what.kind === 'receipt') {
    waiting.value = null;
    mending.value = null;
  }
  void loadChosen();
  void loadFeeds();
}

/** Shows the receipt of an earlier submission. */
export async function show({ receipt }: Submission): Promise<void> {
  const feed = chosen.value;
  if (feed === null) return;
  const what = await received(feed, receipt);
  if (chosen.value === feed) outcome.value = what;
}

/** Withdraws what `leaving` names. Null where it was done, else why not. */
export async function confirmLeave(): Promise<Bilingual | null> {
  const [feed, submission] = [chosen.value, leaving.value];
  if (feed === null || submission === null) return null;
  const answer = await withdraw(feed, submission.submission);
  if (answer.kind !== 'done') return said(answer);
  leaving.value = null;
  const shown = outcome.value;
  if (shown?.kind === 'receipt' && shown.receipt.submission === submission.submission) outcome.value = null;
  await Promise.all([loadChosen(), loadFeeds()]);
  return null;
}

/** Begins a mend of a submission's rejected rows. */
export function mend(submission: Submission): void {
  mending.value = submission;
  waiting.value = null;
  outcome.value = null;
}
