/**
 * One direction of a connection: what is sent arrives in order, later. One arrival may bring several items, or only the
 * first of them; the rest come after. What is under way when the connection breaks is lost from some item on.
 */
import type { Random } from '../random.ts';
import { type Cancel, labelOf, type Scheduler, type Target } from '../scheduler.ts';

export interface ChannelOptions<T> {
  scheduler: Scheduler;
  /** draws delays and borders */
  random: Random;
  /** whose event an arrival is */
  receiver: Target;
  label: string;
  /** milliseconds from sending to arrival */
  delayMs: () => number;
  onItem: (item: T) => void;
}

const partialShare = 0.25;
/** what a broken connection left in somebody's buffers may be read after what came over the next one */
const lateShare = 0.3;
const lateMs = 3_000;

export class Channel<T> {
  readonly #options: ChannelOptions<T>;
  readonly #label: number;
  #items: T[] = [];
  #arrival: Cancel | undefined;
  #isClosed = false;

  constructor(options: ChannelOptions<T>) {
    this.#options = options;
    this.#label = labelOf(options.label);
  }

  /** items under way */
  get size(): number {
    return this.#items.length;
  }

  send(item: T): void {
    if (this.#isClosed) return;
    this.#items.push(item);
    this.#schedule();
  }

  /** Loses everything that is under way, and what is sent from now on. */
  close(): void {
    this.#isClosed = true;
    this.#items = [];
    this.#arrival?.cancel();
  }

  /** Loses what is under way from some item on; `last`, if given, arrives behind what is left, and nothing after it. */
  cut(last?: T): void {
    const { random } = this.#options;
    this.#items.length = random.isLikely(0.5) ? random.whole(0, this.#items.length) : 0;
    if (last !== undefined) this.#items.push(last);
    this.#isClosed = true;
    this.#arrival?.cancel();
    this.#arrival = undefined;
    this.#schedule(random.isLikely(lateShare) ? random.next() * lateMs : 0);
  }

  #schedule(extraMs = 0): void {
    const { scheduler, receiver, delayMs } = this.#options;
    if (this.#arrival !== undefined || this.#items.length === 0) return;
    this.#arrival = scheduler.at(delayMs() + extraMs, receiver, this.#label, () => this.#arrive());
  }

  #arrive(): void {
    const { random, onItem } = this.#options;
    this.#arrival = undefined;
    const size = this.#items.length;
    const count = size > 1 && random.isLikely(partialShare) ? random.whole(1, size - 1) : size;
    const arrived = this.#items.splice(0, count);
    this.#schedule();
    for (const item of arrived) onItem(item);
  }
}
