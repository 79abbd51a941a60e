/**
 * Durables that no cursor stands for. A request that makes or removes one may have been carried out although its answer
 * never came; the durable would hold every message back from removal, and after a restart serve a group as it was
 * long ago. So a failure is followed by a look, and by another one when no request of before can be under way any more.
 */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { Clock } from '../clock.ts';
import { deleteCursor, listCursors } from './stored-cursors.ts';

const lateMs = 10_000;

export class Strays {
  readonly #jsm: JetStreamManager;
  readonly #stream: string;
  readonly #clock: Clock;
  /** monotonic times of looks to come, ascending */
  #looks: number[] = [];

  constructor(jsm: JetStreamManager, stream: string, clock: Clock) {
    this.#jsm = jsm;
    this.#stream = stream;
    this.#clock = clock;
  }

  /** Runs a request that makes or removes a durable. */
  async watch<T>(request: Promise<T>): Promise<T> {
    try {
      return await request;
    } catch (error) {
      const now = this.#clock.monotonicMs();
      this.#looks = [now, now + lateMs];
      throw error;
    }
  }

  /** Removes what no cursor stands for, when there may be such; no other change of durables goes on meanwhile. */
  async remove(isKnown: (durable: string) => boolean): Promise<void> {
    const now = this.#clock.monotonicMs();
    const due = this.#looks.findLast((atMs) => atMs <= now);
    if (due === undefined) return;
    for (const { durable } of await listCursors(this.#jsm, this.#stream)) {
      if (!isKnown(durable)) await deleteCursor(this.#jsm, this.#stream, durable);
    }
    this.#looks = this.#looks.filter((atMs) => atMs > due);
  }
}
