/**
 * NATS keys (Ed25519 with a role letter): O operator, A account, U user. A seed lives in a 0600 file on the machine that
 * made it and never travels; everything else is said with the public key.
 */
import { createAccount, createOperator, createUser, fromPublic, fromSeed, type KeyPair } from '@nats-io/nkeys';
import { BusError } from '../errors.ts';
import { loadOrCreateSecret } from './secret-file.ts';

export type NKeyKind = 'operator' | 'account' | 'user';
export type { KeyPair };

const makers: Record<NKeyKind, { create: () => KeyPair; letter: string }> = {
  operator: { create: createOperator, letter: 'O' },
  account: { create: createAccount, letter: 'A' },
  user: { create: createUser, letter: 'U' },
};

export function createKey(kind: NKeyKind): KeyPair {
  return makers[kind].create();
}

/** A key from its seed text (`SO…`, `SA…`, `SU…`); E_KEY_FILE when it is none, or of another kind. */
export function keyFromSeed(kind: NKeyKind, seed: string | Uint8Array, source = 'seed'): KeyPair {
  const bytes = typeof seed === 'string' ? new TextEncoder().encode(seed.trim()) : seed;
  let key: KeyPair | undefined;
  try {
    key = fromSeed(bytes);
  } catch (cause) {
    throw new BusError('E_KEY_FILE', `${source} holds no ${kind} key`, { cause });
  }
  if (!key.getPublicKey().startsWith(makers[kind].letter)) {
    throw new BusError('E_KEY_FILE', `${source} holds a key of another kind than ${kind}`);
  }
  return key;
}

/** The key kept in `path`, made at first use. */
export async function loadOrCreateKey(path: string, kind: NKeyKind): Promise<KeyPair> {
  const seed = await loadOrCreateSecret(path, () => createKey(kind).getSeed());
  return keyFromSeed(kind, seed.toString('utf8'), path);
}

export function seedText(key: KeyPair): string {
  return new TextDecoder().decode(key.getSeed());
}

/** True for a well-formed public key of that kind. */
export function isPublicKey(kind: NKeyKind, text: string): boolean {
  try {
    return text.startsWith(makers[kind].letter) && fromPublic(text).getPublicKey() === text;
  } catch {
    return false;
  }
}
