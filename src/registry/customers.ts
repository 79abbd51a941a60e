/** Customers: tenants. Everything below one goes with it. */
import type { CustomerSpec } from '../config/bus-file.ts';
import type { Registry } from './connection.ts';
import { type Removals, type SyncResult, syncRows } from './sync.ts';

export interface Customer {
  id: string;
  name: string;
  isolateApps: boolean;
  isSuspended: boolean;
  /** at each site */
  limits: Record<'maxConnections' | 'maxPayload' | 'maxStorage' | 'maxConsumers', number | null>;
}

const limits = ['max_connections', 'max_payload', 'max_storage', 'max_consumers'] as const;
const columns = ['id', 'name', 'isolate_apps', ...limits] as const;

export async function listCustomers(db: Registry): Promise<Customer[]> {
  const rows = await db
    .selectFrom('customers')
    .select([...columns, 'is_suspended'])
    .orderBy('name')
    .execute();
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    isolateApps: row.isolate_apps,
    isSuspended: row.is_suspended,
    limits: {
      maxConnections: row.max_connections,
      maxPayload: row.max_payload,
      maxStorage: row.max_storage,
      maxConsumers: row.max_consumers,
    },
  }));
}

export async function syncCustomers(
  trx: Registry,
  removals: Removals,
  specs: readonly CustomerSpec[],
): Promise<SyncResult> {
  const rows = await trx.selectFrom('customers').select(columns).execute();
  return syncRows({
    removals,
    rows,
    rowKey: (row) => row.name,
    specs,
    specKey: (spec) => spec.name,
    values: ({ name, isolateApps, maxConnections, maxPayload, maxStorage, maxConsumers }) => ({
      name,
      isolate_apps: isolateApps,
      max_connections: maxConnections ?? null,
      max_payload: maxPayload ?? null,
      max_storage: maxStorage ?? null,
      max_consumers: maxConsumers ?? null,
    }),
    remove: async (ids) => void (await trx.deleteFrom('customers').where('id', 'in', ids).execute()),
    insert: async (values) =>
      (await trx.insertInto('customers').values(values).returning('id').executeTakeFirstOrThrow()).id,
    update: async (id, values) => void (await trx.updateTable('customers').set(values).where('id', '=', id).execute()),
  });
}
