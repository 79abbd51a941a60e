import { expect, test } from 'vitest';
import { Quota } from '../../../src/transit/quota.ts';

const mebibyte = 1024 * 1024;

function fill(quota: Quota, flow: string): number {
  let bytes = 0;
  while (quota.take(flow, 10_000)) bytes += 10_000;
  return bytes / quota.maxBytes;
}

test('a flow that is stuck ends at half, and every other one still finds room', () => {
  const quota = new Quota(8 * mebibyte);
  expect(fill(quota, 'stuck')).toBeCloseTo(0.5, 1);
  expect(fill(quota, 'second')).toBeCloseTo(0.25, 1);
  expect(quota.take('third', 10_000)).toBe(true);
});

test('what is given back can be taken again, and small envelopes count for their entry', () => {
  const quota = new Quota(mebibyte);
  expect(quota.take('flow', 10)).toBe(true);
  expect(quota.usedBytes).toBe(8 * 1024);
  quota.give('flow', 10);
  expect(quota.usedBytes).toBe(0);
});
