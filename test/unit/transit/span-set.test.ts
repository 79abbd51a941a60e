import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SpanSet } from '../../../src/transit/span-set.ts';

const span = fc.tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 15 }));

test('adding and taking away agrees with a set of numbers', () => {
  const steps = fc.array(fc.tuple(fc.boolean(), span), { maxLength: 40 });
  fc.assert(
    fc.property(steps, span, (all, [first, length]) => {
      const spans = new SpanSet();
      const numbers = new Set<number>();
      for (const [isAdd, [from, more]] of all) {
        if (isAdd) spans.add(from, from + more);
        else spans.remove(from, from + more);
        for (let n = from; n <= from + more; n++) isAdd ? numbers.add(n) : numbers.delete(n);
      }
      const asked = Array.from({ length: length + 1 }, (_, index) => first + index);
      expect(spans.covers(first, first + length)).toBe(asked.every((n) => numbers.has(n)));
      expect(spans.isEmpty).toBe(numbers.size === 0);
    }),
    { numRuns: 500 },
  );
});
