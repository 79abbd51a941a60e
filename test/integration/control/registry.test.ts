/**
 * The registry against a real PostgreSQL:   declared file ─apply▶ tables ─export▶ declared file
 *                                                           └─▶ snapshot of one site
 */
import { beforeAll, describe, expect, test } from 'vitest';
import type { BusFile } from '../../../src/config/bus-file.ts';
import { parseBusFile } from '../../../src/config/parse.ts';
import { planChanges } from '../../../src/config/plan.ts';
import {
  appendAudit,
  applyBusFile,
  buildSnapshot,
  claimNonce,
  createToken,
  databaseError,
  exportBusFile,
  getBus,
  keepAnswer,
  listAudit,
  listLinks,
  listSites,
  listTerminals,
  loadOrCreateStored,
  migrate,
  type Registry,
  setLinkCredential,
  setTerminalKeys,
  takeToken,
  verifyAudit,
} from '../../../src/registry/index.ts';
import { exampleBus } from '../../support/bus-file.ts';
import { runSql, startPostgres, type TestPostgres } from '../../support/postgres.ts';

let postgres: TestPostgres;
let db: Registry;
let url: string;

beforeAll(async () => {
  postgres = await startPostgres();
  return () => postgres.stop();
});

async function freshRegistry(text = exampleBus): Promise<BusFile> {
  ({ db, url } = await postgres.createDatabase());
  const file = parseBusFile(text, 'bus.yaml');
  await applyBusFile(db, file, 'test');
  return file;
}

const twoCustomers = `${exampleBus}
  - name: globex
    terminals: [tokyo, frankfurt]
    links:
      - {between: [tokyo, frankfurt], via: "proxy.example.net:1"}
    topics:
      - name: trade
        scope: bus
        groups:
          - {name: all, terminals: [frankfurt, tokyo], policy: ordered, maxBytes: 1000, onFull: dropOldest}
    apps:
      - {name: feed, terminal: tokyo, publish: [trade], consume: [trade@all]}
`;

describe('apply', () => {
  test('and export make a round trip, and a second apply changes nothing', async () => {
    const file = await freshRegistry(twoCustomers);
    const exported = await exportBusFile(db);
    expect(planChanges(exported, file)).toEqual([]);
    expect(planChanges(file, exported)).toEqual([]);
    const again = await applyBusFile(db, exported, 'test');
    expect(again).toEqual({ version: 1, changes: [] });
    expect(exported.customers[1]?.topics[0]?.groups[0]?.terminals).toEqual(['frankfurt', 'tokyo']);
  });

  test('raises the version by one and records who did what', async () => {
    const file = await freshRegistry();
    file.customers[0]!.links[0]!.cost = 9;
    const { version, changes } = await applyBusFile(db, file, 'admin:me');
    expect(version).toBe(2);
    expect(changes).toEqual([
      { action: 'update', noun: 'link', name: 'acme/frankfurt-tokyo', fields: ['cost: 1 -> 9'] },
    ]);
    const [row] = await listAudit(db, { limit: 1 });
    expect(row).toMatchObject({ actor: 'admin:me', action: 'link.update', noun: 'acme/frankfurt-tokyo' });
  });

  test('is all or nothing: a file that fails at its last noun leaves what was there', async () => {
    const file = await freshRegistry();
    const before = await exportBusFile(db);
    file.sites.push({
      name: 'osaka',
      mode: 'client',
      maxPayload: 1,
      durability: 'process',
      transit: false,
      sidecars: 1,
      servers: 1,
    });
    file.customers[0]!.apps.push({ name: 'last', terminal: 'nowhere', publish: [], consume: [], deadLetters: [] });
    await expect(applyBusFile(db, file, 'test')).rejects.toThrow();
    expect(await exportBusFile(db)).toEqual(before);
    expect(await getBus(db)).toMatchObject({ version: 1 });
    expect((await listAudit(db, { limit: 1 }))[0]?.noun).not.toBe('osaka');
  });

  test('on a version that has passed is refused', async () => {
    const file = await freshRegistry();
    file.customers[0]!.isolateApps = true;
    await applyBusFile(db, file, 'test', { base: 1 });
    file.customers[0]!.isolateApps = false;
    await expect(applyBusFile(db, file, 'test', { base: 1 })).rejects.toMatchObject({ code: 'E_BUS_CHANGED' });
  });

  test('keeps the ids of what stays, also of an app that moves off a terminal that goes', async () => {
    const file = await freshRegistry();
    const idOf = async (name: string) =>
      (await db.selectFrom('apps').select('id').where('name', '=', name).executeTakeFirst())?.id;
    const before = await idOf('exchange');
    const acme = file.customers[0]!;
    acme.terminals = ['frankfurt', 'virginia'];
    acme.links = acme.links.filter((link) => !link.between.includes('tokyo'));
    acme.apps[0]!.terminal = 'frankfurt';
    await applyBusFile(db, file, 'test');
    expect(await idOf('exchange')).toBe(before);
  });

  test('gives a topic that was removed and made again a new id', async () => {
    const file = await freshRegistry();
    const topicId = async () => (await db.selectFrom('topics').select('id').executeTakeFirst())?.id;
    const before = await topicId();
    const without = structuredClone(file);
    without.customers[0]!.topics = [];
    without.customers[0]!.apps = [];
    await applyBusFile(db, without, 'test');
    expect(await topicId()).toBeUndefined();
    await applyBusFile(db, file, 'test');
    expect(await topicId()).not.toBe(before);
  });

  test('of two at once, each sees the other or waits for it', async () => {
    const file = await freshRegistry();
    const costs = [11, 12, 13, 14];
    await Promise.all(
      costs.map((cost) => {
        const mine = structuredClone(file);
        mine.customers[0]!.links[0]!.cost = cost;
        return applyBusFile(db, mine, 'test');
      }),
    );
    expect((await getBus(db)).version).toBe(5);
    expect(await verifyAudit(db)).toMatchObject({ ok: true });
  });
});

