/**
 * The control plane's own secrets (operator, account and CA keys, signing and sealing keys), each encrypted by the
 * master key, which is not in the database: a dump opens nothing. The name is authenticated, so rows cannot be swapped.
 */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { BusError } from '../errors.ts';
import type { Registry } from './connection.ts';

const wrapVersion = 1;
const nonceBytes = 12;
const tagBytes = 16;

/** Loads `name`, or stores what `create` makes. Of two replicas that create at once, both get the first one's. */
export async function loadOrCreateStored(
  db: Registry,
  masterKey: Uint8Array,
  name: string,
  create: () => Promise<Uint8Array> | Uint8Array,
): Promise<Buffer> {
  const present = await loadStored(db, masterKey, name);
  if (present) return present;
  const wrapped = wrap(masterKey, name, await create());
  await db
    .insertInto('control_secrets')
    .values({ name, wrapped })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const stored = await loadStored(db, masterKey, name);
  if (!stored) throw new BusError('E_INTERNAL', `control secret ${name} vanished`);
  return stored;
}

/** E_MASTER_KEY when it was written with another master key. */
export async function loadStored(db: Registry, masterKey: Uint8Array, name: string): Promise<Buffer | undefined> {
  const row = await db.selectFrom('control_secrets').select('wrapped').where('name', '=', name).executeTakeFirst();
  return row && unwrap(masterKey, name, row.wrapped);
}

/** Names that begin with `prefix`, for kinds of which there are several. */
export async function listStored(db: Registry, prefix: string): Promise<string[]> {
  const rows = await db.selectFrom('control_secrets').select('name').orderBy('name').execute();
  return rows.map((row) => row.name).filter((name) => name.startsWith(prefix));
}

/** Encrypts all of them under another master key. Returns how many. E_MASTER_KEY when the old one does not open them. */
export async function rewrapSecrets(trx: Registry, keys: { from: Uint8Array; to: Uint8Array }): Promise<number> {
  const rows = await trx.selectFrom('control_secrets').select(['name', 'wrapped']).execute();
  for (const { name, wrapped } of rows) {
    const anew = wrap(keys.to, name, unwrap(keys.from, name, wrapped));
    await trx.updateTable('control_secrets').set({ wrapped: anew }).where('name', '=', name).execute();
  }
  return rows.length;
}

function wrap(masterKey: Uint8Array, name: string, secret: Uint8Array): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', wrapKey(masterKey), nonce, { authTagLength: tagBytes });
  cipher.setAAD(Buffer.from(name));
  const sealed = Buffer.concat([cipher.update(secret), cipher.final()]);
  return Buffer.concat([Buffer.of(wrapVersion), nonce, sealed, cipher.getAuthTag()]);
}

function unwrap(masterKey: Uint8Array, name: string, wrapped: Uint8Array): Buffer {
  const nonce = wrapped.subarray(1, 1 + nonceBytes);
  const sealed = wrapped.subarray(1 + nonceBytes, -tagBytes);
  try {
    if (wrapped[0] !== wrapVersion) throw new BusError('E_MASTER_KEY', `control secret ${name} has an unknown form`);
    const decipher = createDecipheriv('aes-256-gcm', wrapKey(masterKey), nonce, { authTagLength: tagBytes });
    decipher.setAAD(Buffer.from(name));
    decipher.setAuthTag(wrapped.subarray(-tagBytes));
    return Buffer.concat([decipher.update(sealed), decipher.final()]);
  } catch (cause) {
    const fingerprint = createHash('sha256').update(masterKey).digest('hex').slice(0, 8);
    throw new BusError(
      'E_MASTER_KEY',
      `the master key (fingerprint ${fingerprint}) does not open control secret ${name}: use the one this database was made with`,
      { cause },
    );
  }
}

function wrapKey(masterKey: Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', masterKey, '', 'mbus control secrets v1', 32));
}
