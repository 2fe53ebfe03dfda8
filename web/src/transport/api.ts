/** The few plain HTTP requests of the page, all of the same origin. A refusal is a value: the text to show. */
import { type Areas, readAreas } from '../layers/areas';
import { Malformed } from '../protocol/read';
import { credentials } from './session';

/** Null where it was done. An empty `by` leaves it to the token to say who. */
export async function postOrder(
  id: string,
  action: 'accept' | 'close',
  by: string,
  note: string,
): Promise<string | null> {
  try {
    const answer = await fetch(`/api/orders/${encodeURIComponent(id)}/${action}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...credentials() },
      body: JSON.stringify(by === '' ? { note } : { by, note }),
    });
    return answer.ok ? null : reason(await answer.text(), answer.status);
  } catch {
    return 'no answer';
  }
}

/** The message of a problem in JSON, else the text as it is. */
function reason(body: string, status: number): string {
  try {
    const json: unknown = JSON.parse(body);
    if (typeof json === 'object' && json !== null) {
      for (const key of ['detail', 'message', 'msg', 'error', 'title']) {
        const value: unknown = Reflect.get(json, key);
        if (typeof value === 'string') return value;
      }
    }
  } catch {
    // Not JSON: the text itself is the reason.
  }
  return body.slice(0, 160) || `HTTP ${status}`;
}

/** Null where the server has none or they cannot be read. */
export async function fetchAreas(level: 'county' | 'town'): Promise<Areas | null> {
  try {
    const answer = await fetch(`/api/areas?level=${level}`, { headers: credentials() });
    return answer.ok ? readAreas(await answer.json()) : null;
  } catch (error) {
    if (error instanceof Malformed || error instanceof TypeError || error instanceof SyntaxError) return null;
    throw error;
  }
}
