/**
 * Every error of the bus: one class, one registry, a code and one disposition each.
 *
 * Callers match on `code`, never on prose. Foreign errors (NATS, SQLSTATE, sockets) become one of these at the edge
 * where they enter, with the original as `cause`. docs/errors.md lists the same codes; a test compares the two.
 */

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

interface ErrorEntry {
  disposition: Disposition;
  /** one sentence: what happened */
  summary: string;
  /** one sentence: the way out */
  remedy: string;
}

/** Codes by area, in the order of src/README.md. Add a code here and a row in docs/errors.md. */
export const errorRegistry = {
  // general
  E_INTERNAL: {
    disposition: 'fatal',
    summary: 'An assumption of the program did not hold.',
    remedy: 'Report it with the log line; the process restarts from its stored state.',
  },
  E_USAGE: {
    disposition: 'reject',
    summary: 'A command was given arguments it does not understand.',
    remedy: 'Run the command with --help.',
  },
  E_CONFIG: {
    disposition: 'reject',
    summary: 'A configuration file or variable has problems.',
    remedy: 'Mend every line listed and run it again; nothing was applied.',
  },
  E_NAME: {
    disposition: 'reject',
    summary: 'A name is not allowed.',
    remedy: 'Use 1 to 64 of A-Z a-z 0-9 _ -, not starting with _ or mb.',
  },
  E_TIMEOUT: {
    disposition: 'retry',
    summary: 'Something did not answer in time.',
    remedy: 'Check that the named part is up; the bus tries again by itself.',
  },
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

/** The text of anything thrown, for a log line or an error's message. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
