/**
 * A real PostgreSQL per test file, and databases in it that are at the newest tables. Everything lives in a directory of
 * its own and is gone after stop().
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { silentLogger } from '../../src/log.ts';
import { migrate, openDatabase, type Registry, startEmbedded } from '../../src/registry/index.ts';

export interface TestDatabase {
  db: Registry;
  url: string;
}

export interface TestPostgres {
  /** of a database that is empty and may be used for administration */
  url: string;
  pid: number;
  /** a database with all tables; closed by stop() */
  createDatabase(): Promise<TestDatabase>;
  /** a database without tables */
  createEmptyDatabase(): Promise<string>;
  stop(): Promise<void>;
}

export async function startPostgres(): Promise<TestPostgres> {
  const dir = await mkdtemp(join(tmpdir(), 'mbus-test-pg-'));
  const server = await startEmbedded({
    dir: join(dir, 'postgres'),
    log: silentLogger,
    settings: ['fsync=off', 'synchronous_commit=off'],
  });
  const open: Registry[] = [];
  let count = 0;
  const createEmptyDatabase = async (): Promise<string> => {
    count += 1;
    const name = `test_${count}`;
    await runSql(server.url, `create database ${name}`);
    return server.url.replace(/[^/]+$/, name);
  };
  return {
    url: server.url,
    pid: server.pid,
    createEmptyDatabase,
    createDatabase: async () => {
      const url = await createEmptyDatabase();
      const db = await openDatabase({ url, log: silentLogger });
      open.push(db);
      await migrate(db);
      return { db, url };
    },
    stop: async () => {
      await Promise.all(open.map((db) => db.destroy()));
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** One statement over a connection of its own, as somebody with database access but without mbus would send it. */
export async function runSql(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
