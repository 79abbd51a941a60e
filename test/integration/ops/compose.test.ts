/**
 * The parts of docker-compose.yml without containers: each service's command and environment as they stand, its volumes as
 * directories, its host names and ports as free ports of this machine. The bus brings itself up, serves the console, carries a
 * message, and comes up again from its volumes.
 */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findRunning } from '../../../src/server/index.ts';
import { type ComposeService, composeFile } from '../../support/compose.ts';
import { freePort } from '../../support/nats-server.ts';
import { startPostgres, type TestPostgres } from '../../support/postgres.ts';
import { until } from '../../support/tcp.ts';

const at = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const { services } = composeFile();
const sites = ['tokyo', 'frankfurt', 'virginia'];
const running = new Set<ChildProcess>();
const ports = new Map<string, Promise<number>>();
let root: string;
let postgres: TestPostgres;
let databaseUrl: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'mbus-compose-'));
  postgres = await startPostgres();
  databaseUrl = await postgres.createEmptyDatabase();
  await mkdir(join(root, 'bin'));
  const mbus = `#!/bin/sh\nexec "${process.execPath}" "${at('cli/mbus.js')}" "$@"\n`;
  await writeFile(join(root, 'bin/mbus'), mbus, { mode: 0o755 });
  for (const name of ['secrets', 'control', 'tokens', ...sites]) await mkdir(join(root, name), { mode: 0o700 });
  await copyFile(at('ops/compose/bus.yaml'), join(root, 'bus.yaml'));
  const bus = await readFile(join(root, 'bus.yaml'), 'utf8');
  await writeFile(join(root, 'bus.yaml'), await replaceAddresses(bus, 'setup'));
});

afterAll(async () => {
  for (const child of running) child.kill('SIGTERM');
  await Promise.all([...running].map((child) => once(child, 'exit')));
  for (const site of ['control', ...sites]) {
    const dir = join(root, site, 'nats');
    await findRunning({ dir, configPath: join(dir, 'server.conf') })?.stop();
  }
  await postgres.stop();
  await rm(root, { recursive: true, force: true, maxRetries: 5 });
});

/** The free port that stands for a service's; asked for by several at once, it is one all the same. */
function portOf(service: string, port: string): Promise<number> {
  const key = `${service}:${port}`;
  const known = ports.get(key) ?? freePort();
  ports.set(key, known);
  return known;
}

/** `0.0.0.0:4222` of service tokyo and `tokyo:4222` are one free port here. */
async function replaceAddresses(text: string, service: string): Promise<string> {
  let replaced = text;
  for (const [address, host = '', port = ''] of text.matchAll(/\b(0\.0\.0\.0|control|tokyo|frankfurt):(\d+)/g)) {
    const here = await portOf(host === '0.0.0.0' ? service : host, port);
    replaced = replaced.replace(address, `127.0.0.1:${here}`);
  }
  return replaced;
}

async function environmentOf(name: string, { environment, volumes }: ComposeService): Promise<NodeJS.ProcessEnv> {
  const places = Object.fromEntries(
    volumes.map((mount) => {
      const [source = '', target = ''] = mount.split(':');
      return [target, source.startsWith('.') ? join(root, 'bus.yaml') : join(root, source)];
    }),
  );
  const entries = Object.entries(environment).map(async ([key, value]) => [
    key,
    places[value] ?? (await replaceAddresses(value, name)),
  ]);
  return {
    ...process.env,
    PATH: `${join(root, 'bin')}:${process.env.PATH}`,
    MBUS_DIR: places['/var/lib/mbus'] ?? '',
    MBUS_TOKENS: places['/var/lib/mbus-tokens'] ?? '',
    MBUS_SECRETS: places['/var/lib/mbus-secrets'] ?? '',
    ...(name === 'control' && { DATABASE_URL: databaseUrl }),
    ...Object.fromEntries(await Promise.all(entries)),
  };
}

async function start(name: string): Promise<ChildProcess> {
  const service = services[name];
  if (service === undefined) throw new Error(`no service ${name}`);
  const env = await environmentOf(name, service);
  const log = openSync(join(root, `${name}.log`), 'a');
  const stdio: StdioOptions = ['ignore', log, log];
  const child = spawn('sh', [at('ops/compose/start.sh'), ...(service.command ?? [])], { env, stdio });
  closeSync(log);
  running.add(child);
  child.on('exit', () => running.delete(child));
  return child;
}

/** A service that does its work and ends well. */
async function finish(name: string): Promise<void> {
  const child = await start(name);
  await once(child, 'exit');
  const said = await readFile(join(root, `${name}.log`), 'utf8');
  expect([name, child.exitCode, child.exitCode === 0 ? '' : said]).toEqual([name, 0, '']);
}

async function mbus(...args: string[]): Promise<{ code: number | null; stdout: string }> {
  const child = spawn(join(root, 'bin/mbus'), args, { stdio: ['ignore', 'pipe', 'ignore'] });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  await once(child, 'close');
  return { code: child.exitCode, stdout };
}

/** From tokyo to virginia. */
async function carries(text: string): Promise<void> {
  const creds = (site: string, app: string): string => join(root, site, 'apps/acme', `${app}.creds`);
  const url = async (site: string): Promise<string> => `nats://127.0.0.1:${await portOf(site, '4222')}`;
  const publish = ['pub', 'trade.x', text, '--server', await url('tokyo'), '--creds', creds('tokyo', 'exchange')];
  await until('it is stored in tokyo', async () => (await mbus(...publish)).code === 0, 120_000);
  const consume = ['sub', 'trade@risk', '--server', await url('virginia'), '--creds', creds('virginia', 'risk')];
  let got = { code: null as number | null, stdout: '' };
  const isThere = async (): Promise<boolean> => {
    // a site that has only just joined lets its applications in a moment later
    got = await mbus(...consume, '--count', '1', '--timeout-ms', '20000', '--json');
    return got.code === 0;
  };
  await until('virginia has it', isThere, 120_000);
  expect(JSON.parse(got.stdout)).toMatchObject({ subject: 'trade.x', data: text });
}

test('the bus brings itself up, and comes up again from what it kept', { timeout: 400_000 }, async () => {
  await finish('secret');
  const password = await readFile(join(root, 'secrets/postgres'), 'utf8');
  expect(password).toMatch(/^[0-9a-f]{48}$/);
  const control = await start('control');
  const daemons = await Promise.all(sites.map(start));
  await finish('setup');
  const page = await fetch(`http://127.0.0.1:${await portOf('control', '8443')}/`);
  expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('<title>')]);
  await carries('first');
  for (const child of [control, ...daemons]) {
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
  await finish('secret');
  expect(await readFile(join(root, 'secrets/postgres'), 'utf8')).toBe(password);
  await start('control');
  await Promise.all(sites.map(start));
  await finish('setup');
  await carries('second');
});
