/**
 * Makes the dialling end of a link dial anew when nothing else will: a connection that looks alive and carries nothing, or a
 * server that has stopped trying. For ever, with jittered backoff; never while the server itself says that nobody listens
 * at the other end, because then the connection works.
 */
import { backoffMs } from '../backoff.ts';

export interface RedialerOptions {
  redial: () => Promise<void>;
  /** whether nats-server holds a leaf connection for the link */
  isConnected: () => boolean;
  /** a dead connection is replaced after this long */
  deadAfterMs?: number;
  /** a server that dials by itself is left alone for this long */
  closedAfterMs?: number;
  random?: () => number;
}

const maxWaitMs = 300_000;
const defaultDeadMs = 10_000;

export class Redialer {
  readonly #options: RedialerOptions;
  #goneSinceMs: number | null = null;
  #nextMs = 0;
  #attempts = 0;
  #isDialling = false;

  constructor(options: RedialerOptions) {
    this.#options = options;
  }

  /** Called at every beat of a link that is not up. `isAnswered`: the server says that nobody listens. True when it dials. */
  beat(nowMs: number, isAnswered: boolean): boolean {
    const {
      redial,
      isConnected,
      deadAfterMs = defaultDeadMs,
      closedAfterMs = 60_000,
      random = Math.random,
    } = this.#options;
    this.#goneSinceMs ??= nowMs;
    const afterMs = isConnected() ? deadAfterMs : closedAfterMs;
    const isWorking = isAnswered && isConnected();
    if (this.#isDialling || isWorking || nowMs - this.#goneSinceMs < afterMs || nowMs < this.#nextMs) return false;
    this.#attempts += 1;
    this.#nextMs = nowMs + backoffMs(this.#attempts, 2 * afterMs, maxWaitMs, random());
    this.#isDialling = true;
    // what failed is tried again at its time
    void redial()
      .catch(() => undefined)
      .finally(() => {
        this.#isDialling = false;
      });
    return true;
  }

  /** How long until it dials if the link stays as it is, milliseconds; null while the server's own dialling is left alone. */
  waitMs(nowMs: number): number | null {
    const { isConnected, deadAfterMs = defaultDeadMs } = this.#options;
    if (this.#goneSinceMs === null || !isConnected()) return null;
    return Math.max(0, this.#goneSinceMs + deadAfterMs - nowMs, this.#nextMs - nowMs);
  }

  /** The link is up. */
  reset(): void {
    this.#goneSinceMs = null;
    this.#nextMs = 0;
    this.#attempts = 0;
  }
}
