/** The entries of one flow for the same groups at one terminal, in order; an entry for several destinations stands in several lanes. */
import { isWaiting, type TransitEntry } from './transit-entry.ts';

export class Lane {
  readonly key: string;
  readonly terminalId: string;
  /** it stands in the ring of a link */
  isPlaced = false;
  /** set while it rests after a failure */
  timer: NodeJS.Timeout | undefined;
  /** frames sent and not answered */
  underWay = 0;
  /** in a row */
  failures = 0;
  /** since when its oldest entry finds no way or no room, milliseconds; undefined while it moves */
  stuckSinceMs: number | undefined;
  #queue: TransitEntry[] = [];
  #head = 0;

  constructor(key: string, terminalId: string) {
    this.key = key;
    this.terminalId = terminalId;
  }

  get size(): number {
    return this.#queue.length - this.#head;
  }

  get lastOrder(): number {
    return this.#queue.at(-1)?.order ?? 0;
  }

  /** Adds an entry at its place; new ones come last, ones that failed near the front. */
  insert(entry: TransitEntry): void {
    const state = entry.left.get(this.terminalId);
    if (state === undefined || state.isQueued) return;
    state.isQueued = true;
    if (entry.order >= this.lastOrder) {
      this.#queue.push(entry);
      return;
    }
    let at = this.#head;
    while ((this.#queue[at]?.order ?? Number.POSITIVE_INFINITY) < entry.order) at += 1;
    this.#queue.splice(at, 0, entry);
  }

  /** The oldest entry that waits for this destination; what others have sent along is passed over. */
  peek(): TransitEntry | undefined {
    for (;;) {
      const entry = this.#queue[this.#head];
      if (entry === undefined || isWaiting(entry, this.terminalId)) return entry;
      this.#shift();
    }
  }

  take(): TransitEntry | undefined {
    const entry = this.peek();
    if (entry !== undefined) this.#shift();
    return entry;
  }

  drop(entry: TransitEntry): void {
    const at = this.#queue.indexOf(entry, this.#head);
    if (at < 0) return;
    this.#queue.splice(at, 1);
    const state = entry.left.get(this.terminalId);
    if (state !== undefined) state.isQueued = false;
  }

  #shift(): void {
    const state = this.#queue[this.#head]?.left.get(this.terminalId);
    if (state !== undefined) state.isQueued = false;
    this.#head += 1;
    if (this.#head < 1_024 && this.#head < this.#queue.length) return;
    this.#queue.splice(0, this.#head);
    this.#head = 0;
  }
}
