/**
 * Which sequences are held: disjoint, ascending spans that can be added and taken away again. Unlike a RangeSet it is
 * kept in memory only and has no mark. When two overlapping spans were added and one is taken away, what they share is
 * gone: for a cache that only means that something is stored twice.
 */
type Span = [first: number, last: number];

export class SpanSet {
  #spans: Span[] = [];

  get isEmpty(): boolean {
    return this.#spans.length === 0;
  }

  /** Whether all of first to last is in the set. */
  covers(first: number, last: number): boolean {
    const span = this.#spans[this.#firstEndingAt(first)];
    return span !== undefined && span[0] <= first && span[1] >= last;
  }

  add(first: number, last: number): void {
    const from = this.#firstEndingAt(first - 1);
    let to = from;
    let low = first;
    let high = last;
    for (let span = this.#spans[to]; span !== undefined && span[0] <= last + 1; span = this.#spans[++to]) {
      low = Math.min(low, span[0]);
      high = Math.max(high, span[1]);
    }
    this.#spans.splice(from, to - from, [low, high]);
  }

  remove(first: number, last: number): void {
    const from = this.#firstEndingAt(first);
    let to = from;
    const rest: Span[] = [];
    for (let span = this.#spans[to]; span !== undefined && span[0] <= last; span = this.#spans[++to]) {
      if (span[0] < first) rest.push([span[0], first - 1]);
      if (span[1] > last) rest.push([last + 1, span[1]]);
    }
    this.#spans.splice(from, to - from, ...rest);
  }

  /** Index of the first span that ends at or after `seq`; the number of spans when none does. */
  #firstEndingAt(seq: number): number {
    let low = 0;
    let high = this.#spans.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#spans[middle]?.[1] ?? 0) < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
