/** One websocket message into its frames. A deflated layer frame is a promise; everything else is at hand at once. */
import { decodeHeader, inflate } from './decode-binary';
import { decodeText } from './decode-text';
import type { ServerFrame } from './frames';

export type Decoded = readonly ServerFrame[] | Promise<readonly ServerFrame[]>;

export function decodeMessage(data: string | ArrayBuffer): Decoded {
  if (typeof data === 'string') return data.split('\n').filter(Boolean).map(decodeText);
  const raw = decodeHeader(data);
  return raw.deflated ? inflate(raw).then((frame) => [frame]) : [raw.frame];
}
