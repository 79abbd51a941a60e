/**
 * Carrying for others: an envelope whose destination lies further on is stored here, answered, and forwarded. What is held
 * already for the same groups, or receipted already, is answered without storing it again; a frame starts on its way while
 * it is being stored. Nothing is opened, and nothing is stored whose origin did not sign it.
 */
import type { Clock } from '../clock.ts';
import { flowKey, type Manifest } from '../envelope/index.ts';
import { BusError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { CachedFrame, CacheIndex, TransitCache } from './cache.ts';
import { Forwarder, type TransitLink, type TransitRoutes } from './forwarder.ts';
import { Quota } from './quota.ts';
import type { ReceiptBook } from './receipt-book.ts';
import { SpanSet } from './span-set.ts';
import type { TransitEntry } from './transit-entry.ts';

export interface TransitMetrics {
  stored: () => void;
  /** held or receipted already: answered without storing */
  repeated: () => void;
  forwarded: (bytes: number) => void;
  released: () => void;
  usedBytes: (bytes: number) => void;
}

export interface TransitOptions {
  terminalId: string;
  cache: TransitCache;
  maxBytes: number;
  routes: TransitRoutes;
  /** what the head of a frame is written in, see envelope/formats.ts */
  format: () => number;
  links: ReadonlyMap<string, TransitLink>;
  receipts: ReceiptBook;
  metrics: TransitMetrics;
  /** an envelope for a destination was given up: its origin should know */
  onReleased: (index: CacheIndex, terminalId: string) => void;
  /** whether the configuration has this terminal */
  isTerminal: (terminalId: string) => boolean;
  clock: Clock;
  log: Logger;
  stalledAfterMs?: number;
}

/** An envelope to carry: its verified manifest and the destinations of this copy that are not here. */
export interface Passage {
  bytes: Uint8Array;
  manifest: Manifest;
  path: readonly string[];
  shun: readonly string[];
  destinations: readonly string[];
}

const sweepMs = 1_000;
/** frames kept in memory until they are sent; the others are read from the cache */
const maxMemoryBytes = 32 * 1024 * 1024;
/** a smaller view may keep a much larger buffer alive */
const copyBelowBytes = 32 * 1024;

export class Transit {
  readonly #options: TransitOptions;
  readonly #quota: Quota;
  readonly #forwarder: Forwarder;
  /** by flow, group and terminal */
  readonly #held = new Map<string, SpanSet>();
  readonly #done = new WeakSet<TransitEntry>();
  #timer: NodeJS.Timeout | undefined;
  #memoryBytes = 0;
  #order = 0;

  constructor(options: TransitOptions) {
    this.#options = options;
    this.#quota = new Quota(options.maxBytes);
    const { terminalId, routes, links, format, cache, metrics, isTerminal, clock, log, stalledAfterMs } = options;
    this.#forwarder = new Forwarder({
      terminalId,
      routes,
      links,
      format,
      isTerminal,
      clock,
      log,
      ...(stalledAfterMs === undefined ? {} : { stalledAfterMs }),
      read: (seq) => cache.read(seq),
      fill: () => this.#quota.fill,
      onDone: (entry) => this.#finish(entry),
      onForwarded: (entry, terminalIds, bytes) => {
        this.#unhold(entry, terminalIds);
        metrics.forwarded(bytes);
      },
      onReleased: (entry, terminalId, reason) => {
        this.#unhold(entry, [terminalId]);
        options.onReleased(entry.index, terminalId);
        this.#noteRelease(entry, reason);
      },
    });
  }

  /** Takes up what an earlier life left. E_NATS */
  async start(): Promise<void> {
    for (const frame of await this.#options.cache.open()) this.#resume(frame);
    this.#timer = setInterval(() => this.#forwarder.sweep(), sweepMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#forwarder.stop();
    this.#options.cache.close();
  }

  /** entries that wait or are under way */
  get waiting(): number {
    return this.#forwarder.waiting;
  }

  get usedBytes(): number {
    return this.#quota.usedBytes;
  }

  get maxBytes(): number {
    return this.#quota.maxBytes;
  }

  /** Who holds the space, those that hold most first. */
  holders(): { originId: string; terminalIds: string[]; bytes: number }[] {
    return this.#quota.largest().map(([key, bytes]) => ({ ...partiesOf(key), bytes }));
  }

  /** Resolves when the cache holds it for every destination. E_CACHE_FULL E_NATS */
  async take(passage: Passage): Promise<void> {
    const index = this.#indexOf(passage);
    if (index.assignments.length === 0) {
      this.#options.metrics.repeated();
      return;
    }
    const entry = this.#createEntry(index, passage.bytes.length, this.#order++);
    if (!this.#quota.take(quotaKey(index), entry.size))
      throw new BusError('E_CACHE_FULL', `transit holds ${this.#quota.usedBytes} bytes`);
    entry.bytes = passage.bytes.length < copyBelowBytes ? Uint8Array.from(passage.bytes) : passage.bytes;
    this.#memoryBytes += entry.size;
    this.#forwarder.enqueue(entry);
    await this.#store(entry, passage.bytes);
  }

  async #store(entry: TransitEntry, bytes: Uint8Array): Promise<void> {
    const { cache, metrics } = this.#options;
    try {
      entry.seq = await cache.put(bytes, entry.index);
    } catch (error) {
      if (this.#done.has(entry)) return;
      this.#forwarder.withdraw(entry);
      throw error;
    }
    metrics.stored();
    metrics.usedBytes(this.#quota.usedBytes);
    if (this.#done.has(entry)) cache.remove(entry.seq);
    else this.#hold(entry);
    if (this.#memoryBytes > maxMemoryBytes) this.#dropBytes(entry);
  }

  /** What of the envelope is not held and not receipted. */
  #indexOf({ manifest, path, shun, destinations }: Passage): CacheIndex {
    const { flow, first, last } = manifest;
    const key = flowKey(flow);
    const wanted = manifest.assignments.filter(({ terminalId }) => destinations.includes(terminalId));
    const assignments = wanted.filter(({ groupId, terminalId }) => {
      if (this.#options.receipts.covers(key, groupId, terminalId, first, last)) {
        this.#options.receipts.repeat(key, groupId, terminalId, shun);
        return false;
      }
      return !(this.#held.get(`${key} ${groupId} ${terminalId}`)?.covers(first, last) ?? false);
    });
    return { ...flow, first, last, path: [...path], shun: [...shun], assignments };
  }

  #createEntry(index: CacheIndex, size: number, order: number): TransitEntry {
    const flow = flowKey(index);
    const terminalIds = new Set(index.assignments.map(({ terminalId }) => terminalId));
    const left = new Map([...terminalIds].map((id) => [id, { isSending: false, isQueued: false }]));
    const path = [...index.path, this.#options.terminalId];
    const state = { isSplit: false, refusals: 0, failures: 0, isWithdrawn: false };
    return { seq: null, bytes: null, size, flow, index, path, order, left, ...state };
  }

  #resume({ seq, size, index }: CachedFrame): void {
    const entry = this.#createEntry(index, size, this.#order++);
    entry.seq = seq;
    this.#quota.force(quotaKey(index), size);
    this.#hold(entry);
    this.#forwarder.enqueue(entry);
  }

  #hold({ flow, left, index: { first, last, assignments } }: TransitEntry): void {
    for (const { groupId, terminalId } of assignments) {
      if (!left.has(terminalId)) continue;
      const key = `${flow} ${groupId} ${terminalId}`;
      const spans = this.#held.get(key) ?? new SpanSet();
      spans.add(first, last);
      this.#held.set(key, spans);
    }
  }

  /** What has gone on is not held any more: when it comes again, its next hop may be gone for good. */
  #unhold({ flow, index: { first, last, assignments } }: TransitEntry, terminalIds: readonly string[]): void {
    for (const { groupId, terminalId } of assignments) {
      if (!terminalIds.includes(terminalId)) continue;
      const key = `${flow} ${groupId} ${terminalId}`;
      const spans = this.#held.get(key);
      spans?.remove(first, last);
      if (spans?.isEmpty) this.#held.delete(key);
    }
  }

  #finish(entry: TransitEntry): void {
    if (this.#done.has(entry)) return;
    this.#done.add(entry);
    const { index, seq, size } = entry;
    this.#quota.give(quotaKey(index), size);
    this.#dropBytes(entry);
    if (seq !== null) this.#options.cache.remove(seq);
    this.#options.metrics.usedBytes(this.#quota.usedBytes);
  }

  #dropBytes(entry: TransitEntry): void {
    if (entry.bytes === null || (entry.seq === null && !this.#done.has(entry))) return;
    entry.bytes = null;
    this.#memoryBytes -= entry.size;
  }

  #noteRelease({ index }: TransitEntry, reason: string): void {
    this.#options.metrics.released();
    const { originId: origin, topicId: topic, first, last } = index;
    const text = 'transit gave up an envelope; its origin sends it again';
    this.#options.log.warn({ event: 'transit.released', origin, topic, first, last, reason }, text);
  }
}

/** One flow to the same groups at the same terminals. */
function quotaKey(index: CacheIndex): string {
  return `${flowKey(index)} ${index.assignments.map(({ groupId, terminalId }) => groupId + terminalId).sort()}`;
}

function partiesOf(key: string): { originId: string; terminalIds: string[] } {
  const [flow = '', assignments = ''] = key.split(' ');
  const terminalIds = assignments.split(',').map((each) => each.slice(each.length / 2));
  return { originId: flow.split('/')[0] ?? '', terminalIds: [...new Set(terminalIds)] };
}
