/** For whom this page speaks: the token that somebody gave this browser, and what the server says of it. */

const KEY = 'cityloom.token';

/** `open`: the server asks nobody. `locked`: it wants a token, or another one; `why` is its reason where one was shown. */
export type Session =
  | { readonly kind: 'open' }
  | { readonly kind: 'known'; readonly name: string }
  | { readonly kind: 'locked'; readonly why: string | null };

export function heldToken(): string | null {
  return localStorage.getItem(KEY);
}

/** Kept until another is given, so that a wall comes back by itself after the power was out. */
export function holdToken(token: string): void {
  localStorage.setItem(KEY, token.trim());
}

/** What every request of the page carries. */
export function credentials(): Record<string, string> {
  const token = heldToken();
  return token === null || token === '' ? {} : { authorization: `Bearer ${token}` };
}

function field(json: unknown, name: string): unknown {
  return typeof json === 'object' && json !== null ? Reflect.get(json, name) : undefined;
}

/** Null where the server does not answer, or not with what a session is. */
export async function fetchSession(): Promise<Session | null> {
  try {
    const answer = await fetch('/api/session', { headers: credentials() });
    const json: unknown = await answer.json();
    if ([401, 403, 429].includes(answer.status)) {
      const why = field(json, 'detail');
      const asked = field(json, 'code') === 'TOKEN_MISSING' || typeof why !== 'string';
      return { kind: 'locked', why: asked ? null : why };
    }
    if (!answer.ok) return null;
    const name = field(json, 'name');
    return field(json, 'open') === true || typeof name !== 'string' ? { kind: 'open' } : { kind: 'known', name };
  } catch (error) {
    if (error instanceof TypeError || error instanceof SyntaxError) return null;
    throw error;
  }
}
