/**
 *   sealer at acme/tokyo ──key.ticket──▶ key service ◀──key.open, key.reticket── opener at acme/frankfurt
 *                                            │
 *                                     real PostgreSQL
 */
import { isDeepStrictEqual } from 'node:util';
import { type RawBuilder, sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { context, decodeSealed, encodeSealedHeader } from '../../../src/envelope/index.ts';
import { wrapInfo } from '../../../src/keys/index.ts';
import { destroyTopicKey, type KeyService, rotateTopicKey, TopicRoots } from '../../../src/keys/service.ts';
import { databaseNow, listAudit, listTickets, revokeTickets } from '../../../src/registry/index.ts';
import { createSealer } from '../../../src/sealing/index.ts';
import { useKeyDesk } from '../../support/key-desk.ts';
import { type Actor, heldKey, masterKey, openRequest, ticketRequest } from '../../support/keys.ts';
import { eventually } from '../../support/nats-server.ts';

const desk = useKeyDesk();
const { body } = desk;
const refused = { code: 'E_KEY_REFUSED', message: 'the key service refuses this terminal and topic' };
const expired = { code: 'E_TICKET_EXPIRED' };

describe('sealing and opening', () => {
  test('a body sealed at one terminal opens at a terminal of a group', async () => {
    expect((await desk.openOne((await desk.sealOne()).bytes)).equals(body)).toBe(true);
  });

  test('two replicas that make the first key of a topic at once use the same one', async () => {
    const replicas = Array.from({ length: 8 }, () => desk.bus.service());
    const umbrella = desk.bus.actor('umbrella/tokyo');
    const topicId = desk.bus.topic('umbrella/trade');
    const answers = await Promise.all(
      replicas.map((replica) => replica.ticket(umbrella.siteId, ticketRequest(umbrella, topicId))),
    );
    expect(new Set(answers.map((answer) => answer.epoch))).toEqual(new Set([1]));
    const { rows } = await sql`select 1 from topic_keys where topic_id = ${topicId}`.execute(desk.bus.db);
    expect(rows).toHaveLength(1);
  });

  test('nothing in the database opens anything: no password, no half, no root in the clear', async () => {
    const sealed = await desk.sealOne();
    const { rows } = await sql<{ all: string }>`select coalesce(string_agg(r, ' '), '') as all from (
      select t::text as r from tickets t union all select k::text from topic_keys k union all select p::text from ticket_passwords p
    ) rows`.execute(desk.bus.db);
    expect(rows[0]!.all).toContain(Buffer.from(sealed.ticketId).toString('hex'));
    expect(rows[0]!.all).not.toContain(Buffer.from(sealed.password).toString('hex'));
  });

  test('another master key opens nothing', async () => {
    const sealed = await desk.sealOne();
    const stranger = desk.bus.service({
      roots: new TopicRoots(heldKey(Buffer.alloc(32, masterKey[0]! + 1)), databaseNow),
    });
    await expect(desk.open(desk.frankfurt, sealed, {}, stranger)).rejects.toMatchObject({ code: 'E_TOPIC_KEY' });
  });
});

describe('a ticket is refused', () => {
  const ticket = (actor: Actor, topicId = desk.trade) =>
    desk.service.ticket(actor.siteId, ticketRequest(actor, topicId));

  test('without the securekey', async () => {
    await expect(ticket({ ...desk.tokyo, keys: desk.frankfurt.keys })).rejects.toMatchObject(refused);
  });

  test('through the key of another site', async () => {
    await expect(ticket({ ...desk.tokyo, siteId: desk.frankfurt.siteId })).rejects.toMatchObject(refused);
  });

  test("for another customer's topic", async () => {
    await expect(ticket(desk.tokyo, desk.bus.topic('umbrella/trade'))).rejects.toMatchObject(refused);
  });

  test('with a proof made for another topic or another nonce', async () => {
    const request = ticketRequest(desk.tokyo, desk.trade);
    const quiet = { ...request, topicId: desk.bus.topic('acme/quiet') };
    const renonced = { ...request, nonce: ticketRequest(desk.tokyo, desk.trade).nonce };
    for (const forged of [quiet, renonced, { ...request, nonce: '' }, { ...request, proof: '' }]) {
      await expect(desk.service.ticket(desk.tokyo.siteId, forged)).rejects.toMatchObject(refused);
    }
  });

  test('to a terminal that is reported compromised', async () => {
    await sql`insert into compromised_terminals values (${desk.virginia.terminalId})`.execute(desk.bus.db);
    try {
      await expect(ticket(desk.virginia)).rejects.toMatchObject(refused);
    } finally {
      await sql`delete from compromised_terminals`.execute(desk.bus.db);
    }
    await expect(ticket(desk.virginia)).resolves.toBeDefined();
  });
});

describe('an opening half (K2)', () => {
  test('needs password and securekey together, of this ticket and this topic', async () => {
    const [sealed, another] = [await desk.sealOne(), await desk.sealOne()];
    await expect(desk.open(desk.frankfurt, sealed)).resolves.toMatchObject({ ttlMs: expect.any(Number) });
    const wrong = [
      () => desk.open({ ...desk.frankfurt, keys: desk.tokyo.keys }, sealed),
      () => desk.open(desk.frankfurt, sealed, { password: Buffer.alloc(32) }),
      () => desk.open(desk.frankfurt, sealed, { password: another.password }),
      () => desk.open(desk.frankfurt, sealed, { ticketId: another.ticketId }),
      () => desk.open(desk.frankfurt, sealed, { ticketId: Buffer.alloc(16) }),
      () => desk.open(desk.frankfurt, sealed, { topicId: desk.bus.topic('acme/quiet') }),
      () => desk.open(desk.frankfurt, sealed, { topicId: desk.bus.topic('umbrella/trade') }),
    ];
    for (const attempt of wrong) await expect(attempt()).rejects.toMatchObject(refused);
  });

  test('is for terminals in a group of the topic only', async () => {
    const sealed = await desk.sealOne();
    await expect(desk.open(desk.virginia, sealed)).rejects.toMatchObject(refused);
    await expect(desk.open(desk.tokyo, sealed)).rejects.toMatchObject(refused);
    await expect(desk.open(desk.bus.actor('umbrella/frankfurt'), sealed)).rejects.toMatchObject(refused);
  });

  test('is there a millisecond before the end, and not at the end or after it', async () => {
    const moment = sql<Date>`'2031-05-05T10:00:00Z'::timestamptz`;
    const at = (now: RawBuilder<Date>): KeyService => desk.bus.service({ now });
    const sealer = createSealer(desk.optionsOf(desk.tokyo, at(moment)));
    const { sealed } = await sealer.seal({ id: desk.trade, strict: true, keyEpoch: null, ticketsSinceMs: null }, body, {
      count: 1,
      compress: false,
    });
    sealer.stop();
    const envelope = decodeSealed(sealed);
    const openAt = (text: string) => desk.open(desk.frankfurt, envelope, {}, at(sql<Date>`${text}::timestamptz`));
    await expect(openAt('2031-05-05T10:00:00Z')).resolves.toMatchObject({ ttlMs: 300_000 });
    await expect(openAt('2031-05-05T10:04:59.999Z')).resolves.toMatchObject({ ttlMs: 1 });
    for (const late of ['2031-05-05T10:05:00Z', '2031-05-05T10:05:00.001Z', '2031-05-06T00:00:00Z']) {
      await expect(openAt(late)).rejects.toMatchObject(expired);
    }
  });

  test('is judged by the moment of the question, however long the transaction around it is', async () => {
    const brief = desk.bus.service({ ticketLifeMs: 400 });
    await desk.bus.db.transaction().execute(async (trx) => {
      const within = desk.bus.service({ db: trx, ticketLifeMs: 400 });
      const sealer = createSealer(desk.optionsOf(desk.tokyo, within));
      const { sealed } = await sealer.seal(
        { id: desk.trade, strict: true, keyEpoch: null, ticketsSinceMs: null },
        body,
        {
          count: 1,
          compress: false,
        },
      );
      sealer.stop();
      const envelope = decodeSealed(sealed);
      await expect(desk.open(desk.frankfurt, envelope, {}, within)).resolves.toBeDefined();
      await sql`select pg_sleep(0.5)`.execute(trx);
      await expect(desk.open(desk.frankfurt, envelope, {}, within)).rejects.toMatchObject(expired);
    });
    await expect(brief.ticket(desk.tokyo.siteId, ticketRequest(desk.tokyo, desk.trade))).resolves.toMatchObject({
      ttlMs: 400,
    });
  });

  test('of an expired ticket is a refusal like any other without the right password', async () => {
    const sealed = await desk.sealOne();
    await desk.shiftTicket(sealed, 400_000);
    await expect(desk.open(desk.frankfurt, sealed)).rejects.toMatchObject(expired);
    await expect(desk.open(desk.frankfurt, sealed, { password: Buffer.alloc(32) })).rejects.toMatchObject(refused);
    await expect(desk.open(desk.virginia, sealed)).rejects.toMatchObject(refused);
  });

  test('answered to one request does not unwrap for another, nor at another terminal (K7)', async () => {
    const sealed = await desk.sealOne();
    const request = openRequest(desk.frankfurt, desk.trade, sealed.ticketId, sealed.password);
    const { wrapped } = await desk.service.open(desk.frankfurt.siteId, request);
    const bytes = Buffer.from(wrapped, 'base64url');
    const infoFor = (nonce: string) =>
      wrapInfo(context.wrapOpening, desk.frankfurt.terminalId, sealed.ticketId, Buffer.from(nonce, 'base64url'));
    const later = openRequest(desk.frankfurt, desk.trade, sealed.ticketId, sealed.password).nonce;
    await expect(desk.frankfurt.keys.unwrap(bytes, infoFor(request.nonce))).resolves.toHaveLength(32);
    await expect(desk.frankfurt.keys.unwrap(bytes, infoFor(later))).rejects.toMatchObject({ code: 'E_ENVELOPE_BAD' });
    await expect(desk.virginia.keys.unwrap(bytes, infoFor(request.nonce))).rejects.toMatchObject({
      code: 'E_ENVELOPE_BAD',
    });
  });
});

describe('a revoked ticket', () => {
  test('opens nothing from then on, is not renewed, and leaves other tickets alone', async () => {
    const [sealed, other] = [await desk.sealOne(), await desk.sealOne()];
    const revoked = await revokeTickets(desk.bus.db, databaseNow, { topicId: desk.trade, id: sealed.ticketId });
    expect(revoked).toBe(1);
    await expect(desk.open(desk.frankfurt, sealed)).rejects.toMatchObject(refused);
    await expect(desk.reticket(desk.frankfurt, sealed.header)).rejects.toMatchObject(refused);
    await expect(desk.open(desk.frankfurt, other)).resolves.toBeDefined();
    const [listed] = (
      await listTickets(desk.bus.db, databaseNow, { topicId: desk.trade, isLive: false, limit: 10 })
    ).filter(({ id }) => id.equals(sealed.ticketId));
    expect(listed).toMatchObject({ topic: 'acme/trade', site: 'tokyo', isLive: false, revokedAt: expect.any(Date) });
    const living = await listTickets(desk.bus.db, databaseNow, { topicId: desk.trade, isLive: true, limit: 1000 });
    expect(living.some(({ id }) => id.equals(sealed.ticketId))).toBe(false);
  });
});

describe('an envelope that waited past its ticket', () => {
  test('opens by a re-ticket, which stands in the audit once', async () => {
    const sealed = await desk.sealOne();
    await desk.shiftTicket(sealed, 3 * 3_600_000);
    expect((await desk.openOne(sealed.bytes)).equals(body)).toBe(true);
    const ticketId = Buffer.from(sealed.ticketId).toString('hex');
    const { rows } = await sql<{ actor: string; noun: string }>`
      select actor, noun from audit where action = 'key.reticket' and details ->> 'ticketId' = ${ticketId}`.execute(
      desk.bus.db,
    );
    expect(rows).toEqual([{ actor: 'site:frankfurt', noun: 'acme/trade' }]);
  });

  test('also when its sender is gone', async () => {
    const sealed = await desk.sealOne(desk.trade, desk.virginia);
    await desk.shiftTicket(sealed, 3_600_000);
    await sql`update terminals set sign_key = null, wrap_key = null, registered_at = null where id = ${desk.virginia.terminalId}`.execute(
      desk.bus.db,
    );
    try {
      await expect(desk.renewedPassword(desk.frankfurt, sealed)).resolves.toHaveLength(32);
    } finally {
      const { signKey, wrapKey } = desk.virginia.keys;
      await sql`update terminals set sign_key = ${signKey}, wrap_key = ${wrapKey}, registered_at = clock_timestamp() where id = ${desk.virginia.terminalId}`.execute(
        desk.bus.db,
      );
    }
  });

  test('is not opened past maxTransitAge (K3)', async () => {
    const sealed = await desk.sealOne();
    await desk.shiftTicket(sealed, 7 * 24 * 3_600_000 - 60_000);
    await expect(desk.reticket(desk.frankfurt, sealed.header)).resolves.toBeDefined();
    await desk.shiftTicket(sealed, 120_000);
    await expect(desk.reticket(desk.frankfurt, sealed.header)).rejects.toMatchObject({
      code: 'E_TRANSIT_AGE',
      disposition: 'park',
    });
    await expect(desk.openOne(sealed.bytes)).rejects.toMatchObject({ code: 'E_TRANSIT_AGE' });
  });

  test('is refused to terminals that may not open today (K3)', async () => {
    const sealed = await desk.sealOne();
    await desk.shiftTicket(sealed, 3_600_000);
    await expect(desk.reticket(desk.virginia, sealed.header)).rejects.toMatchObject(refused);
    await expect(desk.reticket(desk.bus.actor('umbrella/frankfurt'), sealed.header)).rejects.toMatchObject(refused);
    await expect(desk.reticket({ ...desk.frankfurt, keys: desk.tokyo.keys }, sealed.header)).rejects.toMatchObject(
      refused,
    );
    const groups = sql`select * from group_terminals where terminal_id = ${desk.frankfurt.terminalId}`;
    const { rows } = await groups.execute(desk.bus.db);
    await sql`delete from group_terminals where terminal_id = ${desk.frankfurt.terminalId}`.execute(desk.bus.db);
    try {
      await expect(desk.reticket(desk.frankfurt, sealed.header)).rejects.toMatchObject(refused);
    } finally {
      await desk.bus.db
        .insertInto('group_terminals')
        .values(rows as never)
        .execute();
    }
    await expect(desk.reticket(desk.frankfurt, sealed.header)).resolves.toBeDefined();
  });

  test('is refused when its sender is reported compromised, or its epoch destroyed (K3)', async () => {
    const sealed = await desk.sealOne();
    await sql`insert into compromised_terminals values (${desk.tokyo.terminalId})`.execute(desk.bus.db);
    try {
      await expect(desk.reticket(desk.frankfurt, sealed.header)).rejects.toMatchObject(refused);
    } finally {
      await sql`delete from compromised_terminals`.execute(desk.bus.db);
    }
    const { epoch } = sealed;
    await desk.bus.db.transaction().execute(async (trx) => {
      const change = { topicId: desk.trade, actor: 'test', reason: 'test' };
      await rotateTopicKey(desk.bus.versions, trx, change);
      await destroyTopicKey(desk.bus.versions, trx, { ...change, epoch, isForced: true });
    });
    await expect(desk.reticket(desk.frankfurt, sealed.header)).rejects.toMatchObject(refused);
    await expect(desk.open(desk.frankfurt, sealed)).rejects.toMatchObject(refused);
    expect((await desk.sealOne()).epoch).toBe(epoch + 1);
    expect((await desk.openOne((await desk.sealOne()).bytes)).equals(body)).toBe(true);
  });

  test('needs its own header (K3)', async () => {
    const [sealed, another] = [await desk.sealOne(), await desk.sealOne()];
    const forged = [
      encodeSealedHeader({ ...sealed, password: another.password }),
      encodeSealedHeader({ ...sealed, ticketId: another.ticketId }),
      encodeSealedHeader({ ...sealed, certificate: another.certificate }),
      encodeSealedHeader({ ...sealed, senderId: desk.virginia.terminalId }),
      sealed.header.subarray(0, -1),
      Buffer.concat([sealed.header, Buffer.of(0)]),
      Buffer.alloc(0),
    ];
    for (const header of forged) await expect(desk.reticket(desk.frankfurt, header)).rejects.toMatchObject(refused);
  });

  test('opens with a new password only for the receiver it was made for, and only in time (K3)', async () => {
    const sealed = await desk.sealOne();
    await desk.shiftTicket(sealed, 3_600_000);
    const password = await desk.renewedPassword(desk.frankfurt, sealed);
    await expect(desk.open(desk.frankfurt, sealed, { password })).resolves.toBeDefined();
    await sql`insert into group_terminals (customer_id, group_id, terminal_id, position)
      select g.customer_id, g.id, ${desk.virginia.terminalId}, 1 from groups g where g.topic_id = ${desk.trade}`.execute(
      desk.bus.db,
    );
    try {
      await expect(desk.open(desk.virginia, sealed, { password })).rejects.toMatchObject(refused);
    } finally {
      await sql`delete from group_terminals where terminal_id = ${desk.virginia.terminalId}`.execute(desk.bus.db);
    }
    const renewed = await desk.renewedPassword(desk.frankfurt, sealed);
    await expect(desk.open(desk.frankfurt, sealed, { password })).rejects.toMatchObject(refused);
    await sql`update ticket_passwords set expires_at = clock_timestamp() where ticket_id = ${sealed.ticketId}`.execute(
      desk.bus.db,
    );
    await expect(desk.open(desk.frankfurt, sealed, { password: renewed })).rejects.toMatchObject(expired);
  });
});

describe('a flood (K8)', () => {
  test('from one terminal is refused as such and leaves another terminal alone', async () => {
    const flooded = desk.bus.service({ clock: { ...systemClock, monotonicMs: () => 0 } });
    const request = { ...ticketRequest(desk.tokyo, desk.trade), proof: '' };
    const attempt = () => flooded.ticket(desk.tokyo.siteId, request).catch((error: { code: string }) => error.code);
    const codes = await Promise.all(Array.from({ length: 1_100 }, attempt));
    expect(codes.filter((code) => code === 'E_KEY_REFUSED')).toHaveLength(1_000);
    expect(codes.filter((code) => code === 'E_KEY_BUSY')).toHaveLength(100);
    await expect(flooded.ticket(desk.virginia.siteId, ticketRequest(desk.virginia, desk.trade))).resolves.toBeDefined();
  });
});

describe('refusals', () => {
  const rows = async (method: string) =>
    (await listAudit(desk.bus.db, { limit: 1000 })).filter((row) => row.action === `refused ${method}`);

  test('a terminal that is in no group of the topic and asks to open or to re-ticket stands in the audit table', async () => {
    const sealed = await desk.sealOne();
    const audited = desk.bus.service();
    await expect(desk.open(desk.virginia, sealed, {}, audited)).rejects.toMatchObject(refused);
    await expect(desk.reticket(desk.virginia, sealed.header, audited)).rejects.toMatchObject(refused);
    const details = { terminalId: desk.virginia.terminalId, topicId: desk.trade, check: 'not in a group of the topic' };
    for (const method of ['key.open', 'key.reticket']) {
      await eventually(`${method} is audited`, async () =>
        (await rows(method)).some(
          (row) =>
            row.actor === 'site:virginia' &&
            row.noun === desk.virginia.terminalId &&
            isDeepStrictEqual(row.details, details),
        ),
      );
    }
  });

  test('a flood of refused requests leaves a few rows, and the others go on', async () => {
    const sealed = await desk.sealOne();
    const audited = desk.bus.service();
    const before = (await rows('key.open')).length;
    const flood = Array.from({ length: 60 }, () =>
      desk.open(desk.virginia, sealed, {}, audited).catch(() => undefined),
    );
    await Promise.all(flood);
    await eventually('some rows are there', async () => (await rows('key.open')).length > before);
    await desk.open(desk.frankfurt, sealed, {}, audited);
    expect((await rows('key.open')).length - before).toBeLessThanOrEqual(5);
  });
});
