/** What admins ask for about keys: versions of topic keys, rotation, destruction. */
import { BusError } from '../errors.ts';
import { destroyTopicKey, graceMs, listKeyVersions, rotateTopicKey } from '../keys/service.ts';
import { listTopics, type Registry, readConsistently, type Topic } from '../registry/index.ts';
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
