/**
 * What a terminal says of itself in the site's report: links, topics with their budgets, groups with what waits for them
 * and why. Reads the streams' own numbers; a stream that cannot be read is left out and told as a problem by its owner.
 */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { SiteReport } from '../api/methods.ts';
import type { SnapshotCustomer, SnapshotGroup } from '../api/snapshot.ts';
import { systemClock } from '../clock.ts';
import { isBusError } from '../errors.ts';
import { natsCall } from '../nats/index.ts';
import type { Terminal } from './terminal.ts';
import type { TopicRuntime } from './topic-runtime.ts';

export type TerminalReport = Pick<SiteReport, 'links' | 'routes' | 'groups' | 'topics'>;

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
  }));
  const customerId = terminal.customer.id;
  const routes = terminal.routes.table().map(({ nextHop: _, ...row }) => ({ customerId, ...row }));
  const { jsm } = terminal;
  if (jsm === undefined) return { links, routes, groups: [], topics: [] };
  const rows = await Promise.all([...terminal.topics.values()].map((topic) => reportTopic(jsm, terminal, topic)));
  return { links, routes, groups: rows.flatMap((row) => row.groups), topics: rows.flatMap((row) => row.topics) };
}

async function reportTopic(
  jsm: JetStreamManager,
  terminal: Terminal,
  runtime: TopicRuntime,
): Promise<Pick<SiteReport, 'groups' | 'topics'>> {
  const { topic } = runtime;
  const capture =
    runtime.captureName === null ? null : await quietly(() => jsm.streams.info(runtime.captureName ?? ''));
  const lastSeq = capture?.state.last_seq ?? 0;
  const groups = await Promise.all(topic.groups.map((group) => reportGroup(jsm, terminal, runtime, group, lastSeq)));
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
  return { groups: groups.filter((row) => row !== null), topics };
}

async function reportGroup(
  jsm: JetStreamManager,
  terminal: Terminal,
  runtime: TopicRuntime,
  group: SnapshotGroup,
  lastSeq: number,
): Promise<SiteReport['groups'][number] | null> {
  const dead = await reportDead(terminal, runtime, group);
  const ids = { topicId: runtime.topic.id, groupId: group.id, ...dead };
  if (group.terminals.includes(terminal.customer.terminalId)) {
    const stream = runtime.topic.scope === 'lan' ? runtime.topic.name : `${runtime.topic.name}@${group.name}`;
    const consumer = await quietly(() => jsm.consumers.info(stream, group.name));
    if (consumer === null) return null;
    const { num_pending: pending, num_ack_pending: unacked } = consumer;
    return {
      ...ids,
      outgoing: 0,
      pending,
      unacked,
      assigned: terminal.customer.terminalId,
      reason: terminal.groupReason(runtime.topic.id, group.id),
      awaited: terminal.movingTo(group.id),
    };
  }
  const progress = runtime.progress(group.id);
  if (progress === null) return dead.dead === 0 ? null : { ...ids, ...nothing };
  const outgoing = Math.max(0, lastSeq - progress.floor);
  const reason = outgoing > 0 ? (barredReason(terminal.customer, progress.terminalId) ?? progress.reason) : '';
  const { terminalId: assigned, awaited } = progress;
  return { ...ids, outgoing, pending: 0, unacked: 0, assigned, reason, awaited };
}

/** Why nothing of the customer goes to that terminal, whatever the links do. */
function barredReason(customer: SnapshotCustomer, terminalId: string | null): string | undefined {
  if (customer.frozen === 'suspended') return 'the customer is suspended';
  if (customer.frozen === 'revoked') return 'this terminal is revoked';
  const assigned = customer.terminals.find(({ id }) => id === terminalId);
  return assigned?.isRevoked ? `terminal ${assigned.site} is revoked` : undefined;
}

const nothing = { outgoing: 0, pending: 0, unacked: 0, assigned: null, reason: '', awaited: [] };

async function reportDead(
  { letters }: Terminal,
  { topic }: TopicRuntime,
  group: SnapshotGroup,
): Promise<{ dead: number; deadBytes: number }> {
  const tally = letters === undefined ? null : await quietly(() => letters.tally({ topic, group }));
  return { dead: tally?.messages ?? 0, deadBytes: tally?.bytes ?? 0 };
}

async function quietly<T>(call: () => Promise<T>): Promise<T | null> {
  try {
    return await natsCall('report', call);
  } catch (error) {
    if (isBusError(error)) return null;
    throw error;
  }
}
