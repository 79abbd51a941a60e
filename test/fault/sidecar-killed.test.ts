/**
 *   tokyo ══════ frankfurt     exchange publishes trade at tokyo, risk consumes at frankfurt; sidecars die under load
 */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { labKill, labStart } from '../../src/lab/index.ts';
import { Ledger, seeded, startConsumer, startPublisher, useBus } from '../support/bus.ts';

const lab = useBus(`
sites:
  - {name: tokyo,     mode: server, address: "tokyo.example.net:7422"}
  - {name: frankfurt, mode: server, address: "fra.example.net:7422"}
customers:
  - name: acme
    terminals: [tokyo, frankfurt]
    links:
      - {between: [tokyo, frankfurt]}
    topics:
      - name: trade
        dedupeMs: 100
        groups:
          - {name: risk, terminals: [frankfurt]}
    apps:
      - {name: exchange,    terminal: tokyo,     publish: [trade]}
      - {name: risk-engine, terminal: frankfurt, consume: [trade@risk]}
`);

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
