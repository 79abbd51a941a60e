/**
 * The connection to PostgreSQL. At start it waits a bounded time for a database that is still coming up; afterwards
 * the pool reconnects by itself, and every failed query is an E_DATABASE_AWAY that the caller may repeat.
 */
import { Kysely, PostgresDialect, sql } from 'kysely';
import { Pool, types } from 'pg';
import { systemClock } from '../clock.ts';
import { BusError, isBusError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { databaseError } from './database-error.ts';
import type { Database } from './schema.ts';

export type Registry = Kysely<Database>;

const oldestVersion = 150_000;
const int8 = 20;

export interface OpenDatabaseOptions {
  /** postgres://…; never logged */
  url: string;
  log: Logger;
  /** how long to wait for a database that does not answer yet */
  waitMs?: number;
  poolSize?: number;
  signal?: AbortSignal;
}

/** Throws E_DATABASE_AWAY when nobody answers within `waitMs`, E_DATABASE_OLD below PostgreSQL 15. */
export async function openDatabase(options: OpenDatabaseOptions): Promise<Registry> {
  const pool = new Pool({
    connectionString: options.url,
    max: options.poolSize ?? 10,
    connectionTimeoutMillis: 5_000,
    application_name: 'mbus-control',
    types: { getTypeParser: (oid, format) => (oid === int8 ? Number : types.getTypeParser(oid, format)) },
  });
  // an idle connection that breaks is replaced at the next query
  pool.on('error', (err) => options.log.debug({ event: 'database.idle-lost', err }, 'an idle connection broke'));
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
  try {
    await waitForDatabase(db, options);
    return db;
  } catch (error) {
    await db.destroy();
    throw error;
  }
}

async function waitForDatabase(db: Registry, { log, waitMs = 15_000, signal }: OpenDatabaseOptions): Promise<void> {
  const deadline = systemClock.monotonicMs() + waitMs;
  for (let isFirst = true; ; isFirst = false) {
    try {
      return await checkVersion(db);
    } catch (cause) {
      const error = databaseError(cause, 'connecting');
      if (!isBusError(error, 'E_DATABASE_AWAY') || systemClock.monotonicMs() >= deadline) throw error;
      if (isFirst) log.warn({ event: 'database.away', code: error.details.code }, error.message);
      await systemClock.sleep(250, signal);
    }
  }
}

async function checkVersion(db: Registry): Promise<void> {
  const { rows } = await sql<{ version: string }>`select current_setting('server_version_num') as version`.execute(db);
  const version = Number(rows[0]?.version);
  if (version >= oldestVersion) return;
  throw new BusError('E_DATABASE_OLD', `PostgreSQL ${Math.floor(version / 10_000)} is too old: 15 or newer is needed`, {
    details: { version },
  });
}
