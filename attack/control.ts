/** C1 to C7: the control plane, its database and its callers. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Client } from 'pg';
import { unwrapRoot } from '../src/keys/derive.ts';
import { openBody } from '../src/sealing/open.ts';
import { findServer } from '../src/server/index.ts';
import { type Attack, type Outcome, verdict } from './attack.ts';
import { database } from './looks.ts';
import { codeOf, type World } from './world.ts';

const injections = ["'; drop table sites; --", "x' or '1'='1", '$1', '\\', '%', '"; select 1; --'];

async function sqlEverywhere(world: World): Promise<Outcome> {
  const problems: string[] = [];
  for (const text of injections) {
    for (const code of [
      await codeOf(world.admin.call('key.versions', { customer: text, topic: text })),
      await codeOf(world.admin.call('token.create', { site: text })),
      await codeOf(world.admin.call('terminal.drain', { customer: text, site: text, isDraining: true })),
      await codeOf(world.admin.call('app.revoke', { customer: text, app: text, isRenewed: true })),
    ]) {
      if (code === 'given' || code === 'E_DATABASE' || code === 'E_INTERNAL') problems.push(`${text}: ${code}`);
    }
  }
  const { sites } = await world.admin.call('bus.status', {});
  if (sites.length === 0) problems.push('the sites are gone');
  return verdict(problems, `${4 * injections.length} arguments refused by name, tables whole`);
}

async function shell(world: World): Promise<Outcome> {
  const canary = join(world.dir, 'canary');
  const cli = fileURLToPath(new URL('../cli/mbus.js', import.meta.url));
  const tries = [`$(touch ${canary})`, `;touch ${canary}`, `../../../${canary}`];
  const problems: string[] = [];
  for (const text of tries) {
    const code = await exitOf([cli, 'topic', 'keys', text, text, '--dir', join(world.dir, 'control')]);
    // 1 or 2: it ran, and said no
    if (code !== 1 && code !== 2) problems.push(`${text}: exit code ${code}`);
  }
  const isThere = await readFile(canary).then(
    () => true,
    () => false,
  );
  if (isThere) problems.push('a shell ran');
  return verdict(problems, `${tries.length} refused, no shell ran`);
}

function exitOf(args: string[]): Promise<number | null> {
  return new Promise((resolve) => spawn(process.execPath, args, { stdio: 'ignore' }).once('close', resolve));
}

async function dump(world: World): Promise<Outcome> {
  const client = await database(world);
  const { rows } = await client.query('select * from topic_keys');
  const problems: string[] = [];
  const master = await readFile(join(world.dir, 'control/master.key'));
  let wrapped = 0;
  for (const row of rows as Record<string, unknown>[]) {
    const at = { topicId: String(row.topic_id), epoch: Number(row.epoch) };
    const secret = Object.values(row).find((value) => Buffer.isBuffer(value));
    if (!Buffer.isBuffer(secret)) continue;
    wrapped += 1;
    if ((await codeOf(Promise.resolve().then(() => unwrapRoot(randomBytes(32), at, secret)))) === 'given')
      problems.push('another key opens it');
    if ((await codeOf(Promise.resolve().then(() => unwrapRoot(master, at, secret)))) !== 'given')
      problems.push('the master key opens it not');
  }
  if (wrapped === 0) problems.push('no key was looked at');
  const { rows: all } = await client.query(
    "select table_name from information_schema.columns where column_name in ('password','securekey','seed')",
  );
  if (all.length > 0) problems.push(`columns hold secrets: ${JSON.stringify(all)}`);
  const { tried, opened } = await withCarriersDisk(world, client);
  if (opened > 0) problems.push(`${opened} envelopes opened by what lies there`);
  return verdict(
    problems,
    `${wrapped} topic keys open with the master key alone, ${tried} values of dump and disk open nothing`,
  );
}

/** Whatever 32 bytes the dump or a carrying site's disk holds, as the secret of an envelope that passed there. */
async function withCarriersDisk(world: World, client: Client): Promise<{ tried: number; opened: number }> {
  const { envelope } = await world.captured();
  const disk = join(world.dir, 'sites/osaka');
  const names = (await readdir(disk, { recursive: true })).filter((name) => !name.includes('nats/store'));
  const files = await Promise.all(names.map((name) => readFile(join(disk, name)).catch(() => Buffer.alloc(0))));
  const { rows: tables } = await client.query("select tablename from pg_tables where schemaname = 'public'");
  const dumped = await Promise.all(
    (tables as { tablename: string }[]).map(({ tablename }) => client.query(`select * from "${tablename}"`)),
  );
  const values = dumped.flatMap(({ rows }) => rows.flatMap((row: object) => Object.values(row)));
  const secrets = [...files, ...values].flatMap(secretsIn);
  const opened = secrets.filter((secret) => opens(() => openBody(envelope, secret)));
  return { tried: secrets.length, opened: opened.length };
}

