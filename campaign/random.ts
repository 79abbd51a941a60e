/**
 * Numbers that are the same in every run with the same seed. Each purpose draws from a stream of its own (`topology`,
 * `plan`, …), so that a change of one leaves the others as they were.
 */
import { hash } from 'node:crypto';

export class Random {
  #state: number;

  constructor(seed: number, purpose: string) {
    this.#state = Number.parseInt(hash('sha256', `${seed} ${purpose}`, 'hex').slice(0, 8), 16);
  }

  /** 0 ≤ x < 1 (mulberry32) */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** a whole number, both ends included */
  between(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  chance(share: number): boolean {
    return this.next() < share;
  }

  pick<T>(all: readonly T[]): T {
    const found = all[this.between(0, all.length - 1)];
    if (found === undefined) throw new RangeError('nothing to pick from');
    return found;
  }

  /** `count` different ones, in an order of their own */
  sample<T>(all: readonly T[], count: number): T[] {
    const rest = [...all];
    return Array.from({ length: Math.min(count, all.length) }, () => {
      const [taken] = rest.splice(this.between(0, rest.length - 1), 1);
      return taken as T;
    });
  }

  /** by weight: the larger, the more often */
  weighted<T>(all: readonly { item: T; weight: number }[]): T {
    let at = this.next() * all.reduce((sum, { weight }) => sum + weight, 0);
    for (const { item, weight } of all) {
      at -= weight;
      if (at < 0) return item;
    }
    return all[all.length - 1]!.item;
  }
}
