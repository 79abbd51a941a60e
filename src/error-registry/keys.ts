/** Errors of keys, tickets and revocation: a part of the registry in errors.ts. */
import type { ErrorEntry } from '../errors.ts';

export const keyErrors = {
  E_KEY_AWAY: {
    disposition: 'retry',
    summary: 'The key service did not answer, so nothing can be sealed or opened just now.',
    remedy: 'Check the control plane and the link to it; messages wait and go on by themselves.',
  },
  E_KEY_BUSY: {
    disposition: 'retry',
    summary: 'A terminal asked the key service for more than its share.',
    remedy: 'Nothing to do if it passes; if it lasts, look for strict topics with many small envelopes.',
  },
  E_KEY_IN_USE: {
    disposition: 'reject',
    summary: 'A version of a topic key is still needed.',
    remedy: 'Wait until its grace is over, or destroy it with --force: what it sealed and is under way is lost then.',
  },
  E_KEY_REFUSED: {
    disposition: 'park',
    summary: 'The key service refused a terminal.',
    remedy:
      "Check that the terminal is registered and in a group of the topic; the control plane's log says which check failed.",
  },
  E_TICKET_EXPIRED: {
    disposition: 'retry',
    summary: 'An envelope arrived after the password it carries had expired.',
    remedy: 'Nothing: the receiver asks for a new password for the same ticket.',
  },
  E_TRANSIT_AGE: {
    disposition: 'park',
    summary: 'An envelope was longer under way than its topic allows and will not be opened.',
    remedy: "Raise the topic's maxTransitAgeMs if such messages are still wanted; they stay quarantined until then.",
  },
  E_TOPIC_KEY: {
    disposition: 'park',
    summary: "A topic's stored root secret does not open.",
    remedy: 'Start every control replica with the master key that this database belongs to.',
  },
  E_QUARANTINED: {
    disposition: 'park',
    summary:
      'Envelopes arrived after the longest time their topic allows; they are kept, sealed, in a stream of their own.',
    remedy:
      'Their origin sends again what it still has; where it is gone for good, these messages are lost to readers.',
  },
  E_REVOKED: {
    disposition: 'reject',
    summary: 'What was named is revoked.',
    remedy:
      'Let it in again first: a site with mbus site token, a terminal with mbus terminal token, an app with mbus app renew.',
  },
} as const satisfies Record<string, ErrorEntry>;
