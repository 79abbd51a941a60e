/** Backups of a living bus, restored into an empty database; and those that are not whole, refused before anything is written. */
import { copyFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BackupFacts, passingTables, savedTables } from '../../../src/backup/index.ts';
import { busFileSchema } from '../../../src/config/bus-file.ts';
import { backupControl, initControl, restoreControl, startControl, verifyControlBackup } from '../../../src/control.ts';
import { silentLogger } from '../../../src/log.ts';
import { openDatabase } from '../../../src/registry/index.ts';
import { mbus, mbusJson } from '../../support/cli.ts';
import { joinTestSite, startTestControl } from '../../support/control.ts';
import { startPostgres, type TestPostgres } from '../../support/postgres.ts';

const busOf = (...customers: string[]) =>
  busFileSchema.parse({
    sites: [{ name: 'tokyo', mode: 'server', address: 'tokyo.example.net:7422' }],
    customers: customers.map((name) => ({ name, terminals: ['tokyo'], topics: [{ name: 'trade' }] })),
  });
const any = '127.0.0.1:0';

let postgres: TestPostgres;
let root: string;
let key: { file: string };
let whole: string;

beforeAll(async () => {
  postgres = await startPostgres();
  root = await mkdtemp(join(tmpdir(), 'mbus-backup-'));
  key = { file: join(root, 'backup.key') };
  whole = join(root, 'bus.mbus');
});

/** stopped again at the end, where a test failed before it came to that */
const started: { stop(): Promise<void> }[] = [];

afterAll(async () => {
  for (const each of started) await each.stop().catch(() => undefined);
  await postgres?.stop();
  await rm(root, { recursive: true, force: true });
});

/** A directory as `mbus init` makes it, with the master key of another. */
async function newDir(name: string, from?: string): Promise<string> {
  const dir = join(root, name);
  await initControl({ dir, listen: any, leafListen: any });
  if (from !== undefined) await copyFile(join(from, 'master.key'), join(dir, 'master.key'));
  return dir;
}

test('every table is in a backup, or known to pass', async () => {
  const { db } = await postgres.createDatabase();
  const { rows } = await sql<{ name: string }>`
    select table_name as name from information_schema.tables where table_schema = 'public'`.execute(db);
  const tables = rows.map(({ name }) => name).filter((name) => !name.startsWith('kysely_'));
  expect(tables.sort()).toEqual([...savedTables, ...passingTables].sort());
});

test('a bus comes back with its keys, its sites go on, and what came after the backup is gone', {
  timeout: 120_000,
}, async () => {
  const { url, db } = await postgres.createDatabase();
  const first = await startTestControl(join(root, 'first'), url);
  started.push(first);
  await first.admin.call('bus.apply', { file: busOf('acme') });
  await first.admin.call('key.rotate', { customer: 'acme', topic: 'trade' });
  const site = await joinTestSite(first, 'tokyo');
  const made = await backupControl({ dir: first.dir, databaseUrl: url, file: whole, key });
  expect((await stat(whole)).mode & 0o777).toBe(0o600);
  expect((await stat(key.file)).mode & 0o777).toBe(0o600);
  expect(made.rows).toMatchObject({ sites: 1, customers: 1, topics: 1, topic_keys: 1 });
  // names and wrapped secrets alike are not to be read in it
  expect((await readFile(whole)).includes('acme')).toBe(false);
  const { version } = await first.admin.call('bus.apply', { file: busOf('acme', 'globex') });
  const rootsBefore = await db.selectFrom('topic_keys').selectAll().orderBy('topic_id').limit(1).execute();
  await first.stop();

  const emptyUrl = await postgres.createEmptyDatabase();
  const dir = await newDir('second', first.dir);
  expect(await restoreControl({ dir, databaseUrl: emptyUrl, file: whole, key })).toEqual(made);
  const second = await startTestControl(join(root, 'restored'), emptyUrl, { masterKeyOf: first.dir });
  try {
    const { file } = await second.admin.call('bus.export', {});
    expect(file.customers.map(({ name }) => name)).toEqual(['acme']);
    expect(second.adminFile.control.signKey).toBe(first.adminFile.control.signKey);
    const answer = await second.clientOf(site.key).call('snapshot.get', { have: version });
    expect(answer.version).toBeGreaterThan(version);
    expect(answer.snapshot).toContain('acme');
    expect(await second.admin.call('audit.verify', {})).toMatchObject({ ok: true });
    const restored = await openDatabase({ url: emptyUrl, log: silentLogger });
    const roots = await restored.selectFrom('topic_keys').selectAll().execute();
    await restored.destroy();
    expect(rootsBefore).toContainEqual(roots[0]);
  } finally {
    await second.stop();
  }
});