/** 32 bytes as they stand, at either end of more, or spelled in base64 or hex. */
function secretsIn(value: unknown): Buffer[] {
  const bytes = Buffer.isBuffer(value) ? value : Buffer.from(typeof value === 'string' ? value : '');
  const raw = bytes.length >= 32 && bytes.length < 200 ? [bytes.subarray(0, 32), bytes.subarray(-32)] : [];
  const spelled = bytes.toString('latin1').match(/[A-Za-z0-9_+/-]{43,64}/g) ?? [];
  const decoded = spelled.flatMap((text) => [Buffer.from(text, 'base64url'), Buffer.from(text, 'hex')]);
  return [...raw, ...decoded.map((each) => each.subarray(0, 32))].filter(({ length }) => length === 32);
}

function opens(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}

async function otherVerbs(world: World): Promise<Outcome> {
  const [osaka, tokyo] = [await world.site('osaka'), await world.site('tokyo')];
  const verbs = [
    ['bus.export', {}],
    ['bus.status', {}],
    ['audit.list', { limit: 5 }],
    ['token.create', { site: 'tokyo' }],
    ['site.revoke', { site: 'lima', isCompromised: true }],
    ['key.rotate', { customer: 'acme', topic: 'trade' }],
  ] as const;
  const problems: string[] = [];
  for (const [method, request] of verbs) {
    const code = await codeOf(osaka.control.call(method as 'bus.export', request as Record<string, never>));
    if (code !== 'E_FORBIDDEN') problems.push(`${method}: ${code}`);
  }
  const topicId = tokyo.customer('globex').topics[0]?.id ?? '';
  const foreign = await codeOf((await osaka.calls('acme')).ticket(topicId));
  if (foreign === 'given') problems.push('a ticket for another customer’s topic');
  const { rows } = await world.admin.call('audit.list', { limit: 100 });
  if (!rows.some(({ actor, action }) => actor === 'site:osaka' && action.startsWith('refused bus.export')))
    problems.push('no audit row');
  return verdict(problems, `${verbs.length} verbs forbidden and audited; another customer’s topic: ${foreign}`);
}

async function audit(world: World): Promise<Outcome> {
  const client = await database(world);
  const problems: string[] = [];
  const before = await world.admin.call('audit.verify', {});
  if (!before.ok) problems.push(`not whole to begin with: ${before.reason}`);
  const { rows } = await client.query('select id from audit order by id offset 3 limit 1');
  const id = Number((rows[0] as { id: string } | undefined)?.id);
  const plain = await client.query("update audit set action = 'nothing' where id = $1", [id]).then(
    () => 'changed',
    () => 'refused',
  );
  // whoever owns the database can go around its triggers
  await client.query("set session_replication_role = 'replica'");
  const { rows: kept } = await client.query('select action from audit where id = $1', [id]);
  await client.query("update audit set action = 'nothing' where id = $1", [id]);
  const after = await world.admin.call('audit.verify', {});
  await client.query('update audit set action = $2 where id = $1', [id, (kept[0] as { action: string }).action]);
  const again = await world.admin.call('audit.verify', {});
  if (plain === 'changed') problems.push('a row was changed by plain SQL');
  if (after.ok || after.firstBadId !== id) problems.push(`row ${id} was altered, found was ${after.firstBadId}`);
  if (!again.ok) problems.push('put back, it is not whole');
  return verdict(problems, `plain SQL ${plain}; past the triggers the altered row ${id} is named`);
}

async function oldServer(world: World): Promise<Outcome> {
  const path = join(world.dir, 'old-nats-server');
  await writeFile(path, '#!/bin/sh\necho "nats-server: v2.10.29"\n');
  await chmod(path, 0o755);
  const code = await codeOf(findServer({ env: { NATS_SERVER: path }, mayDownload: false }));
  return verdict(
    code === 'E_NATS_SERVER_OLD' ? [] : [`it says ${code}`],
    `an old nats-server: ${code}; libraries are pinned`,
  );
}

export const controlAttacks: Attack[] = [
  {
    id: 'C1',
    attempt: 'SQL in every argument',
    defence: { note: 'queries are built by kysely: there is no text to leave unescaped' },
    run: sqlEverywhere,
  },
  { id: 'C2', attempt: 'shell text and paths as arguments', defence: { note: 'no shell is ever started' }, run: shell },
  {
    id: 'C3',
    attempt: 'the database without the master key',
    defence: { note: 'without wrapping there is no column' },
    run: dump,
  },
  { id: 'C4', attempt: 'a site’s key calls an admin’s verbs', defence: 'callers-kind', run: otherVerbs },
  { id: 'C5', attempt: 'audit rows altered', defence: 'audit-chain', run: audit },
  { id: 'C7', attempt: 'an old nats-server', defence: 'server-version', run: oldServer },
];
