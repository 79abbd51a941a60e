/**
 * Two replicas over one PostgreSQL, and a site whose control link may use either:
 *
 *   control A ═cluster═ control B          each: a process and its own nats-server
 *        ▲                  ▲
 *        └───leaf (CTL)─────┴── tokyo ◀── requests, one after the other
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { createAdminClient, createControlClient, joinSite } from '../../../src/api/index.ts';
import type { ControlClient } from '../../../src/api/methods.ts';
import { initControl, startControl } from '../../../src/control.ts';
import { silentLogger } from '../../../src/log.ts';
import { createSiteDir, prepareSiteDir, SiteServer } from '../../../src/site/index.ts';
import { eventually, freePort, natsBinary, testScope } from '../../support/nats-server.ts';
import { startPostgres, type TestPostgres } from '../../support/postgres.ts';

const scope = testScope();
const mbus = fileURLToPath(new URL('../../../cli/mbus.js', import.meta.url));
let postgres: TestPostgres;

beforeAll(async () => {
  postgres = await startPostgres();
  return () => postgres.stop();
});

interface ReplicaProcess {
  dir: string;
  monitor: string;
  process: ChildProcess;
}

async function startReplica(dir: string, databaseUrl: string, masterKeyFile: string): Promise<ReplicaProcess> {
  const monitor = `127.0.0.1:${await freePort()}`;
  const env = {
    PATH: process.env.PATH,
    NATS_SERVER: await natsBinary(),
    DATABASE_URL: databaseUrl,
    MBUS_MASTER_KEY_FILE: masterKeyFile,
    MBUS_LOG_LEVEL: 'error',
  };
  const args = [mbus, 'control', 'run', '--dir', dir, '--monitor', monitor];
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
  scope.onEnd(() => endReplica(dir, child));
  await eventually('the replica is ready', () => isReady(monitor), 40_000);
  return { dir, monitor, process: child };
}

async function isReady(monitor: string): Promise<boolean> {
  return fetch(`http://${monitor}/readyz`).then(
    (response) => response.ok,
    () => false,
  );
}

async function killProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

async function natsPid(dir: string): Promise<number> {
  return Number((await readFile(join(dir, 'nats', 'nats-server.pid'), 'utf8')).trim());
}

/** Kills the process and the nats-server it leaves behind, by the pid in its own directory. */
async function endReplica(dir: string, child: ChildProcess): Promise<void> {
  await killProcess(child);
  const pid = await natsPid(dir).catch(() => undefined);
  const cmdline = pid === undefined ? '' : await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  if (pid !== undefined && cmdline.includes(dir)) process.kill(pid, 'SIGKILL');
}

interface Watched {
  client: ControlClient;
  served: number;
  failed: unknown[];
}

/** A site that asks without a pause until the test ends. */
async function watchedSite(path: string, admin: ControlClient): Promise<Watched> {
  const { token } = await admin.call('token.create', { site: 'tokyo' });
  const { key, controlUser, csrPem } = await prepareSiteDir(path, 'tokyo');
  const enrolment = await joinSite(token, { key, controlUser, csrPem });
  expect(enrolment.control.leafUrls).toHaveLength(2);
  const dir = await createSiteDir({ path, listen: '127.0.0.1:0', enrolment });
  const server = new SiteServer({ dir, log: silentLogger });
  scope.onEnd(() => server.stopServer());
  await server.start();
  const nc = await server.connect('CTL', { name: 'test' });
  scope.onEnd(() => nc.close());
  const { busId, siteId, control } = enrolment;
  const client = createControlClient({ nc, busId, callerId: siteId, caller: key, control });
  const watched: Watched = { client, served: 0, failed: [] };
  let isEnding = false;
  const asking = (async () => {
    while (!isEnding) {
      await client.call('snapshot.get', { have: 0 }, { timeoutMs: 15_000 }).then(
        () => {
          watched.served += 1;
        },
        (error) => watched.failed.push(error),
      );
    }
  })();
  scope.onEnd(async () => {
    isEnding = true;
    await asking;
  });
  return watched;
}

async function servesMore(site: Watched): Promise<void> {
  const before = site.served;
  await eventually('the site is served', () => site.served >= before + 5, 20_000);
}

test('a site notices neither a killed replica, nor a killed nats-server, nor their return', {
  timeout: 180_000,
}, async () => {
  const url = await postgres.createEmptyDatabase();
  const [dirA, dirB] = [join(scope.dir(), 'a'), join(scope.dir(), 'b')];
  for (const dir of [dirA, dirB]) await initControl({ dir, listen: '127.0.0.1:0', leafListen: '127.0.0.1:0' });
  const masterKey = join(dirA, 'master.key');
  const a = await startReplica(dirA, url, masterKey);
  const b = await startReplica(dirB, url, masterKey);
  const admin = await createAdminClient(dirB);
  scope.onEnd(() => admin.close());
  const sites = [{ name: 'tokyo', mode: 'client' as const }];
  await admin.call('bus.apply', { file: { sites, customers: [] } });
  expect((await admin.call('bus.status', {})).replicas).toHaveLength(2);
  const site = await watchedSite(scope.dir('site'), admin);
  await servesMore(site);

  // the process of A dies; its nats-server lives on and carries requests to B
  await killProcess(a.process);
  const orphan = await natsPid(dirA);
  await servesMore(site);

  // A comes back and adopts its server
  await startReplica(dirA, url, masterKey);
  expect(await natsPid(dirA)).toBe(orphan);
  await servesMore(site);

  // each nats-server in turn dies under its process, so one of them carried the site's link
  for (const dir of [dirA, dirB]) {
    const pid = await natsPid(dir);
    process.kill(pid, 'SIGKILL');
    await servesMore(site);
    await eventually('its process starts another', async () => (await natsPid(dir).catch(() => pid)) !== pid, 20_000);
    await servesMore(site);
  }
  expect(site.failed).toEqual([]);
  expect(b.process.exitCode).toBeNull();
});

test('a replica with another master key does not start, and says which file to mend', async () => {
  const url = await postgres.createEmptyDatabase();
  const [dirA, dirB] = [join(scope.dir(), 'a'), join(scope.dir(), 'b')];
  for (const dir of [dirA, dirB]) await initControl({ dir, listen: '127.0.0.1:0', leafListen: '127.0.0.1:0' });
  const control = await startControl({ dir: dirA, databaseUrl: url, log: silentLogger });
  scope.onEnd(() => control.stop());
  const other = startControl({ dir: dirB, databaseUrl: url, log: silentLogger });
  await expect(other).rejects.toMatchObject({ code: 'E_MASTER_KEY' });
});

test('a replica whose database is down at start ends with its name', async () => {
  const dir = join(scope.dir(), 'c');
  await initControl({ dir, listen: '127.0.0.1:0', leafListen: '127.0.0.1:0' });
  const databaseUrl = `postgres://mbus:canary@127.0.0.1:${await freePort()}/mbus`;
  const starting = startControl({ dir, databaseUrl, log: silentLogger, databaseWaitMs: 300 });
  await expect(starting).rejects.toMatchObject({ code: 'E_DATABASE_AWAY' });
  await starting.catch((error) => expect(String(error.message)).not.toContain('canary'));
});
