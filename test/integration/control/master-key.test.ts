/** The master key from each of its sources, and its replacement: while a replica runs, and in a directory of its own. */
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { busFileSchema } from '../../../src/config/bus-file.ts';
import { initControl, rewrapMasterKey, startControl } from '../../../src/control.ts';
import { silentLogger } from '../../../src/log.ts';
import { startTestControl } from '../../support/control.ts';
import { runSql, startPostgres, type TestPostgres } from '../../support/postgres.ts';

const file = busFileSchema.parse({
  sites: [{ name: 'tokyo', mode: 'server', address: 'tokyo.example.net:7422' }],
  customers: [{ name: 'acme', terminals: ['tokyo'], topics: [{ name: 'trade' }] }],
});
const topic = { customer: 'acme', topic: 'trade' };
const any = '127.0.0.1:0';

let postgres: TestPostgres;
let root: string;

beforeAll(async () => {
  postgres = await startPostgres();
});

afterAll(() => postgres?.stop());

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'mbus-master-'));
  return () => rm(root, { recursive: true, force: true });
});

const start = (dir: string, databaseUrl: string, masterKey?: Parameters<typeof startControl>[0]['masterKey']) =>
  startControl({ dir, databaseUrl, masterKey, log: silentLogger });

test('it may come from a file, a variable or a command, raw or as text; another one is refused by name', async () => {
  const { url } = await postgres.createDatabase();
  const dir = join(root, 'control');
  await initControl({ dir, listen: any, leafListen: any });
  const key = await readFile(join(dir, 'master.key'));
  const hexFile = join(root, 'key.hex');
  await writeFile(hexFile, `${key.toString('hex')}\n`, { mode: 0o600 });
  const sources = [undefined, { file: hexFile }, { text: key.toString('base64') }, { command: `cat ${hexFile}` }];
  for (const source of sources) await (await start(dir, url, source)).stop();
  const wrong = [
    { text: key.toString('hex').slice(2) },
    { command: 'exit 3' },
    { command: 'echo hello' },
    { file: join(root, 'none') },
  ];
  for (const source of wrong) await expect(start(dir, url, source)).rejects.toMatchObject({ code: 'E_MASTER_KEY' });
  const other = start(dir, url, { text: Buffer.alloc(32, 5).toString('hex') });
  await expect(other).rejects.toMatchObject({
    code: 'E_MASTER_KEY',
    message: expect.stringMatching(/written with master key [0-9a-f]{16}/),
  });
});

test('replaced under a running replica: it goes on with the new key, and the old one opens nothing', {
  timeout: 120_000,
}, async () => {
  const { url } = await postgres.createDatabase();
  const control = await startTestControl(join(root, 'control'), url);
  await control.admin.call('bus.apply', { file });
  expect(await control.admin.call('key.rotate', topic)).toMatchObject({ epoch: 1 });
  const old = await readFile(join(control.dir, 'master.key'));
  const result = await rewrapMasterKey({ dir: control.dir, databaseUrl: url });
  expect(result.topicKeys).toBe(1);
  expect(result.secrets).toBeGreaterThan(5);
  const now = await readFile(join(control.dir, 'master.key'));
  expect(now.equals(old)).toBe(false);
  expect((await stat(join(control.dir, 'master.key'))).mode & 0o777).toBe(0o600);
  // the replica holds the old key until it is of no use to it
  const rotate = async (): Promise<number> => {
    for (;;) {
      try {
        return (await control.admin.call('key.rotate', topic)).epoch;
      } catch (error) {
        expect(error).toMatchObject({ code: 'E_TOPIC_KEY' });
      }
    }
  };
  expect(await rotate()).toBe(2);
  const { rows } = await control.admin.call('audit.list', { limit: 10 });
  expect(rows.find(({ action }) => action === 'key.rewrap')).toMatchObject({
    actor: 'operator',
    details: { topicKeys: 1 },
  });
  await control.stop();
  await expect(start(control.dir, url, { text: old.toString('hex') })).rejects.toMatchObject({ code: 'E_MASTER_KEY' });
  await (await start(control.dir, url)).stop();
});

test('a crash after the transaction: the next start finds the key that the database wants', async () => {
  const { url } = await postgres.createDatabase();
  const dir = join(root, 'control');
  await initControl({ dir, listen: any, leafListen: any });
  await (await start(dir, url)).stop();
  const old = await readFile(join(dir, 'master.key'));
  await rewrapMasterKey({ dir, databaseUrl: url });
  const next = await readFile(join(dir, 'master.key'));
  await writeFile(join(dir, 'master.key.next'), next, { mode: 0o600 });
  await writeFile(join(dir, 'master.key'), old, { mode: 0o600 });
  await (await start(dir, url)).stop();
  expect((await readFile(join(dir, 'master.key'))).equals(next)).toBe(true);
});

test('with a key that does not open them nothing is changed', async () => {
  const { url } = await postgres.createDatabase();
  const dir = join(root, 'control');
  await initControl({ dir, listen: any, leafListen: any });
  await (await start(dir, url)).stop();
  await runSql(url, 'update buses set master_key_id = null');
  const wrong = { text: Buffer.alloc(32, 5).toString('hex') };
  const to = { file: join(root, 'new.key') };
  await expect(rewrapMasterKey({ dir, databaseUrl: url, from: wrong, to })).rejects.toMatchObject({
    code: 'E_MASTER_KEY',
  });
  await expect(start(dir, url, wrong)).rejects.toMatchObject({ code: 'E_MASTER_KEY' });
  await (await start(dir, url)).stop();
});
