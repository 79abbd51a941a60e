/**
 * Backup and restore of a control directory's database. A backup is made beside a control plane that runs; a restore needs
 * it stopped where the database is the embedded one.
 */
import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import { type BackupFacts, createBackup, restoreBackup, verifyBackup } from '../backup/index.ts';
import { BusError, isBusError } from '../errors.ts';
import { Lifecycle } from '../lifecycle.ts';
import { silentLogger } from '../log.ts';
import { appendAudit, embeddedUrl, type Registry } from '../registry/index.ts';
import { readFileIfThere, writeFileAtomic } from '../trust/index.ts';
import { connectDatabase } from './database.ts';
import { masterKeyPath, readControlFile } from './dir.ts';
import { lockControl } from './lock.ts';
import { type MasterKeySource, masterKeyId, readKeySource } from './master-key.ts';

export interface BackupOptions {
  file: string;
  /** a file that is not there yet is made by `backupControl` */
  key: MasterKeySource;
}

export interface ControlBackupOptions extends BackupOptions {
  dir: string;
  databaseUrl?: string | undefined;
  masterKey?: MasterKeySource | undefined;
}

/** E_CONTROL_DIR, E_DATABASE_AWAY, E_FILE, E_USAGE, E_MASTER_KEY when the source gives no key */
export async function backupControl(options: ControlBackupOptions): Promise<BackupFacts> {
  const { key, file } = options;
  if ('file' in key && !(await readFileIfThere(key.file))) await writeFileAtomic(key.file, randomBytes(32));
  const bytes = await readBackupKey(key);
  return withDatabase(options, async (db) => {
    const facts = await createBackup(db, bytes, file);
    const details = { keyId: facts.keyId, version: facts.version };
    await db
      .transaction()
      .execute((trx) => appendAudit(trx, { actor: 'operator', action: 'backup.create', noun: 'bus', details }));
    return facts;
  });
}

export async function verifyControlBackup({ key, file }: BackupOptions): Promise<BackupFacts> {
  return verifyBackup(file, await readBackupKey(key));
}

/** Into an empty database. E_NOT_EMPTY, E_BACKUP_BAD, E_MASTER_KEY when the directory has another one than the bus */
export async function restoreControl(options: ControlBackupOptions): Promise<BackupFacts> {
  const { dir, key, file, masterKey = { file: masterKeyPath(resolve(dir)) } } = options;
  const bytes = await readBackupKey(key);
  const wanted = masterKeyId(await readKeySource(masterKey));
  return withDatabase(options, (db) => restoreBackup(db, bytes, file, wanted), { isExclusive: true });
}

function readBackupKey(source: MasterKeySource): Promise<Buffer> {
  return readKeySource(source, 'MBUS_BACKUP_KEY');
}

/** Without DATABASE_URL a backup is of the embedded database, which a control plane with another one does not have. */
async function requireEmbedded(dir: string): Promise<void> {
  if (await readFileIfThere(join(dir, 'postgres', 'password'))) return;
  throw new BusError('E_USAGE', `${dir} holds no database: set DATABASE_URL to the one its control plane works with`);
}

/** An embedded database that serves a control plane is shared; one that does not is started for the work. */
async function withDatabase<T>(
  { dir, databaseUrl }: ControlBackupOptions,
  work: (db: Registry) => Promise<T>,
  { isExclusive = false } = {},
): Promise<T> {
  const at = resolve(dir);
  await readControlFile(at);
  const lifecycle = new Lifecycle(silentLogger);
  try {
    let url = databaseUrl;
    if (url === undefined) {
      if (!isExclusive) await requireEmbedded(at);
      try {
        lifecycle.push('lock', await lockControl(at));
      } catch (error) {
        if (isExclusive || !isBusError(error, 'E_CONTROL_RUNNING')) throw error;
        url = await embeddedUrl(join(at, 'postgres'));
      }
    }
    const { db } = await connectDatabase({ dir: at, databaseUrl: url, log: silentLogger }, lifecycle);
    return await work(db);
  } finally {
    await lifecycle.stop();
  }
}
