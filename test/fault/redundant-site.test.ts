/**
 *   tokyo ══════ frankfurt     exchange publishes trade at tokyo, risk consumes at frankfurt; two sidecars at each site
 *   (1) (2)       (1) (2)
 */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { labKill, labPause, labResume, labStart, type Part, pidsOf } from '../../src/lab/index.ts';
import { Ledger, startConsumer, startPublisher, useBus } from '../support/bus.ts';
import { adminOf, type TestLab } from '../support/lab.ts';
import { eventually } from '../support/nats-server.ts';
import { twoSites } from '../support/topologies.ts';

const lab = useBus(twoSites.replaceAll('mode: server,', 'mode: server, sidecars: 2,'));

/** Patience for a machine that does much else. */
function until<T>(what: string, check: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  return eventually(what, check, 90_000);
}

interface SeatStatus {
  isActive: boolean;
  isReady: boolean;
}

/** What a sidecar says of itself; undefined when it does not answer. */
async function seatStatus({ info }: TestLab, site: string, seat: number): Promise<SeatStatus | undefined> {
  const { metrics = '', standbys = [] } = info.sites[site] ?? {};
  const url = new URL([metrics, ...standbys][seat - 1] ?? '');
  try {
    const response = await fetch(`${url.origin}/status`, { signal: AbortSignal.timeout(5_000) });
    const status = (await response.json()) as { ready: boolean; sidecars: { seat: number; role: string }[] };
    return { isActive: status.sidecars[0]?.role === 'active', isReady: status.ready };
  } catch {
    return undefined;
  }
}

async function activeSeat(site: string): Promise<number | undefined> {
  const found = await Promise.all([1, 2].map((seat) => seatStatus(lab(), site, seat)));
  const seats = found.flatMap((status, at) => (status?.isActive ? [at + 1] : []));
  return seats.length === 1 ? seats[0] : undefined;
}

/** Spoils the active sidecar of a site; resolves with its seat and the milliseconds until the other is at work. */
async function takeOver(site: string, spoil: (part: Part) => Promise<void>): Promise<{ was: number; tookMs: number }> {
  const was = await until('one is active', () => activeSeat(site));
  const startMs = performance.now();
  await spoil(`sidecar:${was}`);
  const other = 3 - was;
  await until('the other works', async () => {
    const status = await seatStatus(lab(), site, other);
    return status?.isActive && status.isReady;
  });
  return { was, tookMs: Math.round(performance.now() - startMs) };
}

test('the active sidecar is killed at either end, then stopped for ten seconds: nothing is lost or doubled', {
  timeout: 500_000,
}, async () => {
  const { dir } = lab();
  const ledger = new Ledger();
  const consumer = await startConsumer(lab(), 'acme/risk-engine', 'trade@risk', ledger);
  const publisher = await startPublisher(lab(), {
    app: 'acme/exchange',
    subject: 'trade.x',
    perSecond: 100,
    ledger,
    sizeOf: (n) => n % 700,
  });
  await until('messages flow', () => ledger.delivered > 100);
  const told: string[] = [];
  for (const site of ['tokyo', 'frankfurt']) {
    ledger.watchGaps();
    const { was, tookMs } = await takeOver(site, (part) => labKill(dir, site, part));
    const before = ledger.delivered;
    await until('messages flow again', () => ledger.delivered > before);
    told.push(
      `${site} killed: at work after ${tookMs} ms, longest gap of deliveries ${Math.round(ledger.maxGapMs)} ms`,
    );
    await labStart(dir, site, `sidecar:${was}`);
  }
  for (const site of ['tokyo', 'frankfurt']) {
    ledger.watchGaps();
    const { was, tookMs } = await takeOver(site, (part) => labPause(dir, site, part));
    const before = ledger.delivered;
    await until('messages flow again', () => ledger.delivered > before);
    told.push(
      `${site} stopped: at work after ${tookMs} ms, longest gap of deliveries ${Math.round(ledger.maxGapMs)} ms`,
    );
    await delay(site === 'tokyo' ? Math.max(0, 10_000 - tookMs) : 0);
    await labResume(dir, site, `sidecar:${was}`);
    await until('the one that woke has ended', async () => (await pidsOf(dir, site, `sidecar:${was}`)).length === 0);
    expect(await activeSeat(site)).toBe(3 - was);
    await labStart(dir, site, `sidecar:${was}`);
  }
  await publisher.stop();
  const verdict = await ledger.settle();
  await consumer.stop();
  process.stdout.write(`${told.join('\n')}\n${ledger.acked.size} confirmed, ${ledger.delivered} delivered\n`);
  expect(verdict).toEqual({ lost: [], doubled: [], changed: [] });
  expect(ledger.unknown.size + ledger.refused.size).toBe(0);
});

test('status names who works, who stands by, and a standby that is missing', { timeout: 300_000 }, async () => {
  const { dir } = lab();
  const admin = await adminOf(lab());
  const tokyo = async () =>
    (await admin.call('bus.status', {})).sites.find(({ name }) => name === 'tokyo')?.report ?? undefined;
  try {
    const report = await until('both are told', async () => {
      const found = await tokyo();
      return found?.sidecars.length === 2 ? found : undefined;
    });
    expect(report.sidecars.map(({ role }) => role)).toEqual(['active', 'standby']);
    const standby = report.sidecars[1]?.seat ?? 0;
    await labKill(dir, 'tokyo', `sidecar:${standby}`);
    await until('it is missed', async () => (await tokyo())?.problems.some(({ code }) => code === 'E_NO_STANDBY'));
    await labStart(dir, 'tokyo', `sidecar:${standby}`);
    await until('it is back', async () => (await tokyo())?.problems.length === 0);
  } finally {
    await admin.close();
  }
});
