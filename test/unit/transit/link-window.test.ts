import { expect, test } from 'vitest';
import { LinkWindow } from '../../../src/transit/index.ts';
import { eventually } from '../../support/nats-server.ts';

test('a flow with one piece does not wait behind the backlog of another', async () => {
  const window = new LinkWindow({ firstBytes: 64 * 1024 });
  const order: string[] = [];
  const ask = (lane: string, name: string): Promise<void> =>
    window.acquire(64 * 1024, lane).then(() => {
      order.push(name);
      setImmediate(() => window.release(64 * 1024, null));
    });
  const backlog = Array.from({ length: 10 }, (_, n) => ask('long', `long ${n}`));
  await Promise.all([...backlog, ask('short', 'short 0')]);
  expect(order.indexOf('short 0')).toBe(2);
  expect(order.filter((name) => name.startsWith('long'))).toEqual(backlog.map((_, n) => `long ${n}`));
  await eventually('all room is given back', () => window.usedBytes === 0);
});
