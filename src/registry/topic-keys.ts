/**
 * Versions of topic keys: root secrets, encrypted, one row per topic and epoch.
 *
 *   none ──first ticket──▶ sealing ──rotate──▶ opening ──grace over, or by force──▶ destroyed
 *
 * One epoch at most seals. Of two replicas that make one at once, both use the first one's. A retired epoch opens what is
 * under way for the topic's maxTransitAge, and its secret is destroyed `graceMs` after that.
 */
import { sql } from 'kysely';
import type { Registry } from './connection.ts';
import type { DatabaseNow } from './tickets.ts';

export interface StoredRoot {
  epoch: number;
  wrapped: Buffer;
}

/** how long a retired version outlives its topic's maxTransitAge, ms */
export const graceMs = 24 * 3600 * 1000;

/** The epoch to seal under, undefined when there is none yet. */
export async function findNewestRoot(db: Registry, topicId: string): Promise<StoredRoot | undefined> {
  const row = await db
    .selectFrom('topic_keys')
    .select(['epoch', 'wrapped'])
    .where('topic_id', '=', topicId)
    .where('retired_at', 'is', null)
    .executeTakeFirst();
  return row && row.wrapped !== null ? { epoch: row.epoch, wrapped: row.wrapped } : undefined;
}

/** The number of the epoch after the last one, destroyed or not. */
export async function nextEpoch(db: Registry, topicId: string): Promise<number> {
  const row = await db
    .selectFrom('topic_keys')
    .select((expression) => expression.fn.max('epoch').as('last'))
    .where('topic_id', '=', topicId)
    .executeTakeFirst();
  return (row?.last ?? 0) + 1;
}

/** Stores a new epoch, unless another replica was faster or the database has another master key than `masterKeyId` by now. */
export async function insertRoot(
  db: Registry,
  now: DatabaseNow,
  { topicId, epoch, wrapped, masterKeyId }: StoredRoot & { topicId: string; masterKeyId: string },
): Promise<void> {
  await sql`
    insert into topic_keys (topic_id, epoch, wrapped, created_at)
    select ${topicId}, ${epoch}, ${wrapped}, ${now} from buses
    where master_key_id is null or master_key_id = ${masterKeyId}
    on conflict do nothing`.execute(db);
}

/** Encrypts all of them anew by `rewrap`. Returns how many. */
export async function rewrapTopicKeys(
  trx: Registry,
  rewrap: (at: { topicId: string; epoch: number }, wrapped: Buffer) => Buffer,
): Promise<number> {
  const rows = await trx.selectFrom('topic_keys').select(['topic_id', 'epoch', 'wrapped']).execute();
  let count = 0;
  for (const { topic_id: topicId, epoch, wrapped } of rows) {
    if (wrapped === null) continue;
    const anew = rewrap({ topicId, epoch }, wrapped);
    await trx
      .updateTable('topic_keys')
      .set({ wrapped: anew })
      .where('topic_id', '=', topicId)
      .where('epoch', '=', epoch)
      .execute();
    count += 1;
  }
  return count;
}

/** From now on the topic's epoch opens only; no ticket is issued for it any more. */
export async function retireRoot(trx: Registry, now: DatabaseNow, topicId: string): Promise<void> {
  await trx
    .updateTable('topic_keys')
    .set({ retired_at: now })
    .where('topic_id', '=', topicId)
    .where('retired_at', 'is', null)
    .execute();
}

/** What an epoch sealed stays closed for ever. False when it was destroyed before, seals still, or is not there. */
export async function destroyRoot(trx: Registry, now: DatabaseNow, topicId: string, epoch: number): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('topic_keys')
    .set({ wrapped: null, destroyed_at: now })
    .where('topic_id', '=', topicId)
    .where('epoch', '=', epoch)
    .where('retired_at', 'is not', null)
    .where('destroyed_at', 'is', null)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

