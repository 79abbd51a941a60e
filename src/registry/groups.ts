/** Groups: who must receive a topic. The fields of the row; where a group is served stands in group-terminals.ts. */
import type { GroupSpec } from '../config/bus-file.ts';
import type { Registry } from './connection.ts';
import { type Removals, type SyncResult, syncRows } from './sync.ts';

export interface Group {
  id: string;
  customerId: string;
  topicId: string;
  name: string;
  policy: 'nearest' | 'spread' | 'ordered';
  maxBytes: number;
  onFull: 'refuse' | 'dropOldest';
  ackWaitMs: number;
  maxDeliver: number;
  maxAckPending: number;
  failoverAfterMs: number;
  onTerminalLoss: 'wait' | 'reassign';
  reassignAfterMs: number;
}

const columns = [
  'id',
  'customer_id',
  'topic_id',
  'name',
  'policy',
  'max_bytes',
  'on_full',
  'ack_wait_ms',
  'max_deliver',
  'max_ack_pending',
  'failover_after_ms',
  'on_terminal_loss',
  'reassign_after_ms',
] as const;

export async function listGroups(db: Registry, customerIds?: readonly string[]): Promise<Group[]> {
  let query = db.selectFrom('groups').select(columns).orderBy('name');
  if (customerIds) query = query.where('customer_id', 'in', [...customerIds]);
  const rows = await query.execute();
  return rows.map((row) => ({
    id: row.id,
    customerId: row.customer_id,
    topicId: row.topic_id,
    name: row.name,
    policy: row.policy,
    maxBytes: row.max_bytes,
    onFull: row.on_full,
    ackWaitMs: row.ack_wait_ms,
    maxDeliver: row.max_deliver,
    maxAckPending: row.max_ack_pending,
    failoverAfterMs: row.failover_after_ms,
    onTerminalLoss: row.on_terminal_loss,
    reassignAfterMs: row.reassign_after_ms,
  }));
}

export async function syncGroups(
  trx: Registry,
  removals: Removals,
  owner: { customerId: string; topicId: string },
  specs: readonly GroupSpec[],
): Promise<SyncResult> {
  const rows = await trx.selectFrom('groups').select(columns).where('topic_id', '=', owner.topicId).execute();
  return syncRows({
    removals,
    rows,
    rowKey: (row) => row.name,
    specs,
    specKey: (spec) => spec.name,
    values: (spec) => ({
      customer_id: owner.customerId,
      topic_id: owner.topicId,
      name: spec.name,
      policy: spec.policy,
      max_bytes: spec.maxBytes,
      on_full: spec.onFull,
      ack_wait_ms: spec.ackWaitMs,
      max_deliver: spec.maxDeliver,
      max_ack_pending: spec.maxAckPending,
      failover_after_ms: spec.failoverAfterMs,
      on_terminal_loss: spec.onTerminalLoss,
      reassign_after_ms: spec.reassignAfterMs,
    }),
    remove: async (ids) => void (await trx.deleteFrom('groups').where('id', 'in', ids).execute()),
    insert: async (values) =>
      (await trx.insertInto('groups').values(values).returning('id').executeTakeFirstOrThrow()).id,
    update: async (id, values) => void (await trx.updateTable('groups').set(values).where('id', '=', id).execute()),
  });
}
