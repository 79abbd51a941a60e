/** Errors that any part may give, and those of configuration and command line: a part of the registry in errors.ts. */
import type { ErrorEntry } from '../errors.ts';

export const generalErrors = {
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
} as const satisfies Record<string, ErrorEntry>;
