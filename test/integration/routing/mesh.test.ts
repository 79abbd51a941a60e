/** The mesh of four under load (see meshOfFour for its picture). `npm run bench:reroute` measures the same more often. */
import { expect, test } from 'vitest';
import { labCut, labRestore, labSilence } from '../../../src/lab/index.ts';
import { Ledger, startConsumer, startPublisher, useBus } from '../../support/bus.ts';
import { settledOn, timeUntilPath } from '../../support/paths.ts';
import { meshOfFour, meshSteps } from '../../support/topologies.ts';

const lab = useBus(meshOfFour);

const faults = [
  { name: 'cut', spoil: labCut, withinMs: 1_000 },
  { name: 'silenced', spoil: labSilence, withinMs: 3_000 },
] as const;

test.each(faults)(
  'links $name one after the other under load: the next best path each time',
  async ({ name, spoil, withinMs }) => {
    expect(Math.max(...(await timeSteps(name, spoil)))).toBeLessThan(withinMs);
  },
);

async function timeSteps(name: string, spoil: typeof labCut): Promise<number[]> {
  const ledger = new Ledger();
  const consumer = await startConsumer(lab(), 'acme/risk-engine', 'trade@risk', ledger);
  const publisher = await startPublisher(lab(), { app: 'acme/exchange', subject: 'trade.x', perSecond: 300, ledger });
  const times: number[] = [];
  try {
    await settledOn(lab(), 'a>d>c>b');
    for (const { link, path } of meshSteps) {
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
  for (const { link } of meshSteps) await labRestore(lab().dir, { customer: 'acme', a: link[0], b: link[1] });
  expect(verdict).toEqual({ lost: [], doubled: [], changed: [] });
  return times;
}