describe('the database refuses by itself', () => {
  test.each([
    'a.>',
    '*',
    '$SYS',
    '_x',
    'mbx',
    '',
    'a b',
    'a\nb',
    "'; drop table sites; --",
    'x'.repeat(65),
    '../x',
    '\u202ea',
  ])('the name %j', async (name) => {
    if (!db) await freshRegistry();
    const values = { name, isolate_apps: false };
    await expect(db.insertInto('customers').values(values).execute()).rejects.toMatchObject({ code: '23514' });
  });

  test('a link between terminals of two customers', async () => {
    await freshRegistry(twoCustomers);
    const terminals = await listTerminals(db);
    const [a, b] = [terminals[0]!, terminals.find((t) => t.customerId !== terminals[0]!.customerId)!];
    const link = { customer_id: a.customerId, a: a.id, b: b.id, cost: 1, via: null, compress: 'auto' as const };
    const failing = db.insertInto('links').values(link).execute();
    await expect(failing).rejects.toMatchObject({ code: '23503' });
    await failing.catch((error) => expect(databaseError(error, 'linking').code).toBe('E_DATABASE'));
  });
});

describe('a snapshot', () => {
  const control = { signKey: 'sign', sealKey: 'seal', caPem: 'ca' };
  const siteId = async (name: string) => (await listSites(db)).find((site) => site.name === name)!.id;

  test('tells a site nothing of customers that are not there', async () => {
    await freshRegistry(twoCustomers);
    const text = JSON.stringify(await buildSnapshot(db, await siteId('virginia'), control));
    expect(text).toContain('acme');
    for (const secret of ['globex', 'feed', 'proxy.example.net', 'exchange', 'risk-engine', 'tokyo.example.net']) {
      expect(text).not.toContain(secret);
    }
  });

  test('tells address and credential of a link to the end that dials, and only to it', async () => {
    await freshRegistry();
    for (const terminal of await listTerminals(db)) {
      await setTerminalKeys(db, terminal.id, {
        signKey: `s-${terminal.site}`,
        wrapKey: 'w',
        linkUser: `U-${terminal.site}`,
      });
    }
    const terminals = await listTerminals(db);
    const end = (site: string) => terminals.find((t) => t.site === site)!.id;
    const links = await listLinks(db);
    const link = links.find((l) => [l.a, l.b].includes(end('virginia')))!;
    await setLinkCredential(db, link.id, 'jwt-for-virginia', 'U-virginia');

    const dialer = await buildSnapshot(db, await siteId('virginia'), control);
    const seen = dialer.customers[0]!.links.find((l) => l.id === link.id);
    expect(seen).toMatchObject({ dialer: end('virginia'), url: 'fra.example.net:7422', userJwt: 'jwt-for-virginia' });
    for (const site of ['frankfurt', 'tokyo']) {
      const other = await buildSnapshot(db, await siteId(site), control);
      expect(JSON.stringify(other)).not.toContain('jwt-for-virginia');
      expect(other.customers[0]!.links.find((l) => l.id === link.id)).toMatchObject({ url: '', userJwt: null });
    }

    await setTerminalKeys(db, end('virginia'), { signKey: 's2', wrapKey: 'w2', linkUser: 'U-virginia-2' });
    const after = await buildSnapshot(db, await siteId('virginia'), control);
    expect(after.customers[0]!.links.find((l) => l.id === link.id)?.userJwt).toBeNull();
  });

  test('lets the server whose name sorts first dial, and the client in any case', async () => {
    await freshRegistry();
    const snapshot = await buildSnapshot(db, await siteId('tokyo'), control);
    const { terminals, links } = snapshot.customers[0]!;
    const siteOf = new Map(terminals.map((t) => [t.id, t.site]));
    expect(links.map((l) => siteOf.get(l.dialer)).sort()).toEqual(['frankfurt', 'virginia']);
  });
});

