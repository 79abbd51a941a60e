/**
 * Dead letters as a terminal uses them: which groups are watched, where what cannot travel is kept, who may read, and what
 * an operator asks for.
 */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { LetterAnswer, LetterTask } from '../api/letters.ts';
import type { SnapshotCustomer, SnapshotTopic } from '../api/snapshot.ts';
import type { ParkReason, Shipment } from '../capture/index.ts';
import type { Clock } from '../clock.ts';
import {
  type DeadGroup,
  DeadLetters,
  type DeathReason,
  ensureDeadStream,
  incarnationOf,
  type LetterRow,
  type LimitedGroup,
  type Selection,
  type Tally,
} from '../deadletters/index.ts';
import type { Arrivals } from '../delivery/index.ts';
import type { Flow } from '../envelope/index.ts';
import { BusError, isBusError } from '../errors.ts';
import type { GroupKeeper } from '../groups/index.ts';
import type { Logger } from '../log.ts';
import type { TerminalMetrics } from './terminal-metrics.ts';
import type { TopicRuntime } from './topic-runtime.ts';

export interface LettersOptions {
  nc: NatsConnection;
  jsm: JetStreamManager;
  macKey: Uint8Array;
  keeper: GroupKeeper;
  arrivals: Arrivals;
  topics: ReadonlyMap<string, TopicRuntime>;
  metrics: TerminalMetrics;
  clock: Clock;
  log: Logger;
}

export class Letters {
  readonly #options: LettersOptions;
  readonly #letters: DeadLetters;
  #customer: SnapshotCustomer;

  constructor(customer: SnapshotCustomer, options: LettersOptions) {
    const { nc, jsm, macKey, keeper, arrivals, clock, log } = options;
    this.#customer = customer;
    this.#options = options;
    this.#letters = new DeadLetters(customer, {
      nc,
      jsm,
      macKey,
      unlessMoving: (groupId, work) => keeper.unlessMoving(groupId, work),
      onDead: (group, reason, messages) => this.#count(group, reason, messages),
      onReturned: (stream, seq) => arrivals.saw(stream, seq),
      clock,
      log,
    });
  }

  start(): void {
    this.#letters.start();
  }

  stop(): void {
    this.#letters.stop();
  }

  /** Watches the groups that are read here, and makes the streams that applications may read. E_FOREIGN_STREAM E_NATS */
  async configure(customer: SnapshotCustomer): Promise<void> {
    this.#customer = customer;
    this.#letters.configure(
      customer,
      customer.topics.flatMap((topic) => this.#limited(topic)),
    );
    for (const app of customer.apps) {
      for (const { topic, group } of app.deadLetters) {
        const found = this.#find(topic, group);
        if (found !== undefined) await ensureDeadStream(this.#options.jsm, found);
      }
    }
  }

  /** Keeps what cannot travel, for every group it was for. E_STREAM_FULL E_FOREIGN_STREAM E_NATS */
  async park(flow: Flow, { first, last, floor, messages, duties }: Shipment, reason: ParkReason): Promise<void> {
    const topic = this.#customer.topics.find(({ id }) => id === flow.topicId);
    if (topic === undefined) throw new BusError('E_NOT_YET', 'the topic of a message is not configured any more');
    const groups = topic.groups.filter(({ id }) => duties.some(({ groupId }) => groupId === id));
    const run = { flow, first, last, floor, messages, reason };
    await Promise.all(groups.map((group) => this.#letters.put({ topic, group }, run)));
    for (const { seq } of messages) {
      this.#options.log.warn(
        { event: 'capture.parked', stream: topic.name, seq, reason },
        'a message is not delivered: see the dead letters of its groups',
      );
    }
  }

  problemOf(groupId: string): string {
    return this.#letters.problemOf(groupId);
  }

  tally(group: DeadGroup): Promise<Tally | null> {
    return this.#letters.tally(group);
  }

  list(groupId: string, page: { after: number; limit: number }): Promise<LetterRow[]> {
    return this.#letters.list(this.#need(groupId), page);
  }

  /** Resolves with how many. E_NATS */
  purge(groupId: string, which: Selection): Promise<number> {
    return this.#letters.purge(this.#need(groupId), which);
  }

  /** Resolves with how many. E_NO_CONSUMERS_HERE E_STREAM_FULL E_NATS */
  retry(groupId: string, which: Selection): Promise<number> {
    const group = this.#need(groupId);
    const stream = this.#options.topics.get(group.topic.id)?.groupStreams.get(groupId);
    const isServed = group.group.terminals.includes(this.#customer.terminalId);
    return this.#letters.retry(group, which, isServed ? stream : undefined);
  }

  #limited(topic: SnapshotTopic): LimitedGroup[] {
    const runtime = this.#options.topics.get(topic.id);
    const local = topic.groups.filter(({ terminals }) => terminals.includes(this.#customer.terminalId));
    return local.flatMap((group): LimitedGroup[] => {
      if (topic.scope === 'lan') {
        const capture = runtime?.capture ?? null;
        return capture === null ? [] : [{ topic, group, stream: capture.name, incarnation: capture.incarnation }];
      }
      const stream = runtime?.groupStreams.get(group.id);
      return stream === undefined ? [] : [{ topic, group, stream: stream.name, incarnation: incarnationOf(stream) }];
    });
  }

  #find(topicName: string, groupName: string) {
    const topic = this.#customer.topics.find(({ name }) => name === topicName);
    const group = topic?.groups.find(({ name }) => name === groupName);
    return topic === undefined || group === undefined ? undefined : { topic, group };
  }

  #need(groupId: string) {
    for (const topic of this.#customer.topics) {
      const group = topic.groups.find(({ id }) => id === groupId);
      if (group !== undefined) return { topic, group };
    }
    throw new BusError('E_UNKNOWN_NOUN', 'the group is not configured at this site');
  }

  #count({ topic, group }: DeadGroup, reason: DeathReason, messages: number): void {
    this.#options.metrics.deadLetters.inc({ topic: topic.name, group: group.name, reason }, messages);
  }
}

/** Does what an operator asked; a failure is part of the answer. */
export async function doLetterTask(letters: Letters, task: LetterTask): Promise<LetterAnswer> {
  const { action, groupId, seqs, after, limit } = task;
  const which = seqs ?? 'all';
  try {
    if (action === 'list') return { rows: await letters.list(groupId, { after, limit }), done: 0, error: '' };
    const done = await (action === 'retry' ? letters.retry(groupId, which) : letters.purge(groupId, which));
    return { rows: [], done, error: '' };
  } catch (error) {
    if (!isBusError(error)) throw error;
    return { rows: [], done: 0, error: `${error.code}: ${error.message}`.slice(0, 512) };
  }
}
