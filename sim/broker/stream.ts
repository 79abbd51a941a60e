/**
 * A JetStream stream, as far as the bus relies on it: subjects, limits with discard new, roll-up, expected last sequence of
 * a subject, atomic batches, and removal by limits, interest or work queue. What was changed of late can be undone, because
 * a killed server may find an older account of it on disk.
 */
import type { Consumer } from './consumer.ts';
import { headerValue } from './headers.ts';

export interface Packet {
  subject: string;
  /** empty: nobody waits for an answer */
  reply: string;
  /** raw block, null without */
  headers: Uint8Array | null;
  data: Uint8Array;
}

export interface StoredMessage {
  seq: number;
  subject: string;
  headers: Uint8Array | null;
  data: Uint8Array;
  atMs: number;
  size: number;
}

export interface StreamConfig {
  name: string;
  subjects: string[];
  retention: 'limits' | 'interest' | 'workqueue';
  max_bytes: number;
  subject_transform?: { src: string; dest: string };
  metadata?: Record<string, string>;
  [other: string]: unknown;
}

/** What became of a publish; null while a batch is not complete. */
export type Outcome = { seq: number } | { error: { code: number; err_code: number; description: string } } | null;

export interface StreamHooks {
  nowMs: () => number;
  onStored: (stream: Stream, message: StoredMessage) => void;
  onRemoved: (stream: Stream, message: StoredMessage) => void;
  /** a message that was stored is not on disk after all */
  onLost: (stream: Stream, message: StoredMessage) => void;
  /** a defence that a variant of the simulation takes away */
  isExpectationIgnored: boolean;
  isBatchTorn: boolean;
  isHoldIgnored: boolean;
}

interface Change {
  atMs: number;
  isStore: boolean;
  undo: () => void;
}

interface Batch {
  packets: Packet[];
  sinceMs: number;
}

/** a durable that nothing is delivered to */
const hold = 'mb-hold';
/** of so many batches one is torn, where they are */
const tornOf = 3;
const overheadBytes = 30;
const undoMs = 400;
const batchMs = 10_000;
const apiError = {
  full: { code: 400, err_code: 10077, description: 'maximum bytes exceeded' },
  wrongSequence: { code: 400, err_code: 10071, description: 'wrong last sequence' },
  noRoom: { code: 503, err_code: 10023, description: 'insufficient resources' },
  badBatch: { code: 400, err_code: 10176, description: 'atomic publish batch is incomplete' },
};

export class Stream {
  config: StreamConfig;
  readonly consumers = new Map<string, Consumer>();
  readonly createdMs: number;
  readonly #hooks: StreamHooks;
  readonly #batches = new Map<string, Batch>();
  #messages = new Map<number, StoredMessage>();
  /** consumed, and held */
  readonly #consumed = new Set<number>();
  #undo: Change[] = [];
  lastSeq = 0;
  bytes = 0;

  constructor(config: StreamConfig, hooks: StreamHooks) {
    this.config = config;
    this.#hooks = hooks;
    this.createdMs = hooks.nowMs();
  }

  get name(): string {
    return this.config.name;
  }

  get messages(): ReadonlyMap<number, StoredMessage> {
    return this.#messages;
  }

  get firstSeq(): number {
    return this.#messages.keys().next().value ?? this.lastSeq + 1;
  }

  get nowMs(): number {
    return this.#hooks.nowMs();
  }

  /** The last message of a subject. */
  last(subject: string): StoredMessage | undefined {
    let found: StoredMessage | undefined;
    for (const message of this.#messages.values()) if (message.subject === subject) found = message;
    return found;
  }

  publish(packet: Packet): Outcome {
    const batchId = headerValue(packet.headers, 'Nats-Batch-Id');
    if (batchId === undefined) return this.#storeAll([packet]);
    const number = Number(headerValue(packet.headers, 'Nats-Batch-Sequence'));
    const isCommit = headerValue(packet.headers, 'Nats-Batch-Commit') !== undefined;
    const nowMs = this.#hooks.nowMs();
    const batch = this.#batches.get(batchId) ?? { packets: [], sinceMs: nowMs };
    const isWhole = batch.packets.length === number - 1 && nowMs - batch.sinceMs < batchMs;
    this.#batches.delete(batchId);
    if (!isWhole) return isCommit ? { error: apiError.badBatch } : null;
    batch.packets.push(packet);
    if (!isCommit) {
      this.#batches.set(batchId, batch);
      return null;
    }
    const isTorn = this.#hooks.isBatchTorn && number > 1 && this.lastSeq % tornOf === 0;
    return isTorn ? this.#tear(batch.packets) : this.#storeAll(batch.packets);
  }

  /** A disk that fills up: the messages are stored, the last of them, the marker, is not. */
  #tear(packets: readonly Packet[]): Outcome {
    const problem = this.#problemOf(packets);
    if (problem !== null) return { error: problem };
    for (const packet of packets.slice(0, -1)) this.#store(packet);
    this.wake();
    return { error: apiError.noRoom };
  }

  /** `isRolledUp`: it goes with the message that takes its place, on disk too. */
  remove(seq: number, isRolledUp = false): boolean {
    const message = this.#messages.get(seq);
    if (message === undefined) return false;
    this.#messages.delete(seq);
    this.bytes -= message.size;
    this.#remember(isRolledUp, () => this.#putBack(message));
    this.#hooks.onRemoved(this, message);
    return true;
  }

