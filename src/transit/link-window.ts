/**
 * How much may be under way on one link: enough to keep it busy, little enough that a hello is not stuck for seconds
 * behind data. Delay-based, after RFC 6817 (LEDBAT): the window grows while replies come back within the target delay
 * over the best round trip seen, and shrinks when they do not.
 *
 * Those who wait for room stand in lanes that take turns, so that a long backlog of one flow does not delay another.
 */
export interface LinkWindowOptions {
  firstBytes?: number;
  minBytes?: number;
  maxBytes?: number;
  /** queueing delay to aim for, milliseconds */
  targetMs?: number;
}

interface Waiter {
  bytes: number;
  resolve: () => void;
  reject: (error: unknown) => void;
}

export class LinkWindow {
  readonly #minBytes: number;
  readonly #maxBytes: number;
  readonly #targetMs: number;
  #windowBytes: number;
  #usedBytes = 0;
  #bestMs = Number.POSITIVE_INFINITY;
  /** by lane; the one whose turn is next comes first */
  #waiters = new Map<string, Waiter[]>();
  #rateBytesPerMs = 0;

  constructor(options: LinkWindowOptions = {}) {
    this.#minBytes = options.minBytes ?? 64 * 1024;
    this.#maxBytes = options.maxBytes ?? 32 * 1024 * 1024;
    this.#targetMs = options.targetMs ?? 300;
    this.#windowBytes = options.firstBytes ?? 512 * 1024;
  }

  get windowBytes(): number {
    return this.#windowBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** bytes that wait for room */
  get waitingBytes(): number {
    return [...this.#waiters.values()].flat().reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Bytes a second while the window was in use; 0 until something was measured. */
  get rateBytesPerSecond(): number {
    return this.#rateBytesPerMs * 1000;
  }

  /** Waits for room, within its lane in order of arrival; one piece larger than the window may go when nothing else is under way. */
  acquire(bytes: number, lane = ''): Promise<void> {
    if (this.#waiters.size === 0 && this.#fits(bytes)) {
      this.#usedBytes += bytes;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const waiters = this.#waiters.get(lane);
      if (waiters === undefined) this.#waiters.set(lane, [{ bytes, resolve, reject }]);
      else waiters.push({ bytes, resolve, reject });
    });
  }

  /** A piece came through (elapsedMs since it was sent) or not (null). */
  release(bytes: number, elapsedMs: number | null): void {
    const wasBusy = this.#usedBytes * 2 >= this.#windowBytes;
    this.#usedBytes -= bytes;
    if (elapsedMs !== null) this.#adapt(bytes, Math.max(elapsedMs, 0.1), wasBusy);
    this.#admit();
  }

  /** Fails everybody who waits: the link is gone. */
  reset(error: unknown): void {
    const waiters = [...this.#waiters.values()].flat();
    this.#waiters.clear();
    for (const waiter of waiters) waiter.reject(error);
    this.#windowBytes = Math.max(this.#minBytes, this.#windowBytes / 4);
  }

  #fits(bytes: number): boolean {
    return this.#usedBytes === 0 || this.#usedBytes + bytes <= this.#windowBytes;
  }

  #admit(): void {
    for (const [lane, waiters] of this.#waiters) {
      const next = waiters[0];
      if (next !== undefined && !this.#fits(next.bytes)) return;
      waiters.shift();
      // to the end of the turns; the loop comes to it again
      this.#waiters.delete(lane);
      if (waiters.length > 0) this.#waiters.set(lane, waiters);
      if (next === undefined) continue;
      this.#usedBytes += next.bytes;
      next.resolve();
    }
  }

  #adapt(bytes: number, elapsedMs: number, wasBusy: boolean): void {
    this.#bestMs = Math.min(this.#bestMs * 1.0005, elapsedMs);
    if (!wasBusy) return;
    const rate = (this.#usedBytes + bytes) / elapsedMs;
    this.#rateBytesPerMs = this.#rateBytesPerMs === 0 ? rate : this.#rateBytesPerMs * 0.9 + rate * 0.1;
    const isQueueing = elapsedMs - this.#bestMs > this.#targetMs;
    const next = isQueueing ? this.#windowBytes - bytes : this.#windowBytes + bytes;
    this.#windowBytes = Math.min(this.#maxBytes, Math.max(this.#minBytes, next));
  }
}
