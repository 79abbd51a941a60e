/** Links between two terminals of a customer, and the user JWTs that accepting sites issued for those who dial. */
import type { LinkSpec } from '../config/bus-file.ts';
import type { Registry } from './connection.ts';
import { type Removals, type SyncResult, syncRows } from './sync.ts';

export interface Link {
  id: string;
  customerId: string;
  /** terminal ids */
  a: string;
  b: string;
  cost: number;
  via: string | null;
  transport: 'tcp' | 'ws';
  proxy: string | null;
  compress: 'auto' | 'always' | 'never';
  /** issued by the accepting site for `credentialUser`; null until reported */
  userJwt: string | null;
  credentialUser: string | null;
}

export async function listLinks(db: Registry, customerIds?: readonly string[]): Promise<Link[]> {
  let query = db
    .selectFrom('links')
    .leftJoin('link_credentials', 'link_credentials.link_id', 'links.id')
    .select(['links.id', 'links.customer_id', 'links.a', 'links.b', 'links.cost', 'links.via', 'links.compress'])
    .select(['links.transport', 'links.proxy'])
    .select(['link_credentials.user_jwt', 'link_credentials.link_user']);
  if (customerIds) query = query.where('links.customer_id', 'in', [...customerIds]);
  const rows = await query.execute();
  return rows.map((row) => ({
    id: row.id,
    customerId: row.customer_id,
    a: row.a,
    b: row.b,
    cost: row.cost,
    via: row.via,
    transport: row.transport,
    proxy: row.proxy,
    compress: row.compress,
    userJwt: row.user_jwt,
    credentialUser: row.link_user,
  }));
}

/** Stores a credential; false when the very same one is stored already. */
export async function setLinkCredential(
  trx: Registry,
  linkId: string,
  userJwt: string,
  linkUser: string,
): Promise<boolean> {
  const stored = await trx
    .insertInto('link_credentials')
    .values({ link_id: linkId, user_jwt: userJwt, link_user: linkUser })
    .onConflict((conflict) =>
      conflict
        .column('link_id')
        .doUpdateSet({ user_jwt: userJwt, link_user: linkUser })
        .where('link_credentials.user_jwt', '<>', userJwt),
    )
    .returning('link_id')
    .executeTakeFirst();
  return stored !== undefined;
}

export async function syncLinks(
  trx: Registry,
  removals: Removals,
  customerId: string,
  specs: readonly LinkSpec[],
  terminals: SyncResult,
): Promise<SyncResult> {
  const rows = await trx
    .selectFrom('links')
    .select(['id', 'customer_id', 'a', 'b', 'cost', 'via', 'transport', 'proxy', 'compress'])
    .where('customer_id', '=', customerId)
    .execute();
  const ends = ({ between: [a, b] }: LinkSpec): [string, string] => [terminals.get(a) ?? a, terminals.get(b) ?? b];
  return syncRows({
    removals,
    rows,
    rowKey: (row) => pairKey(row.a, row.b),
    specs,
    specKey: (spec) => pairKey(...ends(spec)),
    values: (spec) => {
      const [a, b] = ends(spec);
      const { cost, via = null, transport, proxy = null, compress } = spec;
      return { customer_id: customerId, a, b, cost, via, transport, proxy, compress };
    },
    remove: async (ids) => void (await trx.deleteFrom('links').where('id', 'in', ids).execute()),
    insert: async (values) =>
      (await trx.insertInto('links').values(values).returning('id').executeTakeFirstOrThrow()).id,
    update: async (id, values) => void (await trx.updateTable('links').set(values).where('id', '=', id).execute()),
  });
}

/** A link has no direction. */
function pairKey(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
