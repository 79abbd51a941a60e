/**
 * NATS keys (Ed25519 with a role letter): O operator, A account, U user. A seed lives in a 0600 file on the machine that
 * made it and never travels; everything else is said with the public key.
 */
import { createPrivateKey, sign as signBytes } from 'node:crypto';
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
  return quick(makers[kind].create());
}

/** DER of a private Ed25519 key (RFC 8410) up to its 32 bytes */
const pkcs8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/**
 * The same key, which derives its public half once and signs by node:crypto: the library does it in JavaScript, and derives
 * the pair anew for each question. A site asks hundreds of times when it starts.
 */
function quick(key: KeyPair): KeyPair {
  const publicKey = key.getPublicKey();
  const der = Buffer.concat([pkcs8, rawSeed(key.getSeed())]);
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  return Object.assign(Object.create(key) as KeyPair, {
    getPublicKey: () => publicKey,
    sign: (input: Uint8Array) => new Uint8Array(signBytes(null, input, privateKey)),
  });
}

const base32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** The 32 bytes in a seed text: two of prefix stand before them, two of checksum behind. */
function rawSeed(text: Uint8Array): Buffer {
  const bits = [...text].map((char) => base32.indexOf(String.fromCharCode(char)).toString(2).padStart(5, '0')).join('');
  const bytes = bits.match(/.{8}/g) ?? [];
  return Buffer.from(bytes.map((byte) => Number.parseInt(byte, 2))).subarray(2, 34);
}

/** A key from its seed text (`SO…`, `SA…`, `SU…`); E_KEY_FILE when it is none, or of another kind. */
export function keyFromSeed(kind: NKeyKind, seed: string | Uint8Array, source = 'seed'): KeyPair {
  const bytes = typeof seed === 'string' ? new TextEncoder().encode(seed.trim()) : seed;
  let key: KeyPair | undefined;
  try {
    key = quick(fromSeed(bytes));
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
