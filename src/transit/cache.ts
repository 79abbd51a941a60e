/**
 * The durable part of transit: one stream per customer in the BUS account, an envelope frame per message, what the
 * forwarder must know of it in a header, so that a restart reads headers alone. Only a cache: the origin keeps custody, so
 * whatever goes wrong here costs a repeat and never a message.
 *
 * Removal is collected and done in few calls: everything below the oldest that is left with one purge, the rest singly.
 */
import {
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import { headers, type NatsConnection } from '@nats-io/nats-core';
import { BusError, isBusError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { apiCode, isClustered, natsCall, orNull, streamManager } from '../nats/index.ts';

/** What stands beside a frame: enough to queue it without reading it. */
export interface CacheIndex {
  originId: string;
  topicId: string;
  incarnation: string;
  first: number;
  last: number;
  /** terminals visited, origin first */
  path: string[];
  /** terminals to go around where there is a way */
  shun: string[];
  /** group and terminal, for the destinations of this copy */
  assignments: { groupId: string; terminalId: string }[];
}

export interface CachedFrame {
  seq: number;
  /** bytes of the frame */
  size: number;
  index: CacheIndex;
}

export interface TransitCacheOptions {
  nc: NatsConnection;
  customerId: string;
  maxBytes: number;
  log: Logger;
}

const indexHeader = 'Mb-Index';
const sizeHeader = 'Nats-Msg-Size';
const removeAfterMs = 100;
const putTimeoutMs = 10_000;
const parallelRemovals = 16;

export class TransitCache {
  readonly #options: TransitCacheOptions;
  readonly #js: JetStreamClient;
  readonly #stream: string;
  readonly #live = new Set<number>();
  readonly #dead = new Set<number>();
  #jsm: JetStreamManager | undefined;
  #lastSeq = 0;
  #puts = 0;
  /** a frame may lie there whose storing was not answered: nobody else would ever forget it */
  #isUnsure = false;
  #purgedTo = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: TransitCacheOptions) {
    this.#options = options;
    this.#js = jetstream(options.nc);
    this.#stream = `transit-${options.customerId}`;
  }

  /** Makes the stream and resolves with what an earlier life left in it, oldest first. E_NATS */
  async open(): Promise<CachedFrame[]> {
    const { nc } = this.#options;
    this.#jsm = await streamManager(nc);
    await this.#ensureStream(this.#jsm);
    const frames = await this.#readIndex(this.#jsm);
    for (const { seq } of frames) this.#live.add(seq);
    return frames;
  }

  /** Stores a frame; resolves with its sequence. E_CACHE_FULL E_NATS */
  async put(frame: Uint8Array, index: CacheIndex): Promise<number> {
    const head = headers();
    head.set(indexHeader, JSON.stringify(index));
    this.#puts += 1;
    try {
      const subject = this.#subjectOf(index);
      const { seq } = await natsCall('store in transit', () =>
        this.#js.publish(subject, frame, { headers: head, timeout: putTimeoutMs, retries: 0 }),
      );
      this.#live.add(seq);
      this.#lastSeq = Math.max(this.#lastSeq, seq);
      return seq;
    } catch (error) {
      const isApi = isBusError(error) && error.cause instanceof JetStreamApiError;
      if (!isApi) {
        this.#isUnsure = true;
        this.#flushSoon();
        throw error;
      }
      throw new BusError('E_CACHE_FULL', `the transit stream refused: ${error.message}`, { cause: error });
    } finally {
      this.#puts -= 1;
    }
  }

  /** The frame's bytes, null when it is not there any more. E_NATS */
  async read(seq: number): Promise<Uint8Array | null> {
    const { direct, streams } = this.#needJsm();
    // a copy that lags would not have it yet
    const place = isClustered(this.#options.nc) ? streams : direct;
    const message = await natsCall('read from transit', () => place.getMessage(this.#stream, { seq }));
    return message?.data ?? null;
  }

  /** Forgets a frame, soon. */
  remove(seq: number): void {
    if (!this.#live.delete(seq)) return;
    this.#dead.add(seq);
    this.#flushSoon();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #flushSoon(): void {
    this.#timer ??= setTimeout(() => void this.#flush(), removeAfterMs);
  }

  async #flush(): Promise<void> {
    try {
      if (this.#isUnsure) await this.#findUnanswered(this.#needJsm());
      await this.#removeDead(this.#needJsm());
    } catch (error) {
      this.#options.log.debug({ event: 'transit.remove-failed', err: error }, 'removes them later');
    }
    this.#timer = undefined;
    if (this.#dead.size > 0 || this.#isUnsure) this.#flushSoon();
  }

  /** While nothing is being stored, what lies behind the last known frame was stored without an answer. */
  async #findUnanswered(jsm: JetStreamManager): Promise<void> {
    const { state } = await natsCall('transit', () => jsm.streams.info(this.#stream));
    if (this.#puts > 0) return;
    this.#isUnsure = false;
    for (let seq = this.#lastSeq + 1; seq <= state.last_seq; seq++) this.#dead.add(seq);
    this.#lastSeq = Math.max(this.#lastSeq, state.last_seq);
  }

  async #removeDead(jsm: JetStreamManager): Promise<void> {
    const oldest = this.#live.values().next().value ?? this.#lastSeq + 1;
    if (oldest > this.#purgedTo) {
      await natsCall('purge transit', () => jsm.streams.purge(this.#stream, { seq: oldest }));
      this.#purgedTo = oldest;
      for (const seq of this.#dead) if (seq < oldest) this.#dead.delete(seq);
    }
    const singles = [...this.#dead];
    for (let at = 0; at < singles.length; at += parallelRemovals) {
      const some = singles.slice(at, at + parallelRemovals);
      await Promise.all(some.map((seq) => this.#removeOne(jsm, seq)));
    }
  }

  async #removeOne(jsm: JetStreamManager, seq: number): Promise<void> {
    await orNull(
      natsCall('remove from transit', () => jsm.streams.deleteMessage(this.#stream, seq, false)),
      noMessage,
      sequenceNotFound,
    );
    this.#dead.delete(seq);
  }

  async #ensureStream(jsm: JetStreamManager): Promise<void> {
    const { customerId, maxBytes } = this.#options;
    const name = this.#stream;
    const wanted = {
      subjects: [`mb.t.${customerId}.>`],
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.New,
      storage: StorageType.File,
      // what is forgotten may lie there for a moment, and every message has some bytes of its own
      max_bytes: Math.ceil(maxBytes * 1.25),
      allow_direct: true,
    };
    const existing = await orNull(
      natsCall(`stream ${name}`, () => jsm.streams.info(name)),
      apiCode.streamNotFound,
    );
    if (existing === null) await natsCall(`create stream ${name}`, () => jsm.streams.add({ name, ...wanted }));
    else if (existing.config.max_bytes !== wanted.max_bytes) {
      await natsCall(`update stream ${name}`, () => jsm.streams.update(name, { ...existing.config, ...wanted }));
    }
  }

  async #readIndex(jsm: JetStreamManager): Promise<CachedFrame[]> {
    const { state } = await natsCall('transit', () => jsm.streams.info(this.#stream));
    this.#lastSeq = state.last_seq;
    this.#purgedTo = state.first_seq;
    if (state.messages === 0) return [];
    const consumer = await natsCall('read transit', () => this.#js.consumers.get(this.#stream, { headers_only: true }));
    const frames: CachedFrame[] = [];
    for (let isMore = true; isMore; ) {
      const batch = await natsCall('read transit', () => consumer.fetch({ max_messages: 1_000, expires: 5_000 }));
      for await (const message of batch) {
        const index = readIndex(message.headers?.get(indexHeader) ?? '');
        const size = Number(message.headers?.get(sizeHeader) ?? 0);
        if (index !== null) frames.push({ seq: message.seq, size, index });
        else this.#dead.add(message.seq);
        isMore = message.info.pending > 0;
        if (!isMore) break;
      }
    }
    await consumer.delete().catch(() => false);
    return frames;
  }

  #subjectOf({ originId, topicId }: CacheIndex): string {
    return `mb.t.${this.#options.customerId}.${originId}.${topicId}`;
  }

  #needJsm(): JetStreamManager {
    if (this.#jsm !== undefined) return this.#jsm;
    throw new BusError('E_INTERNAL', 'the transit cache is not open');
  }
}

/** JetStream: no message found · stream sequence not found */
const noMessage = 10037;
const sequenceNotFound = 10043;

/** Only this process writes the stream, but another version of it may have. */
function readIndex(text: string): CacheIndex | null {
  try {
    const index: CacheIndex = JSON.parse(text);
    return [index.path, index.shun, index.assignments].every(Array.isArray) && index.last >= index.first ? index : null;
  } catch {
    return null;
  }
}
