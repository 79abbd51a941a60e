/**
 *   n1 ──── n2 ──── n3     bulk and trade are published at n1 for n3, local for n2; n2 has room for 4 MiB
 */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { labCut, labRestore } from '../../../src/lab/index.ts';
import { Ledger, metricOf, startConsumer, startPublisher, useBus } from '../../support/bus.ts';
import { eventually } from '../../support/nats-server.ts';

process.env.MBUS_TRANSIT_MAX_BYTES = `${4 * 1024 * 1024}`;

const lab = useBus(`
sites:
  - {name: n1, mode: server, address: "n1.example.net:7422"}
  - {name: n2, mode: server, address: "n2.example.net:7422"}
  - {name: n3, mode: server, address: "n3.example.net:7422"}
customers:
  - name: acme
    terminals: [n1, n2, n3]
    links:
      - {between: [n1, n2], compress: never}
      - {between: [n2, n3], compress: never}
    topics:
      - {name: bulk,  groups: [{name: far, terminals: [n3]}]}
      - {name: trade, groups: [{name: far, terminals: [n3]}, {name: near, terminals: [n2]}]}
    apps:
      - {name: source, terminal: n1, publish: [bulk, trade]}
      - {name: near,   terminal: n2, consume: [trade@near]}
      - {name: far,    terminal: n3, consume: [bulk@far, trade@far]}
`);

const far = { customer: 'acme', a: 'n2', b: 'n3' };

test('a full cache makes its origin wait without sending again, holds up no other group, and empties by itself', async () => {
  const [bulk, trade, near] = [new Ledger(), new Ledger(), new Ledger()];
  const consumers = [
    await startConsumer(lab(), 'acme/far', 'bulk@far', bulk),
    await startConsumer(lab(), 'acme/far', 'trade@far', trade),
    await startConsumer(lab(), 'acme/near', 'trade@near', near),
  ];
  const app = 'acme/source';
  await labCut(lab().dir, far);
  const heavy = await startPublisher(lab(), {
    app,
    subject: 'bulk',
    perSecond: 200,
    ledger: bulk,
    sizeOf: () => 20_000,
  });
  await eventually(
    'the cache refuses',
    async () => (await metricOf(lab(), 'n2', 'mbus_envelopes_refused_total', 'E_CACHE_FULL')) > 0,
    30_000,
  );
  const light = await startPublisher(lab(), { app, subject: 'trade.x', perSecond: 100, ledger: trade });
  await delay(3_000);
  await Promise.all([heavy.stop(), light.stop()]);
  for (const id of trade.acked) near.acked.add(id);
  await eventually('the near group has all', () => near.missing().length === 0, 20_000);
  expect(near.verdict()).toEqual({ lost: [], doubled: [], changed: [] });
  expect(bulk.delivered + trade.delivered).toBe(0);
  expect(await metricOf(lab(), 'n2', 'mbus_transit_used_bytes')).toBeLessThan(4 * 1024 * 1024);
  const published = bulk.acked.size * 20_000;
  expect(await metricOf(lab(), 'n1', 'mbus_sent_bytes_total', 'bulk')).toBeLessThan(published);

  await labRestore(lab().dir, far);
  const verdicts = [await bulk.settle(), await trade.settle()];
  await Promise.all(consumers.map((consumer) => consumer.stop()));
  expect(verdicts).toEqual([
    { lost: [], doubled: [], changed: [] },
    { lost: [], doubled: [], changed: [] },
  ]);
  expect(await metricOf(lab(), 'n1', 'mbus_sent_bytes_total', 'bulk')).toBeLessThan(published * 1.5);
  await eventually('nothing is kept', async () => (await metricOf(lab(), 'n2', 'mbus_transit_used_bytes')) === 0);
});
