/** The requests of the intake page. What comes back is a value: what was asked for, a refusal, or that nobody answered. */
import { type Footprint, readFootprint } from '../protocol/footprint';
import {
  type FeedDetail,
  type FeedSummary,
  type History,
  type Problem,
  type Receipt,
  type RejectedRow,
  readFeed,
  readFeeds,
  readHistory,
  readProblem,
  readReceipt,
  readRejected,
  readStanding,
  readTrial,
  readUpload,
  type Submission,
  type Trial,
  type UnderWay,
  type Uploaded,
} from '../protocol/intake';
import { Malformed } from '../protocol/read';
import { credentials, heldToken } from './session';

export type Answer<T> =
  | { readonly kind: 'done'; readonly value: T }
  | { readonly kind: 'refused'; readonly problem: Problem; readonly status: number }
  | { readonly kind: 'silent' };

const SILENT = { kind: 'silent' } as const;

export function feedPath(feed: string): string {
  const [department = '', name = ''] = feed.split('.');
  return `/api/feeds/${encodeURIComponent(department)}/${encodeURIComponent(name)}`;
}

/** A refusal in words, whatever the server or something before it said. */
export function refusal(status: number, body: string): Answer<never> {
  try {
    return { kind: 'refused', status, problem: readProblem(JSON.parse(body)) };
  } catch {
    const detail = body.slice(0, 160) || `HTTP ${status}`;
    return { kind: 'refused', status, problem: { code: `HTTP_${status}`, detail, violations: [] } };
  }
}

function taken<T>(status: number, body: string, read: (value: unknown) => T): Answer<T> {
  if (status < 200 || status >= 300) return refusal(status, body);
  try {
    return { kind: 'done', value: read(JSON.parse(body)) };
  } catch (error) {
    if (error instanceof Malformed || error instanceof SyntaxError) return SILENT;
    throw error;
  }
}

async function ask<T>(path: string, read: (value: unknown) => T, method = 'GET'): Promise<Answer<T>> {
  try {
    const answer = await fetch(path, { method, cache: 'no-store', headers: credentials() });
    return taken(answer.status, await answer.text(), read);
  } catch {
    return SILENT;
  }
}

export const fetchFeeds = (): Promise<Answer<readonly FeedSummary[]>> => ask('/api/feeds', readFeeds);
export const fetchFeed = (feed: string): Promise<Answer<FeedDetail>> => ask(feedPath(feed), readFeed);
export const fetchHistory = (feed: string, limit: number): Promise<Answer<History>> =>
  ask(`${feedPath(feed)}/submissions?limit=${limit}`, readHistory);

const one = (feed: string, id: string): string => `${feedPath(feed)}/submissions/${encodeURIComponent(id)}`;

export const fetchStanding = (feed: string, id: string): Promise<Answer<Submission | UnderWay>> =>
  ask(one(feed, id), readStanding);
export const fetchFootprint = (feed: string, id: string): Promise<Answer<Footprint>> =>
  ask(`${one(feed, id)}/cells`, readFootprint);
/** How far an upload in parts is, by its path. */
export const fetchUpload = (path: string): Promise<Answer<Uploaded>> => ask(path, readUpload);
export const fetchRejected = (feed: string, id: string, limit: number): Promise<Answer<readonly RejectedRow[]>> =>
  ask(`${one(feed, id)}/rejects?format=json&limit=${limit}`, readRejected);
export const withdraw = (feed: string, id: string): Promise<Answer<Submission | UnderWay>> =>
  ask(one(feed, id), readStanding, 'DELETE');

export const sampleHref = (feed: string): string => `${feedPath(feed)}/sample`;
export const rejectsHref = (feed: string, id: string, format: 'csv' | 'parquet'): string =>
  `${one(feed, id)}/rejects?format=${format}`;

/** Whether a link alone is enough to download: a browser that holds a token must show it, which links do not. */
export const linksSuffice = (): boolean => (heldToken() ?? '') === '';

/** Downloads with the token. True where it was done. */
export async function download(path: string): Promise<boolean> {
  try {
    const answer = await fetch(path, { headers: credentials() });
    if (!answer.ok) return false;
    const saved = /filename="([^"]+)"/.exec(answer.headers.get('content-disposition') ?? '')?.[1] ?? 'download';
    const url = URL.createObjectURL(await answer.blob());
    const link = document.createElement('a');
    link.href = url;
    link.download = saved;
    link.click();
    URL.revokeObjectURL(url);
    return true;
  } catch {
    return false;
  }
}

/** A random id; pages that come over plain HTTP have no `randomUUID`. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

export type Sending = {
  readonly feed: string;
  readonly file: File;
  readonly id: string;
  readonly mends: string | null;
  readonly dryRun: boolean;
  /** A share from 0 to 1 of what has left this machine. */
  readonly onSent: (share: number) => void;
};

/** Sends a file; `XMLHttpRequest` because `fetch` does not tell how much has left. */
export function send({ feed, file, id, mends, dryRun, onSent }: Sending): Promise<Answer<Receipt | Trial>> {
  const query = new URLSearchParams({ name: file.name, id });
  if (mends !== null) query.set('mends', mends);
  if (dryRun) query.set('dry_run', 'true');
  const read = (value: unknown): Receipt | Trial => (dryRun ? readTrial(value) : readReceipt(value));
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.upload.onprogress = ({ loaded, total }) => onSent(total > 0 ? loaded / total : 0);
    request.upload.onload = () => onSent(1);
    request.onload = () => resolve(taken(request.status, request.responseText, read));
    request.onerror = () => resolve(SILENT);
    request.onabort = () => resolve(SILENT);
    request.open('POST', `${feedPath(feed)}/submissions?${query}`);
    for (const [name, value] of Object.entries(credentials())) request.setRequestHeader(name, value);
    request.setRequestHeader('content-type', 'application/octet-stream');
    request.send(file);
  });
}
