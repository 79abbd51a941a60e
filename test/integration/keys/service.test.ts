/**
 *   sealer at acme/tokyo ──key.ticket──▶ key service ◀──key.open, key.reticket── opener at acme/frankfurt
 *                                            │
 *                                     real PostgreSQL
 */
import { isDeepStrictEqual } from 'node:util';
import { type RawBuilder, sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ControlClient, RequestOf } from '../../../src/api/methods.ts';
import { systemClock } from '../../../src/clock.ts';
import { context, decodeSealed, encodeSealedHeader, type SealedEnvelope } from '../../../src/envelope/index.ts';
import { wrapInfo } from '../../../src/keys/index.ts';
import { destroyTopicKey, type KeyService, rotateTopicKey, TopicRoots } from '../../../src/keys/service.ts';
import { silentLogger } from '../../../src/log.ts';
import { databaseNow, listAudit, listTickets, revokeTickets } from '../../../src/registry/index.ts';
import { createOpener, createSealer } from '../../../src/sealing/index.ts';
import {
  type Actor,
  heldKey,
  type KeysBus,
  masterKey,
  openRequest,
  reticketRequest,
  startKeysBus,
  ticketRequest,
} from '../../support/keys.ts';
import { eventually } from '../../support/nats-server.ts';

let bus: KeysBus;
let service: KeyService;
let tokyo: Actor;
let frankfurt: Actor;
let virginia: Actor;
let trade: string;

const body = Buffer.from('body');
const refused = { code: 'E_KEY_REFUSED', message: 'the key service refuses this terminal and topic' };
const expired = { code: 'E_TICKET_EXPIRED' };

beforeAll(async () => {
  bus = await startKeysBus();
  service = bus.service();
  [tokyo, frankfurt, virginia] = ['tokyo', 'frankfurt', 'virginia'].map((site) => bus.actor(`acme/${site}`)) as [
    Actor,
    Actor,
    Actor,
  ];
  trade = bus.topic('acme/trade');
});

afterAll(() => bus?.close());

/** The service as a terminal of that site reaches it, without the transport. */
function clientOf(actor: Actor, of: KeyService = service): Pick<ControlClient, 'call'> {
  const call = (method: string, request: unknown): Promise<unknown> => {
    if (method === 'key.ticket') return of.ticket(actor.siteId, request as RequestOf<'key.ticket'>);
    if (method === 'key.open') return of.open(actor.siteId, request as RequestOf<'key.open'>);
    return of.reticket(actor.siteId, request as RequestOf<'key.reticket'>);
  };
  return { call: call as ControlClient['call'] };
}

function optionsOf(actor: Actor, of: KeyService = service) {
  const { customerId, terminalId, keys } = actor;
  const serviceKey = () => bus.signer.publicKey;
  return {
    control: clientOf(actor, of),
    customerId,
    terminalId,
    keys,
    serviceKey,
    clock: systemClock,
    log: silentLogger,
  };
}

/** A fresh envelope of acme/trade, sealed at tokyo under a ticket of its own. */
async function sealOne(topicId = trade, actor = tokyo): Promise<SealedEnvelope & { bytes: Buffer }> {
  const sealer = createSealer(optionsOf(actor));
  const { sealed } = await sealer.seal({ id: topicId, strict: true, keyEpoch: null, ticketsSinceMs: null }, body, {
    count: 1,
    compress: false,
  });
  sealer.stop();
  return { ...decodeSealed(sealed), bytes: sealed };
}

async function openOne(sealed: Uint8Array, actor = frankfurt, of = service): Promise<Buffer> {
  const opener = createOpener(optionsOf(actor, of));
  try {
    return (await opener.open(sealed, { topicId: trade, originId: tokyo.terminalId, ticketsSinceMs: null })).body;
  } finally {
    opener.stop();
  }
}

interface Claims {
  topicId?: string;
  ticketId?: Uint8Array;
  password?: Uint8Array;
}

function open(actor: Actor, sealed: SealedEnvelope, lies: Claims = {}, of = service) {
  const { topicId, ticketId, password } = { ...sealed, ...lies };
  return of.open(actor.siteId, openRequest(actor, topicId, ticketId, password));
}

function reticket(actor: Actor, header: Uint8Array, of = service) {
  return of.reticket(actor.siteId, reticketRequest(actor, trade, header));
}

