/**
 * When cursors become one again: a cursor that receipted all another has read joins it, and the one ahead stands still a
 * moment for one that is close. Not for long, and less and less often when it was in vain.
 */
import { backoffMs } from '../backoff.ts';
import type { Clock } from '../clock.ts';
import type { Cursor } from './cursor.ts';

const closeDistance = 2_000;
const patienceMs = 500;
const firstRestMs = 5_000;
const maxRestMs = 300_000;

export class Rendezvous {
  readonly #clock: Clock;
  #wait: { ahead: Cursor; sinceMs: number } | undefined;
  /** waits that were in vain, in a row, and when the next may begin */
  #inVain = 0;
  #nextMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The two cursors that can be one now, if there are; called every half second. */
  meet(cursors: Iterable<Cursor>): { ahead: Cursor; behind: Cursor } | undefined {
    const reading = [...cursors].filter(
      ({ state, duties }) => state === 'reading' && duties.every(({ until }) => until === null),
    );
    const [ahead, behind] = reading.sort((a, b) => b.readPosition - a.readPosition);
    this.#giveUp(ahead, behind);
    if (ahead === undefined || behind === undefined) return undefined;
    if (behind.floor >= ahead.readPosition) return { ahead, behind };
    if (ahead.readPosition - behind.floor <= closeDistance) this.#begin(ahead);
    return undefined;
  }

  /** They are one: nobody waits any more. */
  met(): void {
    this.#wait = undefined;
    this.#inVain = 0;
  }

  #begin(ahead: Cursor): void {
    const sinceMs = this.#clock.monotonicMs();
    if (this.#wait !== undefined || sinceMs < this.#nextMs) return;
    ahead.hold(true);
    this.#wait = { ahead, sinceMs };
  }

  #giveUp(ahead: Cursor | undefined, behind: Cursor | undefined): void {
    const wait = this.#wait;
    if (wait === undefined) return;
    const nowMs = this.#clock.monotonicMs();
    const isOver = nowMs - wait.sinceMs > patienceMs;
    if (!isOver && wait.ahead === ahead && behind !== undefined) return;
    wait.ahead.hold(false);
    this.#wait = undefined;
    this.#inVain += 1;
    this.#nextMs = nowMs + backoffMs(this.#inVain, firstRestMs, maxRestMs);
  }
}
