/** Errors of registry and control plane: a part of the registry in errors.ts. */
import type { ErrorEntry } from '../errors.ts';

export const controlErrors = {
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
} as const satisfies Record<string, ErrorEntry>;
