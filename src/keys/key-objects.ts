/**
 * Key objects of node:crypto from raw bytes and back. Private keys go in through PKCS #8 (RFC 8410: a fixed prefix and
 * the 32 bytes), public ones come out as the last 32 bytes of their SPKI.
 */
import { createPrivateKey, createPublicKey, hkdfSync, type KeyObject } from 'node:crypto';

const pkcs8Prefix = {
  ed25519: Buffer.from('302e020100300506032b657004220420', 'hex'),
  x25519: Buffer.from('302e020100300506032b656e04220420', 'hex'),
} as const;

/** @param raw 32 bytes: an Ed25519 seed or an X25519 scalar */
export function privateKeyOf(kind: keyof typeof pkcs8Prefix, raw: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([pkcs8Prefix[kind], raw]), format: 'der', type: 'pkcs8' });
}

const spkiPrefix = Buffer.from('302a300506032b656e032100', 'hex');

/** @param raw 32 bytes of X25519 */
export function x25519PublicKey(raw: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([spkiPrefix, raw]), format: 'der', type: 'spki' });
}

/** The 32 bytes of a public key, or of the one that belongs to a private key. */
export function publicBytesOf(key: KeyObject): Buffer {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
}

/** HKDF-SHA256; `info` is a text of the wire's contexts, or that and more. */
export function hkdf(secret: Uint8Array, salt: Uint8Array, info: string | Uint8Array, size: number): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, salt, info, size));
}