  /** Everything below a sequence; all of it without one. */
  purge(below: number | undefined): number {
    const gone = [...this.#messages.keys()].filter((seq) => below === undefined || seq < below);
    for (const seq of gone) this.remove(seq);
    return gone.length;
  }

  /** Its group is done with it; it goes once the hold has given it up. */
  consume(seq: number): void {
    this.#consumed.add(seq);
    this.release();
  }

  isConsumed(seq: number): boolean {
    return this.#consumed.has(seq);
  }

  /** What is consumed and not held any more goes. */
  release(): void {
    const held = this.#hooks.isHoldIgnored ? undefined : this.consumers.get(hold);
    const upTo = held?.floor.stream_seq ?? this.lastSeq;
    for (const seq of this.#consumed) {
      if (seq > upTo) continue;
      this.#consumed.delete(seq);
      this.remove(seq);
    }
  }

  /** With interest retention a message goes when every consumer has acknowledged it. */
  settle(): void {
    if (this.config.retention !== 'interest') return;
    let floor = this.lastSeq;
    for (const consumer of this.consumers.values()) floor = Math.min(floor, consumer.floor.stream_seq);
    for (const seq of this.#messages.keys()) {
      if (seq > floor) break;
      this.remove(seq);
    }
  }

  /** Wakes every consumer that something may be new for. */
  wake(): void {
    for (const consumer of this.consumers.values()) consumer.deliver();
  }

  /**
   * The server was killed: batches that were not committed are gone, and removals since `removedSinceMs` may not have
   * reached the disk. With `lostSinceMs` what was stored since then has not either.
   */
  crash(removedSinceMs: number, lostSinceMs: number): void {
    this.#batches.clear();
    const since = Math.min(removedSinceMs, lostSinceMs);
    const kept: Change[] = [];
    for (const step of this.#undo.reverse()) {
      const isUndone = step.atMs >= lostSinceMs || (!step.isStore && step.atMs >= removedSinceMs);
      if (isUndone && step.atMs >= since) step.undo();
      else kept.unshift(step);
    }
    this.#undo = kept;
    if (this.#messages.size > 0) this.#messages = new Map([...this.#messages].sort(([a], [b]) => a - b));
  }

  /** An older copy of the disk: the newest part is gone, its sequences come again. */
  forget(share: number): void {
    const keep = Math.floor(this.#messages.size * (1 - share));
    for (const message of [...this.#messages.values()].slice(keep).reverse()) this.#lose(message);
    this.#undo = [];
  }

  #storeAll(packets: readonly Packet[]): Outcome {
    const problem = this.#problemOf(packets);
    if (problem !== null) return { error: problem };
    let seq = 0;
    for (const packet of packets) seq = this.#store(packet);
    if (this.consumers.size === 0) this.settle();
    this.wake();
    return { seq };
  }

  #problemOf(packets: readonly Packet[]): (typeof apiError)[keyof typeof apiError] | null {
    let bytes = this.bytes;
    for (const packet of packets) {
      bytes += sizeOf(packet);
      const expected = headerValue(packet.headers, 'Nats-Expected-Last-Subject-Sequence');
      if (expected === undefined || this.#hooks.isExpectationIgnored) continue;
      if ((this.last(packet.subject)?.seq ?? 0) !== Number(expected)) return apiError.wrongSequence;
    }
    const { max_bytes: max } = this.config;
    return max > 0 && bytes > max ? apiError.full : null;
  }

  #store(packet: Packet): number {
    const subject = this.#transformed(packet.subject);
    if (headerValue(packet.headers, 'Nats-Rollup') === 'sub') {
      for (const before of [...this.#messages.values()]) if (before.subject === subject) this.remove(before.seq, true);
    }
    this.lastSeq += 1;
    const { headers, data } = packet;
    const atMs = this.#hooks.nowMs();
    const message = { seq: this.lastSeq, subject, headers, data, atMs, size: sizeOf(packet) };
    this.#messages.set(message.seq, message);
    this.bytes += message.size;
    this.#remember(true, () => this.#lose(message));
    this.#hooks.onStored(this, message);
    return message.seq;
  }

  #transformed(subject: string): string {
    const prefix = this.config.subject_transform?.src.slice(0, -1);
    return prefix !== undefined && subject.startsWith(prefix) ? subject.slice(prefix.length) : subject;
  }

  #lose(message: StoredMessage): void {
    this.lastSeq = Math.min(this.lastSeq, message.seq - 1);
    this.#consumed.delete(message.seq);
    if (!this.#messages.delete(message.seq)) return;
    this.bytes -= message.size;
    this.#hooks.onLost(this, message);
  }

  #putBack(message: StoredMessage): void {
    this.#messages.set(message.seq, message);
    this.bytes += message.size;
  }

  #remember(isStore: boolean, undo: () => void): void {
    const nowMs = this.#hooks.nowMs();
    while ((this.#undo[0]?.atMs ?? nowMs) < nowMs - undoMs) this.#undo.shift();
    this.#undo.push({ atMs: nowMs, isStore, undo });
  }
}

function sizeOf({ subject, headers, data }: Packet): number {
  return subject.length + (headers?.length ?? 0) + data.length + overheadBytes;
}
