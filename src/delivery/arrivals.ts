/**
 * Arrival of an envelope at a terminal: verify who sent what to whom, open, write into the group streams, and say what
 * is stored. Each group is written for itself: one that has no room is asked for again and delays no other. What is not
 * stored when `take` resolves may be lost, and is sent again by its origin.
 */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { SnapshotCustomer, SnapshotTopic } from '../api/snapshot.ts';
import {
  type BusMessage,
  decodeBody,
  type Flow,
  type Manifest,
  type PublicKeyLike,
  RangeSet,
  readManifest,
} from '../envelope/index.ts';
import { BusError, isBusError } from '../errors.ts';
import type { Opener } from '../sealing/index.ts';
import type { Arrival } from './flow-writer.ts';
import type { GroupStream } from './group-stream.ts';
import { quarantine } from './quarantine.ts';
import { StreamWriters } from './stream-writers.ts';

/** What a receipt will say; the terminal signs it. */
export interface Stored {
  flow: Flow;
  groupId: string;
  first: number;
  last: number;
  status: 'stored' | 'gone';
  received: RangeSet;
  reason: string;
}

export interface ArrivalsOptions {
  nc: NatsConnection;
  jsm: JetStreamManager;
  opener: Opener;
  macKey: Uint8Array;
  onStored: (topicId: string, groupId: string, messages: number) => void;
  /** an envelope was put aside, sealed: it may not be opened any more */
  onQuarantined: (topic: string, reason: string) => void;
  onLost: (loss: Loss) => void;
  /** how often nats-server was found unable to store */
  storageFailures: () => number;
}

/** Sequences that were receipted from here and are not on this disk: it is a copy from before. */
export interface Loss {
  flow: Flow;
  groupId: string;
  lost: RangeSet;
  /** found now; else a marker told of it, as after a restart */
  isNews: boolean;
}

/** The configuration an arrival is judged by; replaced as a whole by each snapshot. */
export interface ArrivalConfig {
  customer: SnapshotCustomer;
  snapshotVersion: number;
  /** by group id */
  streams: ReadonlyMap<string, GroupStream>;
}

export class Arrivals {
  readonly #options: ArrivalsOptions;
  /** by the stream's name */
  readonly #writers = new Map<string, StreamWriters>();
  #config: ArrivalConfig;
  #isStopped = false;

  constructor(options: ArrivalsOptions, config: ArrivalConfig) {
    this.#options = options;
    this.#config = config;
    this.configure(config);
  }

  configure(config: ArrivalConfig): void {
    this.#config = config;
    const live = new Map([...config.streams.values()].map((stream) => [stream.name, stream]));
    for (const [name, writers] of this.#writers) {
      if (live.get(name)?.arrivalPrefix === writers.stream.arrivalPrefix) continue;
      writers.close();
      this.#writers.delete(name);
    }
    for (const stream of live.values()) void this.#writersOf(stream)?.look();
  }

