/**
 * One log line a second for what others can call forth as often as they like: a neighbour that sends rubbish must not fill
 * the disk with what is said of it. The counters count each one.
 */
import type { Clock } from './clock.ts';

const everyMs = 1_000;
const maxKeys = 256;

export class Occasional {
  readonly #clock: Clock;
  readonly #keys = new Map<string, { saidMs: number; unsaid: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many of the key were passed over since the last line, or undefined: this one is passed over too. */
  say(key: string): number | undefined {
    const nowMs = this.#clock.monotonicMs();
    const known = this.#keys.get(key);
    if (known !== undefined && nowMs - known.saidMs < everyMs) {
      known.unsaid += 1;
      return undefined;
    }
    if (known === undefined && this.#keys.size >= maxKeys) this.#keys.clear();
    this.#keys.set(key, { saidMs: nowMs, unsaid: 0 });
    return known?.unsaid ?? 0;
  }
}
