/**
 * The world that the code under simulation sees: timers, clocks and randomness of this thread are replaced, so that nothing
 * but the scheduler decides what happens when. Only ever in a thread of its own: see worker.ts.
 */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import type { Clock } from '../src/clock.ts';
import type { Random } from './random.ts';
import { type Cancel, labelOf, type Process, type Scheduler } from './scheduler.ts';

interface Realm {
  scheduler: Scheduler;
  /** lateness of timers */
  timing: Random;
  /** ids, names, jitter of back-offs */
  chance: Random;
}

/** 22 November 2026: any date will do */
const epochMs = 1_795_000_000_000;
const timerLabel = labelOf('timer');
const immediateLabel = labelOf('immediate');
let realm: Realm | undefined;

/** From now on this thread lives in that realm. */
export function enterRealm(next: Realm): void {
  realm = next;
}

class SimTimer {
  #pending: Cancel | undefined;
  readonly #process: Process | null;

  constructor(run: () => void, delayMs: number, label: number, isRepeated: boolean) {
    const { scheduler, timing } = needRealm();
    this.#process = scheduler.current;
    const set = (): void => {
      if (this.#process !== null) this.#process.timers += 1;
      // a timer is never early and often a little late
      const lateMs = label === immediateLabel ? 0.01 + timing.next() * 0.05 : timing.next() * 1.5;
      this.#pending = scheduler.at(Math.max(0, delayMs) + lateMs, this.#process, label, () => {
        this.#clear();
        if (isRepeated) set();
        run();
      });
    };
    set();
  }

  cancel(): void {
    this.#pending?.cancel();
    this.#clear();
  }

  #clear(): void {
    if (this.#pending !== undefined && this.#process !== null) this.#process.timers -= 1;
    this.#pending = undefined;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }
}

function needRealm(): Realm {
  if (realm === undefined) throw new Error('a timer was set outside of a schedule');
  return realm;
}

/** Milliseconds since 1970 as the process believes that runs now. */
function wallMs(): number {
  const { scheduler } = needRealm();
  return epochMs + scheduler.nowMs + (scheduler.current?.wallOffsetMs ?? 0);
}

export const simClock: Clock = {
  monotonicMs: () => needRealm().scheduler.nowMs,
  wallMs,
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const timer = new SimTimer(resolve, ms, timerLabel, false);
      signal?.addEventListener('abort', () => {
        timer.cancel();
        reject(signal.reason);
      });
    }),
};

type Callback = (...given: unknown[]) => void;

/** Replaces what this thread knows of time and chance; there is no way back. */
export function replaceGlobals(): void {
  const timer =
    (isRepeated: boolean) =>
    (callback: Callback, delayMs: number | undefined, ...given: unknown[]) =>
      new SimTimer(() => callback(...given), delayMs ?? 1, timerLabel, isRepeated);
  const clear = (handle: unknown): void => {
    if (handle instanceof SimTimer) handle.cancel();
  };
  Object.assign(globalThis, {
    setTimeout: timer(false),
    setInterval: timer(true),
    setImmediate: (callback: Callback, ...given: unknown[]) =>
      new SimTimer(() => callback(...given), 0, immediateLabel, false),
    clearTimeout: clear,
    clearInterval: clear,
    clearImmediate: clear,
  });
  Math.random = () => needRealm().chance.next();
  Date.now = wallMs;
  performance.now = () => needRealm().scheduler.nowMs;
  const fill = <T extends NodeJS.ArrayBufferView>(bytes: T): T => {
    needRealm().chance.fill(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    return bytes;
  };
  const below = (low: number, high: number): number => low + Math.floor(needRealm().chance.next() * (high - low));
  Object.assign(crypto, {
    randomFillSync: fill,
    randomBytes: (size: number) => fill(Buffer.alloc(size)),
    randomInt: (first: number, second?: number) => (second === undefined ? below(0, first) : below(first, second)),
  });
  Object.assign(globalThis.crypto, { getRandomValues: fill });
  syncBuiltinESMExports();
}
