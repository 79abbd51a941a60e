/**
 * Reads a cursor: the messages of a capture stream from a durable's position on, in order, with a bounded queue.
 *
 * Speaks the pull protocol itself (ADR-37) because a cursor needs the raw header blocks, an exact bound by bytes, and to
 * know when a pull died. Position lives in the durable alone: `start` resets it to its ack floor, so whatever was read
 * and not acknowledged is read again. Deliveries are numbered by the server: a gap, or a pull that never ends, means that
 * some were lost on the way, and since acknowledging is cumulative nothing may be taken past it: `onLost` says so.
 *
 * A pull outlives a reset and even the process that asked for it: a server with leaf links goes on handing messages to an
 * inbox that is gone. So a durable has one inbox for ever: a pause keeps the pull, a new life hears what an earlier one
 * asked for, and every start goes on with it. What a reset makes an open pull deliver may come before the answer to the
 * reset, and is held until then.
 */
import { randomInt } from 'node:crypto';
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import type { Msg, NatsConnection, Subscription } from '@nats-io/nats-core';
import { BusError } from '../errors.ts';
import { natsCall, rawHeaders, statusCode } from '../nats/index.ts';

/** A stored application message as the capture stream hands it out. */
export interface CapturedMessage {
  seq: number;
  subject: string;
  /** raw NATS header block, null when the message has none */
  headers: Uint8Array | null;
  payload: Uint8Array;
  /** when the capture stream stored it, nanoseconds since 1970 */
  timeNs: bigint;
  /** acknowledging this subject acknowledges everything up to `seq` */
  ackSubject: string;
  /** headers and payload, bytes */
  size: number;
}

export interface PullReaderOptions {
  nc: NatsConnection;
  stream: string;
  durable: string;
  /** one pull brings at most this many bytes; at least the largest message */
  pullBytes: () => number;
  /** called when there is something new to take */
  onWake: () => void;
  /** called when deliveries were lost on the way: only a fresh start brings them again */
  onLost: (reason: string) => void;
}

/** the durable's name is random, so that no app can name its inbox */
const inboxPrefix = '_mb.pull.';
const pullMessages = 4_000;
const pullExpiresMs = 3_000;
const pullGraceMs = 3_000;

export class PullReader {
  readonly #options: PullReaderOptions;
  #queue: CapturedMessage[] = [];
  #head = 0;
  #queuedBytes = 0;
  #lastSeq = 0;
  #lastDelivery = 0;
  #subscription: Subscription | undefined;
  #pull: { subject: string; left: number; deadline: NodeJS.Timeout } | undefined;
  readonly #inbox: string;
  /** not the numbers of an earlier life: the end of its pull is not the end of ours */
  #pulls = randomInt(2 ** 40);
  #isRunning = false;
  /** deliveries while a reset is under way */
  #held: Msg[] | undefined;

  constructor(options: PullReaderOptions) {
    this.#options = options;
    this.#inbox = `${inboxPrefix}${options.durable}`;
  }

