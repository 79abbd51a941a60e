/**
 *   tokyo ══════ frankfurt     messages reach frankfurt and are stored; answers and receipts never get back.
 *         ◀──╳───              frankfurt dials, so the way back is the link's way up
 */
import { jetstreamManager } from '@nats-io/jetstream';
import { expect, test } from 'vitest';
import { labCut, labRestore, labSilence, labStatus } from '../../src/lab/index.ts';
import { Ledger, publishSome, sidecarConnection, startConsumer, useBus } from '../support/bus.ts';
import { until } from '../support/tcp.ts';
import { twoSites } from '../support/topologies.ts';

const lab = useBus(twoSites);
const link = { customer: 'acme', a: 'tokyo', b: 'frankfurt' };

/** Tokyo has waited for an answer longer than it bears, which is longer than the capture stream's window for ids too. */
async function untilGivenUp(): Promise<void> {
  await until(
    'tokyo gives the link up',
    async () => {
      const { sites } = await labStatus(lab().dir);
      const links = sites.find(({ name }) => name === 'tokyo')?.report?.links ?? [];
      return links.some(({ state }) => state === 'down' || state === 'silent');
    },
    20_000,
  );
}

/** Also one that was stored twice has come out then. */
async function untilGroupIsEmpty(): Promise<void> {
  const sidecar = await sidecarConnection(lab(), 'frankfurt', 'acme');
  const jsm = await jetstreamManager(sidecar);
  await until(
    'frankfurt keeps nothing of it',
    async () => {
      const { state } = await jsm.streams.info('trade@risk', { subjects_filter: 'trade.>' });
      return Object.keys(state.subjects ?? {}).length === 0;
    },
    20_000,
  );
  await sidecar.close();
}

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
    await untilGivenUp();
    await until('tokyo still waits for receipts', async () => (await outgoing()) > 0, 20_000);
    await labRestore(lab().dir, link);

    await until('all is receipted', async () => (await outgoing()) === 0, 30_000);
    const verdict = await ledger.settle(5_000);
    await untilGroupIsEmpty();
    await consumer.stop();
    expect({ ...verdict, ...ledger.verdict() }).toEqual({ lost: [], doubled: [], changed: [] });
    expect(ledger.delivered).toBe(350);
  },
);
