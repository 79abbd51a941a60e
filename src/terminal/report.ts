/**
 * What a terminal says of itself in the site's report: links, topics with their budgets, groups with what waits for them
 * and why. Reads the streams' own numbers; a stream that cannot be read is left out and told as a problem by its owner.
 */
import type { ConsumerInfo, JetStreamManager, StreamInfo } from '@nats-io/jetstream';
import type { SiteReport } from '../api/site-report.ts';
import type { SnapshotCustomer, SnapshotGroup } from '../api/snapshot.ts';
import { systemClock } from '../clock.ts';
import { isBusError } from '../errors.ts';
import { natsCall } from '../nats/index.ts';
import { captureLimit, deadLimit, groupLimit, type LimitRow, transitLimit } from './limits.ts';
import type { Terminal } from './terminal.ts';
import type { TopicRuntime } from './topic-runtime.ts';

export type TerminalReport = Pick<SiteReport, 'links' | 'routes' | 'groups' | 'topics' | 'limits'>;

/** What a part of the report has come to: rows to show, and streams that are nearly full. */
interface TopicReport extends Pick<SiteReport, 'groups' | 'topics' | 'limits'> {}

export async function reportTerminal(terminal: Terminal): Promise<TerminalReport> {
  const links = [...terminal.links.values()].map(({ side, session }) => ({
    linkId: side.linkId,
    state: session.state,
    rttMs: session.rttMs,
    sinceMs: Math.max(0, systemClock.wallMs() - session.sinceMs),
    reason: session.reason,
    jitterMs: session.facts.jitterMs,
    lossRatio: session.facts.lossRatio,
    cost: terminal.routes.costOf(side.linkId),
    backlogBytes: session.backlogBytes,
    sentBytes: session.sentBytes,
    receivedBytes: session.receivedBytes,
    peerSiteId: side.peerSite,
    isDialer: side.isDialer,
    redialMs: session.redialMs,
  }));
  const customerId = terminal.customer.id;
  const routes = terminal.routes.table().map(({ nextHop: _, ...row }) => ({ customerId, ...row }));
  const { jsm } = terminal;
  if (jsm === undefined) return { links, routes, groups: [], topics: [], limits: [] };
  const rows = await Promise.all([...terminal.topics.values()].map((topic) => reportTopic(jsm, terminal, topic)));
  return {
    links,
    routes,
    groups: rows.flatMap((row) => row.groups),
    topics: rows.flatMap((row) => row.topics),
    limits: [...rows.flatMap((row) => row.limits), ...(await transitLimit(terminal))],
  };
}

async function reportTopic(jsm: JetStreamManager, terminal: Terminal, runtime: TopicRuntime): Promise<TopicReport> {
  const { topic } = runtime;
  const capture =
    runtime.captureName === null ? null : await quietly(() => jsm.streams.info(runtime.captureName ?? ''));
  const groups = await Promise.all(
    topic.groups.map((group) => reportGroup(jsm, terminal, runtime, group, capture?.state)),
  );
  const topics =
    capture === null
      ? []
      : [
          {
            topicId: topic.id,
            messages: capture.state.messages,
            bytes: capture.state.bytes,
            maxBytes: topic.maxBytes,
            isReady: runtime.isReady,
          },
        ];
  const nearlyFull = capture === null ? [] : ((await quietly(() => captureLimit(jsm, runtime, capture))) ?? []);
  return {
    groups: groups.flatMap(({ row }) => row ?? []),
    topics,
    limits: [...nearlyFull, ...groups.flatMap(({ limits }) => limits)],
  };
}

