/**
 * A set of sequences as markers and receipts carry it: everything up to `mark`, and ranges above it.
 *
 * Always normal: ranges ascend, neither overlap nor touch each other or the mark, so equal sets have equal bytes. The
 * number of ranges is bounded; an add that would pass the bound throws E_RANGES_FULL and changes nothing.
 */
import { BusError } from '../errors.ts';
import { ByteReader, ByteWriter } from './codec.ts';
import { MAX_RANGES } from './wire.ts';

/** first and last sequence, both in the set */
type Range = readonly [first: number, last: number];

export class RangeSet {
  #mark = 0;
  #ranges: Range[] = [];

  /** The set of 1 to `mark` and the given ranges, in any order. @throws E_ENVELOPE_BAD E_RANGES_FULL */
  static of(mark: number, ranges: Iterable<Range> = []): RangeSet {
    const set = new RangeSet();
    set.prune(mark);
    for (const [first, last] of ranges) set.add(first, last);
    return set;
  }

  /** every sequence up to it is in the set; 0 when there is none */
  get mark(): number {
    return this.#mark;
  }

  get ranges(): readonly Range[] {
    return this.#ranges;
  }

  /** the highest sequence in the set, 0 when it is empty */
  get last(): number {
    return this.#ranges.at(-1)?.[1] ?? this.#mark;
  }

  has(seq: number): boolean {
    return this.covers(seq, seq);
  }

  /** Whether all of first to last is in the set. */
  covers(first: number, last: number): boolean {
    if (last <= this.#mark) return true;
    const range = this.#ranges[this.#firstEndingAt(last)];
    return range !== undefined && range[0] <= Math.max(first, this.#mark + 1);
  }

  add(first: number, last: number = first): void {
    checkRange(first, last);
    if (last <= this.#mark) return;
    const from = this.#firstEndingAt(first - 1);
    let to = from;
    let low = first;
    let high = last;
    for (; to < this.#ranges.length && this.#ranges[to]![0] <= last + 1; to++) {
      low = Math.min(low, this.#ranges[to]![0]);
      high = Math.max(high, this.#ranges[to]![1]);
    }
    const joinsMark = low <= this.#mark + 1;
    if (!joinsMark && to === from && this.#ranges.length >= MAX_RANGES) throw full();
    if (joinsMark) this.#mark = high;
    this.#ranges.splice(from, to - from, ...(joinsMark ? [] : [[low, high] as const]));
  }

  /** Adds every sequence of the other set. */
  addAll(other: RangeSet): void {
    this.prune(other.#mark);
    for (const [first, last] of other.#ranges) this.add(first, last);
  }

  /** What of first to last is not in the set, ascending. */
  missing(first: number, last: number): [first: number, last: number][] {
    const gaps: [number, number][] = [];
    let next = Math.max(first, this.#mark + 1);
    for (let index = this.#firstEndingAt(next); next <= last; index++) {
      const range = this.#ranges[index];
      if (range === undefined || range[0] > last) {
        gaps.push([next, last]);
        break;
      }
      if (range[0] > next) gaps.push([next, range[0] - 1]);
      next = range[1] + 1;
    }
    return gaps;
  }

  /** From now on everything up to `floor` counts as in. */
  prune(floor: number): void {
    if (floor !== 0) this.add(1, floor);
  }

  equals(other: RangeSet): boolean {
    return (
      this.#mark === other.#mark &&
      this.#ranges.length === other.#ranges.length &&
      this.#ranges.every(
        (range, index) => range[0] === other.#ranges[index]![0] && range[1] === other.#ranges[index]![1],
      )
    );
  }

  clone(): RangeSet {
    const copy = new RangeSet();
    copy.#mark = this.#mark;
    copy.#ranges = [...this.#ranges];
    return copy;
  }

  /** mark, count, then per range the gap before it less two and its length less one: no set has two encodings. */
  encodeTo(writer: ByteWriter): void {
    writer.varint(this.#mark).varint(this.#ranges.length);
    let previous = this.#mark;
    for (const [first, last] of this.#ranges) {
      writer.varint(first - previous - 2).varint(last - first);
      previous = last;
    }
  }

  static decodeFrom(reader: ByteReader): RangeSet {
    const set = new RangeSet();
    set.#mark = reader.varint();
    const count = reader.varint(MAX_RANGES);
    let previous = set.#mark;
    for (let index = 0; index < count; index++) {
      const first = previous + 2 + reader.varint();
      const last = first + reader.varint();
      if (!Number.isSafeInteger(last)) reader.fail('a range ends over 2^53-1');
      set.#ranges.push([first, last]);
      previous = last;
    }
    return set;
  }

  encode(): Buffer {
    const writer = new ByteWriter(16 + this.#ranges.length * 8);
    this.encodeTo(writer);
    return writer.finish();
  }

  /** @throws E_ENVELOPE_BAD */
  static decode(bytes: Uint8Array): RangeSet {
    const reader = new ByteReader(bytes, 'range set');
    const set = RangeSet.decodeFrom(reader);
    reader.end();
    return set;
  }

  toJSON(): { mark: number; ranges: Range[] } {
    return { mark: this.#mark, ranges: [...this.#ranges] };
  }

  /** Index of the first range that ends at or after `seq`; the number of ranges when none does. */
  #firstEndingAt(seq: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#ranges[middle]![1] < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function checkRange(first: number, last: number): void {
  if (Number.isSafeInteger(first) && Number.isSafeInteger(last) && first >= 1 && first <= last) return;
  throw new BusError('E_ENVELOPE_BAD', `${first} to ${last} is not a range of sequences`);
}

function full(): BusError {
  return new BusError('E_RANGES_FULL', `a set of sequences would need more than ${MAX_RANGES} ranges`);
}
