/**
 * The bus itself: its id and its revision. The revision grows by one with every committed change that sites must learn
 * of; all control replicas hear of it through LISTEN/NOTIFY.
 */
import { sql } from 'kysely';
import { BusError } from '../errors.ts';
import type { Registry } from './connection.ts';

/** channel of pg_notify; the payload is the new version in decimal */
export const versionChannel = 'mbus_version';

export interface Bus {
  id: string;
  version: number;
  replicaSet: string;
}

export async function getBus(db: Registry): Promise<Bus> {
  return toBus(await db.selectFrom('buses').select(['id', 'version', 'replica_set']).executeTakeFirst());
}

/** Reads the bus and keeps every other writer of the registry out until the transaction ends. */
export async function lockBus(trx: Registry): Promise<Bus> {
  return toBus(await trx.selectFrom('buses').select(['id', 'version', 'replica_set']).forUpdate().executeTakeFirst());
}

/** Call it last in a transaction that changed what sites must know; they hear of it when it commits. */
export async function bumpVersion(trx: Registry): Promise<number> {
  const { version } = await trx
    .updateTable('buses')
    .set({ version: sql`version + 1` })
    .returning('version')
    .executeTakeFirstOrThrow();
  await sql`select pg_notify(${versionChannel}, ${String(version)})`.execute(trx);
  return version;
}

/** The fingerprint of the master key that everything is encrypted under, null until one was set. */
export async function getMasterKeyId(db: Registry): Promise<string | null> {
  const row = await db.selectFrom('buses').select('master_key_id').executeTakeFirst();
  return row?.master_key_id ?? null;
}

/** `onlyFirst`: unless one is set already. */
export async function setMasterKeyId(trx: Registry, id: string, { onlyFirst = false } = {}): Promise<void> {
  const update = trx.updateTable('buses').set({ master_key_id: id });
  await (onlyFirst ? update.where('master_key_id', 'is', null) : update).execute();
}

export async function setReplicaSet(trx: Registry, replicaSet: string): Promise<void> {
  await trx.updateTable('buses').set({ replica_set: replicaSet }).execute();
}

function toBus(row: { id: string; version: number; replica_set: string } | undefined): Bus {
  if (!row) throw new BusError('E_DATABASE_SCHEMA', 'the database holds no bus: run mbus control migrate');
  return { id: row.id, version: row.version, replicaSet: row.replica_set };
}
