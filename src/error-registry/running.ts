/** Codes of running a bus: backup, restore, doctor. */
import type { ErrorEntry } from '../errors.ts';

export const runningErrors = {
  E_BACKUP_BAD: {
    disposition: 'reject',
    summary: 'A file is no backup, was altered or cut short, or was made with another backup key.',
    remedy: 'Nothing was restored; use another copy, or the key whose fingerprint the message names.',
  },
  E_ADOPT: {
    disposition: 'reject',
    summary:
      'A stream cannot be adopted as it is: it is not there, is read another way, or its own consumers would lose by it.',
    remedy: 'Nothing was changed; mbus adopt without --run says what stands against it.',
  },
  E_UNWELL: {
    disposition: 'reject',
    summary: 'mbus doctor found something wrong.',
    remedy: 'Each finding above names its own way out; those that pass by themselves say so.',
  },
  E_NOT_EMPTY: {
    disposition: 'reject',
    summary: 'The database that a backup is to be restored into is in use.',
    remedy: 'Restore into an empty database: a new one, or a new directory made by mbus init.',
  },
} as const satisfies Record<string, ErrorEntry>;
