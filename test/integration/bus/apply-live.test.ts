/**
 *   tokyo ══════ frankfurt      trade flows from tokyo to frankfurt all the time; the declared bus changes around it
 *     ╚═══ osaka ═══╝           osaka, its links and the topic quote come and go
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { labApply, labLinks, labStatus } from '../../../src/lab/index.ts';
import { serversInside } from '../../../src/lab/leftovers.ts';
import { processStart } from '../../../src/server/index.ts';
import { Ledger, publishSome, refreshed, startConsumer, startPublisher, useBus } from '../../support/bus.ts';
import { until } from '../../support/tcp.ts';

const bus = `
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
        groups:
          - {name: risk, terminals: [frankfurt]}
      - name: order
        groups:
          - {name: book, terminals: [frankfurt]}
    apps:
      - {name: exchange,    terminal: tokyo,     publish: [trade, order]}
      - {name: risk-engine, terminal: frankfurt, consume: [trade@risk]}
      - {name: book-far,    terminal: frankfurt, consume: [order@book]}
`;

const larger = bus
  .replace('customers:', '  - {name: osaka, mode: server, address: "osaka.example.net:7422"}\ncustomers:')
  .replace('terminals: [tokyo, frankfurt]', 'terminals: [tokyo, frankfurt, osaka]')
  .replace('    topics:', '      - {between: [osaka, tokyo]}\n      - {between: [osaka, frankfurt]}\n    topics:')
  .replace('    apps:', '      - name: quote\n        groups: [{name: wall, terminals: [osaka]}]\n    apps:')
  .replace('      - name: order', '          - {name: audit, terminals: [osaka]}\n      - name: order')
  .replace('publish: [trade, order]', 'publish: [trade, order, quote]')
  .concat('      - {name: wall,        terminal: osaka,     consume: [quote@wall]}\n');

const lab = useBus(bus);

async function servers(): Promise<string[]> {
  const pids = await serversInside(join(lab().dir, 'sites'));
  return pids.map((pid) => `${pid} ${processStart(pid)}`).sort();
}

test('what is added and removed disturbs no other flow and restarts no nats-server', { timeout: 120_000 }, async () => {
  const before = await servers();
  expect(before).toHaveLength(2);
  const ledger = new Ledger();
  const consumer = await startConsumer(lab(), 'acme/risk-engine', 'trade@risk', ledger);
  const publisher = await startPublisher(lab(), { app: 'acme/exchange', subject: 'trade.x', perSecond: 100, ledger });
  await until('messages flow', () => ledger.delivered > 20, 20_000);
  ledger.watchGaps();

  await labApply(lab().dir, larger, 'bus.yaml');
  expect(await servers()).toEqual(expect.arrayContaining(before));
  expect(await servers()).toHaveLength(3);
  const quotes = new Ledger();
  const wall = await startConsumer(await refreshed(lab()), 'acme/wall', 'quote@wall', quotes);
  await publishSome(lab(), 'acme/exchange', 'quote.usd', 20, quotes);
  expect(await quotes.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  await wall.stop();

  await labApply(lab().dir, bus, 'bus.yaml', { force: true });
  expect(await servers()).toEqual(before);
  expect((await labLinks(lab().dir)).map(({ link }) => link).join()).not.toContain('osaka');
  await delay(1_000);
  const gapMs = ledger.maxGapMs;
  await publisher.stop();
  expect(await ledger.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  await consumer.stop();
  expect(gapMs).toBeLessThan(3_000);
});

test('a site gets a second sidecar under load, and gives it up again', { timeout: 120_000 }, async () => {
  const two = bus.replace('{name: frankfurt, mode: server,', '{name: frankfurt, mode: server, sidecars: 2,');
  const before = await servers();
  const ledger = new Ledger();
  const consumer = await startConsumer(lab(), 'acme/risk-engine', 'trade@risk', ledger);
  const publisher = await startPublisher(lab(), { app: 'acme/exchange', subject: 'trade.x', perSecond: 100, ledger });
  await labApply(lab().dir, two, 'bus.yaml');
  const roles = async (): Promise<number> => {
    const { sites } = await labStatus(lab().dir);
    return sites.find(({ name }) => name === 'frankfurt')?.report?.sidecars.length ?? 0;
  };
  await until('two are told', async () => (await roles()) === 2, 20_000);
  await labApply(lab().dir, bus, 'bus.yaml');
  await until('one is', async () => (await roles()) < 2, 20_000);
  await publisher.stop();
  expect(await ledger.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  await consumer.stop();
  expect(await servers()).toEqual(before);
});

test('a group moves home and away again under load', { timeout: 120_000 }, async () => {
  const both = bus
    .replace('{name: book, terminals: [frankfurt]}', '{name: book, terminals: [tokyo, frankfurt]}')
    .concat('      - {name: book-near,   terminal: tokyo,     consume: [order@book]}\n');
  const ledger = new Ledger();
  const publisher = await startPublisher(lab(), { app: 'acme/exchange', subject: 'order.x', perSecond: 200, ledger });
  const far = await startConsumer(lab(), 'acme/book-far', 'order@book', ledger);
  await until('messages flow', () => ledger.delivered > 50, 20_000);
  for (const text of [both, bus, both]) {
    await labApply(lab().dir, text, 'bus.yaml');
    const near =
      text === both ? await startConsumer(await refreshed(lab()), 'acme/book-near', 'order@book', ledger) : undefined;
    await delay(2_000);
    await near?.stop();
  }
  await publisher.stop();
  const near = await startConsumer(await refreshed(lab()), 'acme/book-near', 'order@book', ledger);
  const verdict = await ledger.settle();
  await near.stop();
  await far.stop();
  expect(verdict).toEqual({ lost: [], doubled: [], changed: [] });
  expect(ledger.acked.size).toBeGreaterThan(500);
});
