/**
 *   tokyo ══════ frankfurt     exchange publishes trade at tokyo, risk consumes at frankfurt; sidecars and nats-servers die
 *                              under load at either end
 */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { labKill, labStart } from '../../src/lab/index.ts';
import { Ledger, logLines, publishSome, seeded, startConsumer, startPublisher, useBus } from '../support/bus.ts';
import { twoSites } from '../support/topologies.ts';

const lab = useBus(twoSites);

test('twenty kills of either sidecar at random moments lose nothing and double nothing', {
  timeout: 240_000,
}, async () => {
  const random = seeded(20);
  const ledger = new Ledger();
  const consumer = await startConsumer(lab(), 'acme/risk-engine', 'trade@risk', ledger);
  const publisher = await startPublisher(lab(), {
    app: 'acme/exchange',
    subject: 'trade.x',
    perSecond: 600,
    ledger,
    sizeOf: (n) => (n % 50 === 0 ? 20_000 : n % 700),
  });
  const starts = new Map<string, Promise<void>>();
  for (let round = 0; round < 20; round++) {
    const site = random(2) === 0 ? 'tokyo' : 'frankfurt';
    await delay(300 + random(2_000));
    await labKill(lab().dir, site, 'sidecar');
    // one that is killed before it is ready counts as well
    await starts.get(site)?.catch(() => undefined);
    const started = labStart(lab().dir, site, 'sidecar');
    // it may be killed before anybody waits for it; the last of each site is awaited below
    started.catch(() => undefined);
    starts.set(site, started);
  }
  await Promise.all(starts.values());
  await publisher.stop();
  const verdict = await ledger.settle();
  await consumer.stop();
  expect(verdict).toEqual({ lost: [], doubled: [], changed: [] });
  expect(ledger.acked.size).toBeGreaterThan(5_000);
  expect(ledger.unknown.size + ledger.refused.size).toBe(0);
});

test('nats-server killed at origin and destination loses nothing that was confirmed and doubles nothing', {
  timeout: 180_000,
}, async () => {
  const random = seeded(8);
  const ledger = new Ledger();
  const consumer = await startConsumer(lab(), 'acme/risk-engine', 'trade@risk', ledger);
  const publisher = await startPublisher(lab(), {
    app: 'acme/exchange',
    subject: 'trade.x',
    perSecond: 400,
    ledger,
    sizeOf: (n) => n % 900,
  });
  for (const site of ['frankfurt', 'tokyo', 'tokyo', 'frankfurt', 'frankfurt', 'tokyo', 'frankfurt', 'tokyo']) {
    await delay(300 + random(1_200));
    await labKill(lab().dir, site, 'server');
    await delay(random(500));
    await labStart(lab().dir, site, 'server');
  }
  await delay(1_000);
  await publisher.stop();
  const verdict = await ledger.settle();
  await consumer.stop();
  expect(verdict).toEqual({ lost: [], doubled: [], changed: [] });
  expect(ledger.acked.size).toBeGreaterThan(1_000);
});

test('a sidecar that starts with a backlog has its first ticket at the first try', async () => {
  const { dir } = lab();
  await labKill(dir, 'tokyo', 'sidecar');
  const ledger = new Ledger();
  await publishSome(lab(), 'acme/exchange', 'trade.backlog', 50, ledger);
  const before = await logLines(lab(), 'tokyo', 'sealing.no-ticket');
  await labStart(dir, 'tokyo', 'sidecar');
  const consumer = await startConsumer(lab(), 'acme/risk-engine', 'trade@risk', ledger);
  expect(await ledger.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  await consumer.stop();
  expect(await logLines(lab(), 'tokyo', 'sealing.no-ticket')).toEqual(before);
});
