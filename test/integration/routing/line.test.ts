/**
 *   n1 ──── n2 ──── n3     the two links are never up at the same time
 *
 * MBUS_LINE_SECONDS: how long each is up (30 is the long form), MBUS_LINE_ROUNDS: how often.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { labCut, labRestore } from '../../../src/lab/index.ts';
import { Ledger, startConsumer, startPublisher, useBus } from '../../support/bus.ts';
import { lineOfThree } from '../../support/topologies.ts';

const seconds = Number(process.env.MBUS_LINE_SECONDS ?? 2);
const rounds = Number(process.env.MBUS_LINE_ROUNDS ?? 4);

const lab = useBus(lineOfThree);

const near = { customer: 'acme', a: 'n1', b: 'n2' };
const far = { customer: 'acme', a: 'n2', b: 'n3' };

test('what is published at one end arrives once at the other', {
  timeout: 60_000 + 2_500 * seconds * rounds,
}, async () => {
  const { dir } = lab();
  await labCut(dir, far);
  const ledger = new Ledger();
  const consumer = await startConsumer(lab(), 'acme/risk-engine', 'trade@risk', ledger);
  const publisher = await startPublisher(lab(), { app: 'acme/exchange', subject: 'trade.x', perSecond: 400, ledger });
  for (let round = 1; round <= rounds; round++) {
    await labCut(dir, far);
    await labRestore(dir, near);
    await delay(seconds * 1000);
    await labCut(dir, near);
    await labRestore(dir, far);
    await delay(seconds * 1000);
    process.stdout.write(`round ${round}: ${ledger.acked.size} published, ${ledger.delivered} arrived\n`);
  }
  expect(ledger.delivered).toBeGreaterThan(0);
  await publisher.stop();
  await labCut(dir, far);
  await labRestore(dir, near);
  await delay(seconds * 1000);
  await labCut(dir, near);
  await labRestore(dir, far);
  const verdict = await ledger.settle();
  await consumer.stop();
  expect(verdict).toEqual({ lost: [], doubled: [], changed: [] });
  expect(ledger.acked.size).toBeGreaterThan(100 * seconds * rounds);
});