/** The password a re-ticket gave, as its receiver unwraps it. */
async function renewedPassword(actor: Actor, sealed: SealedEnvelope, of = service): Promise<Buffer> {
  const request = reticketRequest(actor, trade, sealed.header);
  const { wrapped } = await of.reticket(actor.siteId, request);
  const nonce = Buffer.from(request.nonce, 'base64url');
  const info = wrapInfo(context.wrapPassword, actor.terminalId, sealed.ticketId, nonce);
  return actor.keys.unwrap(Buffer.from(wrapped, 'base64url'), info);
}

const shiftTicket = (sealed: SealedEnvelope, ms: number) =>
  sql`update tickets set issued_at = issued_at - ${ms} * interval '1 millisecond',
    expires_at = expires_at - ${ms} * interval '1 millisecond' where id = ${sealed.ticketId}`.execute(bus.db);

describe('sealing and opening', () => {
  test('a body sealed at one terminal opens at a terminal of a group', async () => {
    expect((await openOne((await sealOne()).bytes)).equals(body)).toBe(true);
  });

  test('two replicas that make the first key of a topic at once use the same one', async () => {
    const replicas = Array.from({ length: 8 }, () => bus.service());
    const umbrella = bus.actor('umbrella/tokyo');
    const topicId = bus.topic('umbrella/trade');
    const answers = await Promise.all(
      replicas.map((replica) => replica.ticket(umbrella.siteId, ticketRequest(umbrella, topicId))),
    );
    expect(new Set(answers.map((answer) => answer.epoch))).toEqual(new Set([1]));
    const { rows } = await sql`select 1 from topic_keys where topic_id = ${topicId}`.execute(bus.db);
    expect(rows).toHaveLength(1);
  });

  test('nothing in the database opens anything: no password, no half, no root in the clear', async () => {
    const sealed = await sealOne();
    const { rows } = await sql<{ all: string }>`select coalesce(string_agg(r, ' '), '') as all from (
      select t::text as r from tickets t union all select k::text from topic_keys k union all select p::text from ticket_passwords p
    ) rows`.execute(bus.db);
    expect(rows[0]!.all).toContain(Buffer.from(sealed.ticketId).toString('hex'));
    expect(rows[0]!.all).not.toContain(Buffer.from(sealed.password).toString('hex'));
  });

  test('another master key opens nothing', async () => {
    const sealed = await sealOne();
    const stranger = bus.service({ roots: new TopicRoots(heldKey(Buffer.alloc(32, masterKey[0]! + 1)), databaseNow) });
    await expect(open(frankfurt, sealed, {}, stranger)).rejects.toMatchObject({ code: 'E_TOPIC_KEY' });
  });
});

describe('a ticket is refused', () => {
  const ticket = (actor: Actor, topicId = trade) => service.ticket(actor.siteId, ticketRequest(actor, topicId));

  test('without the securekey', async () => {
    await expect(ticket({ ...tokyo, keys: frankfurt.keys })).rejects.toMatchObject(refused);
  });

  test('through the key of another site', async () => {
    await expect(ticket({ ...tokyo, siteId: frankfurt.siteId })).rejects.toMatchObject(refused);
  });

  test("for another customer's topic", async () => {
    await expect(ticket(tokyo, bus.topic('umbrella/trade'))).rejects.toMatchObject(refused);
  });

  test('with a proof made for another topic or another nonce', async () => {
    const request = ticketRequest(tokyo, trade);
    const quiet = { ...request, topicId: bus.topic('acme/quiet') };
    const renonced = { ...request, nonce: ticketRequest(tokyo, trade).nonce };
    for (const forged of [quiet, renonced, { ...request, nonce: '' }, { ...request, proof: '' }]) {
      await expect(service.ticket(tokyo.siteId, forged)).rejects.toMatchObject(refused);
    }
  });

  test('to a terminal that is reported compromised', async () => {
    await sql`insert into compromised_terminals values (${virginia.terminalId})`.execute(bus.db);
    try {
      await expect(ticket(virginia)).rejects.toMatchObject(refused);
    } finally {
      await sql`delete from compromised_terminals`.execute(bus.db);
    }
    await expect(ticket(virginia)).resolves.toBeDefined();
  });
});

