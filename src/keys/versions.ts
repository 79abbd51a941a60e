/**
 * New versions of topic keys, and the end of old ones: by an operator's word, by age and number of messages, and when the
 * grace of a retired version is over. Each is a change of the bus, so that sites hear of it, and stands in the audit table.
 *
 * Any number of replicas may run the upkeep: the bus's row is locked and the rule asked again inside.
 */
import { BusError } from '../errors.ts';
import { appendAudit } from '../registry/audit.ts';
import { bumpVersion, lockBus } from '../registry/buses.ts';
import type { Registry } from '../registry/connection.ts';
import type { DatabaseNow } from '../registry/tickets.ts';
import { deleteOldTickets } from '../registry/tickets.ts';
import {
  addSealed,
  destroyRoot,
  listDueDestructions,
  listDueRotations,
  listKeyVersions,
} from '../registry/topic-keys.ts';
import { findTopicPath } from '../registry/topics.ts';
import type { TopicRoots } from './topic-roots.ts';

export interface VersionContext {
  roots: TopicRoots;
  now: DatabaseNow;
}

interface Change {
  topicId: string;
  /** for the audit table */
  actor: string;
  reason: string;
}

/** A new version seals from now on. Call it in a transaction. @returns epoch and the bus's new version */
export async function rotateTopicKey(
  { roots }: VersionContext,
  trx: Registry,
  { topicId, actor, reason }: Change,
): Promise<{ epoch: number; version: number }> {
  await lockBus(trx);
  const epoch = await roots.rotate(trx, topicId);
  const noun = await findTopicPath(trx, topicId);
  await appendAudit(trx, { actor, action: 'key.rotate', noun, details: { epoch, reason } });
  return { epoch, version: await bumpVersion(trx) };
}

/**
 * Destroys a retired version. Call it in a transaction.
 * @throws E_KEY_IN_USE while it seals, or may still be needed and `isForced` is not given; E_UNKNOWN_NOUN
 */
export async function destroyTopicKey(
  { now }: VersionContext,
  trx: Registry,
  change: Change & { epoch: number; isForced: boolean },
): Promise<{ stranded: number }> {
  const { topicId, epoch, actor, reason, isForced } = change;
  await lockBus(trx);
  const noun = await findTopicPath(trx, topicId);
  const found = (await listKeyVersions(trx, now, topicId)).find((version) => version.epoch === epoch);
  if (found === undefined || found.destroyedAt !== null) {
    throw new BusError('E_UNKNOWN_NOUN', `${noun} has no key version ${epoch}, or it is destroyed already`);
  }
  if (found.retiredAt === null) {
    throw new BusError('E_KEY_IN_USE', `${noun} seals under key version ${epoch}: rotate first`);
  }
  const { underWay: stranded } = found;
  if (!isForced && !(await isDue(trx, now, topicId, epoch))) {
    const until = found.destroyDueAt?.toISOString();
    const text = `key version ${epoch} of ${noun} is needed until ${until}: up to ${stranded} messages sealed under it may be under way`;
    throw new BusError('E_KEY_IN_USE', text, { details: { stranded, destroyDueAt: until } });
  }
  if (await destroyRoot(trx, now, topicId, epoch)) {
    const details = { epoch, reason, isForced, stranded };
    await appendAudit(trx, { actor, action: 'key.destroy', noun, details });
  }
  return { stranded };
}

/** What is due now; returns how much was done. @throws E_DATABASE_AWAY */
export async function upkeepTopicKeys(
  context: VersionContext,
  db: Registry,
): Promise<{ rotated: number; destroyed: number }> {
  const { now, roots } = context;
  for (const { topicId, epoch, messages } of roots.takeSealed()) await addSealed(db, { topicId, epoch, messages });
  const done = { rotated: 0, destroyed: 0 };
  for (const { topicId } of await listDueRotations(db, now)) {
    await db.transaction().execute(async (trx) => {
      await lockBus(trx);
      const due = (await listDueRotations(trx, now)).find((each) => each.topicId === topicId);
      if (due === undefined) return;
      await rotateTopicKey(context, trx, { topicId, actor: 'control', reason: due.reason });
      done.rotated += 1;
    });
  }
  for (const { topicId, epoch } of await listDueDestructions(db, now)) {
    await db.transaction().execute(async (trx) => {
      await lockBus(trx);
      if (!(await isDue(trx, now, topicId, epoch))) return;
      const change = { topicId, epoch, actor: 'control', reason: 'grace over', isForced: false };
      await destroyTopicKey(context, trx, change);
      done.destroyed += 1;
    });
  }
  await deleteOldTickets(db, now);
  return done;
}

async function isDue(trx: Registry, now: DatabaseNow, topicId: string, epoch: number): Promise<boolean> {
  return (await listDueDestructions(trx, now)).some((each) => each.topicId === topicId && each.epoch === epoch);
}
