/**
 * Remembers the nonces of requests that this replica served while their time is still acceptable. Another replica may
 * serve a repeated one; what it does is the same either way, and only the original caller can read the answer.
 */
import { maxSkewMs } from './server.ts';

export class ReplayWindow {
  /** in order of arrival */
  readonly #seen = new Map<string, number>();
  readonly #maxEntries: number;

  constructor(maxEntries = 100_000) {
    this.#maxEntries = maxEntries;
  }

  /** False when the nonce was there already. */
  admit(nonce: string, nowMs: number): boolean {
    this.#prune(nowMs);
    if (this.#seen.has(nonce)) return false;
    this.#seen.set(nonce, nowMs);
    return true;
  }

  #prune(nowMs: number): void {
    for (const [nonce, atMs] of this.#seen) {
      if (nowMs - atMs <= 2 * maxSkewMs && this.#seen.size < this.#maxEntries) return;
      this.#seen.delete(nonce);
    }
  }
}
