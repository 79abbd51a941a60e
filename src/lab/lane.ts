/**
 * One direction of one proxied connection: ONE queue, so bytes keep their order whatever the delay.
 *
 *   source ─data─▶ queue (each piece with the time it is due) ─due, not held, sink has room─▶ sink
 *
 * The queue is bounded: above its limit the source is paused, and the sender feels back-pressure as on a real link. The end
 * of the source (FIN or RST) travels in the queue behind the bytes, so a held lane closes nothing either.
 */
import type { Socket } from 'node:net';

export interface Shape {
  /** one way, milliseconds */
  delayMs: number;
  /** megabits per second of each direction, Infinity: as fast as the machine */
  mbit: number;
  /** added at random on top of the delay, milliseconds; pieces never overtake each other */
  jitterMs: number;
}

export const unshaped: Shape = Object.freeze({ delayMs: 0, mbit: Number.POSITIVE_INFINITY, jitterMs: 0 });

/** What a lane asks of the link it belongs to, each time it moves bytes. */
export interface LaneLink {
  readonly shape: Shape;
  /** nothing passes, nothing is closed, until update() is called */
  isHeld(): boolean;
  /** somebody who listens in cannot keep up: ask again soon */
  isBusy(): boolean;
  /** bytes that are about to reach the sink */
  onPass(bytes: Buffer): void;
}

type Ending = 'fin' | 'reset';
type Item = { content: Buffer | Ending; dueMs: number };

const pieceBytes = 16 * 1024;
const minQueueBytes = 64 * 1024;
const maxQueueBytes = 16 * 1024 * 1024;
const recheckMs = 5;

/** Bytes a lane holds at most: what is in flight at full rate plus a tenth of a second, 64 KiB to 16 MiB. */
export function queueLimit(shape: Shape): number {
  const bytesPerMs = (shape.mbit * 1e6) / 8 / 1000;
  const wanted = bytesPerMs * (shape.delayMs + shape.jitterMs + 100);
  return Math.min(maxQueueBytes, Math.max(minQueueBytes, wanted));
}

export class Lane {
  readonly #source: Socket;
  readonly #sink: Socket;
  readonly #link: LaneLink;
  readonly #onEnd: (ending: Ending) => void;
  #queue: Item[] = [];
  #queuedBytes = 0;
  /** when the link has sent out what is queued so far, milliseconds of performance.now() */
  #freeAtMs = 0;
  #lastDueMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #isSinkFull = false;

  constructor(source: Socket, sink: Socket, link: LaneLink, onEnd: (ending: Ending) => void) {
    this.#source = source;
    this.#sink = sink;
    this.#link = link;
    this.#onEnd = onEnd;
    source.on('data', (bytes) => this.#take(bytes));
    source.on('end', () => this.#push('fin'));
    source.on('close', (hadError) => hadError && this.#push('reset'));
    sink.on('drain', () => {
      this.#isSinkFull = false;
      this.#move();
    });
  }

  /** Call after the link's shape or hold changed: what is queued is laid out again from now. */
  update(): void {
    const queue = this.#queue;
    this.#queue = [];
    this.#freeAtMs = 0;
    this.#lastDueMs = 0;
    for (const item of queue) this.#enqueue(item.content);
    this.#move();
  }

  /** Drops what is queued. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#queue = [];
    this.#queuedBytes = 0;
  }

  #take(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += pieceBytes) this.#enqueue(bytes.subarray(at, at + pieceBytes));
    this.#queuedBytes += bytes.length;
    if (this.#queuedBytes > queueLimit(this.#link.shape)) this.#source.pause();
    this.#move();
  }

  #push(ending: Ending): void {
    this.#enqueue(ending);
    this.#move();
  }

  #enqueue(content: Buffer | Ending): void {
    const { delayMs, jitterMs, mbit } = this.#link.shape;
    const bytes = typeof content === 'string' ? 0 : content.length;
    const sendMs = (bytes * 8) / (mbit * 1000);
    this.#freeAtMs = Math.max(performance.now(), this.#freeAtMs) + sendMs;
    const dueMs = Math.max(this.#lastDueMs, this.#freeAtMs + delayMs + Math.random() * jitterMs);
    this.#lastDueMs = dueMs;
    this.#queue.push({ content, dueMs });
  }

  #move(): void {
    clearTimeout(this.#timer);
    const nowMs = performance.now();
    for (let item = this.#queue[0]; item !== undefined; item = this.#queue[0]) {
      if (this.#link.isHeld() || this.#isSinkFull) return;
      const waitMs = this.#link.isBusy() ? recheckMs : item.dueMs - nowMs;
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#move(), Math.max(1, waitMs));
        return;
      }
      this.#queue.shift();
      if (typeof item.content === 'string') this.#onEnd(item.content);
      else this.#pass(item.content);
    }
  }

  #pass(content: Buffer): void {
    this.#queuedBytes -= content.length;
    if (this.#queuedBytes <= queueLimit(this.#link.shape) / 2 && this.#source.isPaused()) this.#source.resume();
    if (this.#sink.destroyed) return;
    this.#link.onPass(content);
    this.#isSinkFull = !this.#sink.write(content);
  }
}
