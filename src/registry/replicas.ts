/**
 * The control plane's replicas. Each writes its row every few seconds; a row that is silent for `replicaLifeMs` of the
 * database's clock counts as gone.
 */
import { sql } from 'kysely';
import type { Registry } from './connection.ts';

export const replicaLifeMs = 10_000;

export interface Replica {
  id: string;
  /** host:port each */
  route: string;
  leafUrl: string;
  /** null where sites cannot come in over WebSocket */
  wsUrl: string | null;
  clientUrl: string;
  /** null where it serves no console */
  consoleUrl: string | null;
  /** ms since its last heartbeat */
  ageMs: number;
}

export async function beat(db: Registry, replica: Omit<Replica, 'ageMs'>): Promise<void> {
  const { route, leafUrl, wsUrl, clientUrl, consoleUrl } = replica;
  const values = { route, leaf_url: leafUrl, ws_url: wsUrl, client_url: clientUrl, console_url: consoleUrl };
  await db
    .insertInto('replicas')
    .values({ id: replica.id, ...values })
    .onConflict((conflict) =>
      conflict.column('id').doUpdateSet({ ...values, heartbeat_at: sql<Date>`clock_timestamp()` }),
    )
    .execute();
}

/** The living ones, by id. */
export async function listReplicas(db: Registry, lifeMs = replicaLifeMs): Promise<Replica[]> {
  const age = sql<number>`extract(epoch from clock_timestamp() - heartbeat_at)::float8 * 1000`;
  const rows = await db
    .selectFrom('replicas')
    .select(['id', 'route', 'leaf_url', 'ws_url', 'client_url', 'console_url', age.as('age_ms')])
    .where(age, '<', lifeMs)
    .orderBy('id')
    .execute();
  return rows.map((row) => ({
    id: row.id,
    route: row.route,
    leafUrl: row.leaf_url,
    wsUrl: row.ws_url,
    clientUrl: row.client_url,
    consoleUrl: row.console_url,
    ageMs: Math.max(0, Math.round(row.age_ms)),
  }));
}

/** A replica that stops says so; one that was killed is removed after a day of silence. */
export async function removeReplica(db: Registry, id: string): Promise<void> {
  const isOld = sql<boolean>`heartbeat_at < clock_timestamp() - interval '1 day'`;
  await db
    .deleteFrom('replicas')
    .where((where) => where.or([where('id', '=', id), isOld]))
    .execute();
}
