/**
 * A new master key: everything the database keeps encrypted is opened with the old one and encrypted under the new one, in one
 * transaction that keeps every other writer out. What is encrypted stays the same, so nothing on the bus changes.
 *
 * Where the directory keeps the key itself, the new one lies beside it before the transaction and takes its place after:
 * whichever of the two a crash leaves, the next start finds the one that the database wants.
 */
import { randomBytes } from 'node:crypto';
import { rename } from 'node:fs/promises';
import { resolve } from 'node:path';
import { rewrapRoot } from '../keys/service.ts';
import { Lifecycle } from '../lifecycle.ts';
import { silentLogger } from '../log.ts';
import {
  appendAudit,
  lockBus,
  type Registry,
  rewrapSecrets,
  rewrapTopicKeys,
  setMasterKeyId,
} from '../registry/index.ts';
import { readFileIfThere, writeFileAtomic } from '../trust/index.ts';
import { connectDatabase } from './database.ts';
import { masterKeyPath, readControlFile } from './dir.ts';
import { lockControl } from './lock.ts';
import { MasterKey, type MasterKeySource, masterKeyId, nextKeyPath, openMasterKey } from './master-key.ts';

export interface RewrapOptions {
  dir: string;
  databaseUrl?: string | undefined;
  /** where the key in use comes from; absent: master.key in `dir` */
  from?: MasterKeySource | undefined;
  /** where the new one comes from; a file that is not there yet is made. Absent: a new one in the place of master.key */
  to?: MasterKeySource | undefined;
}

export interface Rewrapped {
  secrets: number;
  topicKeys: number;
  /** fingerprint of the new key */
  masterKeyId: string;
}

/** E_MASTER_KEY, E_DATABASE_AWAY; E_CONTROL_RUNNING where the database is the embedded one of a control plane that runs. */
export async function rewrapMasterKey(options: RewrapOptions): Promise<Rewrapped> {
  const dir = resolve(options.dir);
  await readControlFile(dir);
  const lifecycle = new Lifecycle(silentLogger);
  try {
    if (options.databaseUrl === undefined) lifecycle.push('lock', await lockControl(dir));
    const { db } = await connectDatabase({ ...options, dir, log: silentLogger }, lifecycle);
    const from = await openMasterKey(db, dir, options.from);
    const isOwn = options.from === undefined;
    const to = await newKey(options.to);
    if (isOwn) await writeFileAtomic(nextKeyPath(dir), to);
    const counts = await rewrapAll(db, { from: from.bytes, to }, 'operator');
    if (isOwn) await rename(nextKeyPath(dir), masterKeyPath(dir));
    return { ...counts, masterKeyId: masterKeyId(to) };
  } finally {
    await lifecycle.stop();
  }
}

async function newKey(source: MasterKeySource | undefined): Promise<Uint8Array> {
  if (source === undefined) return randomBytes(32);
  if ('file' in source && !(await readFileIfThere(source.file))) await writeFileAtomic(source.file, randomBytes(32));
  return (await MasterKey.open(source)).bytes;
}

/** @returns how many secrets were encrypted anew. E_MASTER_KEY, E_TOPIC_KEY when the old one does not open them: nothing changed then */
async function rewrapAll(
  db: Registry,
  keys: { from: Uint8Array; to: Uint8Array },
  actor: string,
): Promise<{ secrets: number; topicKeys: number }> {
  return db.transaction().execute(async (trx) => {
    await lockBus(trx);
    const secrets = await rewrapSecrets(trx, keys);
    const topicKeys = await rewrapTopicKeys(trx, (at, wrapped) => rewrapRoot(keys, at, wrapped));
    await setMasterKeyId(trx, masterKeyId(keys.to));
    const details = { from: masterKeyId(keys.from), to: masterKeyId(keys.to), secrets, topicKeys };
    await appendAudit(trx, { actor, action: 'key.rewrap', noun: 'master key', details });
    return { secrets, topicKeys };
  });
}