describe('an opening half (K2)', () => {
  test('needs password and securekey together, of this ticket and this topic', async () => {
    const [sealed, another] = [await sealOne(), await sealOne()];
    await expect(open(frankfurt, sealed)).resolves.toMatchObject({ ttlMs: expect.any(Number) });
    const wrong = [
      () => open({ ...frankfurt, keys: tokyo.keys }, sealed),
      () => open(frankfurt, sealed, { password: Buffer.alloc(32) }),
      () => open(frankfurt, sealed, { password: another.password }),
      () => open(frankfurt, sealed, { ticketId: another.ticketId }),
      () => open(frankfurt, sealed, { ticketId: Buffer.alloc(16) }),
      () => open(frankfurt, sealed, { topicId: bus.topic('acme/quiet') }),
      () => open(frankfurt, sealed, { topicId: bus.topic('umbrella/trade') }),
    ];
    for (const attempt of wrong) await expect(attempt()).rejects.toMatchObject(refused);
  });

  test('is for terminals in a group of the topic only', async () => {
    const sealed = await sealOne();
    await expect(open(virginia, sealed)).rejects.toMatchObject(refused);
    await expect(open(tokyo, sealed)).rejects.toMatchObject(refused);
    await expect(open(bus.actor('umbrella/frankfurt'), sealed)).rejects.toMatchObject(refused);
  });

  test('is there a millisecond before the end, and not at the end or after it', async () => {
    const moment = sql<Date>`'2031-05-05T10:00:00Z'::timestamptz`;
    const at = (now: RawBuilder<Date>): KeyService => bus.service({ now });
    const sealer = createSealer(optionsOf(tokyo, at(moment)));
    const { sealed } = await sealer.seal({ id: trade, strict: true, keyEpoch: null, ticketsSinceMs: null }, body, {
      count: 1,
      compress: false,
    });
    sealer.stop();
    const envelope = decodeSealed(sealed);
    const openAt = (text: string) => open(frankfurt, envelope, {}, at(sql<Date>`${text}::timestamptz`));
    await expect(openAt('2031-05-05T10:00:00Z')).resolves.toMatchObject({ ttlMs: 300_000 });
    await expect(openAt('2031-05-05T10:04:59.999Z')).resolves.toMatchObject({ ttlMs: 1 });
    for (const late of ['2031-05-05T10:05:00Z', '2031-05-05T10:05:00.001Z', '2031-05-06T00:00:00Z']) {
      await expect(openAt(late)).rejects.toMatchObject(expired);
    }
  });

  test('is judged by the moment of the question, however long the transaction around it is', async () => {
    const brief = bus.service({ ticketLifeMs: 400 });
    await bus.db.transaction().execute(async (trx) => {
      const within = bus.service({ db: trx, ticketLifeMs: 400 });
      const sealer = createSealer(optionsOf(tokyo, within));
      const { sealed } = await sealer.seal({ id: trade, strict: true, keyEpoch: null, ticketsSinceMs: null }, body, {
        count: 1,
        compress: false,
      });
      sealer.stop();
      const envelope = decodeSealed(sealed);
      await expect(open(frankfurt, envelope, {}, within)).resolves.toBeDefined();
      await sql`select pg_sleep(0.5)`.execute(trx);
      await expect(open(frankfurt, envelope, {}, within)).rejects.toMatchObject(expired);
    });
    await expect(brief.ticket(tokyo.siteId, ticketRequest(tokyo, trade))).resolves.toMatchObject({ ttlMs: 400 });
  });

  test('of an expired ticket is a refusal like any other without the right password', async () => {
    const sealed = await sealOne();
    await shiftTicket(sealed, 400_000);
    await expect(open(frankfurt, sealed)).rejects.toMatchObject(expired);
    await expect(open(frankfurt, sealed, { password: Buffer.alloc(32) })).rejects.toMatchObject(refused);
    await expect(open(virginia, sealed)).rejects.toMatchObject(refused);
  });

  test('answered to one request does not unwrap for another, nor at another terminal (K7)', async () => {
    const sealed = await sealOne();
    const request = openRequest(frankfurt, trade, sealed.ticketId, sealed.password);
    const { wrapped } = await service.open(frankfurt.siteId, request);
    const bytes = Buffer.from(wrapped, 'base64url');
    const infoFor = (nonce: string) =>
      wrapInfo(context.wrapOpening, frankfurt.terminalId, sealed.ticketId, Buffer.from(nonce, 'base64url'));
    const later = openRequest(frankfurt, trade, sealed.ticketId, sealed.password).nonce;
    await expect(frankfurt.keys.unwrap(bytes, infoFor(request.nonce))).resolves.toHaveLength(32);
    await expect(frankfurt.keys.unwrap(bytes, infoFor(later))).rejects.toMatchObject({ code: 'E_ENVELOPE_BAD' });
    await expect(virginia.keys.unwrap(bytes, infoFor(request.nonce))).rejects.toMatchObject({ code: 'E_ENVELOPE_BAD' });
  });
});

