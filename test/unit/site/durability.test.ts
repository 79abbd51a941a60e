import { expect, test } from 'vitest';
import { durabilityHere } from '../../../src/site/server-files.ts';

type Place = Parameters<typeof durabilityHere>[0];
const place = (file: { leafListen: string | null; durability?: 'process' | 'power' }): Place =>
  ({ file }) as unknown as Place;
const server = '127.0.0.1:7422';

test.each([
  ['power', { leafListen: null, durability: 'process' as const }, 'power'],
  ['process', { leafListen: server, durability: 'power' as const }, 'process'],
  ['auto', { leafListen: server }, 'power'],
  ['auto', { leafListen: null }, 'process'],
  ['auto', { leafListen: server, durability: 'process' as const }, 'process'],
  ['auto', { leafListen: null, durability: 'power' as const }, 'power'],
] as const)('declared %s, site.json %o: %s', (declared, file, expected) => {
  expect(durabilityHere(place(file), declared)).toBe(expected);
});
