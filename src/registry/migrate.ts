/** Brings a database to the newest tables. Several processes may do it at once: the migrator holds a lock. */
import { Migrator } from 'kysely/migration';
import { migrations } from '../../migrations/index.ts';
import { BusError, errorText } from '../errors.ts';
import type { Registry } from './connection.ts';
import { databaseError } from './database-error.ts';

/** Runs what has not run yet, up to `upTo` where that is given, and returns the names of it. E_DATABASE_SCHEMA when a step fails; that step leaves nothing. */
export async function migrate(db: Registry, upTo?: string): Promise<string[]> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } });
  const { error, results } = await (upTo === undefined ? migrator.migrateToLatest() : migrator.migrateTo(upTo));
  if (error === undefined) return (results ?? []).map((result) => result.migrationName);
  const mapped = databaseError(error, 'migrating');
  if (mapped.code === 'E_DATABASE_AWAY') throw mapped;
  const failed = results?.find((result) => result.status === 'Error')?.migrationName ?? 'the list of migrations';
  throw new BusError('E_DATABASE_SCHEMA', `migration stopped at ${failed}: ${errorText(error)}`, { cause: error });
}