describe('a revoked ticket', () => {
  test('opens nothing from then on, is not renewed, and leaves other tickets alone', async () => {
    const [sealed, other] = [await sealOne(), await sealOne()];
    const revoked = await revokeTickets(bus.db, databaseNow, { topicId: trade, id: sealed.ticketId });
    expect(revoked).toBe(1);
    await expect(open(frankfurt, sealed)).rejects.toMatchObject(refused);
    await expect(reticket(frankfurt, sealed.header)).rejects.toMatchObject(refused);
    await expect(open(frankfurt, other)).resolves.toBeDefined();
    const [listed] = (await listTickets(bus.db, databaseNow, { topicId: trade, isLive: false, limit: 10 })).filter(
      ({ id }) => id.equals(sealed.ticketId),
    );
    expect(listed).toMatchObject({ topic: 'acme/trade', site: 'tokyo', isLive: false, revokedAt: expect.any(Date) });
    const living = await listTickets(bus.db, databaseNow, { topicId: trade, isLive: true, limit: 1000 });
    expect(living.some(({ id }) => id.equals(sealed.ticketId))).toBe(false);
  });
});

describe('an envelope that waited past its ticket', () => {
  test('opens by a re-ticket, which stands in the audit once', async () => {
    const sealed = await sealOne();
    await shiftTicket(sealed, 3 * 3_600_000);
    expect((await openOne(sealed.bytes)).equals(body)).toBe(true);
    const ticketId = Buffer.from(sealed.ticketId).toString('hex');
    const { rows } = await sql<{ actor: string; noun: string }>`
      select actor, noun from audit where action = 'key.reticket' and details ->> 'ticketId' = ${ticketId}`.execute(
      bus.db,
    );
    expect(rows).toEqual([{ actor: 'site:frankfurt', noun: 'acme/trade' }]);
  });

  test('also when its sender is gone', async () => {
    const sealed = await sealOne(trade, virginia);
    await shiftTicket(sealed, 3_600_000);
    await sql`update terminals set sign_key = null, wrap_key = null, registered_at = null where id = ${virginia.terminalId}`.execute(
      bus.db,
    );
    try {
      await expect(renewedPassword(frankfurt, sealed)).resolves.toHaveLength(32);
    } finally {
      const { signKey, wrapKey } = virginia.keys;
      await sql`update terminals set sign_key = ${signKey}, wrap_key = ${wrapKey}, registered_at = clock_timestamp() where id = ${virginia.terminalId}`.execute(
        bus.db,
      );
    }
  });

  test('is not opened past maxTransitAge (K3)', async () => {
    const sealed = await sealOne();
    await shiftTicket(sealed, 7 * 24 * 3_600_000 - 60_000);
    await expect(reticket(frankfurt, sealed.header)).resolves.toBeDefined();
    await shiftTicket(sealed, 120_000);
    await expect(reticket(frankfurt, sealed.header)).rejects.toMatchObject({
      code: 'E_TRANSIT_AGE',
      disposition: 'park',
    });
    await expect(openOne(sealed.bytes)).rejects.toMatchObject({ code: 'E_TRANSIT_AGE' });
  });

  test('is refused to terminals that may not open today (K3)', async () => {
    const sealed = await sealOne();
    await shiftTicket(sealed, 3_600_000);
    await expect(reticket(virginia, sealed.header)).rejects.toMatchObject(refused);
    await expect(reticket(bus.actor('umbrella/frankfurt'), sealed.header)).rejects.toMatchObject(refused);
    await expect(reticket({ ...frankfurt, keys: tokyo.keys }, sealed.header)).rejects.toMatchObject(refused);
    const groups = sql`select * from group_terminals where terminal_id = ${frankfurt.terminalId}`;
    const { rows } = await groups.execute(bus.db);
    await sql`delete from group_terminals where terminal_id = ${frankfurt.terminalId}`.execute(bus.db);
    try {
      await expect(reticket(frankfurt, sealed.header)).rejects.toMatchObject(refused);
    } finally {
      await bus.db
        .insertInto('group_terminals')
        .values(rows as never)
        .execute();
    }
    await expect(reticket(frankfurt, sealed.header)).resolves.toBeDefined();
  });

  test('is refused when its sender is reported compromised, or its epoch destroyed (K3)', async () => {
    const sealed = await sealOne();
    await sql`insert into compromised_terminals values (${tokyo.terminalId})`.execute(bus.db);
    try {
      await expect(reticket(frankfurt, sealed.header)).rejects.toMatchObject(refused);
    } finally {
      await sql`delete from compromised_terminals`.execute(bus.db);
    }
    const { epoch } = sealed;
    await bus.db.transaction().execute(async (trx) => {
      const change = { topicId: trade, actor: 'test', reason: 'test' };
      await rotateTopicKey(bus.versions, trx, change);
      await destroyTopicKey(bus.versions, trx, { ...change, epoch, isForced: true });
    });
    await expect(reticket(frankfurt, sealed.header)).rejects.toMatchObject(refused);
    await expect(open(frankfurt, sealed)).rejects.toMatchObject(refused);
    expect((await sealOne()).epoch).toBe(epoch + 1);
    expect((await openOne((await sealOne()).bytes)).equals(body)).toBe(true);
  });

  test('needs its own header (K3)', async () => {
    const [sealed, another] = [await sealOne(), await sealOne()];
    const forged = [
      encodeSealedHeader({ ...sealed, password: another.password }),
      encodeSealedHeader({ ...sealed, ticketId: another.ticketId }),
      encodeSealedHeader({ ...sealed, certificate: another.certificate }),
      encodeSealedHeader({ ...sealed, senderId: virginia.terminalId }),
      sealed.header.subarray(0, -1),
      Buffer.concat([sealed.header, Buffer.of(0)]),
      Buffer.alloc(0),
    ];
    for (const header of forged) await expect(reticket(frankfurt, header)).rejects.toMatchObject(refused);
  });

  test('opens with a new password only for the receiver it was made for, and only in time (K3)', async () => {
    const sealed = await sealOne();
    await shiftTicket(sealed, 3_600_000);
    const password = await renewedPassword(frankfurt, sealed);
    await expect(open(frankfurt, sealed, { password })).resolves.toBeDefined();
    await sql`insert into group_terminals (customer_id, group_id, terminal_id, position)
      select g.customer_id, g.id, ${virginia.terminalId}, 1 from groups g where g.topic_id = ${trade}`.execute(bus.db);
    try {
      await expect(open(virginia, sealed, { password })).rejects.toMatchObject(refused);
    } finally {
      await sql`delete from group_terminals where terminal_id = ${virginia.terminalId}`.execute(bus.db);
    }
    const renewed = await renewedPassword(frankfurt, sealed);
    await expect(open(frankfurt, sealed, { password })).rejects.toMatchObject(refused);
    await sql`update ticket_passwords set expires_at = clock_timestamp() where ticket_id = ${sealed.ticketId}`.execute(
      bus.db,
    );
    await expect(open(frankfurt, sealed, { password: renewed })).rejects.toMatchObject(expired);
  });
});

