/**
 *   exchange ─▶ tokyo ═════ frankfurt ═════ virginia ─▶ archiver      envelopes wait at frankfurt, tokyo is gone meanwhile,
 *                            (transit)                                and the key service's clock moves on
 *
 * MBUS_REAL_TIME=1 waits until the ticket has ended by a clock that nobody moves: `npm run test:real-time`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import type { ControlClient, ResponseOf } from '../../../src/api/methods.ts';
import { labClock, labCut, labKill, labRestore, labStart } from '../../../src/lab/index.ts';
import { Ledger, metricOf, publishSome, startConsumer, useBus } from '../../support/bus.ts';
import { mbus } from '../../support/cli.ts';
import { adminOf } from '../../support/lab.ts';
import { until } from '../../support/tcp.ts';

const lab = useBus(`
sites:
  - {name: tokyo,     mode: server, address: "tokyo.example.net:7422"}
  - {name: frankfurt, mode: server, address: "fra.example.net:7422"}
  - {name: virginia,  mode: client}
customers:
  - name: acme
    terminals: [tokyo, frankfurt, virginia]
    links:
      - {between: [tokyo, frankfurt]}
      - {between: [virginia, frankfurt]}
    topics:
      - {name: trade, groups: [{name: archive, terminals: [virginia]}]}
    apps:
      - {name: exchange, terminal: tokyo,    publish: [trade]}
      - {name: archiver, terminal: virginia, consume: [trade@archive]}
`);

const lastHop = { customer: 'acme', a: 'virginia', b: 'frankfurt' };
const clean = { lost: [], doubled: [], changed: [] };
const hour = 3_600_000;
const isRealTime = process.env.MBUS_REAL_TIME === '1';
/** a ticket's five minutes, and some more */
const outlivedMs = 310_000;
const count = 50;
const ledger = new Ledger();
let admin: ControlClient;

beforeAll(async () => {
  admin = await adminOf(lab());
  await startConsumer(lab(), 'acme/archiver', 'trade@archive', ledger);
  return () => admin.close();
});

/** Messages sealed and stored at frankfurt, their origin dead; the way on is cut. */
async function strand(): Promise<void> {
  await labCut(lab().dir, lastHop);
  const before = await metricOf(lab(), 'frankfurt', 'mbus_transit_stored_total');
  await publishSome(lab(), 'acme/exchange', 'trade.x', count, ledger);
  await until(
    'frankfurt holds them',
    async () => (await metricOf(lab(), 'frankfurt', 'mbus_transit_stored_total')) > before,
    60_000,
  );
  await labKill(lab().dir, 'tokyo', 'sidecar');
}

test('what arrives after its ticket ended is opened by a new password, once, its origin gone', {
  timeout: 180_000 + outlivedMs,
}, async () => {
  await strand();
  if (isRealTime) await delay(outlivedMs);
  else await labClock(lab().dir, hour);
  expect(ledger.delivered).toBe(0);
  await labRestore(lab().dir, lastHop);
  await until('all arrive', () => ledger.delivered === count, 60_000);
  const { rows } = await admin.call('audit.list', { limit: 100 });
  const renewed = rows.filter(({ action }) => action === 'key.reticket');
  expect(renewed.length).toBeGreaterThan(0);
  expect(await ledger.settle()).toEqual(clean);
  expect(renewed[0]).toMatchObject({ actor: 'site:virginia', noun: 'acme/trade' });
  await labStart(lab().dir, 'tokyo', 'sidecar');
});

test('past maxTransitAge it is put aside whole and seen in the status; its origin sends again what it still has', {
  timeout: 240_000,
}, async () => {
  await strand();
  await labClock(lab().dir, hour + 7.5 * 24 * hour);
  await labRestore(lab().dir, lastHop);
  const told = async (): Promise<string> => {
    const { sites }: ResponseOf<'bus.status'> = await admin.call('bus.status', {});
    const problems = sites.find(({ name }) => name === 'virginia')?.report?.problems ?? [];
    return problems.find(({ code }) => code === 'E_QUARANTINED')?.text ?? '';
  };
  await until('virginia tells', async () => (await told()) !== '', 60_000);
  expect(await told()).toMatch(/^acme: \d+ envelopes came too late/);
  expect(ledger.delivered).toBe(count);
  await labStart(lab().dir, 'tokyo', 'sidecar');
  await until('they come again', () => ledger.delivered === 2 * count, 120_000);
  expect(await ledger.settle()).toEqual(clean);
});

test('a clock of its own is for a control plane on loopback only', async () => {
  const init = await mbus([
    'init',
    '--dir',
    `${lab().dir}/open`,
    '--listen',
    '0.0.0.0:0',
    '--leaf-listen',
    '0.0.0.0:0',
  ]);
  expect(init).toMatchObject({ code: 0 });
  const run = await mbus(['control', 'run', '--dir', `${lab().dir}/open`, '--clock-file', '/dev/null']);
  expect(run).toMatchObject({ code: 2, stderr: expect.stringContaining('listens beyond loopback') });
});
