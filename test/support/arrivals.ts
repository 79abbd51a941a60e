/** A topic with one group, and what arrives for it: for tests that drive a flow writer by hand. */
import type { SnapshotTopic } from '../../src/api/snapshot.ts';
import type { Arrival } from '../../src/delivery/flow-writer.ts';
import type { BusMessage } from '../../src/envelope/index.ts';
import { fixedUuid } from './envelopes.ts';
import { groupOf } from './routing.ts';

export const riskGroup = groupOf('risk', [], { maxBytes: 64 * 1024 * 1024, ackWaitMs: 30_000, maxAckPending: 1_000 });

export const busTopic: SnapshotTopic = {
  id: fixedUuid('trade'),
  name: 'trade',
  scope: 'bus',
  maxBytes: 64 * 1024 * 1024,
  maxTransitAgeMs: 3_600_000,
  strict: false,
  ordered: false,
  keyEpoch: null,
  ticketsSinceMs: null,
  dedupeMs: 1_000,
  groups: [riskGroup],
};

/** A message per sequence, its payload the number. */
export function messagesOf(first: number, last: number): BusMessage[] {
  return Array.from({ length: last - first + 1 }, (_, index) => ({
    seq: first + index,
    subject: 'trade.x',
    headers: null,
    payload: Buffer.from(`${first + index}`),
    timeNs: 1_700_000_000_000_000_000n,
  }));
}

export function arrivalOf(first: number, last: number, { floor = 0, since = 1 } = {}): Arrival {
  return { first, last, floor, since, messages: messagesOf(first, last) };
}
