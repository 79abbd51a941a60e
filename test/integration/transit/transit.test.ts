/**
 *   frames ──▶ transit (stream in a real nats-server) ──▶ links moved by hand
 */
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { RangeSet } from '../../../src/envelope/index.ts';
import { silentLogger } from '../../../src/log.ts';
import { ReceiptBook, Transit, TransitCache } from '../../../src/transit/index.ts';
import { fixedUuid, ids, receiptOf } from '../../support/envelopes.ts';
import { eventually, testScope } from '../../support/nats-server.ts';
import { HandLink, HandRoutes, passageOf, self, startJetStream } from '../../support/transit.ts';

const scope = testScope();
const log = silentLogger;
const stream = `transit-${ids.customer}`;

interface Kit {
  transit: Transit;
  routes: HandRoutes;
  east: HandLink;
  receipts: ReceiptBook;
  counts: { stored: number; repeated: number };
}

async function startTransit(nc: NatsConnection, maxBytes = 8 * 1024 * 1024): Promise<Kit> {
  const routes = new HandRoutes();
  const east = new HandLink();
  const receipts = new ReceiptBook({ terminalId: self, routes, format: () => 1, note: () => undefined });
  const counts = { stored: 0, repeated: 0 };
  const transit = new Transit({
    terminalId: self,
    cache: new TransitCache({ nc, customerId: ids.customer, maxBytes, log }),
    maxBytes,
    routes,
    format: () => 1,
    links: new Map([['east', east]]),
    receipts,
    metrics: {
      stored: () => {
        counts.stored += 1;
      },
      repeated: () => {
        counts.repeated += 1;
      },
      forwarded: () => undefined,
      released: () => undefined,
      usedBytes: () => undefined,
    },
    onReleased: () => undefined,
    isTerminal: () => true,
    clock: systemClock,
    log,
  });
  await transit.start();
  scope.onEnd(() => transit.stop());
  return { transit, routes, east, receipts, counts };
}

async function storedIn(nc: NatsConnection): Promise<number> {
  const jsm = await jetstreamManager(nc);
  return (await jsm.streams.info(stream)).state.messages;
}

test('what waits survives a restart and goes on when a path appears; the stream is empty then', async () => {
  const nc = await startJetStream(scope, scope.dir());
  const before = await startTransit(nc);
  for (let n = 0; n < 20; n++) await before.transit.take(passageOf('trade', [n * 10 + 1, n * 10 + 10], ['x', 'y']));
  before.transit.stop();
  expect(await storedIn(nc)).toBe(20);

  const { transit, routes, east } = await startTransit(nc);
  expect(transit.usedBytes).toBe(before.transit.usedBytes);
  routes.set(fixedUuid('x'), 'east');
  await eventually('all for x', () => east.sent.length === 20);
  expect(await storedIn(nc)).toBe(20);
  routes.set(fixedUuid('y'), 'east');
  await eventually('all for y', () => east.sent.length === 40);
  await eventually('nothing is kept', async () => (await storedIn(nc)) === 0);
  expect(transit.usedBytes).toBe(0);
});

test('what it holds, and what was receipted, is not stored twice', async () => {
  const nc = await startJetStream(scope, scope.dir());
  const { transit, routes, east, receipts, counts } = await startTransit(nc);
  await transit.take(passageOf('trade', [1, 10], ['x']));
  await transit.take(passageOf('trade', [11, 20], ['x']));
  await transit.take(passageOf('trade', [5, 15], ['x']));
  expect(counts).toEqual({ stored: 2, repeated: 1 });
  await transit.take(passageOf('trade', [5, 25], ['x']));
  await transit.take(passageOf('trade', [5, 15], ['x', 'y']));
  expect(counts).toEqual({ stored: 4, repeated: 1 });

  routes.set(fixedUuid('x'), 'east');
  routes.set(fixedUuid('y'), 'east');
  await eventually('all gone', () => transit.usedBytes === 0);
  const { manifest } = passageOf('trade', [1, 25], ['x']);
  const [{ groupId, terminalId }] = manifest.assignments as [{ groupId: string; terminalId: string; since: number }];
  await transit.take(passageOf('trade', [1, 10], ['x']));
  await eventually('it may be lost behind here, so it goes again', () => east.sent.length === 5);
  const receipt = receiptOf({ flow: manifest.flow, groupId, terminalId, received: RangeSet.of(25) });
  receipts.take(receipt, Buffer.alloc(100), { path: [terminalId], shun: [], hopLimit: 10 });
  await transit.take(passageOf('trade', [1, 10], ['x']));
  expect(counts.repeated).toBe(2);
});

test('a flow that is stuck finds the cache full, another one does not', async () => {
  const nc = await startJetStream(scope, scope.dir());
  const { transit } = await startTransit(nc, 2 * 1024 * 1024);
  let taken = 0;
  const fill = async (): Promise<void> => {
    for (; taken < 100; taken++)
      await transit.take(passageOf('trade', [taken + 1, taken + 1], ['x'], { bytes: 100_000 }));
  };
  await expect(fill()).rejects.toMatchObject({ code: 'E_CACHE_FULL' });
  expect(taken).toBeGreaterThan(8);
  expect(taken).toBeLessThan(12);
  await transit.take(passageOf('other', [1, 1], ['x'], { bytes: 100_000 }));
  await transit.take(passageOf('trade', [1, 1], ['y'], { bytes: 100_000 }));
});

test('removal leaves what is stuck between others where it is', async () => {
  const nc = await startJetStream(scope, scope.dir());
  const { transit, routes } = await startTransit(nc);
  for (let n = 1; n <= 60; n++) await transit.take(passageOf('trade', [n, n], [n % 10 === 0 ? 'stuck' : 'x']));
  routes.set(fixedUuid('x'), 'east');
  await eventually('only what is stuck is left', async () => (await storedIn(nc)) === 6);
  routes.set(fixedUuid('stuck'), 'east');
  await eventually('nothing is left', async () => (await storedIn(nc)) === 0);
});
