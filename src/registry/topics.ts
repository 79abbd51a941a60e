/** Topics: what is sent. */
import type { TopicSpec } from '../config/bus-file.ts';
import type { Registry } from './connection.ts';
import { type Removals, type SyncResult, syncRows } from './sync.ts';

export interface Topic {
  id: string;
  customerId: string;
  name: string;
  scope: 'bus' | 'lan';
  maxBytes: number;
  maxTransitAgeMs: number;
  strict: boolean;
  ordered: boolean;
  dedupeMs: number;
  rotateAfterMs: number;
  rotateAfterMessages: number;
  /** ms since 1970; null when no ticket was ever revoked */
  ticketsSinceMs: number | null;
}

const columns = [
  'id',
  'customer_id',
  'name',
  'scope',
  'max_bytes',
  'max_transit_age_ms',
  'strict',
  'ordered',
  'dedupe_ms',
  'rotate_after_ms',
  'rotate_after_messages',
] as const;

export async function listTopics(db: Registry, customerIds?: readonly string[]): Promise<Topic[]> {
  let query = db.selectFrom('topics').select(columns).select('tickets_since').orderBy('name');
  if (customerIds) query = query.where('customer_id', 'in', [...customerIds]);
  const rows = await query.execute();
  return rows.map((row) => ({
    id: row.id,
    customerId: row.customer_id,
    name: row.name,
    scope: row.scope,
    maxBytes: row.max_bytes,
    maxTransitAgeMs: row.max_transit_age_ms,
    strict: row.strict,
    ordered: row.ordered,
    dedupeMs: row.dedupe_ms,
    rotateAfterMs: row.rotate_after_ms,
    rotateAfterMessages: row.rotate_after_messages,
    ticketsSinceMs: row.tickets_since?.getTime() ?? null,
  }));
}

/** `customer/topic`, or the id when it is gone. */
export async function findTopicPath(db: Registry, topicId: string): Promise<string> {
  const row = await db
    .selectFrom('topics')
    .innerJoin('customers', 'customers.id', 'topics.customer_id')
    .select(['customers.name as customer', 'topics.name as topic'])
    .where('topics.id', '=', topicId)
    .executeTakeFirst();
  return row ? `${row.customer}/${row.topic}` : topicId;
}

export async function syncTopics(
  trx: Registry,
  removals: Removals,
  customerId: string,
  specs: readonly TopicSpec[],
): Promise<SyncResult> {
  const rows = await trx.selectFrom('topics').select(columns).where('customer_id', '=', customerId).execute();
  return syncRows({
    removals,
    rows,
    rowKey: (row) => row.name,
    specs,
    specKey: (spec) => spec.name,
    values: (spec) => ({
      customer_id: customerId,
      name: spec.name,
      scope: spec.scope,
      max_bytes: spec.maxBytes,
      max_transit_age_ms: spec.maxTransitAgeMs,
      strict: spec.strict,
      ordered: spec.ordered,
      dedupe_ms: spec.dedupeMs,
      rotate_after_ms: spec.rotateAfterMs,
      rotate_after_messages: spec.rotateAfterMessages,
    }),
    remove: async (ids) => void (await trx.deleteFrom('topics').where('id', 'in', ids).execute()),
    insert: async (values) =>
      (await trx.insertInto('topics').values(values).returning('id').executeTakeFirstOrThrow()).id,
    update: async (id, values) => void (await trx.updateTable('topics').set(values).where('id', '=', id).execute()),
  });
}