  /** Messages waiting to be taken. */
  get size(): number {
    return this.#queue.length - this.#head;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /**
   * Opens the reader at the durable's ack floor; resolves with that floor. `beforeReset` is told first how far earlier
   * deliveries went, because the reset forgets it. Throws E_NATS.
   */
  async start(beforeReset: (deliveredUpTo: number) => Promise<void>): Promise<number> {
    const { nc, stream, durable } = this.#options;
    const jsm: JetStreamManager = await natsCall('jetstream', () => jetstreamManager(nc, { checkAPI: false }));
    const before = await natsCall(`info ${stream} ${durable}`, () => jsm.consumers.info(stream, durable));
    await beforeReset(before.delivered.stream_seq);
    const held: Msg[] = [];
    this.#held = held;
    this.#subscription ??= this.#subscribe();
    const { ack_floor: floor } = await natsCall(`reset ${stream} ${durable}`, () =>
      jsm.consumers.reset(stream, durable),
    ).finally(() => {
      this.#held = undefined;
    });
    this.#lastSeq = floor.stream_seq;
    this.#lastDelivery = floor.consumer_seq;
    this.#isRunning = true;
    this.#storeHeld(held);
    this.#refill();
    return floor.stream_seq;
  }

  /** Stores what came since the reset; what came before it bears other numbers. */
  #storeHeld(held: Msg[]): void {
    const first = held.findLastIndex(({ reply }) => parseAckSubject(reply ?? '').delivery === this.#lastDelivery + 1);
    for (const message of first < 0 ? [] : held.slice(first)) if (this.#isRunning) this.#store(message);
    if (!this.#isRunning) throw new BusError('E_NATS', 'deliveries were lost during a reset');
  }

  /** Gives up everything, as after a new connection or for good. */
  stop(): void {
    this.pause();
    this.#subscription?.unsubscribe();
    this.#subscription = undefined;
    this.#endPull();
  }

  /** Forgets what is queued; deliveries until the next start are passed over. */
  pause(): void {
    this.#isRunning = false;
    this.#queue = [];
    this.#head = 0;
    this.#queuedBytes = 0;
  }

  /** Takes messages in order: at most `maxMessages`, at most `maxBytes` (but always one), none beyond `lastSeq`. */
  take(limits: { maxMessages: number; maxBytes: number; lastSeq?: number }): CapturedMessage[] {
    const { maxMessages, maxBytes, lastSeq = Number.MAX_SAFE_INTEGER } = limits;
    let end = this.#head;
    let bytes = 0;
    for (; end < this.#queue.length && end - this.#head < maxMessages; end++) {
      const message = this.#queue[end];
      if (message === undefined || message.seq > lastSeq) break;
      if (end > this.#head && bytes + message.size > maxBytes) break;
      bytes += message.size;
    }
    const taken = this.#queue.slice(this.#head, end);
    this.#head = end;
    this.#queuedBytes -= bytes;
    if (this.#head > 8_192 || this.#head === this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    this.#refill();
    return taken;
  }

  /** The next sequence to take, undefined when nothing is queued. */
  peekSeq(): number | undefined {
    return this.#queue[this.#head]?.seq;
  }

  #subscribe(): Subscription {
    return this.#options.nc.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) this.#receive(message);
      },
    });
  }

  /** Asks for more when the queue runs low and no pull is open. */
  #refill(): void {
    const { nc, stream, durable } = this.#options;
    const pullBytes = this.#options.pullBytes();
    if (!this.#isRunning || this.#pull !== undefined || this.#queuedBytes > pullBytes || nc.isClosed()) return;
    this.#pulls += 1;
    const subject = `${this.#inbox}.${this.#pulls}`;
    const deadline = setTimeout(() => this.#pullDied(subject), pullExpiresMs + pullGraceMs);
    this.#pull = { subject, left: pullMessages, deadline };
    const request = JSON.stringify({ batch: pullMessages, max_bytes: pullBytes, expires: pullExpiresMs * 1e6 });
    nc.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${durable}`, request, { reply: subject });
  }

  #endPull(): void {
    if (this.#pull !== undefined) clearTimeout(this.#pull.deadline);
    this.#pull = undefined;
  }

  #pullDied(subject: string): void {
    if (this.#pull?.subject !== subject) return;
    this.stop();
    this.#options.onLost('a pull did not end in time');
  }

  #receive(message: Msg): void {
    if (message.reply === '' || message.reply === undefined) {
      // a status: 100 keeps the pull open, everything else ends it
      if (statusCode(message) !== 100 && message.subject === this.#pull?.subject) {
        this.#endPull();
        this.#refill();
      }
      return;
    }
    if (this.#isRunning) this.#store(message);
    else this.#held?.push(message);
    if (this.#pull !== undefined) {
      this.#pull.left -= 1;
      if (this.#pull.left === 0) {
        this.#endPull();
        this.#refill();
      }
    }
  }

  #store(message: Msg): void {
    const ackSubject = message.reply ?? '';
    const { seq, delivery, timeNs } = parseAckSubject(ackSubject);
    if (delivery !== this.#lastDelivery + 1) {
      this.#isRunning = false;
      this.#options.onLost(`delivery ${delivery} follows ${this.#lastDelivery}`);
      return;
    }
    this.#lastDelivery = delivery;
    if (seq <= this.#lastSeq) return;
    this.#lastSeq = seq;
    const headers = rawHeaders(message);
    const payload = message.data;
    const size = (headers?.length ?? 0) + payload.length;
    this.#queue.push({ seq, subject: message.subject, headers, payload, timeNs, ackSubject, size });
    this.#queuedBytes += size;
    if (this.size === 1) this.#options.onWake();
    else if (this.size % 512 === 0) this.#options.onWake();
  }
}

/** `$JS.ACK.[<domain>.<hash>.]<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>` */
export function parseAckSubject(subject: string): { seq: number; delivery: number; timeNs: bigint } {
  const dots: number[] = [];
  for (let at = subject.indexOf('.'); at >= 0; at = subject.indexOf('.', at + 1)) dots.push(at);
  const before = dots.length > 8 ? 6 : 4;
  const token = (index: number): string => subject.slice((dots[before + index] ?? 0) + 1, dots[before + index + 1]);
  return { seq: Number(token(0)), delivery: Number(token(1)), timeNs: BigInt(token(2)) };
}
