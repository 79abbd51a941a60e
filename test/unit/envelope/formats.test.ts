import { expect, test } from 'vitest';
import {
  agreedFormat,
  bytesToUuid,
  decodeFormats,
  decodeFrame,
  encodeFormats,
  encodeFrame,
  newId16,
  reads,
} from '../../../src/envelope/index.ts';

const range = (min: number, max: number): { min: number; max: number } => ({ min, max });

test('everybody writes what the oldest reads, until it is upgraded too', () => {
  expect(agreedFormat([], range(1, 2))).toBe(2);
  expect(agreedFormat([range(1, 2), range(1, 1)], range(1, 2))).toBe(1);
  expect(agreedFormat([range(1, 1)], range(1, 1))).toBe(1);
  // both ends of a bus in the middle of an upgrade agree
  expect([agreedFormat([range(2, 3)], range(1, 2)), agreedFormat([range(1, 2)], range(2, 3))]).toEqual([2, 2]);
});

test('one with which nothing is in common holds nobody back, and reads nothing', () => {
  expect(agreedFormat([range(1, 1), range(2, 3)], range(2, 3))).toBe(3);
  expect(reads(range(1, 1), 3)).toBe(false);
  expect(reads(range(2, 3), 3)).toBe(true);
});

test('a hello says it in two bytes; an older one says nothing', () => {
  expect(decodeFormats(encodeFormats(range(3, 4)))).toEqual(range(3, 4));
  for (const bytes of [[], [1], [0, 1], [2, 1], [1, 2, 3]])
    expect(decodeFormats(Uint8Array.from(bytes))).toBeUndefined();
});

test('what this build does not read is told from what is broken: it waits', () => {
  const id = bytesToUuid(newId16());
  const frame = encodeFrame({
    kind: 'receipt',
    hopLimit: 1,
    path: [],
    shun: [],
    destinations: [id],
    receipt: Uint8Array.of(1),
  });
  const newer = Buffer.concat([Buffer.of(9), frame.subarray(1)]);
  expect(() => decodeFrame(newer)).toThrow(expect.objectContaining({ code: 'E_VERSION_APART', disposition: 'retry' }));
  expect(() => decodeFrame(frame.subarray(0, 9))).toThrow(expect.objectContaining({ code: 'E_ENVELOPE_BAD' }));
});
