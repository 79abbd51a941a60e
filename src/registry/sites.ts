/** Sites: LANs of the bus, and the keys a site joined with. */
import { type Selectable, sql } from 'kysely';
import { type AppTls, appTlsSchema, type SiteSpec } from '../config/bus-file.ts';
import type { FormatRange } from '../envelope/index.ts';
import { BusError } from '../errors.ts';
import type { Registry } from './connection.ts';
import type { SitesTable } from './schema.ts';
import { type Removals, type SyncResult, syncRows } from './sync.ts';

export interface Site {
  id: string;
  name: string;
  mode: SitesTable['mode'];
  address: string | null;
  websocket: string | null;
  proxy: string | null;
  maxPayload: number;
  durability: SitesTable['durability'];
  transit: boolean;
  sidecars: number;
  tls: AppTls | null;
  servers: SitesTable['servers'];
  /** that its build reads */
  formats: FormatRange;
  requestKey: string | null;
  controlUser: string | null;
  isRevoked: boolean;
}

const columns = [
  'id',
  'name',
  'mode',
  'address',
  'websocket',
  'proxy',
  'max_payload',
  'durability',
  'transit',
  'sidecars',
  'tls',
  'servers',
  'format_min',
  'format_max',
  'request_key',
  'control_user',
  'revoked_at',
] as const;

export async function listSites(db: Registry): Promise<Site[]> {
  const rows = await db.selectFrom('sites').select(columns).orderBy('name').execute();
  return rows.map(toSite);
}

export async function findSite(
  db: Registry,
  by: { id: string } | { name: string } | { requestKey: string },
): Promise<Site | undefined> {
  const [column, value] =
    'id' in by
      ? (['id', by.id] as const)
      : 'name' in by
        ? (['name', by.name] as const)
        : (['request_key', by.requestKey] as const);
  const row = await db.selectFrom('sites').select(columns).where(column, '=', value).executeTakeFirst();
  return row && toSite(row);
}

/** Stores the keys that the site made for itself. */
export async function setSiteKeys(
  trx: Registry,
  id: string,
  keys: { requestKey: string; controlUser: string },
): Promise<void> {
  await trx
    .updateTable('sites')
    .set({
      request_key: keys.requestKey,
      control_user: keys.controlUser,
      joined_at: sql<Date>`clock_timestamp()`,
      revoked_at: null,
    })
    .where('id', '=', id)
    .execute();
}

/** What the site's build reads. */
export async function setSiteFormats(trx: Registry, id: string, { min, max }: FormatRange): Promise<void> {
  await trx.updateTable('sites').set({ format_min: min, format_max: max }).where('id', '=', id).execute();
}

export async function syncSites(trx: Registry, removals: Removals, specs: readonly SiteSpec[]): Promise<SyncResult> {
  const rows = await trx.selectFrom('sites').select(columns).execute();
  for (const row of rows) requireSameServers(row, specs);
  return syncRows({
    removals,
    rows,
    rowKey: (row) => row.name,
    specs,
    specKey: (spec) => spec.name,
    values: ({ name, mode, address, websocket, proxy, maxPayload, durability, transit, sidecars, servers, tls }) => ({
      name,
      mode,
      address: address ?? null,
      websocket: websocket ?? null,
      proxy: proxy ?? null,
      max_payload: maxPayload,
      durability,
      transit,
      sidecars,
      tls: tls === undefined ? null : JSON.stringify(appTlsSchema.parse(tls)),
      servers,
    }),
    remove: async (ids) => void (await trx.deleteFrom('sites').where('id', 'in', ids).execute()),
    insert: async (values) =>
      (await trx.insertInto('sites').values(values).returning('id').executeTakeFirstOrThrow()).id,
    update: async (id, values) => void (await trx.updateTable('sites').set(values).where('id', '=', id).execute()),
  });
}

/** A nats-server that becomes one of a cluster deletes what it stored alone. */
function requireSameServers(
  row: Pick<Selectable<SitesTable>, 'name' | 'servers' | 'request_key'>,
  specs: readonly SiteSpec[],
): void {
  const spec = specs.find(({ name }) => name === row.name);
  if (spec === undefined || spec.servers === row.servers || row.request_key === null) return;
  throw new BusError('E_SERVERS_FIXED', `site ${row.name} joined with servers: ${row.servers}, which cannot change`, {
    details: { site: row.name },
  });
}

function toSite(row: Selectable<Pick<SitesTable, (typeof columns)[number]>>): Site {
  return {
    id: row.id,
    name: row.name,
    mode: row.mode,
    address: row.address,
    websocket: row.websocket,
    proxy: row.proxy,
    maxPayload: row.max_payload,
    durability: row.durability,
    transit: row.transit,
    sidecars: row.sidecars,
    tls: row.tls === null ? null : appTlsSchema.parse(JSON.parse(row.tls)),
    servers: row.servers,
    formats: { min: row.format_min, max: row.format_max },
    requestKey: row.request_key,
    controlUser: row.control_user,
    isRevoked: row.revoked_at !== null,
  };
}
