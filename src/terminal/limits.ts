/**
 * Which streams of a terminal are nearly full, and who holds their space: told in the site's report from 80 % on. At its
 * limit each refuses what comes and drops nothing: a capture stream its publishers, a group stream and the transit cache
 * their origins, which wait; a dead-letter stream what would go there, which stays where it is.
 */
import type { ConsumerInfo, JetStreamManager, StreamInfo } from '@nats-io/jetstream';
import type { SiteReport } from '../api/site-report.ts';
import type { SnapshotGroup } from '../api/snapshot.ts';
import { natsCall } from '../nats/index.ts';
import type { Terminal } from './terminal.ts';
import type { TopicRuntime } from './topic-runtime.ts';

export type LimitRow = SiteReport['limits'][number];

const toldFrom = 0.8;
const mostHolders = 3;

/** A row when the stream is nearly full; `holders` is asked only then. */
async function rowOf(
  stream: { kind: LimitRow['kind']; id: string; bytes: number; maxBytes: number },
  holders: () => Promise<string[]>,
): Promise<LimitRow[]> {
  if (stream.maxBytes <= 0 || stream.bytes < stream.maxBytes * toldFrom) return [];
  return [{ ...stream, heldBy: (await holders()).slice(0, mostHolders).join(', ').slice(0, 512) }];
}

/** The capture stream: groups that have not taken what is in it, those that hold most first. */
export function captureLimit(
  jsm: JetStreamManager,
  runtime: TopicRuntime,
  { state, config }: StreamInfo,
): Promise<LimitRow[]> {
  const { id, groups, maxBytes } = runtime.topic;
  return rowOf({ kind: 'capture', id, bytes: state.bytes, maxBytes }, async () => {
    const consumers = await natsCall(`consumers of ${config.name}`, async () => {
      const all: ConsumerInfo[] = [];
      for await (const info of jsm.consumers.list(config.name)) all.push(info);
      return all;
    });
    const held = groups.map((group) => ({ group, messages: lagOf(runtime, group, consumers, state.last_seq) }));
    const lagging = held.filter(({ messages }) => messages > 0).sort((a, b) => b.messages - a.messages);
    return lagging.map(({ group, messages }) => `${group.name} (${messages} messages)`);
  });
}

/** Messages of the capture stream that the group has not taken: by its cursor, its feed, or its durable on a lan topic. */
function lagOf(
  runtime: TopicRuntime,
  group: SnapshotGroup,
  consumers: readonly ConsumerInfo[],
  lastSeq: number,
): number {
  const own = consumers.find(({ name }) => name === `mb-feed-${group.name}` || name === group.name);
  const floor = own?.ack_floor.stream_seq ?? runtime.progress(group.id)?.floor ?? lastSeq;
  return Math.max(0, lastSeq - floor);
}

/** A group stream: its own consumers, as far as they have not acknowledged. */
export function groupLimit(group: SnapshotGroup, info: StreamInfo, consumer: ConsumerInfo): Promise<LimitRow[]> {
  const { num_pending: waiting, num_ack_pending: unacked } = consumer;
  const { bytes } = info.state;
  return rowOf({ kind: 'group', id: group.id, bytes, maxBytes: group.maxBytes }, async () => [
    `consumers of ${group.name} (${waiting} waiting, ${unacked} not acknowledged)`,
  ]);
}

export function deadLimit(group: SnapshotGroup, bytes: number, maxBytes: number): Promise<LimitRow[]> {
  return rowOf({ kind: 'deadLetters', id: group.id, bytes, maxBytes }, async () => [
    'dead letters: retry or purge them',
  ]);
}

/** The transit cache: the flows that hold most, by origin and where they go. */
export function transitLimit({ carrying: { transit }, customer }: Terminal): Promise<LimitRow[]> {
  if (transit === null) return Promise.resolve([]);
  const siteOf = (id: string): string => customer.terminals.find((each) => each.id === id)?.site ?? id;
  const { usedBytes, maxBytes } = transit;
  return rowOf({ kind: 'transit', id: customer.id, bytes: usedBytes, maxBytes }, async () =>
    transit.holders().map(({ originId, terminalIds, bytes }) => {
      const share = Math.round((bytes / maxBytes) * 100);
      return `${siteOf(originId)} to ${terminalIds.map(siteOf).join(' and ')} (${share} %)`;
    }),
  );
}