async function reportGroup(
  jsm: JetStreamManager,
  terminal: Terminal,
  runtime: TopicRuntime,
  group: SnapshotGroup,
  capture: StreamInfo['state'] | undefined,
): Promise<{ row: SiteReport['groups'][number] | null; limits: LimitRow[] }> {
  const { letters } = terminal;
  const { topic } = runtime;
  const tally = letters === undefined ? null : await quietly(() => letters.tally({ topic, group }));
  const dead = { dead: tally?.messages ?? 0, deadBytes: tally?.bytes ?? 0 };
  const limits = tally === null ? [] : await deadLimit(group, tally.bytes, tally.maxBytes);
  const ids = { topicId: topic.id, groupId: group.id, ...dead, dropped: terminal.drops.of(group.id) };
  if (group.terminals.includes(terminal.customer.terminalId)) {
    const here = await reportHere(jsm, terminal, runtime, group);
    if (here === null) return { row: null, limits };
    return { row: { ...ids, ...here.row }, limits: [...limits, ...here.limits] };
  }
  const progress = runtime.progress(group.id);
  if (progress === null) return { row: dead.dead === 0 ? null : { ...ids, ...nothing }, limits };
  const outgoing = Math.max(0, (capture?.last_seq ?? 0) - progress.floor);
  const oldestMs = outgoing > 0 && capture !== undefined ? oldestAfter(capture, progress.floor) : null;
  const reason = outgoing > 0 ? whyNot(terminal, progress.terminalId) || progress.reason : '';
  const { terminalId: assigned, awaited } = progress;
  return { row: { ...ids, ...nothing, outgoing, assigned, reason, awaited, oldestMs }, limits };
}

const nothing: Omit<SiteReport['groups'][number], 'topicId' | 'groupId' | 'dead' | 'deadBytes' | 'dropped'> = {
  outgoing: 0,
  pending: 0,
  unacked: 0,
  assigned: null,
  reason: '',
  awaited: [],
  consumers: null,
  redelivered: 0,
  notAckedMs: null,
  ackWaitMs: 30_000,
  oldestMs: null,
};

/** A group with consumers here. */
async function reportHere(jsm: JetStreamManager, terminal: Terminal, { topic }: TopicRuntime, group: SnapshotGroup) {
  const name = topic.scope === 'lan' ? topic.name : `${topic.name}@${group.name}`;
  const stream = topic.scope === 'lan' ? null : await quietly(() => jsm.streams.info(name));
  const consumer = await quietly(() => jsm.consumers.info(name, group.name));
  if (consumer === null) return null;
  const { num_pending: pending, num_ack_pending: unacked, num_redelivered: redelivered } = consumer;
  const signs = terminal.groupWatch.take(group.id, consumer, systemClock.monotonicMs());
  const waits = { ...signs, redelivered, ackWaitMs: group.ackWaitMs };
  const assigned = terminal.customer.terminalId;
  const reason = terminal.groupReason(topic.id, group.id);
  const row = { ...nothing, ...waits, pending, unacked, assigned, reason, awaited: terminal.movingTo(group.id) };
  if (stream === null) return { row, limits: [] };
  row.oldestMs = stream.state.messages > 0 ? ageOf(stream.state.first_ts) : null;
  if (group.onFull === 'dropOldest') sampleDrops(terminal, group.id, stream, consumer);
  return { row, limits: await groupLimit(group, stream, consumer) };
}

function sampleDrops(terminal: Terminal, groupId: string, { state }: StreamInfo, consumer: ConsumerInfo): void {
  const { delivered, num_pending: pending } = consumer;
  terminal.drops.sample(groupId, { last: state.last_seq, deliveries: delivered.consumer_seq, pending });
}

/** Age of the first message after `floor`; null where older ones, held for other groups, hide it. */
function oldestAfter({ first_seq, first_ts }: StreamInfo['state'], floor: number): number | null {
  return first_seq > floor ? ageOf(first_ts) : null;
}

function ageOf(time: string): number {
  return Math.max(0, systemClock.wallMs() - Date.parse(time));
}

/** Why nothing goes to that terminal from here; empty where nothing but the way decides. */
function whyNot({ customer, formats }: Terminal, terminalId: string | null): string {
  return barredReason(customer, terminalId) ?? formats.reasonNot(terminalId);
}

/** Why nothing of the customer goes to that terminal, whatever the links do. */
function barredReason(customer: SnapshotCustomer, terminalId: string | null): string | undefined {
  if (customer.frozen === 'suspended') return 'E_REVOKED: the customer is suspended';
  if (customer.frozen === 'revoked') return 'E_REVOKED: this terminal is revoked';
  const assigned = customer.terminals.find(({ id }) => id === terminalId);
  return assigned?.isRevoked ? `E_REVOKED: terminal ${assigned.site} is revoked` : undefined;
}

async function quietly<T>(call: () => Promise<T>): Promise<T | null> {
  try {
    return await natsCall('report', call);
  } catch (error) {
    if (isBusError(error)) return null;
    throw error;
  }
}
