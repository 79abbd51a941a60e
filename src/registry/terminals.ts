/** Terminals: a customer's presence at a site, and the public parts of its securekey. */
import { sql } from 'kysely';
import type { FormatRange } from '../envelope/index.ts';
import type { Registry } from './connection.ts';
import { type Removals, type SyncResult, syncRows } from './sync.ts';

export interface Terminal {
  id: string;
  customerId: string;
  siteId: string;
  site: string;
  mode: 'server' | 'client';
  transit: boolean;
  /** of its site */
  formats: FormatRange;
  signKey: string | null;
  wrapKey: string | null;
  linkUser: string | null;
  isDraining: boolean;
  /** an operator gave it up */
  isForgotten: boolean;
  isRevoked: boolean;
  /** an operator asked it to replace its keys, and it has not yet */
  isRekeyWanted: boolean;
}

export interface TerminalPublicKeys {
  signKey: string;
  wrapKey: string;
  linkUser: string;
}

/** All of them, or those of the given customers, by customer and site name. */
export async function listTerminals(db: Registry, customerIds?: readonly string[]): Promise<Terminal[]> {
  let query = terminalQuery(db).orderBy('sites.name');
  if (customerIds) query = query.where('terminals.customer_id', 'in', [...customerIds]);
  return (await query.execute()).map(toTerminal);
}

export async function findTerminal(db: Registry, id: string): Promise<Terminal | undefined> {
  const row = await terminalQuery(db).where('terminals.id', '=', id).executeTakeFirst();
  return row && toTerminal(row);
}

export async function setTerminalKeys(trx: Registry, id: string, keys: TerminalPublicKeys): Promise<void> {
  await trx
    .updateTable('terminals')
    .set({
      sign_key: keys.signKey,
      wrap_key: keys.wrapKey,
      link_user: keys.linkUser,
      registered_at: sql<Date>`clock_timestamp()`,
      revoked_at: null,
      rekey_until: null,
    })
    .where('id', '=', id)
    .execute();
}

/** Whether this changed anything. */
export async function setDraining(trx: Registry, id: string, isDraining: boolean): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('terminals')
    .set({ is_draining: isDraining })
    .where('id', '=', id)
    .where('is_draining', '!=', isDraining)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Whether this changed anything. */
export async function setForgotten(trx: Registry, id: string, isForgotten: boolean): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('terminals')
    .set({ forgotten_at: isForgotten ? sql<Date>`clock_timestamp()` : null })
    .where('id', '=', id)
    .where('forgotten_at', isForgotten ? 'is' : 'is not', null)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Returns ids by site name. */
export async function syncTerminals(
  trx: Registry,
  removals: Removals,
  customerId: string,
  sites: readonly string[],
  siteIds: SyncResult,
): Promise<SyncResult> {
  const rows = await trx
    .selectFrom('terminals')
    .select(['id', 'site_id'])
    .where('customer_id', '=', customerId)
    .execute();
  const nameById = new Map([...siteIds].map(([name, id]) => [id, name]));
  return syncRows({
    removals,
    rows,
    rowKey: (row) => nameById.get(row.site_id) ?? row.site_id,
    specs: sites,
    specKey: (site) => site,
    values: (site) => ({ customer_id: customerId, site_id: siteIds.get(site) ?? site }),
    remove: async (ids) => void (await trx.deleteFrom('terminals').where('id', 'in', ids).execute()),
    insert: async (values) =>
      (await trx.insertInto('terminals').values(values).returning('id').executeTakeFirstOrThrow()).id,
    // the two columns are the key: a row that is found is the same
    update: async () => undefined,
  });
}

function terminalQuery(db: Registry) {
  return db
    .selectFrom('terminals')
    .innerJoin('sites', 'sites.id', 'terminals.site_id')
    .select([
      'terminals.id',
      'terminals.customer_id',
      'terminals.site_id',
      'sites.name as site',
      'sites.mode',
      'sites.transit',
      'sites.format_min',
      'sites.format_max',
    ])
    .select(['terminals.sign_key', 'terminals.wrap_key', 'terminals.link_user', 'terminals.is_draining'])
    .select('terminals.forgotten_at')
    .select([
      'terminals.revoked_at',
      sql<boolean>`coalesce(terminals.rekey_until > clock_timestamp(), false)`.as('is_rekey_wanted'),
    ]);
}

function toTerminal(row: {
  id: string;
  customer_id: string;
  site_id: string;
  site: string;
  mode: 'server' | 'client';
  transit: boolean;
  format_min: number;
  format_max: number;
  sign_key: string | null;
  wrap_key: string | null;
  link_user: string | null;
  is_draining: boolean;
  forgotten_at: Date | null;
  revoked_at: Date | null;
  is_rekey_wanted: boolean;
}): Terminal {
  return {
    id: row.id,
    customerId: row.customer_id,
    siteId: row.site_id,
    site: row.site,
    mode: row.mode,
    transit: row.transit,
    formats: { min: row.format_min, max: row.format_max },
    signKey: row.sign_key,
    wrapKey: row.wrap_key,
    linkUser: row.link_user,
    isDraining: row.is_draining,
    isForgotten: row.forgotten_at !== null,
    isRevoked: row.revoked_at !== null,
    isRekeyWanted: row.is_rekey_wanted,
  };
}
