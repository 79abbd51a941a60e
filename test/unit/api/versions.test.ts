import { expect, test } from 'vitest';
import { z } from 'zod';
import { parseKnown } from '../../../src/api/index.ts';

const schema = z.strictObject({
  name: z.string(),
  rows: z.array(z.strictObject({ id: z.number(), more: z.strictObject({ a: z.number() }).optional() })),
});

test('what a newer build says more is passed over, at any depth', () => {
  const said = { name: 'n', later: 1, rows: [{ id: 1 }, { id: 2, later: {}, more: { a: 1, b: 2 } }] };
  const read = parseKnown(schema, said);
  expect(read.data).toEqual({ name: 'n', rows: [{ id: 1 }, { id: 2, more: { a: 1 } }] });
});

test('what is known must still be right', () => {
  expect(parseKnown(schema, { name: 1, rows: [], later: 1 }).success).toBe(false);
  expect(parseKnown(schema, { rows: [], later: 1 }).success).toBe(false);
  expect(parseKnown(schema, { name: 'n', rows: [{ id: 'x' }] }).success).toBe(false);
});
