/**
 *   tokyo ══════ frankfurt     trade goes from tokyo to frankfurt, and the disk of the publisher's site fills up under load
 */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { cp, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { labKill, labStart, labStatus } from '../../src/lab/index.ts';
import { Ledger, logLines, startConsumer, startPublisher, useBus } from '../support/bus.ts';
import { until } from '../support/tcp.ts';
import { twoSites } from '../support/topologies.ts';

const mounts: string[] = [];
// while the lab runs: one that is being removed finds no way past a mount
afterEach(() => {
  for (const mount of mounts.splice(0)) execFileSync('umount', ['-l', mount]);
});

const lab = useBus(twoSites);

/** A disk of its own takes root: a tmpfs. Elsewhere this says so and passes. */
const canMount = process.platform === 'linux' && process.getuid?.() === 0;
if (!canMount) process.stderr.write('disk-full: no disk can be filled here, that takes root for a tmpfs\n');

/** Puts the site's store on a small disk of its own. */
async function smallDisk(site: string): Promise<string> {
  const store = join(lab().dir, 'sites', site, 'nats', 'store');
  await labKill(lab().dir, site, 'sidecar');
  await labKill(lab().dir, site, 'server');
  await rename(store, `${store}.before`);
  await mkdir(store, { mode: 0o700 });
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32m,mode=700', 'mbus-test', store]);
  mounts.push(store);
  await cp(`${store}.before`, store, { recursive: true });
  await labStart(lab().dir, site, 'server');
  await labStart(lab().dir, site, 'sidecar');
  return store;
}

function fill(store: string): void {
  const file = openSync(join(store, 'filler'), 'w');
  try {
    for (;;) writeSync(file, Buffer.alloc(64 * 1024));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    closeSync(file);
  }
}

async function problems(site: string): Promise<string[]> {
  const { sites } = await labStatus(lab().dir);
  return sites.find(({ name }) => name === site)?.report?.problems.map(({ code }) => code) ?? [];
}

test.runIf(canMount).each(['tokyo'])(
  'a disk that is full at %s stores nothing, loses nothing, and works again once there is room',
  { timeout: 180_000 },
  async (site) => {
    const store = await smallDisk(site);
    const ledger = new Ledger();
    const consumer = await startConsumer(lab(), 'acme/risk-engine', 'trade@risk', ledger);
    const options = { app: 'acme/exchange', subject: 'trade.x', perSecond: 300, ledger, sizeOf: () => 1_500 };
    const publisher = await startPublisher(lab(), options);
    await until('it flows', () => ledger.delivered > 100, 30_000);
    // acknowledged messages would make room again
    await consumer.stop();
    fill(store);
    await until('the status names the disk', async () => (await problems(site)).includes('E_DISK_FULL'), 40_000);
    await rm(join(store, 'filler'));
    // who publishes all the while is told no, or has it stored
    await until('nats-server was restarted', async () => (await logLines(lab(), site, 'disk.room')).length > 0, 30_000);
    await until('the problem is gone', async () => !(await problems(site)).includes('E_DISK_FULL'), 30_000);
    const acked = ledger.acked.size;
    await until('publishers are answered again', () => ledger.acked.size > acked + 100, 30_000);
    await publisher.stop();
    const late = await startConsumer(lab(), 'acme/risk-engine', 'trade@risk', ledger);
    expect(await ledger.settle(30_000)).toEqual({ lost: [], doubled: [], changed: [] });
    await late.stop();
  },
);
