import { expect, test } from 'vitest';
import { mutateBytes, mutateJson } from '../../../fuzz/mutate.ts';
import { Random } from '../../../sim/random.ts';

const bases = [1, 7, 900].map((size) => Buffer.alloc(size, size));

test('mutated bytes are never one of the bases, and the same seed draws the same', () => {
  const [one, two] = [new Random(3, 'x'), new Random(3, 'x')];
  for (let n = 0; n < 2_000; n++) {
    const bytes = mutateBytes(one, bases);
    expect(bases.some((base) => base.equals(bytes))).toBe(false);
    expect(mutateBytes(two, bases).equals(bytes)).toBe(true);
  }
});

test('mutated JSON is never the base, and can be written', () => {
  const random = new Random(4, 'x');
  const base = { id: 'a', list: [1, { deep: null }], flag: true };
  for (let n = 0; n < 1_000; n++) expect(JSON.stringify(mutateJson(random, base))).not.toBe(JSON.stringify(base));
});
