/** Token buckets by key, in memory of one replica: a flood from one terminal leaves the service to the others. */
import type { Clock } from '../clock.ts';

interface Bucket {
  tokens: number;
  atMs: number;
}

const maxBuckets = 10_000;

export class RateLimit {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #clock: Clock;
  /** least recently used first */
  readonly #buckets = new Map<string, Bucket>();

  constructor(limits: { perSecond: number; burst: number }, clock: Clock) {
    this.#perSecond = limits.perSecond;
    this.#burst = limits.burst;
    this.#clock = clock;
  }

  /** Whether one is left. */
  has(key: string): boolean {
    const bucket = this.#buckets.get(key);
    return bucket === undefined || this.#filled(bucket, this.#clock.monotonicMs()) >= 1;
  }

  /** Takes one, or says that there is none left. */
  take(key: string): boolean {
    const bucket = this.#used(key);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  /** Takes one, there or not. What is owed has to come in before `has` says yes again: many asked for at once are each counted. */
  owe(key: string): void {
    this.#used(key).tokens -= 1;
  }

  /** The bucket as of now, most recently used. */
  #used(key: string): Bucket {
    const now = this.#clock.monotonicMs();
    const bucket = this.#buckets.get(key) ?? { tokens: this.#burst, atMs: now };
    bucket.tokens = this.#filled(bucket, now);
    bucket.atMs = now;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > maxBuckets) this.#buckets.delete(this.#buckets.keys().next().value!);
    return bucket;
  }

  #filled({ tokens, atMs }: Bucket, now: number): number {
    return Math.min(this.#burst, tokens + ((now - atMs) / 1000) * this.#perSecond);
  }
}
