/** Error codes of custody: what a terminal lost, gave up, goes around or was told. Part of the registry in errors.ts. */
import type { ErrorEntry } from '../errors.ts';

export const custodyErrors = {
  E_GAP: {
    disposition: 'retry',
    summary: 'An envelope of an ordered topic came before the one that precedes it, and waited too long for it.',
    remedy:
      'Nothing to do: it is sent again. If it lasts, the envelope before it does not come through: see mbus status.',
  },
  E_ROLLED_BACK: {
    disposition: 'park',
    summary: 'More was receipted, or sent, than the disk of a site knows: it was put back to an older copy.',
    remedy:
      'At a destination the lost ranges are named, at an origin the stream: get what is gone from the publisher or from a newer copy; consumers may have had it before.',
  },
  E_SHUNNED: {
    disposition: 'retry',
    summary:
      'Receipts from a terminal stay out over a way that stands, so envelopes go around the sites on it for a while.',
    remedy:
      'If it comes again for one site, look at its log, its disk and its version: it takes envelopes and loses them.',
  },
  E_TERMINAL_FORGOTTEN: {
    disposition: 'park',
    summary: 'An operator gave this terminal up; what was sent to it has gone to other terminals of its groups.',
    remedy: 'It empties itself; when its backlog is 0, take it back with mbus terminal undrain, or remove it.',
  },
  E_WOULD_DOUBLE: {
    disposition: 'reject',
    summary: 'What was asked may deliver messages twice.',
    remedy: 'The message says how many; add --accept-duplicates to do it.',
  },
} as const satisfies Record<string, ErrorEntry>;
