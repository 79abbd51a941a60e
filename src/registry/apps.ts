/** Apps: an application's credential, bound to one terminal. */
import type { AppSpec } from '../config/bus-file.ts';
import type { Registry } from './connection.ts';
import { type Removals, type SyncResult, syncRows } from './sync.ts';

export interface App {
  id: string;
  customerId: string;
  terminalId: string;
  name: string;
  isRevoked: boolean;
  credential: number;
  credentialLifeMs: number | null;
}

const columns = ['id', 'customer_id', 'terminal_id', 'name', 'credential_life_ms'] as const;

export async function listApps(db: Registry, customerIds?: readonly string[]): Promise<App[]> {
  let query = db.selectFrom('apps').select(columns).select(['is_revoked', 'credential']).orderBy('name');
  if (customerIds) query = query.where('customer_id', 'in', [...customerIds]);
  const rows = await query.execute();
  return rows.map((row) => ({
    id: row.id,
    customerId: row.customer_id,
    terminalId: row.terminal_id,
    name: row.name,
    isRevoked: row.is_revoked,
    credential: row.credential,
    credentialLifeMs: row.credential_life_ms,
  }));
}

export async function syncApps(
  trx: Registry,
  removals: Removals,
  customerId: string,
  specs: readonly AppSpec[],
  terminals: SyncResult,
): Promise<SyncResult> {
  const rows = await trx.selectFrom('apps').select(columns).where('customer_id', '=', customerId).execute();
  return syncRows({
    removals,
    rows,
    rowKey: (row) => row.name,
    specs,
    specKey: (spec) => spec.name,
    values: (spec) => ({
      customer_id: customerId,
      terminal_id: terminals.get(spec.terminal) ?? spec.terminal,
      name: spec.name,
      credential_life_ms: spec.credentialLifeMs ?? null,
    }),
    remove: async (ids) => void (await trx.deleteFrom('apps').where('id', 'in', ids).execute()),
    insert: async (values) =>
      (await trx.insertInto('apps').values(values).returning('id').executeTakeFirstOrThrow()).id,
    update: async (id, values) => void (await trx.updateTable('apps').set(values).where('id', '=', id).execute()),
  });
}
