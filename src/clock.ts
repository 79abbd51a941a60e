/**
 * Time behind an interface, so that tests and simulations run on virtual time.
 * Durations come from `monotonicMs`; wall time is for people and for headers, no decision reads it.
 */
import { setTimeout as delay } from 'node:timers/promises';

export interface Clock {
  /** milliseconds that only grow, from an arbitrary start */
  monotonicMs(): number;
  /** milliseconds since 1970, as this machine believes */
  wallMs(): number;
  /** resolves after `ms`; rejects with the signal's reason when aborted */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  sleep: async (ms, signal) => {
    await delay(ms, undefined, signal ? { signal } : {});
  },
};
