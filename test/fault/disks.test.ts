/** Disks on the way (t) and at the end (b) of the diamond go back in time, or for good. */
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { labCut, labKill, labRestore, labStart, labStatus } from '../../src/lab/index.ts';
import { Ledger, logLines, metricOf, publishSome, startConsumer, useBus } from '../support/bus.ts';
import { untilHandedOver } from '../support/reports.ts';
import { until } from '../support/tcp.ts';
import { diamond } from '../support/topologies.ts';

const lab = useBus(diamond);

const link = (a: string, b: string) => ({ customer: 'acme', a, b });
const disk = (site: string): string => join(lab().dir, 'sites', site, 'nats', 'store');

async function killSite(site: string): Promise<void> {
  await labKill(lab().dir, site, 'sidecar');
  await labKill(lab().dir, site, 'server');
}

async function startSite(site: string): Promise<void> {
  await labStart(lab().dir, site, 'server');
  await labStart(lab().dir, site, 'sidecar');
}

async function report(site: string) {
  const { sites } = await labStatus(lab().dir);
  return sites.find(({ name }) => name === site)?.report;
}

const heldAt = (site: string): Promise<number> => metricOf(lab(), site, 'mbus_transit_used_bytes');

/** Publishes while t cannot go on to b, and resolves when t holds it. */
async function publishInto(subject: string, count: number, ledger: Ledger): Promise<void> {
  const stored = await metricOf(lab(), 't', 'mbus_transit_stored_total');
  await publishSome(lab(), 'acme/exchange', subject, count, ledger);
  await until(
    't holds some of it',
    async () => (await metricOf(lab(), 't', 'mbus_transit_stored_total')) > stored,
    20_000,
  );
  const sent = async (): Promise<number> => metricOf(lab(), 'a', 'mbus_messages_sent_total', 'topic="trade"');
  await until('all of it left a', async () => (await sent()) >= ledger.acked.size, 20_000);
  expect(await heldAt('t')).toBeGreaterThan(0);
}

