/**
 * Every error of the bus: one class, one registry, a code and one disposition each.
 *
 * Callers match on `code`, never on prose. Foreign errors (NATS, SQLSTATE, sockets) become one of these at the edge
 * where they enter, with the original as `cause`. docs/errors.md lists the same codes; a test compares the two.
 */
import { consoleErrors } from './error-registry/console.ts';
import { controlErrors } from './error-registry/control.ts';
import { custodyErrors } from './error-registry/custody.ts';
import { generalErrors } from './error-registry/general.ts';
import { keyErrors } from './error-registry/keys.ts';
import { limitsErrors } from './error-registry/limits.ts';
import { messageErrors } from './error-registry/messages.ts';
import { redundancyErrors } from './error-registry/redundancy.ts';
import { runningErrors } from './error-registry/running.ts';
import { siteErrors } from './error-registry/sites.ts';

/** What the part that catches the error does with the thing it was working on. */
export type Disposition =
  /** the cause may pass: keep the thing and try again with backoff */
  | 'retry'
  /** it needs somebody or something else: keep the thing, show it in status, go on with the others */
  | 'park'
  /** the request itself is wrong: answer the caller and change nothing */
  | 'reject'
  /** this process cannot work: report and exit */
  | 'fatal';

export interface ErrorEntry {
  disposition: Disposition;
  /** one sentence: what happened */
  summary: string;
  /** one sentence: the way out */
  remedy: string;
}

/** Codes by area; docs/errors.md is made from them. */
export const errorRegistry = {
  ...generalErrors,
  ...messageErrors,
  ...custodyErrors,
  ...limitsErrors,
  ...keyErrors,
  ...siteErrors,
  ...redundancyErrors,
  ...controlErrors,
  ...consoleErrors,
  ...runningErrors,
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorRegistry;

/** The bus's only error class. `message` says what happened, to which noun, and what to do. */
export class BusError extends Error {
  readonly code: ErrorCode;
  /** machine-readable facts of this case, safe to log: names, numbers, never secrets */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; details?: Record<string, unknown> } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'BusError';
    this.code = code;
    this.details = Object.freeze({ ...options.details });
  }

  get disposition(): Disposition {
    return errorRegistry[this.code].disposition;
  }

  get remedy(): string {
    return errorRegistry[this.code].remedy;
  }
}

/** Narrows an unknown to a bus error, optionally with one of the given codes. */
export function isBusError(error: unknown, ...codes: ErrorCode[]): error is BusError {
  return error instanceof BusError && (codes.length === 0 || codes.includes(error.code));
}

/** The same with its code in front, for people and for whoever asks why something waits. */
export function codedText(error: unknown): string {
  return isBusError(error) ? `${error.code}: ${error.message}` : errorText(error);
}

/** The text of anything thrown, for a log line or an error's message. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
