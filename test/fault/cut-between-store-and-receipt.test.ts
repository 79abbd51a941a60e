/**
 *   tokyo ══════ frankfurt     messages reach frankfurt and are stored; answers and receipts never get back.
 *         ◀──╳───              frankfurt dials, so the way back is the link's way up
 */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { labCut, labRestore, labSilence, labStatus } from '../../src/lab/index.ts';
import { Ledger, publishSome, startConsumer, useBus } from '../support/bus.ts';
import { until } from '../support/tcp.ts';
import { twoSites } from '../support/topologies.ts';

const lab = useBus(twoSites);
const link = { customer: 'acme', a: 'tokyo', b: 'frankfurt' };
/** longer than the capture stream's window for ids and than the link's patience with silence */
const longerThanWindowsMs = 4_000;

async function outgoing(): Promise<number> {
  const { sites } = await labStatus(lab().dir);
  const groups = sites.find(({ name }) => name === 'tokyo')?.report?.groups ?? [];
  return groups.reduce((sum, group) => sum + group.outgoing, 0);
}

test.each([
  ['cut', async () => void (await labCut(lab().dir, link))],
  ['silenced both ways', async () => void (await labSilence(lab().dir, link))],
  ['left half-open', async () => undefined],
])(
  'acknowledgement lost at the cut, longer than every window for duplicates: stored once, link %s',
  { timeout: 90_000 },
  async (_, worsen) => {
    const ledger = new Ledger();
    const consumer = await startConsumer(lab(), 'acme/risk-engine', 'trade@risk', ledger);
    await publishSome(lab(), 'acme/exchange', 'trade.before', 50, ledger);
    await until('the first ones arrive', () => ledger.missing().length === 0, 20_000);
    await until('and are receipted', async () => (await outgoing()) === 0, 20_000);

    await labSilence(lab().dir, link, 'up');
    await publishSome(lab(), 'acme/exchange', 'trade.during', 300, ledger);
    await until('they are stored at frankfurt', () => ledger.missing().length === 0, 20_000);
    expect(ledger.delivered).toBe(350);
    await worsen();
    await delay(longerThanWindowsMs);
    await until('tokyo still waits for receipts', async () => (await outgoing()) > 0, 20_000);
    await labRestore(lab().dir, link);

    await until('all is receipted', async () => (await outgoing()) === 0, 30_000);
    const verdict = await ledger.settle(5_000);
    await delay(1_500);
    await consumer.stop();
    expect({ ...verdict, ...ledger.verdict() }).toEqual({ lost: [], doubled: [], changed: [] });
    expect(ledger.delivered).toBe(350);
  },
);