test('what is not whole, or not for here, is refused and leaves nothing', async () => {
  const bytes = await readFile(whole);
  const damaged = async (name: string, content: Buffer): Promise<string> => {
    await writeFile(join(root, name), content);
    return join(root, name);
  };
  const flipped = Buffer.from(bytes);
  flipped[bytes.length - 40] = (flipped[bytes.length - 40] ?? 0) ^ 1;
  const files = [
    await damaged('flipped', flipped),
    await damaged('cut', bytes.subarray(0, bytes.length - 100)),
    await damaged('longer', Buffer.concat([bytes, bytes.subarray(-200)])),
    await damaged('head', Buffer.from(bytes.toString('latin1').replace('"createdAt":"2', '"createdAt":"1'), 'latin1')),
    await damaged('none', Buffer.from('hello')),
  ];
  for (const file of files)
    await expect(verifyControlBackup({ file, key }), file).rejects.toMatchObject({ code: 'E_BACKUP_BAD' });
  const other = { text: Buffer.alloc(32, 7).toString('hex') };
  await expect(verifyControlBackup({ file: whole, key: other })).rejects.toMatchObject({
    code: 'E_BACKUP_BAD',
    message: expect.stringMatching(/made with backup key [0-9a-f]{16}/),
  });
  const dir = await newDir('third');
  const emptyUrl = await postgres.createEmptyDatabase();
  const restore = (file: string, databaseUrl: string) => restoreControl({ dir, databaseUrl, file, key });
  await expect(restore(whole, emptyUrl)).rejects.toMatchObject({ code: 'E_MASTER_KEY' });
  await copyFile(join(root, 'first/master.key'), join(dir, 'master.key'));
  for (const file of files) await expect(restore(file, emptyUrl), file).rejects.toMatchObject({ code: 'E_BACKUP_BAD' });
  const { url: used } = await postgres.createDatabase();
  await expect(restore(whole, used)).rejects.toMatchObject({ code: 'E_NOT_EMPTY' });
  // nothing of the refused ones stands in the way
  expect(await restore(whole, emptyUrl)).toMatchObject({ rows: { sites: 1 } });
});

test('the embedded database is saved beside the control plane that runs on it', { timeout: 120_000 }, async () => {
  const dir = await newDir('embedded');
  const control = await startControl({ dir, log: silentLogger });
  const file = join(root, 'embedded.mbus');
  try {
    const made = await mbusJson<BackupFacts>(['backup', 'create', file, '--dir', dir, '--key-file', key.file]);
    expect(made).toMatchObject({ file, rows: { buses: 1 } });
    expect(await mbusJson(['backup', 'verify', file], { env: { MBUS_BACKUP_KEY_FILE: key.file } })).toEqual(made);
    const { code, stderr } = await mbus(['backup', 'restore', file, '--dir', dir, '--key-file', key.file]);
    expect({ code, isRunning: stderr.includes('E_CONTROL_RUNNING') }).toEqual({ code: 1, isRunning: true });
  } finally {
    await control.stop();
  }
});
