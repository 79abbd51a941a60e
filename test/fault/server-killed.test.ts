/**
 *   tokyo ══════ frankfurt     exchange publishes trade at tokyo, risk consumes at frankfurt; nats-server dies under load
 *                              at either end
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
          - {name: risk, terminals: [frankfurt], ackWaitMs: 2000}
    apps:
      - {name: exchange,    terminal: tokyo,     publish: [trade]}
      - {name: risk-engine, terminal: frankfurt, consume: [trade@risk]}
`);

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
