/** Rows of who is let in no more. What is revoked keeps its row: it may come back as the same noun. */
import { sql } from 'kysely';
import type { Registry } from './connection.ts';

const now = sql<Date>`clock_timestamp()`;

/** Returns whether anything changed. */
export async function revokeTerminals(trx: Registry, ids: readonly string[]): Promise<boolean> {
  if (ids.length === 0) return false;
  const { numUpdatedRows } = await trx
    .updateTable('terminals')
    .set({ revoked_at: now })
    .where('id', 'in', [...ids])
    .where('revoked_at', 'is', null)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** What these terminals sealed until now is renewed for nobody. */
export async function reportCompromised(trx: Registry, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await trx
    .insertInto('compromised_terminals')
    .values(ids.map((terminal_id) => ({ terminal_id })))
    .onConflict((conflict) => conflict.column('terminal_id').doUpdateSet({ reported_at: now }))
    .execute();
  await trx
    .updateTable('tickets')
    .set({ revoked_at: now })
    .where('terminal_id', 'in', [...ids])
    .where('revoked_at', 'is', null)
    .execute();
}

export async function revokeSite(trx: Registry, id: string): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('sites')
    .set({ revoked_at: now })
    .where('id', '=', id)
    .where('revoked_at', 'is', null)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Takes the keys of sites that were revoked `afterMs` ago: the control plane knows them no more. Returns their names. */
export async function cutOffSites(trx: Registry, afterMs: number): Promise<string[]> {
  const rows = await trx
    .updateTable('sites')
    .set({ request_key: null, control_user: null, joined_at: null })
    .where('request_key', 'is not', null)
    .where('revoked_at', '<', sql<Date>`clock_timestamp() - ${afterMs} * interval '1 millisecond'`)
    .returning('name')
    .execute();
  return rows.map((row) => row.name);
}

export async function setSuspended(trx: Registry, customerId: string, isSuspended: boolean): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('customers')
    .set({ is_suspended: isSuspended })
    .where('id', '=', customerId)
    .where('is_suspended', '!=', isSuspended)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** A renewed app has a credential of a higher number; a revoked one has none until it is renewed. */
export async function setAppCredential(trx: Registry, appId: string, isRenewed: boolean): Promise<void> {
  await trx
    .updateTable('apps')
    .set(({ eb }) => ({ is_revoked: !isRenewed, credential: eb('credential', '+', 1) }))
    .where('id', '=', appId)
    .execute();
}

/** The terminal may replace its keys for `forMs`, proving the old ones. */
export async function wantRekey(trx: Registry, id: string, forMs: number): Promise<void> {
  await trx
    .updateTable('terminals')
    .set({ rekey_until: sql<Date>`clock_timestamp() + ${forMs} * interval '1 millisecond'` })
    .where('id', '=', id)
    .execute();
}
