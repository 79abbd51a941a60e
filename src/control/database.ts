/** The control plane's way to its database: one that is given, or the embedded one of its directory. */
import { join, resolve } from 'node:path';
import { Lifecycle } from '../lifecycle.ts';
import { type Logger, silentLogger } from '../log.ts';
import { migrate, openDatabase, type Registry, startEmbedded } from '../registry/index.ts';

export interface DatabaseOptions {
  dir: string;
  /** absent: embedded PostgreSQL in `dir` */
  databaseUrl?: string | undefined;
  log: Logger;
  databaseWaitMs?: number;
}

/** Brings the database to this version's tables; an embedded one is started for it and stopped again. */
export async function runMigrations(options: {
  dir: string;
  databaseUrl?: string | undefined;
  log?: Logger;
}): Promise<string[]> {
  const lifecycle = new Lifecycle(options.log ?? silentLogger);
  try {
    const { db } = await connectDatabase({ ...options, log: options.log ?? silentLogger }, lifecycle);
    return await migrate(db);
  } finally {
    await lifecycle.stop();
  }
}

/** An embedded one is stopped, and the connection closed, with `lifecycle`. */
export async function connectDatabase(
  options: DatabaseOptions,
  lifecycle: Lifecycle,
): Promise<{ db: Registry; url: string }> {
  const { log, databaseWaitMs } = options;
  let url = options.databaseUrl;
  if (url === undefined) {
    const postgres = await startEmbedded({ dir: join(resolve(options.dir), 'postgres'), log });
    lifecycle.push('postgres', () => postgres.stop());
    url = postgres.url;
  }
  const db = await openDatabase({
    url,
    log,
    signal: lifecycle.signal,
    ...(databaseWaitMs !== undefined && { waitMs: databaseWaitMs }),
  });
  lifecycle.push('database', () => db.destroy());
  return { db, url };
}
