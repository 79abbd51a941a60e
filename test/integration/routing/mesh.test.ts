/**
 *   a ──1── d      a b 100 · a c 50 · a d 1 · b c 1 · b d 20 · c d 1
 *   │ ╲   ╱ │      exchange publishes trade at a, risk consumes at b
 *  100  ╳   1      best: a d c b · without c d: a d b · without b d too: a c b · without b c too: a b
 *   │ ╱   ╲ │
 *   b ──1── c
 */
import { expect, test } from 'vitest';
import { labCut, labRestore, labSilence } from '../../../src/lab/index.ts';
import { Ledger, startConsumer, startPublisher, useBus } from '../../support/bus.ts';
import { settledOn, timeUntilPath } from '../../support/paths.ts';

const lab = useBus(`
sites:
  - {name: a, mode: server, address: "a.example.net:7422"}
  - {name: b, mode: server, address: "b.example.net:7422"}
  - {name: c, mode: server, address: "c.example.net:7422"}
  - {name: d, mode: server, address: "d.example.net:7422"}
customers:
  - name: acme
    terminals: [a, b, c, d]
    links:
      - {between: [a, b], cost: 100}
      - {between: [a, c], cost: 50}
      - {between: [a, d], cost: 1}
      - {between: [b, c], cost: 1}
      - {between: [b, d], cost: 20}
      - {between: [c, d], cost: 1}
    topics:
      - name: trade
        groups:
          - {name: risk, terminals: [b]}
    apps:
      - {name: exchange,    terminal: a, publish: [trade]}
      - {name: risk-engine, terminal: b, consume: [trade@risk]}
`);

const steps = [
  { link: ['c', 'd'], path: 'a>d>b' },
  { link: ['b', 'd'], path: 'a>c>b' },
  { link: ['b', 'c'], path: 'a>b' },
] as const;

const faults = [
  { name: 'cut', spoil: labCut, withinMs: 1_000 },
  { name: 'silenced', spoil: labSilence, withinMs: 3_000 },
] as const;

/** A machine that is busy with other tests is slow now and then; nothing may be lost or doubled in either run. */
const runs = 2;

test.each(faults)(
  'links $name one after the other under load: the next best path each time',
  async ({ name, spoil, withinMs }) => {
    let slowestMs = Number.POSITIVE_INFINITY;
    for (let run = 1; run <= runs && slowestMs >= withinMs; run++) {
      slowestMs = Math.max(...(await timeSteps(name, spoil)));
    }
    expect(slowestMs).toBeLessThan(withinMs);
  },
);

async function timeSteps(name: string, spoil: typeof labCut): Promise<number[]> {
  const ledger = new Ledger();
  const consumer = await startConsumer(lab(), 'acme/risk-engine', 'trade@risk', ledger);
  const publisher = await startPublisher(lab(), { app: 'acme/exchange', subject: 'trade.x', perSecond: 300, ledger });
  const times: number[] = [];
  try {
    await settledOn(lab(), 'a>d>c>b');
    for (const { link, path } of steps) {
      const [a, b] = link;
      const ms = await timeUntilPath(lab(), path, () => spoil(lab().dir, { customer: 'acme', a, b }));
      process.stdout.write(`${a}-${b} ${name}: ${path.replaceAll('>', '-')} after ${Math.round(ms)} ms\n`);
      times.push(ms);
    }
  } finally {
    await publisher.stop();
  }
  const verdict = await ledger.settle();
  await consumer.stop();
  for (const { link } of steps) await labRestore(lab().dir, { customer: 'acme', a: link[0], b: link[1] });
  expect(verdict).toEqual({ lost: [], doubled: [], changed: [] });
  return times;
}