test('a transit disk put back to an older copy costs nothing', { timeout: 120_000 }, async () => {
  await labCut(lab().dir, link('a', 'u'));
  const ledger = new Ledger();
  const consumer = await startConsumer(lab(), 'acme/risk-engine', 'trade@risk', ledger);
  await labCut(lab().dir, link('t', 'b'));
  await publishInto('trade.old', 300, ledger);
  await killSite('t');
  const copy = join(lab().dir, 't-copy');
  await cp(disk('t'), copy, { recursive: true });
  await labRestore(lab().dir, link('t', 'b'));
  await startSite('t');
  await until('what t held has arrived', () => ledger.missing().length === 0, 30_000);

  await labCut(lab().dir, link('t', 'b'));
  await publishInto('trade.new', 200, ledger);
  await killSite('t');
  await rm(disk('t'), { recursive: true });
  await cp(copy, disk('t'), { recursive: true });
  await labRestore(lab().dir, link('t', 'b'));
  await startSite('t');
  expect(await ledger.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  await untilHandedOver(lab(), 'a');
  await consumer.stop();
  expect(ledger.verdict()).toEqual({ lost: [], doubled: [], changed: [] });
  await labRestore(lab().dir, link('a', 'u'));
});

test('a destination disk put back to an older copy is found out and told; what comes next goes on', {
  timeout: 120_000,
}, async () => {
  const publish = async (count: number): Promise<Ledger> => {
    const ledger = new Ledger();
    await publishSome(lab(), 'acme/exchange', 'order.x', count, ledger);
    await untilHandedOver(lab(), 'a');
    return ledger;
  };
  const kept = await publish(50);
  await killSite('b');
  const copy = join(lab().dir, 'b-copy');
  await cp(disk('b'), copy, { recursive: true });
  await startSite('b');
  await publish(100);
  await killSite('b');
  await rm(disk('b'), { recursive: true });
  await cp(copy, disk('b'), { recursive: true });
  await startSite('b');
  const next = await publish(30);

  const told = async () => (await report('b'))?.problems.find(({ code }) => code === 'E_ROLLED_BACK')?.text;
  await until('b tells what it lost', async () => (await told()) !== undefined, 10_000);
  expect(await told()).toBe('order@desk from a: 100 sequences were receipted here and are not on this disk: 51-150');
  expect(await metricOf(lab(), 'b', 'mbus_messages_lost_total')).toBe(100);
  expect(await logLines(lab(), 'b', 'delivery.rolled-back')).toHaveLength(1);
  const ledger = new Ledger();
  for (const id of [...kept.acked, ...next.acked]) ledger.acked.add(id);
  const consumer = await startConsumer(lab(), 'acme/desk-app', 'order@desk', ledger);
  expect(await ledger.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  await consumer.stop();
  expect(ledger.delivered).toBe(80);
});

/** Publishes 40, keeps a copy of the publisher's disk, publishes 100 more, and puts the copy back. */
async function putBackOrigin(killed: 'site' | 'server'): Promise<Ledger> {
  const ledger = new Ledger();
  await publishSome(lab(), 'acme/exchange', 'order.copied', 40, ledger);
  await untilHandedOver(lab(), 'a');
  await killSite('a');
  const copy = join(lab().dir, `a-copy-${killed}`);
  await cp(disk('a'), copy, { recursive: true });
  await startSite('a');
  await publishSome(lab(), 'acme/exchange', 'order.after', 100, ledger);
  await untilHandedOver(lab(), 'a');
  if (killed === 'site') await killSite('a');
  else await labKill(lab().dir, 'a', 'server');
  await rm(disk('a'), { recursive: true });
  await cp(copy, disk('a'), { recursive: true });
  if (killed === 'site') await startSite('a');
  else await labStart(lab().dir, 'a', 'server');
  return ledger;
}

test.each(['site', 'server'] as const)(
  "the publisher's disk put back to an older copy, its %s killed: what is published next arrives, and it is told",
  { timeout: 120_000 },
  async (killed) => {
    const lostBefore = await metricOf(lab(), 'b', 'mbus_messages_lost_total');
    const ledger = await putBackOrigin(killed);
    const consumer = await startConsumer(lab(), 'acme/desk-app', 'order@desk', ledger);
    // fewer than were lost: all of them bear sequences that the destination has receipts for
    await publishSome(lab(), 'acme/exchange', 'order.next', 30, ledger);
    expect(await ledger.settle(30_000)).toEqual({ lost: [], doubled: [], changed: [] });
    await consumer.stop();
    expect(ledger.delivered).toBe(170);
    const told = async () => (await report('a'))?.problems.filter(({ code }) => code === 'E_ROLLED_BACK') ?? [];
    await until('a tells of its disk', async () => (await told()).length > 0, 10_000);
    expect((await told())[0]?.text).toMatch(/^the capture stream of order was put back to an older copy: /);
    expect(await metricOf(lab(), 'b', 'mbus_messages_lost_total')).toBe(lostBefore);
  },
);

test('a transit site deleted for good with envelopes inside: all arrives by another way, once', {
  timeout: 120_000,
}, async () => {
  const ledger = new Ledger();
  const consumer = await startConsumer(lab(), 'acme/risk-engine', 'trade@risk', ledger);
  await labCut(lab().dir, link('a', 'u'));
  await labCut(lab().dir, link('t', 'b'));
  const stored = await metricOf(lab(), 't', 'mbus_transit_stored_total');
  await publishSome(lab(), 'acme/exchange', 'trade.inside', 500, ledger);
  await until('t holds them', async () => (await metricOf(lab(), 't', 'mbus_transit_stored_total')) > stored, 20_000);
  expect(ledger.delivered).toBe(0);
  await killSite('t');
  await rm(join(lab().dir, 'sites', 't'), { recursive: true });
  await labRestore(lab().dir, link('a', 'u'));
  const startMs = performance.now();
  expect(await ledger.settle(30_000)).toEqual({ lost: [], doubled: [], changed: [] });
  process.stdout.write(
    `deleted transit: all arrived ${Math.round(performance.now() - startMs)} ms after another way was up\n`,
  );
  await untilHandedOver(lab(), 'a');
  await consumer.stop();
  expect(ledger.verdict()).toEqual({ lost: [], doubled: [], changed: [] });
});
