import { expect, test } from 'vitest';
import { GroupWatch } from '../../../src/terminal/group-watch.ts';

const durable = {
  ...{ num_waiting: 0, num_pending: 0, num_ack_pending: 0 },
  delivered: { consumer_seq: 0, stream_seq: 0, last_active: 0 },
  ack_floor: { consumer_seq: 0, stream_seq: 0, last_active: 0 },
};

test('nobody consumes: known after a while without a pull, forgotten with the first', () => {
  const watch = new GroupWatch();
  const waits = { ...durable, num_pending: 5 };
  expect(watch.take('g', waits, 0).consumers).toBeNull();
  expect(watch.take('g', waits, 3_000).consumers).toBeNull();
  expect(watch.take('g', waits, 6_000).consumers).toBe(0);
  expect(watch.take('g', { ...waits, num_waiting: 2 }, 9_000).consumers).toBe(2);
});

test('nothing acknowledged counts from the last acknowledgement, redeliveries or not', () => {
  const watch = new GroupWatch();
  const owed = { ...durable, num_ack_pending: 2, delivered: { consumer_seq: 2, stream_seq: 2, last_active: 1 } };
  expect(watch.take('g', durable, 0).notAckedMs).toBeNull();
  expect(watch.take('g', owed, 3_000).notAckedMs).toBe(3_000);
  const again = { ...owed, delivered: { consumer_seq: 4, stream_seq: 2, last_active: 2 } };
  expect(watch.take('g', again, 6_000).notAckedMs).toBe(6_000);
  const acked = { ...again, num_ack_pending: 1, ack_floor: { consumer_seq: 3, stream_seq: 1, last_active: 5 } };
  expect(watch.take('g', acked, 9_000).notAckedMs).toBe(0);
});

test('a group that is gone is forgotten, another is not', () => {
  const watch = new GroupWatch();
  const owed = { ...durable, num_ack_pending: 1 };
  for (const group of ['gone', 'stays']) watch.take(group, owed, 0);
  watch.keep(new Set(['stays']));
  expect(watch.take('stays', owed, 4_000).notAckedMs).toBe(4_000);
  expect(watch.take('gone', owed, 4_000).notAckedMs).toBe(0);
});
