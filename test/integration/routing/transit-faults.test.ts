/**
 *        ┌─ t1 ── t2 ─┐     each link costs 1
 *   a ───┤            ├─── b
 *        └──── u ─────┘     each link costs 10
 *
 * exchange publishes trade at a, risk consumes at b; sites on the way die under load
 */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { labKill, labStart } from '../../../src/lab/index.ts';
import { Ledger, startConsumer, startPublisher, useBus } from '../../support/bus.ts';
import { settledOn, timeUntilPath } from '../../support/paths.ts';

const lab = useBus(`
sites:
  - {name: a,  mode: server, address: "a.example.net:7422"}
  - {name: b,  mode: server, address: "b.example.net:7422"}
  - {name: t1, mode: server, address: "t1.example.net:7422"}
  - {name: t2, mode: server, address: "t2.example.net:7422"}
  - {name: u,  mode: server, address: "u.example.net:7422"}
customers:
  - name: acme
    terminals: [a, b, t1, t2, u]
    links:
      - {between: [a, t1],  cost: 1}
      - {between: [t1, t2], cost: 1}
      - {between: [t2, b],  cost: 1}
      - {between: [a, u],   cost: 10}
      - {between: [u, b],   cost: 10}
    topics:
      - name: trade
        groups:
          - {name: risk, terminals: [b]}
    apps:
      - {name: exchange,    terminal: a, publish: [trade]}
      - {name: risk-engine, terminal: b, consume: [trade@risk]}
`);

const best = 'a>t1>t2>b';
const detour = 'a>u>b';

const deaths = [
  {
    name: 'a transit sidecar is killed and started again',
    strike: () => labKill(lab().dir, 't1', 'sidecar'),
    mend: () => labStart(lab().dir, 't1', 'sidecar'),
  },
  {
    name: 'a transit server is killed and started again',
    strike: () => labKill(lab().dir, 't2', 'server'),
    mend: () => labStart(lab().dir, 't2', 'server'),
  },
  {
    name: 'a transit site is gone for good',
    strike: async () => {
      await labKill(lab().dir, 't2', 'sidecar');
      await labKill(lab().dir, 't2', 'server');
    },
    mend: null,
  },
] as const;

test.each(deaths)('$name: everything arrives once', async ({ strike, mend }) => {
  const ledger = new Ledger();
  const consumer = await startConsumer(lab(), 'acme/risk-engine', 'trade@risk', ledger);
  const publisher = await startPublisher(lab(), {
    app: 'acme/exchange',
    subject: 'trade.x',
    perSecond: 300,
    ledger,
    sizeOf: (n) => (n % 40 === 0 ? 30_000 : 100),
  });
  try {
    await settledOn(lab(), best);
    if (mend === null) {
      const startMs = performance.now();
      await timeUntilPath(lab(), detour, strike);
      const ms = Math.round(performance.now() - startMs);
      process.stdout.write(`a transit site gone: ${detour.replaceAll('>', '-')} ${ms} ms after the first kill\n`);
    } else {
      await strike();
      await delay(500);
      await mend();
    }
    await settledOn(lab(), mend === null ? detour : best);
  } finally {
    await publisher.stop();
  }
  const verdict = await ledger.settle();
  await consumer.stop();
  expect(verdict).toEqual({ lost: [], doubled: [], changed: [] });
});
