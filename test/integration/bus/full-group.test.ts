/**
 *   tokyo ══════ hub ══════ osaka     trade is published at tokyo and at hub; osaka holds both of its groups, and that of
 *                                     `small` is soon full. What is for `big` must come as if `small` were not there.
 */
import { expect, test } from 'vitest';
import { labStatus } from '../../../src/lab/index.ts';
import { Ledger, startConsumer, startPublisher, useBus } from '../../support/bus.ts';
import { until } from '../../support/tcp.ts';

const kibibyte = 1024;
const lab = useBus(`
sites:
  - {name: tokyo, mode: server, address: "tokyo.example.net:7422"}
  - {name: hub,   mode: server, address: "hub.example.net:7422"}
  - {name: osaka, mode: server, address: "osaka.example.net:7422"}
customers:
  - name: acme
    terminals: [tokyo, hub, osaka]
    links:
      - {between: [tokyo, hub]}
      - {between: [hub, osaka]}
    topics:
      - name: trade
        groups:
          - {name: small, terminals: [osaka], maxBytes: ${256 * kibibyte}}
          - {name: big,   terminals: [osaka]}
    apps:
      - {name: far,   terminal: tokyo, publish: [trade]}
      - {name: near,  terminal: hub,   publish: [trade]}
      - {name: small, terminal: osaka, consume: [trade@small]}
      - {name: big,   terminal: osaka, consume: [trade@big]}
`);

async function outgoing(site: string, group: string): Promise<number> {
  const { sites, names } = await labStatus(lab().dir);
  const rows = sites.find(({ name }) => name === site)?.report?.groups ?? [];
  return rows.find(({ groupId }) => names[groupId]?.endsWith(group))?.outgoing ?? 0;
}

test.each([
  ['directly', 'acme/near', 'hub'],
  ['through another site', 'acme/far', 'tokyo'],
])('a full group delays no other group at its terminal, reached %s', { timeout: 120_000 }, async (_, app, site) => {
  const big = new Ledger();
  const consumer = await startConsumer(lab(), 'acme/big', 'trade@big', big);
  const options = { app, subject: 'trade.x', perSecond: 200, ledger: big, sizeOf: () => 2_000 };
  const publisher = await startPublisher(lab(), options);
  await until('the small group is full', async () => (await outgoing(site, 'trade@small')) > 400, 30_000);
  big.watchGaps();
  const before = big.delivered;
  await until('big gets what is new', () => big.delivered > before + 1_500, 30_000);
  const { maxGapMs } = big;
  await publisher.stop();
  expect(await big.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  expect(await outgoing(site, 'trade@small')).toBeGreaterThan(400);
  expect(maxGapMs).toBeLessThan(3_000);
  await consumer.stop();

  const small = new Ledger();
  for (const id of big.acked) small.acked.add(id);
  const late = await startConsumer(lab(), 'acme/small', 'trade@small', small);
  expect(await small.settle(30_000)).toEqual({ lost: [], doubled: [], changed: [] });
  await late.stop();
});
