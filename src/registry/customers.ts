/** Customers: tenants. Everything below one goes with it. */
import type { CustomerSpec } from '../config/bus-file.ts';
import type { Registry } from './connection.ts';
import { type Removals, type SyncResult, syncRows } from './sync.ts';

export interface Customer {
  id: string;
  name: string;
  isolateApps: boolean;
  isSuspended: boolean;
}

export async function listCustomers(db: Registry): Promise<Customer[]> {
  const rows = await db
    .selectFrom('customers')
    .select(['id', 'name', 'isolate_apps', 'is_suspended'])
    .orderBy('name')
    .execute();
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    isolateApps: row.isolate_apps,
    isSuspended: row.is_suspended,
  }));
}

export async function syncCustomers(
  trx: Registry,
  removals: Removals,
  specs: readonly CustomerSpec[],
): Promise<SyncResult> {
  const rows = await trx.selectFrom('customers').select(['id', 'name', 'isolate_apps']).execute();
  return syncRows({
    removals,
    rows,
    rowKey: (row) => row.name,
    specs,
    specKey: (spec) => spec.name,
    values: ({ name, isolateApps }) => ({ name, isolate_apps: isolateApps }),
    remove: async (ids) => void (await trx.deleteFrom('customers').where('id', 'in', ids).execute()),
    insert: async (values) =>
      (await trx.insertInto('customers').values(values).returning('id').executeTakeFirstOrThrow()).id,
    update: async (id, values) => void (await trx.updateTable('customers').set(values).where('id', '=', id).execute()),
  });
}
