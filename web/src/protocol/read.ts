/** Reading untrusted JSON field by field. What does not fit is a `Malformed` that names the field. */

export class Malformed extends Error {
  override readonly name = 'Malformed';
}

export type Fields = Readonly<Record<string, unknown>>;

export type Bilingual = { readonly en: string; readonly zh: string };

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function fields(value: unknown, what: string): Fields {
  if (!isFields(value)) throw new Malformed(`${what} is not an object`);
  return value;
}

export function list(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new Malformed(`${what} is not a list`);
  return value;
}

/** A text; numbers are taken as text too, because ids may be either. */
export function text(f: Fields, key: string): string {
  const value = f[key];
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  throw new Malformed(`\`${key}\` is not a text`);
}

export function textOrNull(f: Fields, key: string): string | null {
  const value = f[key];
  return value === null || value === undefined ? null : text(f, key);
}

export function number(f: Fields, key: string): number {
  const value = f[key];
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new Malformed(`\`${key}\` is not a number`);
  return value;
}

export function numberOrNull(f: Fields, key: string): number | null {
  const value = f[key];
  return value === null || value === undefined ? null : number(f, key);
}

export function flag(f: Fields, key: string): boolean {
  return f[key] === true;
}

/** Microseconds on the wire, milliseconds from here on. */
export function instant(f: Fields, key: string): number {
  return number(f, key) / 1000;
}

export function instantOrNull(f: Fields, key: string): number | null {
  const micros = numberOrNull(f, key);
  return micros === null ? null : micros / 1000;
}

/** `{en, zh}`; a missing language falls back to the other, a plain text stands for both. */
export function bilingual(value: unknown, fallback: string): Bilingual {
  if (typeof value === 'string') return { en: value, zh: value };
  if (!isFields(value)) return { en: fallback, zh: fallback };
  const en = textOrNull(value, 'en');
  const zh = textOrNull(value, 'zh');
  return { en: en ?? zh ?? fallback, zh: zh ?? en ?? fallback };
}

/** A number or null in a cell's row; null is NaN from here on. */
export function measure(value: unknown): number {
  if (value === null || value === undefined) return Number.NaN;
  if (typeof value !== 'number') throw new Malformed('a cell value is not a number');
  return value;
}
