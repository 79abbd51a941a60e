/**
 *   sidecar 1 ─┐
 *              ├─▶ nats-server     the lease in BUS: one holds it, the other waits; who takes it shuts the first one out
 *   sidecar 2 ─┘
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { credsAuthenticator, type NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { silentLogger } from '../../../src/log.ts';
import { Lease, openSiteDir, SiteServer, startSiteServer } from '../../../src/site/index.ts';
import { eventually, testScope } from '../../support/nats-server.ts';
import { meshCustomer, newApp, snapshotFor, startSites, type TestSite } from '../../support/sites.ts';

const scope = testScope();

async function sidecarOf(site: TestSite): Promise<SiteServer> {
  const sidecar = new SiteServer({ dir: await openSiteDir(site.dir.path), log: silentLogger, isExternal: true });
  scope.onEnd(() => sidecar.close());
  await sidecar.open();
  return sidecar;
}

async function leaseOf(sidecar: SiteServer, seat: number): Promise<{ lease: Lease; nc: NatsConnection }> {
  const nc = await sidecar.connect('BUS', { endsWhenRefused: true });
  const self = { user: sidecar.user, seat };
  return { nc, lease: new Lease({ nc, self, replicas: 1, clock: systemClock, log: silentLogger }) };
}

const never = new AbortController().signal;
const soon = 30_000;

/** Whether the server answers on it. */
async function isAlive(nc: NatsConnection): Promise<boolean> {
  if (nc.isClosed()) return false;
  const answer = Promise.race([nc.flush().then(() => true), systemClock.sleep(1_000).then(() => false)]);
  return answer.catch(() => false);
}

/** Once the server has ended it; not tried again, for this process has other things to do. */
async function untilCut(nc: NatsConnection): Promise<string> {
  for await (const { type } of nc.status()) if (type === 'disconnect') break;
  await nc.close();
  return 'cut';
}

test('one holds the lease while it renews it; given up, the next has it at once, and nobody is to be shut out', async () => {
  const [site] = (await startSites(scope, ['tokyo'])).sites as [TestSite];
  const first = await leaseOf(await sidecarOf(site), 1);
  const second = await leaseOf(await sidecarOf(site), 2);
  expect(await first.lease.acquire(never)).toEqual([]);
  const taking = second.lease.acquire(never);
  await eventually('the second waits', () => second.lease.isWaiting, soon);
  const outcome = await Promise.race([taking.then(() => 'taken'), systemClock.sleep(4_000).then(() => 'held')]);
  expect(outcome).toBe('held');
  await first.lease.release();
  expect(await taking).toEqual([]);
});

test('a holder that does not renew is to be shut out, also by the one after a holder that died before it did so', async () => {
  const [site] = (await startSites(scope, ['tokyo'])).sites as [TestSite];
  const sidecars = await Promise.all([1, 2, 3].map(() => sidecarOf(site)));
  const [first, second, third] = await Promise.all(sidecars.map((sidecar, at) => leaseOf(sidecar, at + 1)));
  await first?.lease.acquire(never);
  await first?.nc.close();
  expect(await second?.lease.acquire(never)).toEqual([sidecars[0]?.user]);
  await second?.nc.close();
  expect(await third?.lease.acquire(never)).toEqual([sidecars[1]?.user, sidecars[0]?.user]);
  third?.lease.shut();
  await third?.lease.release();
  const last = await leaseOf(await sidecarOf(site), 4);
  expect(await last.lease.acquire(never)).toEqual([]);
});

test('the holder keeps the lease over a restart of nats-server that is longer than the lease', async () => {
  const [site] = (await startSites(scope, ['tokyo'])).sites as [TestSite];
  await site.server.stopServer();
  const server = await startSiteServer({ dir: site.dir, log: silentLogger });
  scope.onEnd(() => server.stop());
  const first = await leaseOf(await sidecarOf(site), 1);
  const second = await leaseOf(await sidecarOf(site), 2);
  await first.lease.acquire(never);
  const taking = second.lease.acquire(never);
  await eventually('the second waits', () => second.lease.isWaiting, soon);
  server.kill('SIGKILL');
  await eventually('it is gone', () => !server.isRunning(), soon);
  await systemClock.sleep(3_000);
  const again = await startSiteServer({ dir: site.dir, log: silentLogger });
  scope.onEnd(() => again.stop());
  await eventually('both are back', async () => (await isAlive(first.nc)) && (await isAlive(second.nc)), soon);
  const outcome = await Promise.race([
    taking.then(() => 'taken'),
    first.lease.lost.catch(() => 'lost'),
    systemClock.sleep(4_000).then(() => 'held'),
  ]);
  expect(outcome).toBe('held');
});

test('who takes over shuts the sidecar before it out of every account, also when it comes back, and no application', {
  timeout: 120_000,
}, async () => {
  const bus = await startSites(scope, ['frankfurt', 'tokyo']);
  const [frankfurt, tokyo] = bus.sites as [TestSite, TestSite];
  const customer = await meshCustomer('acme', bus.sites);
  customer.apps.set(tokyo.id, [newApp('app', [], [])]);
  const snapshot = snapshotFor(bus, tokyo, [customer]);
  await frankfurt.server.apply(snapshotFor(bus, frankfurt, [customer]), () => true);
  const before = tokyo.server;
  await before.apply(snapshot, () => true);
  const held = await leaseOf(before, 1);
  await held.lease.acquire(never);
  const link = before.links[0]?.linkId ?? '';
  const targets = ['SYS', 'BUS', 'CTL', { customer: customer.id }, { link }] as const;
  const connections = await Promise.all(targets.map((target) => before.connect(target)));
  const creds = readFileSync(tokyo.dir.credsPath('acme', 'app'));
  const app = await connect({ servers: tokyo.dir.file.listen, authenticator: credsAuthenticator(creds) });
  scope.onEnd(() => app.close());
  let hasAppClosed = false;
  void app.closed().then(() => {
    hasAppClosed = true;
  });

  // nats-server keeps no token on disk that was made in the same second as the one before; a lease takes longer to end
  await delay(1_000);
  const cut = connections.map(untilCut);
  const after = await sidecarOf(tokyo);
  await after.start([before.user]);
  await after.apply(snapshot, () => true);
  await expect(held.lease.lost).rejects.toMatchObject({ code: 'E_LEASE_LOST' });
  expect(await Promise.all(cut)).toEqual(targets.map(() => 'cut'));
  await before.close();
  // made with a token of this very second, and again after the server was restarted
  const anew = (target: (typeof targets)[number]): Promise<string> =>
    before.connect(target, { timeoutMs: 1_500 }).then(
      () => 'let in',
      () => 'refused',
    );
  expect(await Promise.all(targets.map(anew))).toEqual(targets.map(() => 'refused'));
  expect(await isAlive(app)).toBe(true);
  expect(hasAppClosed).toBe(false);

  const server = await startSiteServer({ dir: tokyo.dir, log: silentLogger });
  server.kill('SIGKILL');
  await eventually('it is gone', () => !server.isRunning(), soon);
  const again = await startSiteServer({ dir: tokyo.dir, log: silentLogger });
  scope.onEnd(() => again.stop());
  const next = await eventually('the one at work is back', () => after.connect('BUS').catch(() => undefined), soon);
  expect(await isAlive(next)).toBe(true);
  expect(await Promise.all(targets.map(anew))).toEqual(targets.map(() => 'refused'));
});
