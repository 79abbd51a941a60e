/** What admins ask for about keys: versions of topic keys, rotation, destruction. */
import { BusError } from '../errors.ts';
import { destroyTopicKey, graceMs, listKeyVersions, rotateTopicKey } from '../keys/service.ts';
import {
  appendAudit,
  bumpVersion,
  findTopicPath,
  listTickets,
  listTopics,
  lockBus,
  type Registry,
  readConsistently,
  revokeTickets,
  type Topic,
  topicOfTicket,
} from '../registry/index.ts';
import { actorOf } from './authorize.ts';
import type { Handler } from './context.ts';

export const rotateKey: Handler<'key.rotate'> = async ({ keyVersions }, { request, caller, db }) => {
  const { id: topicId } = await topicOf(db, request);
  return rotateTopicKey(keyVersions, db, { topicId, actor: actorOf(caller), reason: 'asked' });
};

export const listKeys: Handler<'key.versions'> = ({ db, keyVersions: { now } }, { request }) =>
  readConsistently(db, async (trx) => {
    const topic = await topicOf(trx, request);
    const { rotateAfterMs, rotateAfterMessages, maxTransitAgeMs } = topic;
    const versions = await listKeyVersions(trx, now, topic.id);
    return {
      versions: versions.map(versionInfo),
      rules: { rotateAfterMs, rotateAfterMessages, destroyAfterMs: maxTransitAgeMs + graceMs },
    };
  });

export const destroyKey: Handler<'key.destroy'> = async ({ keyVersions }, { request, caller, db }) => {
  const { id: topicId } = await topicOf(db, request);
  const { epoch, force } = request;
  const change = { topicId, actor: actorOf(caller), reason: 'asked', epoch, isForced: force };
  return destroyTopicKey(keyVersions, db, change);
};

export const listTicketRows: Handler<'ticket.list'> = async ({ db, keyVersions: { now } }, { request }) => {
  const { customer, topic, isLive, limit } = request;
  const topicId =
    customer === undefined || topic === undefined ? undefined : (await topicOf(db, { customer, topic })).id;
  const rows = await listTickets(db, now, { topicId, isLive, limit });
  return {
    tickets: rows.map(({ id, issuedAt, expiresAt, revokedAt, isLive, ...row }) => ({
      ticketId: id.toString('hex'),
      ...row,
      issuedAt: issuedAt.toISOString(),
      expiresAt: expiresAt.toISOString(),
      state: revokedAt !== null ? ('revoked' as const) : isLive ? ('live' as const) : ('expired' as const),
    })),
  };
};

export const revokeTicketRows: Handler<'ticket.revoke'> = async ({ keyVersions: { now } }, { request, caller, db }) => {
  await lockBus(db);
  const id = 'ticketId' in request ? ticketIdOf(request.ticketId) : undefined;
  const topicId = 'topic' in request ? (await topicOf(db, request)).id : await topicOfTicket(db, id ?? Buffer.alloc(0));
  if (topicId === undefined) throw new BusError('E_UNKNOWN_NOUN', 'there is no such ticket');
  const revoked = await revokeTickets(db, now, { topicId, ...(id && { id }) });
  const noun = await findTopicPath(db, topicId);
  const details = { revoked, ...(id && { ticketId: id.toString('hex') }) };
  await appendAudit(db, { actor: actorOf(caller), action: 'ticket.revoke', noun, details });
  return { revoked, version: await bumpVersion(db) };
};

function ticketIdOf(text: string): Buffer {
  if (/^[0-9a-f]{32}$/.test(text)) return Buffer.from(text, 'hex');
  throw new BusError('E_USAGE', 'a ticket is named by 32 hexadecimal digits, see mbus ticket ls');
}

function versionInfo(version: Awaited<ReturnType<typeof listKeyVersions>>[number]) {
  const { epoch, createdAt, retiredAt, destroyedAt, destroyDueAt, sealed, liveTickets } = version;
  const isDestroyed = destroyedAt !== null;
  return {
    epoch,
    state: isDestroyed ? ('destroyed' as const) : retiredAt === null ? ('seals' as const) : ('opens' as const),
    createdAt: createdAt.toISOString(),
    retiredAt: retiredAt?.toISOString() ?? null,
    destroyedAt: destroyedAt?.toISOString() ?? null,
    destroyDueAt: isDestroyed ? null : (destroyDueAt?.toISOString() ?? null),
    sealed,
    underWay: isDestroyed ? 0 : version.underWay,
    liveTickets,
  };
}

async function topicOf(db: Registry, { customer, topic }: { customer: string; topic: string }): Promise<Topic> {
  const owner = await db.selectFrom('customers').select('id').where('name', '=', customer).executeTakeFirst();
  const found = owner && (await listTopics(db, [owner.id])).find(({ name }) => name === topic);
  if (found) return found;
  throw new BusError('E_UNKNOWN_NOUN', `there is no topic ${customer}/${topic}`);
}
