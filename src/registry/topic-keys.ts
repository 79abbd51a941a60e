/**
 * Root secrets of topics, encrypted, one row per epoch. The newest that is not destroyed seals; older ones only open.
 * Of two replicas that make an epoch at once, both use the first one's.
 */
import type { Registry } from './connection.ts';

export interface StoredRoot {
  epoch: number;
  wrapped: Buffer;
}

/** The epoch to seal under, undefined when there is none yet. */
export async function findNewestRoot(db: Registry, topicId: string): Promise<StoredRoot | undefined> {
  const row = await db
    .selectFrom('topic_keys')
    .select(['epoch', 'wrapped'])
    .where('topic_id', '=', topicId)
    .orderBy('epoch', 'desc')
    .limit(1)
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

/** Stores a new epoch unless another replica was faster. */
export async function insertRoot(db: Registry, topicId: string, root: StoredRoot): Promise<void> {
  await db
    .insertInto('topic_keys')
    .values({ topic_id: topicId, ...root })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}
