import { expect, test } from 'vitest';
import { type ConsumerSample, LoadMeter } from '../../../src/groups/load.ts';

const quiet: ConsumerSample = { waitingPulls: 0, pending: 0, unacked: 0, delivered: 10, acked: 10 };

function meterAt(nowMs: number, sample: Partial<ConsumerSample> = {}): LoadMeter {
  const meter = new LoadMeter(nowMs);
  meter.take({ ...quiet, ...sample }, nowMs);
  return meter;
}

test('a waiting pull is a consumer at once', () => {
  const meter = meterAt(0);
  meter.take({ ...quiet, waitingPulls: 3 }, 1_000);
  expect(meter.consumers).toBe(3);
  expect(meter.idleMs(1_500)).toBe(500);
});

test('a saturated consumer that has no pull waiting is alive while it takes or acknowledges', () => {
  const meter = meterAt(0, { waitingPulls: 1 });
  for (let second = 1; second <= 20; second++) {
    meter.take({ ...quiet, pending: 500, unacked: 10, delivered: 10 + second, acked: second }, second * 1_000);
    expect(meter.consumers).toBe(1);
  }
  meter.take({ ...quiet, pending: 500, unacked: 3, delivered: 30, acked: 20 }, 21_000);
  expect(meter.idleMs(21_000)).toBe(0);
});

test('one quiet sample between two fetches is no loss, two seconds of them are', () => {
  const meter = meterAt(0, { waitingPulls: 2 });
  meter.take(quiet, 1_000);
  expect(meter.consumers).toBe(2);
  meter.take(quiet, 2_000);
  expect(meter.consumers).toBe(0);
  expect(meter.idleMs(2_000)).toBe(2_000);
});

test('a consumer that died with messages in its hands counts as gone', () => {
  const meter = meterAt(0, { waitingPulls: 1, unacked: 50 });
  for (let second = 1; second <= 3; second++) meter.take({ ...quiet, unacked: 50 }, second * 1_000);
  expect(meter.consumers).toBe(0);
  expect(meter.backlog).toBe(50);
});
