/** Big files go in parts by tus: what a bad line cuts goes on by itself where the server's disk stopped, after a reload too. */
import { DetailedError, Upload } from 'tus-js-client';
import { retryDelayMs } from './backoff';
import { type Answer, feedPath, refusal } from './intake-api';
import { credentials } from './session';

/** Smaller files are sent in one request: a cut costs little, and its answer is the receipt. */
export const WORTH_PARTS = 8 << 20;
/** What one request carries. The server keeps what has come of it, whatever becomes of the rest. */
const PART = 32 << 20;
/** A line on which nothing moves for so long is given up and taken up anew. */
const STALL_MS = 30_000;
/** Refusals that time mends: another request still holds the upload, or the server has too much to do. */
const PASSING = [408, 409, 423, 425, 429, 507];

export type Parts = {
  readonly feed: string;
  readonly file: File;
  readonly mends: string | null;
  /** A share from 0 to 1 of what has left this machine. */
  readonly onSent: (share: number) => void;
  /** The line was lost; it is tried again without anybody's doing. */
  readonly onLost: () => void;
};

/** The refusal that no waiting mends. */
function refused(error: Error): Answer<never> | null {
  const answer = error instanceof DetailedError ? error.originalResponse : null;
  if (answer === null) return null;
  const [status, body] = [answer.getStatus(), answer.getBody()];
  if (status < 400 || status >= 500 || PASSING.includes(status) || body.includes('BODY_CUT')) return null;
  return refusal(status, body);
}

/** The upload's path once all of the file is on the server's disk. */
export function sendInParts({ feed, file, mends, onSent, onLost }: Parts): Promise<Answer<string>> {
  return new Promise((resolve) => {
    let attempt = 0;
    let watch: ReturnType<typeof setTimeout> | undefined;
    let retry: ReturnType<typeof setTimeout> | undefined;

    const begin = (): void => {
      clearTimeout(retry);
      removeEventListener('online', begin);
      moved();
      upload.start();
    };
    const lose = (): void => {
      clearTimeout(watch);
      onLost();
      retry = setTimeout(begin, retryDelayMs(attempt, Math.random()));
      attempt += 1;
      addEventListener('online', begin, { once: true });
    };
    const moved = (): void => {
      clearTimeout(watch);
      watch = setTimeout(() => void upload.abort().then(lose), STALL_MS);
    };
    const end = (answer: Answer<string>): void => {
      clearTimeout(watch);
      resolve(answer);
    };
    const upload = new Upload(file, {
      endpoint: `${feedPath(feed)}/uploads`,
      metadata: mends === null ? { filename: file.name } : { filename: file.name, mends },
      // The same file for another feed, or as a mend, is another upload.
      fingerprint: async () => ['cityloom', feed, mends, file.name, file.size, file.lastModified].join('/'),
      removeFingerprintOnSuccess: true,
      chunkSize: PART,
      retryDelays: null,
      onBeforeRequest: (request) => {
        for (const [name, value] of Object.entries(credentials())) request.setHeader(name, value);
      },
      onProgress: (sent, total) => {
        moved();
        onSent(total > 0 ? sent / total : 0);
      },
      onChunkComplete: () => {
        attempt = 0;
      },
      onError: (error) => {
        const why = refused(error);
        if (why === null) lose();
        else end(why);
      },
      onSuccess: () => end({ kind: 'done', value: new URL(upload.url ?? '', location.href).pathname }),
    });
    void upload.findPreviousUploads().then(([before]) => {
      if (before !== undefined) upload.resumeFromPreviousUpload(before);
      begin();
    });
  });
}
