/**
 * Every error of the bus: one class, one registry, a code and one disposition each.
 *
 * Callers match on `code`, never on prose. Foreign errors (NATS, SQLSTATE, sockets) become one of these at the edge
 * where they enter, with the original as `cause`. docs/errors.md lists the same codes; a test compares the two.
 */

import { custodyErrors } from './custody-errors.ts';
import { keyErrors } from './key-errors.ts';
import { limitsErrors } from './limits-errors.ts';

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
  // configuration and command line
  E_EXISTS: {
    disposition: 'reject',
    summary: 'A noun of that name is there already.',
    remedy: 'Choose another name, or change the one that is there.',
  },
  E_WOULD_LOSE: {
    disposition: 'reject',
    summary: 'A change of the bus would delete messages that wait, or may do so at a site that is silent.',
    remedy: 'Let consumers take them, or drain the terminal; --force deletes them.',
  },
  E_FILE: {
    disposition: 'reject',
    summary: 'A file named on the command line cannot be read or written.',
    remedy: 'Check the path and its permissions.',
  },
  E_APP_REFUSED: {
    disposition: 'reject',
    summary: 'nats-server refused the credential of an application, or what it wanted to do.',
    remedy: 'Check the .creds file and the rights of the app; rights come a moment after the app is created.',
  },
  E_NOT_STORED: {
    disposition: 'retry',
    summary: 'A published message was not stored.',
    remedy: 'The message quotes the reason; a full stream takes more once the groups that lag have caught up.',
  },
  // envelope
  E_ENVELOPE_BAD: {
    disposition: 'reject',
    summary: 'Bytes that claim to be an envelope, or a part of one, are not in the one valid form or do not verify.',
    remedy:
      'Nothing was delivered and the origin sends again; if it repeats, look for a terminal with altered software.',
  },
  E_MANIFEST_BAD: {
    disposition: 'reject',
    summary: 'The signed statement of what an envelope covers is malformed, or its origin did not sign it.',
    remedy: 'Check that the origin terminal is registered; a re-registered terminal needs the newest snapshot here.',
  },
  E_RECEIPT_BAD: {
    disposition: 'reject',
    summary: 'A receipt is malformed, or its terminal did not sign it.',
    remedy: 'The messages stay in the capture stream and are sent again; check that the destination is registered.',
  },
  E_MARKER_BAD: {
    disposition: 'park',
    summary: 'The record of what a group stream has received was altered or damaged.',
    remedy: 'The flow stands still and takes no message; restore the stream and the securekey that belong together.',
  },
  E_RANGES_FULL: {
    disposition: 'retry',
    summary: 'Too many gaps are open in the sequences received of one flow.',
    remedy:
      'Wait: the gaps close as older envelopes arrive; if it stays, a link towards this terminal loses envelopes.',
  },
  // routing
  E_RECORD_BAD: {
    disposition: 'reject',
    summary: 'A routing record is malformed, or the terminal it names did not sign it.',
    remedy: 'Nothing was changed by it; if it repeats, look for a terminal with altered software at the other end.',
  },
  // sealing and keys
  ...keyErrors,
  // server and site
  E_NATS_SERVER_MISSING: {
    disposition: 'fatal',
    summary: 'No nats-server of a usable version was found.',
    remedy: 'Install nats-server 2.15.1 or newer, or set NATS_SERVER to its path.',
  },
  E_NATS_SERVER_OLD: {
    disposition: 'fatal',
    summary: 'The nats-server named by NATS_SERVER is older than the bus can trust.',
    remedy: 'Use nats-server 2.15.1 or newer.',
  },
  E_NATS_SERVER_FAILED: {
    disposition: 'retry',
    summary: 'nats-server did not start or did not become healthy.',
    remedy: 'Read the lines of its log that are quoted; it is started again.',
  },
  E_PORT_TAKEN: {
    disposition: 'fatal',
    summary: 'Another program listens on a port this part was told to use.',
    remedy: 'Stop that program, or give this part another port.',
  },
  E_SERVER_AWAY: {
    disposition: 'retry',
    summary: 'The nats-server of this site does not answer.',
    remedy: 'Check that it runs; what is under way waits in its streams.',
  },
  E_SERVER_REFUSED: {
    disposition: 'park',
    summary: 'nats-server refused an account or a configuration.',
    remedy: 'The message quotes its reason; the rest of the site goes on.',
  },
  E_NOT_DURABLE: {
    disposition: 'park',
    summary: 'A site of durability power acknowledges something before it is on disk.',
    remedy: 'Restart nats-server of the site, or remove the stream that is named: the bus never makes one like that.',
  },
  E_SERVER_RESTART: {
    disposition: 'park',
    summary: 'A changed setting of a site needs a restart of its nats-server.',
    remedy: 'Restart nats-server of that site at a quiet moment; everything else is in place already.',
  },
  E_SITE_DIR: {
    disposition: 'fatal',
    summary: 'The directory is not that of a joined site, or it is damaged.',
    remedy: 'Run mbus site join for this directory, or name the right one.',
  },
  E_SIDECAR_RUNNING: {
    disposition: 'fatal',
    summary: 'A sidecar already runs for this site.',
    remedy: 'Stop the other one first; one site has one sidecar.',
  },
  E_NOT_HERE: {
    disposition: 'retry',
    summary: 'This site knows nothing of the customer or link that was named.',
    remedy: 'It follows with the next snapshot; check names when it does not.',
  },
  // trust
  E_KEY_FILE: {
    disposition: 'fatal',
    summary: 'A key file does not hold the key it should.',
    remedy: 'Restore the file from its backup, or join the site again.',
  },
  E_CERTIFICATE: {
    disposition: 'reject',
    summary: 'A certificate is not acceptable.',
    remedy: "Renew the certificate, and check the machine's clock.",
  },
  E_CSR: {
    disposition: 'reject',
    summary: 'A certificate request is not acceptable.',
    remedy: 'Make a new request with this version of mbus.',
  },
  // message path
  E_NATS: {
    disposition: 'retry',
    summary: 'The nats-server of this site did not do what it was asked.',
    remedy: 'Check that it is up and has room; the sidecar tries again by itself.',
  },
  E_LINK_DOWN: {
    disposition: 'retry',
    summary: 'A link is down or silent.',
    remedy: 'Nothing: what waits goes on when the link is back. `mbus status` says which and since when.',
  },
  E_PEER_BUSY: {
    disposition: 'retry',
    summary: 'The other site could not store an envelope now.',
    remedy: 'See `mbus status` for the reason it gave: most often a group stream is full.',
  },
  E_PEER_REFUSED: {
    disposition: 'park',
    summary: 'The other site refused an envelope.',
    remedy: 'See the reason in `mbus status`; what it concerns waits at its origin.',
  },
  E_NO_TRANSIT: {
    disposition: 'park',
    summary: 'A site was asked to carry an envelope for another and does not do so.',
    remedy: 'Give the two sites a direct link, or a path over sites in server mode.',
  },
  E_CACHE_FULL: {
    disposition: 'retry',
    summary: 'A site that carries envelopes for others has no room for this one.',
    remedy: 'Nothing: it waits at its origin. If it lasts, see which link or destination behind that site is stuck.',
  },
  E_LOOP: {
    disposition: 'reject',
    summary: 'An envelope came to a site that it had visited before, or over too many links.',
    remedy:
      'Nothing was lost: its origin sends it again. If it repeats, compare the versions of the sites on its path.',
  },
  E_NOT_YET: {
    disposition: 'retry',
    summary: 'The site has not applied the configuration that this concerns.',
    remedy: 'Nothing: it is tried again until the site has caught up.',
  },
  E_CONFLICT: {
    disposition: 'retry',
    summary: 'Another writer was faster.',
    remedy: 'Nothing: the stored state is read again and the rest is written.',
  },
  E_STREAM_FULL: {
    disposition: 'retry',
    summary: 'A stream has reached its byte limit, or the disk is full.',
    remedy: 'Let consumers catch up, raise maxBytes in the declared file, or make room; the bus goes on by itself.',
  },
  E_FOREIGN_STREAM: {
    disposition: 'park',
    summary: "A stream or consumer with a name the bus needs exists and is not the bus's own.",
    remedy: 'Rename or remove it, or choose another topic name.',
  },
  // groups over terminals
  E_MOVE_STATE: {
    disposition: 'park',
    summary: 'What a group stream keeps of the move of its backlog cannot be read.',
    remedy: 'Its messages stay where they are; report it with the metadata of the durable.',
  },
  E_LEFT_OVER: {
    disposition: 'park',
    summary: 'A stream of a group that is not configured any more still holds messages.',
    remedy: 'Declare the group again to read them; the stream is removed when it is empty, or with its topic.',
  },
  // lab
  E_LAB_RUNNING: {
    disposition: 'reject',
    summary: 'The directory holds a lab that is running.',
    remedy: 'Use it, stop it with `mbus lab down --dir DIR`, or give another --dir.',
  },
  E_LAB_GONE: {
    disposition: 'reject',
    summary: 'The directory holds no running lab.',
    remedy: 'Clean up with `mbus lab down --dir DIR` and start one with `mbus lab up FILE --dir DIR`.',
  },
  E_LAB_START: {
    disposition: 'reject',
    summary: 'A part of the lab did not become ready.',
    remedy: 'Read the lines of its log that follow; --keep leaves the whole directory behind.',
  },
  E_LAB_NOUN: {
    disposition: 'reject',
    summary: 'The lab has no such site, link or part.',
    remedy: 'Look at the names in `mbus lab status --dir DIR`.',
  },
  // registry and control plane
  E_DATABASE_AWAY: {
    disposition: 'retry',
    summary: 'The database does not answer.',
    remedy: 'Start PostgreSQL or mend DATABASE_URL; what sites do without the control plane goes on meanwhile.',
  },
  E_DATABASE_OLD: {
    disposition: 'fatal',
    summary: 'The PostgreSQL server is older than 15.',
    remedy: 'Point DATABASE_URL at PostgreSQL 15 or newer, or unset it to use the embedded one.',
  },
  E_DATABASE_SCHEMA: {
    disposition: 'fatal',
    summary: 'The database could not be brought to the tables this version needs, or is ahead of it.',
    remedy: 'Read the cause; run mbus control migrate with the newest version of mbus.',
  },
  E_AUDIT_CHANGED: {
    disposition: 'fatal',
    summary: 'The audit table is not as it was written: an entry was changed, or some are gone.',
    remedy: 'Compare it with a backup of the database; who could write to PostgreSQL could do this.',
  },
  E_DATABASE_MISSING: {
    disposition: 'fatal',
    summary: 'The embedded PostgreSQL could not be started.',
    remedy: 'Read the quoted lines of its log, or set DATABASE_URL to a PostgreSQL 15 or newer.',
  },
  E_DATABASE: {
    disposition: 'reject',
    summary: 'The database refused a statement.',
    remedy: 'Nothing was changed; the message names what it refused.',
  },
  E_MASTER_KEY: {
    disposition: 'fatal',
    summary: 'The master key is missing, damaged, or not the one that this database was written with.',
    remedy: 'Give the right file with MBUS_MASTER_KEY_FILE; without it the stored secrets cannot be read.',
  },
  E_CONTROL_DIR: {
    disposition: 'fatal',
    summary: 'The directory is not that of a control plane, or it is damaged.',
    remedy: 'Run mbus init for this directory, or name the right one with --dir.',
  },
  E_CONTROL_RUNNING: {
    disposition: 'fatal',
    summary: 'A control plane already runs in this directory.',
    remedy: 'Stop the other one first, or start a replica in a directory of its own.',
  },
  E_CONTROL_AWAY: {
    disposition: 'retry',
    summary: 'No control plane answered in time.',
    remedy: 'Start mbus control run; sites go on with what they have and ask again.',
  },
  E_REQUEST_BAD: {
    disposition: 'reject',
    summary: 'A request to the control plane does not have the form it should.',
    remedy: 'Use the same version of mbus on both sides.',
  },
  E_REQUEST_REPLAYED: {
    disposition: 'reject',
    summary: 'The control plane saw this very request before.',
    remedy: 'Nothing was done twice; make a new request.',
  },
  E_REQUEST_STALE: {
    disposition: 'retry',
    summary: "A request bears a time too far from the control plane's clock.",
    remedy: 'The caller takes over the time of the answer and asks again by itself.',
  },
  E_ANSWER_BAD: {
    disposition: 'retry',
    summary: 'An answer was not made by this control plane for this request.',
    remedy: 'Somebody between here and the control plane alters messages; it is ignored and asked again.',
  },
  E_FORBIDDEN: {
    disposition: 'reject',
    summary: 'The caller may not do this.',
    remedy: 'Use the credential of the noun concerned; the refusal stands in the audit log.',
  },
  E_UNKNOWN_NOUN: {
    disposition: 'reject',
    summary: 'A site, customer, terminal, link, topic, group or app with that name or id does not exist.',
    remedy: 'Check the spelling with the ls verb of the noun, or with mbus export.',
  },
  E_BUS_CHANGED: {
    disposition: 'reject',
    summary: 'The bus was changed by somebody else meanwhile.',
    remedy: 'Look at the difference again with mbus diff and apply once more.',
  },
  E_TERMINAL_REGISTERED: {
    disposition: 'reject',
    summary: 'A terminal is registered with other keys already.',
    remedy: 'Make a token with mbus terminal token and register again with it.',
  },
  E_TOKEN_BAD: {
    disposition: 'reject',
    summary: 'A token is not in the form the control plane prints.',
    remedy: 'Copy the whole token, one line.',
  },
  E_TOKEN_UNKNOWN: {
    disposition: 'reject',
    summary: 'The control plane knows no such token.',
    remedy: 'Make a new one with mbus site token.',
  },
  E_TOKEN_USED: {
    disposition: 'reject',
    summary: 'A token was used before; each works once.',
    remedy: 'Make a new one with mbus site token; if nobody of yours used the first, look at mbus audit ls.',
  },
  E_TOKEN_EXPIRED: {
    disposition: 'reject',
    summary: 'A token is older than its 15 minutes.',
    remedy: 'Make a new one with mbus site token and use it at once.',
  },
  // custody: what was lost, given up, or is gone around
  ...custodyErrors,
  // limits and dead letters
  ...limitsErrors,
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
