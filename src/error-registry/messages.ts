/** Errors on the way of a message: a part of the registry in errors.ts. */
import type { ErrorEntry } from '../errors.ts';

export const messageErrors = {
  // envelope
  E_ENVELOPE_BAD: {
    disposition: 'reject',
    summary: 'Bytes that claim to be an envelope, or a part of one, are not in the one valid form or do not verify.',
    remedy:
      'Nothing was delivered and the origin sends again; if it repeats, look for a terminal with altered software.',
  },
  E_VERSION_APART: {
    disposition: 'retry',
    summary: 'Two programs of the bus are more than one version apart: one does not read what the other writes.',
    remedy: 'Nothing is lost, it waits: bring the older one to the version of the newer, one version at a time.',
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
} as const satisfies Record<string, ErrorEntry>;