describe('a flood (K8)', () => {
  test('from one terminal is refused as such and leaves another terminal alone', async () => {
    const flooded = bus.service({ clock: { ...systemClock, monotonicMs: () => 0 } });
    const request = { ...ticketRequest(tokyo, trade), proof: '' };
    const attempt = () => flooded.ticket(tokyo.siteId, request).catch((error: { code: string }) => error.code);
    const codes = await Promise.all(Array.from({ length: 1_100 }, attempt));
    expect(codes.filter((code) => code === 'E_KEY_REFUSED')).toHaveLength(1_000);
    expect(codes.filter((code) => code === 'E_KEY_BUSY')).toHaveLength(100);
    await expect(flooded.ticket(virginia.siteId, ticketRequest(virginia, trade))).resolves.toBeDefined();
  });
});

describe('refusals', () => {
  const rows = async (method: string) =>
    (await listAudit(bus.db, { limit: 1000 })).filter((row) => row.action === `refused ${method}`);

  test('a terminal that is in no group of the topic and asks to open or to re-ticket stands in the audit table', async () => {
    const sealed = await sealOne();
    const audited = bus.service();
    await expect(open(virginia, sealed, {}, audited)).rejects.toMatchObject(refused);
    await expect(reticket(virginia, sealed.header, audited)).rejects.toMatchObject(refused);
    const details = { terminalId: virginia.terminalId, topicId: trade, check: 'not in a group of the topic' };
    for (const method of ['key.open', 'key.reticket']) {
      await eventually(`${method} is audited`, async () =>
        (await rows(method)).some(
          (row) =>
            row.actor === 'site:virginia' &&
            row.noun === virginia.terminalId &&
            isDeepStrictEqual(row.details, details),
        ),
      );
    }
  });

  test('a flood of refused requests leaves a few rows, and the others go on', async () => {
    const sealed = await sealOne();
    const audited = bus.service();
    const before = (await rows('key.open')).length;
    const flood = Array.from({ length: 60 }, () => open(virginia, sealed, {}, audited).catch(() => undefined));
    await Promise.all(flood);
    await eventually('some rows are there', async () => (await rows('key.open')).length > before);
    await open(frankfurt, sealed, {}, audited);
    expect((await rows('key.open')).length - before).toBeLessThanOrEqual(5);
  });
});
