import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_RANGES, RangeSet } from '../../../src/envelope/index.ts';

const top = 60;
const range = fc
  .tuple(fc.integer({ min: 1, max: top }), fc.nat(8))
  .map(([first, more]) => [first, first + more] as const);
const step = fc.oneof(
  { weight: 5, arbitrary: range.map(([first, last]) => ({ kind: 'add' as const, first, last })) },
  { weight: 1, arbitrary: fc.nat(top).map((last) => ({ kind: 'prune' as const, first: 1, last })) },
);

function fill(set: Set<number>, first: number, last: number): void {
  for (let seq = first; seq <= last; seq++) set.add(seq);
}

function members(set: RangeSet): Set<number> {
  const found = new Set<number>();
  fill(found, 1, set.mark);
  for (const [first, last] of set.ranges) fill(found, first, last);
  return found;
}

describe('a range set', () => {
  test('holds what a plain set holds, after any adds and prunes', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), range, (steps, [first, last]) => {
        const naive = new Set<number>();
        const set = new RangeSet();
        for (const { kind, ...part } of steps) {
          fill(naive, part.first, part.last);
          if (kind === 'add') set.add(part.first, part.last);
          else set.prune(part.last);
        }
        expect(members(set)).toEqual(naive);
        const asked = Array.from({ length: last - first + 1 }, (_, index) => first + index);
        expect(asked.filter((seq) => set.has(seq))).toEqual(asked.filter((seq) => naive.has(seq)));
        expect(set.covers(first, last)).toBe(asked.every((seq) => naive.has(seq)));
        const missing = set
          .missing(first, last)
          .flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, i) => from + i));
        expect(missing).toEqual(asked.filter((seq) => !naive.has(seq)));
      }),
    );
  });

  test('is normal whatever the order of adds, and its bytes are too', () => {
    fc.assert(
      fc.property(fc.array(range, { maxLength: 12 }), (ranges) => {
        const set = RangeSet.of(0, ranges);
        const reversed = RangeSet.of(0, [...ranges].reverse());
        expect(set.equals(reversed)).toBe(true);
        expect(set.encode().equals(reversed.encode())).toBe(true);
        expect(RangeSet.decode(set.encode()).equals(set)).toBe(true);
        let end = set.mark;
        for (const [first, last] of set.ranges) {
          expect(first).toBeGreaterThan(end + 1);
          end = last;
        }
      }),
    );
  });

  test('any bytes are refused or are the one encoding of a set', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 24 }), (bytes) => {
        let set: RangeSet | undefined;
        try {
          set = RangeSet.decode(bytes);
        } catch (error) {
          expect(error).toEqual(expect.objectContaining({ code: 'E_ENVELOPE_BAD' }));
        }
        if (set) expect(set.encode().equals(bytes)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  test('refuses one gap too many and stays as it was', () => {
    const set = new RangeSet();
    for (let index = 1; index <= MAX_RANGES; index++) set.add(index * 3);
    expect(() => set.add((MAX_RANGES + 1) * 3)).toThrow(expect.objectContaining({ code: 'E_RANGES_FULL' }));
    expect(set.ranges).toHaveLength(MAX_RANGES);
    set.add(4, 5);
    set.add((MAX_RANGES + 1) * 3);
    expect(set.has((MAX_RANGES + 1) * 3)).toBe(true);
    expect(RangeSet.decode(set.encode()).equals(set)).toBe(true);
  });

  test('a clone does not follow', () => {
    const set = RangeSet.of(5, [[8, 9]]);
    const clone = set.clone();
    set.add(6, 7);
    expect(set.toJSON()).toEqual({ mark: 9, ranges: [] });
    expect(clone.toJSON()).toEqual({ mark: 5, ranges: [[8, 9]] });
  });

  test.each([
    [0, 1],
    [2, 1],
    [1.5, 2],
    [1, 2 ** 53],
  ])('%d to %d is not a range', (first, last) => {
    expect(() => new RangeSet().add(first, last)).toThrow(expect.objectContaining({ code: 'E_ENVELOPE_BAD' }));
  });
});
