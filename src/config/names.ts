/**
 * The one validator of names. Every boundary (file, CLI, API, database CHECK, subject) uses these rules, because client
 * libraries do not check names before they reach the wire.
 */
import { BusError } from '../errors.ts';

export type NameKind = 'site' | 'customer' | 'topic' | 'group' | 'app' | 'profile';

/** 1 to 64 of A-Z a-z 0-9 _ -, not starting with `_` or `mb` (reserved). The same text stands in migrations/. */
export const namePattern = /^(?!_|mb)[A-Za-z0-9_-]{1,64}$/;

export function isName(text: unknown): text is string {
  return typeof text === 'string' && namePattern.test(text);
}

/** Returns the name or throws E_NAME with the offending text made printable. */
export function checkName(kind: NameKind, text: unknown): string {
  if (isName(text)) return text;
  const shown = typeof text === 'string' ? printable(text) : typeof text;
  throw new BusError('E_NAME', `${kind} name ${shown}: use 1 to 64 of A-Z a-z 0-9 _ -, not starting with _ or mb`);
}

/** Quotes foreign text for a message: control and bidirectional characters escaped, at most 80 characters. */
export function printable(text: string): string {
  const cut = text.length > 80 ? `${text.slice(0, 80)}… (${text.length} characters)` : text;
  return JSON.stringify(cut).replace(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
