/**
 * Versions of topic keys by the rules, against a real PostgreSQL:
 *
 *   epoch 1 ──age, messages or a word──▶ epoch 2 seals, 1 opens ──maxTransitAge and a day──▶ 1 destroyed
 */
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  destroyTopicKey,
  listKeyVersions,
  rotateTopicKey,
  TopicRoots,
  upkeepTopicKeys,
} from '../../../src/keys/service.ts';
import { listAudit } from '../../../src/registry/index.ts';
import { heldKey, type KeysBus, masterKey, openRequest, startKeysBus, ticketRequest } from '../../support/keys.ts';

let bus: KeysBus;
let trade: string;
const hour = 3_600_000;
const day = 24 * hour;

beforeAll(async () => {
  bus = await startKeysBus();
  trade = bus.topic('acme/trade');
});

afterAll(() => bus?.close());

const later = (ms: number) => {
  const now = sql<Date>`(clock_timestamp() + ${ms}::double precision * interval '1 millisecond')`;
  return ms === 0 ? bus.versions : { roots: new TopicRoots(heldKey(masterKey), now), now };
};
const upkeep = (aheadMs = 0) => upkeepTopicKeys(later(aheadMs), bus.db);
const versions = (aheadMs = 0) => listKeyVersions(bus.db, later(aheadMs).now, trade);
const epochs = async () => (await versions()).map((each) => each.epoch);
const rotate = () =>
  bus.db
    .transaction()
    .execute((trx) => rotateTopicKey(bus.versions, trx, { topicId: trade, actor: 'test', reason: 'asked' }));
const destroy = (epoch: number, isForced: boolean) =>
  bus.db
    .transaction()
    .execute((trx) =>
      destroyTopicKey(bus.versions, trx, { topicId: trade, actor: 'test', reason: 'asked', epoch, isForced }),
    );

async function ticket(service = bus.service()) {
  const tokyo = bus.actor('acme/tokyo');
  return service.ticket(tokyo.siteId, ticketRequest(tokyo, trade));
}

async function use(ticketId: string, messages: number): Promise<void> {
  await bus.service().noteSealed(bus.actor('acme/tokyo').siteId, [{ ticketId, messages }]);
}

test('a rotation seals under the next version at once, however many ask while it happens', async () => {
  expect((await ticket()).epoch).toBe(1);
  const asking = Array.from({ length: 40 }, () => ticket());
  const { epoch } = await rotate();
  expect(epoch).toBe(2);
  for (const { epoch } of await Promise.all(asking)) expect([1, 2]).toContain(epoch);
  expect((await ticket()).epoch).toBe(2);
  const [newest, old] = await versions();
  expect(newest).toMatchObject({ epoch: 2, retiredAt: null, destroyDueAt: null });
  expect(old).toMatchObject({ epoch: 1, destroyedAt: null });
  expect(old!.destroyDueAt!.getTime() - old!.retiredAt!.getTime()).toBe(8 * day);
});

test('what is sealed counts once, however often it is told, and by whom it was sealed alone', async () => {
  const { ticketId } = await ticket();
  await use(ticketId, 40);
  await use(ticketId, 100);
  await use(ticketId, 100);
  await use(ticketId, 60);
  await bus.service().noteSealed(bus.actor('acme/frankfurt').siteId, [{ ticketId, messages: 999 }]);
  expect((await versions())[0]).toMatchObject({ sealed: 100, underWay: 100 });
  expect((await versions(7 * day + hour))[0]).toMatchObject({ sealed: 100, underWay: 0 });
});

test('a strict ticket counts what it will seal', async () => {
  const tokyo = bus.actor('acme/tokyo');
  await bus.service().ticket(tokyo.siteId, { ...ticketRequest(tokyo, trade), messages: 7 });
  expect((await versions())[0]).toMatchObject({ sealed: 100, underWay: 107 });
  await upkeep();
  expect((await versions())[0]).toMatchObject({ sealed: 107 });
});

test('a version is replaced by itself when it is old, or has sealed enough, by one of several replicas', async () => {
  expect(await upkeep(29 * day)).toEqual({ rotated: 0, destroyed: 1 });
  const before = await epochs();
  const done = await Promise.all([upkeep(30 * day), upkeep(30 * day), upkeep(30 * day)]);
  expect(done.map(({ rotated }) => rotated).sort()).toEqual([0, 0, 1]);
  expect(await epochs()).toHaveLength(before.length + 1);
  await bus.db.updateTable('topics').set({ rotate_after_messages: 50 }).where('id', '=', trade).execute();
  await use((await ticket()).ticketId, 49);
  expect(await upkeep()).toMatchObject({ rotated: 0 });
  await use((await ticket()).ticketId, 1);
  expect(await upkeep()).toMatchObject({ rotated: 1 });
  const audited = (await listAudit(bus.db, { limit: 5 })).find(({ action }) => action === 'key.rotate');
  expect(audited).toMatchObject({ actor: 'control', noun: 'acme/trade', details: { reason: 'messages' } });
});

test('an old version opens until its grace is over, and is destroyed by itself then and not before', async () => {
  const tokyo = bus.actor('acme/tokyo');
  const sealed = await ticket();
  await rotate();
  const [, old] = await versions();
  await upkeep(8 * day - hour);
  expect((await versions())[1]).toMatchObject({ epoch: old!.epoch, destroyedAt: null });
  await upkeep(8 * day + hour);
  expect((await versions())[1]!.destroyedAt).not.toBeNull();
  const refused = bus
    .service()
    .open(tokyo.siteId, openRequest(tokyo, trade, Buffer.from(sealed.ticketId, 'base64url'), Buffer.alloc(32)));
  await expect(refused).rejects.toMatchObject({ code: 'E_KEY_REFUSED' });
});

test('by hand a version that is needed is destroyed by force only, with the count it strands', async () => {
  const { ticketId, epoch } = await ticket();
  await use(ticketId, 33);
  await expect(destroy(epoch, true)).rejects.toMatchObject({ code: 'E_KEY_IN_USE' });
  await rotate();
  await expect(destroy(epoch, false)).rejects.toMatchObject({
    code: 'E_KEY_IN_USE',
    details: { stranded: 33 },
    message: expect.stringContaining('up to 33 messages'),
  });
  await expect(destroy(epoch, true)).resolves.toEqual({ stranded: 33 });
  await expect(destroy(epoch, true)).rejects.toMatchObject({ code: 'E_UNKNOWN_NOUN' });
  const [entry] = await listAudit(bus.db, { limit: 1 });
  expect(entry).toMatchObject({ action: 'key.destroy', details: { epoch, stranded: 33, isForced: true } });
});

test('a destroyed secret is gone from the database, and no row may claim to seal without one', async () => {
  const { rows } = await sql<{ gone: number }>`
    select count(*) as gone from topic_keys where destroyed_at is not null and wrapped is null`.execute(bus.db);
  expect(rows[0]!.gone).toBeGreaterThan(0);
  const lie = sql`update topic_keys set wrapped = null, destroyed_at = clock_timestamp() where retired_at is null`;
  await expect(lie.execute(bus.db)).rejects.toMatchObject({ code: '23514' });
});
