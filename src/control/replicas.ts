/**
 * This replica among the others: a heartbeat into the database, and whoever first sees that the set of living replicas
 * changed makes a new revision of the bus, so that sites learn the leaf addresses that answer.
 */
import { systemClock } from '../clock.ts';
import type { Logger } from '../log.ts';
import {
  beat,
  bumpVersion,
  databaseError,
  deleteOldNonces,
  deleteOldTokens,
  listReplicas,
  lockBus,
  type Registry,
  type Replica,
  removeReplica,
  setReplicaSet,
} from '../registry/index.ts';

export interface ReplicaOptions {
  db: Registry;
  self: Omit<Replica, 'ageMs'>;
  log: Logger;
  signal: AbortSignal;
  /** told of the living replicas after each heartbeat */
  onReplicas: (replicas: readonly Replica[]) => Promise<void>;
  /** told after each heartbeat whether the database took it */
  onDatabase: (isUp: boolean) => void;
}

const beatMs = 2_000;
const cleanEveryBeats = 300;

/** Writes the first heartbeat; a replica is in the table before it looks for others, so of two at once one sees both. */
export async function announce({ db, self }: Pick<ReplicaOptions, 'db' | 'self'>): Promise<Replica[]> {
  await beat(db, self);
  return updateReplicaSet(db);
}

/** Runs until the signal aborts. A database that is away is told of once and asked again. */
export async function keepReplica(options: ReplicaOptions): Promise<void> {
  const { db, self, log, signal, onDatabase } = options;
  let isAway = false;
  for (let beats = 1; !signal.aborted; beats++) {
    await systemClock.sleep(beatMs, signal).catch(() => undefined);
    if (signal.aborted) return;
    try {
      await beat(db, self);
      await options.onReplicas(await updateReplicaSet(db));
      if (beats % cleanEveryBeats === 0) await clean(db);
      if (isAway) log.info({ event: 'database.back' }, 'the database answers again');
      isAway = false;
      onDatabase(true);
    } catch (error) {
      if (!isAway) log.warn({ event: 'replica.beat-failed', err: error }, databaseError(error, 'a heartbeat').message);
      isAway = true;
      onDatabase(false);
    }
  }
}

/** Sites hear at once that this replica is going, unless the database is away. */
export async function leave(db: Registry, id: string): Promise<void> {
  await removeReplica(db, id);
  await updateReplicaSet(db);
}

async function updateReplicaSet(db: Registry): Promise<Replica[]> {
  const replicas = await listReplicas(db);
  const set = replicaSetText(replicas);
  const { replica_set } = await db.selectFrom('buses').select('replica_set').executeTakeFirstOrThrow();
  if (replica_set === set) return replicas;
  return db.transaction().execute(async (trx) => {
    const bus = await lockBus(trx);
    const living = await listReplicas(trx);
    const now = replicaSetText(living);
    if (bus.replicaSet === now) return living;
    await setReplicaSet(trx, now);
    await bumpVersion(trx);
    return living;
  });
}

/** Every listener of every replica that sites may dial: `host:port`, and `wss://host:port` for WebSocket. */
function replicaSetText(replicas: readonly Replica[]): string {
  const urls = replicas.flatMap(({ leafUrl, wsUrl }) => (wsUrl === null ? [leafUrl] : [leafUrl, `wss://${wsUrl}`]));
  return urls.sort().join(' ');
}

async function clean(db: Registry): Promise<void> {
  await deleteOldNonces(db);
  await deleteOldTokens(db);
}
