/**
 * Backup and restore of a bus's metadata: everything in the registry but what living parts write anew. What the master key
 * encrypts stays encrypted; the master key itself is not in it. A backup is made beside a running control plane.
 *
 * A restore goes into an empty database, in one transaction, with the tables as they were, and is then brought to this
 * version. The bus's version jumps ahead, so that sites take the restored configuration though theirs is newer.
 */
import { open, readFile, rename, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { sql } from 'kysely';
import { migrations } from '../../migrations/index.ts';
import { BusError } from '../errors.ts';
import { appendAudit, migrate, type Registry, readConsistently } from '../registry/index.ts';
import { newestMigration, parseLine, readRows, type SavedTable, savedTables, writeRows } from './rows.ts';
import { type BackupHead, openFile, readHead, sealFile } from './sealed-file.ts';

export interface BackupFacts {
  createdAt: string;
  /** fingerprint of the backup key */
  keyId: string;
  busId: string;
  /** revision of the bus */
  version: number;
  /** fingerprint of the master key that opens its secrets */
  masterKeyId: string | null;
  /** newest migration */
  migration: string;
  rows: Record<string, number>;
}

/** more than anybody changes a bus between a backup and its restore */
const versionJump = 1_000_000;

/** Writes the file, mode 0600; a file of that name is replaced only when all is written. E_DATABASE_AWAY E_FILE */
export async function createBackup(db: Registry, key: Uint8Array, path: string): Promise<BackupFacts> {
  const temporary = `${resolve(path)}.tmp`;
  const file = await open(temporary, 'w', 0o600).catch((cause: unknown) => {
    throw new BusError('E_FILE', `${path} cannot be written`, { cause });
  });
  try {
    await file.chmod(0o600);
    await readConsistently(db, async (trx) => {
      const gzip = createGzip();
      const createdAt = new Date().toISOString();
      await pipeline(
        Readable.from(readRows(trx)),
        gzip,
        (content) => sealFile(content, key, createdAt),
        async (parts) => {
          for await (const part of parts) await file.write(part);
        },
      );
    });
    await file.sync();
    await file.close();
    await rename(temporary, path);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw error;
  }
  // what lies on the disk now is what counts
  return verifyBackup(path, key);
}

/** Reads all of it. E_BACKUP_BAD when anything is missing or altered, E_FILE */
export async function verifyBackup(path: string, key: Uint8Array): Promise<BackupFacts> {
  return readBackup(await readBackupFile(path), key, async () => {});
}

/** E_NOT_EMPTY, E_BACKUP_BAD, E_DATABASE_SCHEMA when the backup comes from a newer version; nothing is left of one that fails. */
export async function restoreBackup(
  db: Registry,
  key: Uint8Array,
  path: string,
  masterKeyId: string,
): Promise<BackupFacts> {
  const file = await readBackupFile(path);
  const facts = await readBackup(file, key, async () => {});
  if (facts.masterKeyId !== null && facts.masterKeyId !== masterKeyId) {
    const text = `the bus was kept under master key ${facts.masterKeyId}, this one is ${masterKeyId}: bring the right one`;
    throw new BusError('E_MASTER_KEY', text);
  }
  if (!Object.hasOwn(migrations, facts.migration))
    throw new BusError('E_DATABASE_SCHEMA', `the backup is of a newer version of mbus (${facts.migration})`);
  await requireEmpty(db);
  await migrate(db, facts.migration);
  await db.transaction().execute(async (trx) => {
    await trx.deleteFrom('buses').execute();
    await readBackup(file, key, (table, text) => writeRows(trx, table, text));
    await trx
      .updateTable('buses')
      .set({ version: facts.version + versionJump })
      .execute();
  });
  await migrate(db);
  const details = { createdAt: facts.createdAt, version: facts.version };
  await db
    .transaction()
    .execute((trx) => appendAudit(trx, { actor: 'operator', action: 'backup.restore', noun: 'bus', details }));
  return facts;
}

/** A database in which nobody has begun anything. */
async function requireEmpty(db: Registry): Promise<void> {
  const { rows } = await sql<{ name: string | null }>`select to_regclass('public.buses')::text as name`.execute(db);
  if (rows[0]?.name === null) return;
  throw new BusError('E_NOT_EMPTY', `the database holds the tables of a bus already (${await newestMigration(db)})`);
}

async function readBackupFile(path: string): Promise<Buffer> {
  return readFile(path).catch((cause: unknown) => {
    throw new BusError('E_FILE', `${path} cannot be read`, { cause });
  });
}

/** Every line in turn; a backup that ends early, or whose counts do not fit, is none. */
async function readBackup(
  file: Buffer,
  key: Uint8Array,
  take: (table: SavedTable, text: string) => Promise<void>,
): Promise<BackupFacts> {
  const { head } = readHead(file);
  const rows: Record<string, number> = Object.fromEntries(savedTables.map((table) => [table, 0]));
  let facts: BackupFacts | undefined;
  let isWhole = false;
  for await (const text of linesOf(file, key)) {
    const line = parseLine(text);
    if ('bus' in line) facts = factsOf(head, line.bus, line.migration, rows);
    else if ('end' in line)
      isWhole = savedTables.every((table) => line.end[table] === undefined || line.end[table] === rows[table]);
    else {
      rows[line.table] = (rows[line.table] ?? 0) + line.rows.length;
      await take(line.table, text);
    }
  }
  if (facts === undefined || !isWhole) throw new BusError('E_BACKUP_BAD', 'the backup is not whole');
  return facts;
}

/** By line feeds alone: readline would split at others that may stand in a text. */
async function* linesOf(file: Buffer, key: Uint8Array): AsyncGenerator<string> {
  const content = Readable.from(openFile(file, key));
  const plain = createGunzip();
  content.on('error', (error) => plain.destroy(error));
  let held = Buffer.alloc(0);
  try {
    for await (const part of content.pipe(plain) as AsyncIterable<Buffer>) {
      held = Buffer.concat([held, part]);
      for (let end = held.indexOf(0x0a); end >= 0; end = held.indexOf(0x0a)) {
        yield held.subarray(0, end).toString('utf8');
        held = held.subarray(end + 1);
      }
    }
  } catch (cause) {
    if (cause instanceof BusError) throw cause;
    throw new BusError('E_BACKUP_BAD', 'the backup does not unpack', { cause });
  }
}

function factsOf(
  { createdAt, keyId }: BackupHead,
  bus: { id: string; version: number; masterKeyId: string | null },
  migration: string,
  rows: Record<string, number>,
): BackupFacts {
  return { createdAt, keyId, busId: bus.id, version: bus.version, masterKeyId: bus.masterKeyId, migration, rows };
}