describe('the audit log', () => {
  test('is verified as a whole', async () => {
    await freshRegistry();
    const { rows } = (await verifyAudit(db)) as { rows: number };
    expect(rows).toBeGreaterThan(5);
  });

  test('refuses every change by a statement', async () => {
    await freshRegistry();
    for (const statement of ["update audit set actor = 'x'", 'delete from audit', 'truncate audit']) {
      await expect(runSql(url, statement)).rejects.toMatchObject({ code: '23000' });
    }
  });

  test.each([
    ['altered', "update audit set actor = 'nobody' where id = 3", 3],
    ['altered in its details', `update audit set details = '{"fields": []}' where id = 3`, 3],
    ['removed', 'delete from audit where id = 4', 4],
    ['removed at the start', 'delete from audit where id = 1', 1],
  ])('names the row that was %s by somebody who can', async (_, statement, firstBadId) => {
    await freshRegistry();
    await runSql(url, `alter table audit disable trigger all; ${statement}`);
    expect(await verifyAudit(db)).toMatchObject({ ok: false, firstBadId });
  });

  test('has no gaps and no forks when many write at once', async () => {
    await freshRegistry();
    const actors = Array.from({ length: 25 }, (_, n) => `actor-${n}`);
    await Promise.all(
      actors.map((actor) => appendAudit(db, { actor, action: 'try', noun: 'x', details: { b: 1, a: 'ü' } })),
    );
    expect(await verifyAudit(db)).toMatchObject({ ok: true });
  });
});

describe('a token', () => {
  const target = async () => ({ siteId: (await listSites(db))[0]!.id, customerId: null });

  test('works once, also when two try at the same moment', async () => {
    await freshRegistry();
    const { secret } = await createToken(db, await target());
    const tries = await Promise.allSettled(
      [1, 2, 3].map(() => db.transaction().execute((trx) => takeToken(trx, secret))),
    );
    expect(tries.filter((t) => t.status === 'fulfilled')).toHaveLength(1);
    for (const t of tries) if (t.status === 'rejected') expect(t.reason).toMatchObject({ code: 'E_TOKEN_USED' });
  });

  test('ends by the clock of the database, and a guess is unknown', async () => {
    await freshRegistry();
    const { secret } = await createToken(db, await target(), 0);
    await expect(takeToken(db, secret)).rejects.toMatchObject({ code: 'E_TOKEN_EXPIRED' });
    await expect(takeToken(db, 'guess')).rejects.toMatchObject({ code: 'E_TOKEN_UNKNOWN' });
  });

  test('that was not used because its transaction failed still works', async () => {
    await freshRegistry();
    const { secret } = await createToken(db, await target());
    const failing = db.transaction().execute(async (trx) => {
      await takeToken(trx, secret);
      throw new Error('after');
    });
    await expect(failing).rejects.toThrow('after');
    await expect(takeToken(db, secret)).resolves.toBeDefined();
  });

  test('is not stored', async () => {
    await freshRegistry();
    const { secret } = await createToken(db, await target());
    const row = await db.selectFrom('enrolment_tokens').selectAll().executeTakeFirstOrThrow();
    expect(JSON.stringify(row)).not.toContain(secret);
    expect(row.hash.includes(Buffer.from(secret, 'base64url'))).toBe(false);
  });
});

describe('stored secrets', () => {
  const masterKey = Buffer.alloc(32, 1);

  test('are the same for all who load them, and closed without the master key', async () => {
    await freshRegistry();
    let made = 0;
    const make = () => Buffer.from(`canary-${++made}`);
    const loaded = await Promise.all([1, 2, 3].map(() => loadOrCreateStored(db, masterKey, 'x', make)));
    expect(new Set(loaded.map(String)).size).toBe(1);
    const row = await db.selectFrom('control_secrets').select('wrapped').executeTakeFirstOrThrow();
    expect(row.wrapped.includes('canary')).toBe(false);
    const wrong = loadOrCreateStored(db, Buffer.alloc(32, 2), 'x', make);
    await expect(wrong).rejects.toMatchObject({ code: 'E_MASTER_KEY' });
  });

  test('cannot be swapped for each other', async () => {
    await freshRegistry();
    await loadOrCreateStored(db, masterKey, 'x', () => Buffer.from('one'));
    await runSql(url, "update control_secrets set name = 'y' where name = 'x'");
    await expect(loadOrCreateStored(db, masterKey, 'y', () => Buffer.from('two'))).rejects.toMatchObject({
      code: 'E_MASTER_KEY',
    });
  });
});

test('a request served once gets its first answer again, whoever serves it', async () => {
  await freshRegistry();
  const request = { nonce: 'n'.repeat(22), caller: 'admin:1', method: 'bus.apply' };
  let served = 0;
  const serve = () =>
    db.transaction().execute(async (trx) => {
      const state = await claimNonce(trx, request);
      if (!state.isNew) return state.answer;
      served += 1;
      const answer = { version: served };
      await keepAnswer(trx, request.nonce, answer);
      return answer;
    });
  expect(await Promise.all([serve(), serve(), serve()])).toEqual([{ version: 1 }, { version: 1 }, { version: 1 }]);
  expect(served).toBe(1);
});

test('migrations run once, also when several start them together', async () => {
  const { db: other } = await postgres.createDatabase();
  expect(await Promise.all([migrate(other), migrate(other)])).toEqual([[], []]);
});