  stop(): void {
    this.#isStopped = true;
    for (const writers of this.#writers.values()) writers.close();
    this.#writers.clear();
  }

  /** The connection to nats-server is a new one: what is stored is looked at again. */
  reconnected(): void {
    for (const writers of this.#writers.values()) writers.reconnected();
  }

  /** A message of that sequence is in a group's stream, and did not arrive here. */
  saw(stream: string, seq: number): void {
    this.#writers.get(stream)?.saw(seq);
  }

  /** Stores what a group's feed in this LAN passed over, once. E_NOT_YET E_STREAM_FULL E_MARKER_BAD E_NATS */
  async restore(stream: GroupStream, flow: Flow, passedOver: Arrival): Promise<void> {
    const writers = this.#writersOf(stream);
    if (writers === undefined) throw new BusError('E_NOT_YET', 'a group is not known here yet');
    await writers.of(flow).write(passedOver);
  }

  /** Why consumed messages of a group stay, empty when they do not. */
  problemOf(groupId: string): string {
    return this.#writers.get(this.#config.streams.get(groupId)?.name ?? '')?.problem ?? '';
  }

  /**
   * Takes an envelope that names this terminal, and tells of each group as soon as it holds its messages. Throws when some
   * group does not: E_STREAM_FULL E_MARKER_BAD E_NATS of it alone, E_MANIFEST_BAD E_ENVELOPE_BAD E_NOT_YET E_KEY_… of all.
   */
  async take(manifestBytes: Uint8Array, sealed: Uint8Array, onStored: (stored: Stored) => void): Promise<void> {
    const { customer } = this.#config;
    const manifest = readManifest(manifestBytes, (originId) => this.#signKeyOf(originId));
    if (manifest.customerId !== customer.id)
      throw new BusError('E_MANIFEST_BAD', 'the envelope is of another customer');
    if (customer.terminals.some(({ id, isForgotten }) => id === customer.terminalId && isForgotten))
      throw new BusError('E_TERMINAL_FORGOTTEN', 'an operator gave this terminal up: its messages went elsewhere');
    const mine = manifest.assignments.filter((each) => each.terminalId === customer.terminalId);
    const topic = customer.topics.find((each) => each.id === manifest.flow.topicId);
    const known = mine.filter(({ groupId }) => topic?.groups.some((group) => group.id === groupId));
    const isOlder = this.#config.snapshotVersion < manifest.snapshotVersion;
    if (isOlder && known.length < mine.length) throw new BusError('E_NOT_YET', 'this site does not know the group yet');
    for (const each of mine) if (!known.includes(each)) onStored(this.#goneReceipt(manifest, each.groupId));
    if (topic === undefined || known.length === 0) return;
    const messages = await this.#openOrPutAside(manifest, topic, sealed);
    if (messages === null) return;
    const writes = known.map(async (each) => onStored(await this.#write(manifest, each, topic, messages)));
    const refused = (await Promise.allSettled(writes)).find((write) => write.status === 'rejected');
    if (refused !== undefined) throw refused.reason;
  }

  /** Null when it was too long under way: it lies in quarantine then, and nobody gets a receipt. */
  async #openOrPutAside(manifest: Manifest, topic: SnapshotTopic, sealed: Uint8Array): Promise<BusMessage[] | null> {
    try {
      return await this.#open(manifest, topic, sealed);
    } catch (error) {
      if (!isBusError(error, 'E_TRANSIT_AGE')) throw error;
      const reason = error.message;
      await quarantine(this.#options, { manifest, sealed, topic: topic.name, reason });
      this.#options.onQuarantined(topic.name, reason);
      return null;
    }
  }

  async #open(manifest: Manifest, topic: SnapshotTopic, sealed: Uint8Array): Promise<BusMessage[]> {
    const { first, last, flow, envelopeId } = manifest;
    const opened = await this.#options.opener.open(sealed, {
      topicId: flow.topicId,
      originId: flow.originId,
      ticketsSinceMs: topic.ticketsSinceMs,
    });
    if (Buffer.compare(opened.envelopeId, envelopeId) !== 0) {
      throw new BusError('E_ENVELOPE_BAD', 'manifest and envelope do not belong together');
    }
    const messages = decodeBody(topic.name, opened.body);
    const isInside = messages.every((message) => message.seq >= first && message.seq <= last);
    if (!isInside) throw new BusError('E_ENVELOPE_BAD', 'a message lies outside the range its origin signed');
    return messages;
  }

  async #write(
    manifest: Manifest,
    { groupId, since }: Manifest['assignments'][number],
    topic: SnapshotTopic,
    messages: BusMessage[],
  ): Promise<Stored> {
    const { flow, first, last, floor } = manifest;
    const stream = this.#config.streams.get(groupId);
    if (stream === undefined)
      throw new BusError('E_NOT_YET', `the stream of a group of ${topic.name} is not ready here`);
    const writers = this.#writersOf(stream);
    if (writers === undefined) throw new BusError('E_NOT_YET', `a group of ${topic.name} is not known here yet`);
    const received = await writers.of(flow).write({ first, last, floor, since, messages });
    return { flow, groupId, first, last, status: 'stored', received, reason: '' };
  }

  /** Undefined where the group's topic is not in the configuration, or all of this has stopped. */
  #writersOf(stream: GroupStream): StreamWriters | undefined {
    const { groupId, name } = stream;
    const known = this.#writers.get(name);
    const topicId = this.#topicOf(groupId)?.id;
    if (known !== undefined || topicId === undefined || this.#isStopped) return known;
    const { nc, jsm, macKey, storageFailures, ...told } = this.#options;
    const writers = new StreamWriters({
      ...{ nc, jsm, macKey, stream, topicId, storageFailures },
      onStored: (messages) => told.onStored(topicId, groupId, messages),
      onLost: (flow, lost, isNews) => told.onLost({ flow, groupId, lost, isNews }),
      isOrdered: () => this.#topicOf(groupId)?.ordered === true,
    });
    this.#writers.set(name, writers);
    return writers;
  }

  #topicOf(groupId: string): SnapshotTopic | undefined {
    return this.#config.customer.topics.find(({ groups }) => groups.some(({ id }) => id === groupId));
  }

  #goneReceipt({ flow, first, last }: Manifest, groupId: string): Stored {
    const reason = 'no such group at this terminal';
    return { flow, groupId, first, last, status: 'gone', received: new RangeSet(), reason };
  }

  #signKeyOf(terminalId: string): PublicKeyLike | undefined {
    const terminal = this.#config.customer.terminals.find((each) => each.id === terminalId);
    return terminal?.signKey ?? undefined;
  }
}
