/** The audit table in the hands of somebody who owns the database: a control replica with its own memory of how far it had come. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { appendAudit, listAudit, readAuditHead, verifyAudit } from '../../../src/registry/index.ts';
import { startTestControl, type TestControl } from '../../support/control.ts';
import { runSql, startPostgres, type TestDatabase, type TestPostgres } from '../../support/postgres.ts';
import { until } from '../../support/tcp.ts';

let postgres: TestPostgres;
let database: TestDatabase;
let control: TestControl;
let root: string;

beforeAll(async () => {
  postgres = await startPostgres();
});

afterAll(() => postgres?.stop());

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'mbus-audit-'));
  database = await postgres.createDatabase();
  control = await startTestControl(join(root, 'control'), database.url);
  for (const noun of ['one', 'two', 'three']) await appendAudit(database.db, { actor: 'test', action: 'try', noun });
  await until('the head is kept', async () => (await headId()) === (await readAuditHead(database.db)).id, 20_000);
  return async () => {
    await control.stop();
    await rm(root, { recursive: true, force: true });
  };
});

async function headId(): Promise<number> {
  const rows = await database.db.selectFrom('audit_heads').select('id').execute();
  return Math.max(-1, ...rows.map((row) => row.id));
}

const verify = () => control.admin.call('audit.verify', {}, { timeoutMs: 30_000 });
const asOwner = (statement: string) => runSql(database.url, `alter table audit disable trigger all; ${statement}`);

test('holds as long as nobody touched it', async () => {
  expect(await verify()).toMatchObject({ ok: true, firstBadId: null, reason: null });
});

test('names the first of the entries that were removed at the end', async () => {
  const { id } = await readAuditHead(database.db);
  await asOwner(`delete from audit where id >= ${id - 1}`);
  expect(await verifyAudit(database.db)).toMatchObject({ ok: true });
  expect(await verify()).toMatchObject({
    ok: false,
    firstBadId: id - 1,
    reason: expect.stringContaining(`${id} were there`),
  });
});

test('finds entries removed at the end although the head in the database was put back too', async () => {
  const old = await database.db.selectFrom('audit_heads').selectAll().executeTakeFirstOrThrow();
  await appendAudit(database.db, { actor: 'thief', action: 'steal', noun: 'all' });
  const { id } = await readAuditHead(database.db);
  await until('the head moved on', async () => (await headId()) === id, 20_000);
  await asOwner(`delete from audit where id = ${id}`);
  await database.db.deleteFrom('audit_heads').execute();
  const { at: _, ...values } = old;
  await database.db.insertInto('audit_heads').values(values).execute();
  expect(await verify()).toMatchObject({ ok: false, firstBadId: id });
});

test('finds an end that was written anew with a chain that holds', async () => {
  const [last] = await listAudit(database.db, { limit: 1 });
  await asOwner(`delete from audit where id = ${last!.id}`);
  await appendAudit(database.db, { actor: 'thief', action: 'nothing', noun: 'here' });
  expect(await verifyAudit(database.db)).toMatchObject({ ok: true });
  expect(await verify()).toMatchObject({
    ok: false,
    firstBadId: last!.id,
    reason: expect.stringContaining('written anew'),
  });
});

test('does not take a head that the control plane has not signed', async () => {
  await database.db
    .updateTable('audit_heads')
    .set({ hash: Buffer.alloc(32, 7) })
    .execute();
  expect(await verify()).toMatchObject({ ok: false, reason: expect.stringContaining('not signed') });
});

test('somebody who works with the tables and is no superuser may not even try', async () => {
  const role = `worker_${Math.random().toString(36).slice(2, 10)}`;
  await runSql(database.url, `create role ${role}; grant select, insert on audit to ${role}`);
  for (const statement of ["update audit set actor = 'x'", 'delete from audit', 'truncate audit']) {
    await expect(runSql(database.url, `set role ${role}; ${statement}`)).rejects.toMatchObject({ code: '42501' });
  }
});
