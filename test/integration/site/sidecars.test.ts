/**
 * What outlives a sidecar, one site alone:
 *
 *   sidecar 1 (dies) ─▶ nats-server ◀─ sidecar 2 (adopts)      sidecar 3 (refused)
 */
import { spawn } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { expect, test } from 'vitest';
import { silentLogger } from '../../../src/log.ts';
import { openSiteDir, SiteServer, startSiteServer } from '../../../src/site/index.ts';
import { createCa } from '../../../src/trust/index.ts';
import { eventually, testScope } from '../../support/nats-server.ts';
import {
  exchange,
  joinSite,
  meshCustomer,
  newApp,
  snapshotFor,
  startSites,
  type TestBus,
  type TestSite,
} from '../../support/sites.ts';

const scope = testScope();

async function joined(): Promise<string> {
  const bus: TestBus = {
    busId: '7d444840-9dc0-41d1-8245-5ffdce74fad2',
    ca: await createCa({ name: 'bus' }),
    sites: [],
  };
  const path = scope.dir('site');
  await joinSite(path, bus, 'tokyo', 'server');
  return path;
}

test('a second sidecar for one site is refused, also from another process, until the first is gone', async () => {
  const path = await joined();
  const dir = await openSiteDir(path);
  const lock = await dir.lock();
  await expect((await openSiteDir(path)).lock()).rejects.toMatchObject({ code: 'E_SIDECAR_RUNNING' });
  await lock.release();

  const code = `const { openSiteDir } = await import(${JSON.stringify(new URL('../../../src/site/index.ts', import.meta.url).href)});
    await (await openSiteDir(${JSON.stringify(path)})).lock(); console.log('held'); setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  scope.onEnd(() => holder.kill('SIGKILL'));
  await new Promise((resolve) => holder.stdout.once('data', resolve));
  await expect(dir.lock()).rejects.toMatchObject({ code: 'E_SIDECAR_RUNNING' });
  holder.kill('SIGKILL');
  const next = await eventually('the lock died with its process', () => dir.lock().catch(() => undefined));
  await next.release();
});

test('the next sidecar adopts the server and changes nothing for what runs', async () => {
  const bus = await startSites(scope, ['tokyo']);
  const [site] = bus.sites as [TestSite];
  const customer = await meshCustomer('acme', bus.sites);
  customer.apps.set(site.id, [newApp('app', [], [])]);
  const snapshot = snapshotFor(bus, site, [customer]);
  const first = await site.server.apply(snapshot, () => true);
  const creds = readFileSync(site.dir.credsPath('acme', 'app'), 'utf8');
  const pid = readFileSync(site.dir.at('nats/nats-server.pid'), 'utf8');
  await site.server.close();

  const second = new SiteServer({ dir: await openSiteDir(site.dir.path), log: silentLogger });
  scope.onEnd(() => second.stopServer());
  await second.start();
  expect(await second.apply(snapshot, () => true)).toEqual(first);
  expect(readFileSync(site.dir.at('nats/nats-server.pid'), 'utf8')).toBe(pid);
  expect(readFileSync(site.dir.credsPath('acme', 'app'), 'utf8')).toBe(creds);
});

test('a sidecar told that the server is not its own waits for it, and leaves it alone when it dies', async () => {
  const dir = await openSiteDir(await joined());
  const sidecar = new SiteServer({ dir, log: silentLogger, isExternal: true });
  scope.onEnd(() => sidecar.close());
  let isStarted = false;
  const starting = sidecar.start().then(() => {
    isStarted = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(isStarted).toBe(false);
  const server = await startSiteServer({ dir, log: silentLogger });
  scope.onEnd(() => server.stop());
  await starting;
  server.kill('SIGKILL');
  await eventually('it is gone', () => !server.isRunning());
  const again = await startSiteServer({ dir, log: silentLogger });
  scope.onEnd(() => again.stop());
  expect(again.wasAdopted).toBe(false);
  const nc = await sidecar.connect('BUS');
  await nc.flush();
});

test('secrets of a site are readable by its owner only', async () => {
  const bus = await startSites(scope, ['tokyo']);
  const [{ dir, server }] = bus.sites as [TestSite];
  const customer = await meshCustomer('acme', bus.sites);
  customer.apps.set(dir.file.siteId, [newApp('app', [], [])]);
  await server.apply(snapshotFor(bus, bus.sites[0] as TestSite, [customer]), () => true);
  await dir.securekey(customer.terminals[0]?.id ?? '');
  const secrets = [
    'keys/operator.nk',
    'keys/request.key',
    'tls/key.pem',
    'apps/acme/app.creds',
    `terminals/${customer.terminals[0]?.id}/securekey`,
  ];
  for (const name of secrets) expect([name, statSync(dir.at(name)).mode & 0o777]).toEqual([name, 0o600]);
  expect(statSync(dir.at('keys')).mode & 0o777).toBe(0o700);
});

test('a directory that is no site is named', async () => {
  await expect(openSiteDir(scope.dir())).rejects.toMatchObject({ code: 'E_SITE_DIR' });
});

test('the first snapshot of a site decides its durability, which is read back; a later change waits for a restart and stops nothing else', async () => {
  const bus = await startSites(scope, ['frankfurt', 'tokyo']);
  const [site] = bus.sites as [TestSite];
  const config = (): string => readFileSync(site.dir.at('nats/server.conf'), 'utf8');
  const customer = await meshCustomer('acme', bus.sites);
  const withDurability = (durability: 'process' | 'power') => {
    const snapshot = snapshotFor(bus, site, [customer]);
    return { ...snapshot, site: { ...snapshot.site, durability } };
  };
  expect((await site.server.apply(withDurability('power'), () => true)).problems).toEqual([]);
  expect(config()).toContain('sync_interval: "always"');
  const pid = readFileSync(site.dir.at('nats/nats-server.pid'), 'utf8');

  const nc = await site.server.connect('BUS');
  const hasty = { name: 'hasty', subjects: ['hasty'], storage: 'file', persist_mode: 'async' };
  await nc.request('$JS.API.STREAM.CREATE.hasty', JSON.stringify(hasty));
  const { problems } = await site.server.apply(withDurability('power'), () => true);
  expect(problems).toMatchObject([{ code: 'E_NOT_DURABLE', text: expect.stringContaining('stream hasty of account') }]);

  await exchange({ ...bus, sites: bus.sites.slice(1) }, [customer]);
  const result = await site.server.apply(withDurability('process'), () => true);
  expect(result.problems).toMatchObject([{ code: 'E_SERVER_RESTART' }]);
  await eventually('the new link is up all the same', () => site.server.isLinkUp(customer.links[0]?.id ?? ''));
  expect(readFileSync(site.dir.at('nats/nats-server.pid'), 'utf8')).toBe(pid);

  process.kill(Number(pid), 'SIGTERM');
  await eventually('it was started with the new setting', () => config().includes('sync_interval: "2m"'));
  expect((await site.server.apply(withDurability('process'), () => true)).problems).toEqual([]);
});