export interface KeyVersion {
  epoch: number;
  createdAt: Date;
  retiredAt: Date | null;
  destroyedAt: Date | null;
  /** when its grace ends; null while it seals */
  destroyDueAt: Date | null;
  /** messages sealed under it, as terminals told */
  sealed: number;
  /** of them, those whose ticket could still be renewed for a receiver: at most so many may be under way */
  underWay: number;
  /** tickets that have not ended */
  liveTickets: number;
}

/** All versions of a topic, newest first. */
export async function listKeyVersions(db: Registry, now: DatabaseNow, topicId: string): Promise<KeyVersion[]> {
  const { rows } = await sql<KeyVersion>`
    with moment as materialized (select ${now} as at)
    select k.epoch, k.created_at as "createdAt", k.retired_at as "retiredAt", k.destroyed_at as "destroyedAt",
      k.retired_at + (t.max_transit_age_ms + ${graceMs}::bigint) * interval '1 millisecond' as "destroyDueAt", k.sealed,
      coalesce(sum(i.sealed) filter
        (where i.issued_at >= moment.at - t.max_transit_age_ms * interval '1 millisecond'), 0)::bigint as "underWay",
      count(*) filter (where i.expires_at > moment.at) as "liveTickets"
    from moment cross join topic_keys k join topics t on t.id = k.topic_id
    left join tickets i on i.topic_id = k.topic_id and i.epoch = k.epoch
    where k.topic_id = ${topicId}
    group by k.topic_id, k.epoch, t.max_transit_age_ms, moment.at
    order by k.epoch desc`.execute(db);
  return rows;
}

/** Topics whose sealing epoch is as old, or has sealed as much, as they allow. */
export async function listDueRotations(
  db: Registry,
  now: DatabaseNow,
): Promise<{ topicId: string; reason: 'age' | 'messages' }[]> {
  const { rows } = await sql<{ topicId: string; isOld: boolean }>`
    select k.topic_id as "topicId", k.created_at <= ${now} - t.rotate_after_ms * interval '1 millisecond' as "isOld"
    from topic_keys k join topics t on t.id = k.topic_id
    where k.retired_at is null
      and (k.created_at <= ${now} - t.rotate_after_ms * interval '1 millisecond' or k.sealed >= t.rotate_after_messages)`.execute(
    db,
  );
  return rows.map(({ topicId, isOld }) => ({ topicId, reason: isOld ? 'age' : 'messages' }));
}

/** Retired versions whose grace is over. */
export async function listDueDestructions(
  db: Registry,
  now: DatabaseNow,
): Promise<{ topicId: string; epoch: number }[]> {
  const { rows } = await sql<{ topicId: string; epoch: number }>`
    select k.topic_id as "topicId", k.epoch from topic_keys k join topics t on t.id = k.topic_id
    where k.destroyed_at is null
      and k.retired_at <= ${now} - (t.max_transit_age_ms + ${graceMs}::bigint) * interval '1 millisecond'`.execute(db);
  return rows;
}

/** The sealing epochs of these customers' topics, by topic id. */
export async function listSealingEpochs(db: Registry, customerIds: readonly string[]): Promise<Map<string, number>> {
  const rows = await db
    .selectFrom('topic_keys')
    .innerJoin('topics', 'topics.id', 'topic_keys.topic_id')
    .select(['topic_keys.topic_id', 'topic_keys.epoch'])
    .where('topics.customer_id', 'in', [...customerIds])
    .where('topic_keys.retired_at', 'is', null)
    .execute();
  return new Map(rows.map((row) => [row.topic_id, row.epoch]));
}

/** Counts messages whose tickets say so themselves. */
export async function addSealed(
  db: Registry,
  { topicId, epoch, messages }: { topicId: string; epoch: number; messages: number },
): Promise<void> {
  await db
    .updateTable('topic_keys')
    .set(({ eb }) => ({ sealed: eb('sealed', '+', messages) }))
    .where('topic_id', '=', topicId)
    .where('epoch', '=', epoch)
    .execute();
}
