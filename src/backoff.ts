/**
 * Retry for ever with jittered exponential backoff ("full jitter": uniform between half and all of the step).
 * One log line per change of state is the caller's part: `onRetry` is told of each failure.
 */
import { type Clock, systemClock } from './clock.ts';

export interface BackoffOptions {
  firstMs?: number;
  maxMs?: number;
  signal?: AbortSignal;
  clock?: Clock;
  /** return false to give up and throw the error */
  onRetry?: (error: unknown, attempt: number, waitMs: number) => boolean | undefined;
}

/** The wait before attempt n+1, n counted from 1. */
export function backoffMs(attempt: number, firstMs = 100, maxMs = 10_000, random = Math.random()): number {
  const step = Math.min(maxMs, firstMs * 2 ** Math.min(attempt - 1, 30));
  return step / 2 + (step / 2) * random;
}

/** Runs `work` until it succeeds; throws the signal's reason when aborted. */
export async function retryForever<T>(work: () => Promise<T>, options: BackoffOptions = {}): Promise<T> {
  const clock = options.clock ?? systemClock;
  for (let attempt = 1; ; attempt++) {
    options.signal?.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      options.signal?.throwIfAborted();
      const waitMs = backoffMs(attempt, options.firstMs, options.maxMs);
      if (options.onRetry?.(error, attempt, waitMs) === false) throw error;
      await clock.sleep(waitMs, options.signal);
    }
  }
}
