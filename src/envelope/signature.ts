/**
 * Ed25519 with a context: what is signed is the context's text, a zero byte, then the bytes. A signature made for one
 * kind of structure is worth nothing for another.
 */
import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { BusError } from '../errors.ts';
import { KEY_BYTES, SIGNATURE_BYTES } from './wire.ts';

/** Signs `bytes` under `context` with a key it holds; returns 64 bytes. TerminalKeys.sign is one. */
export type SignFn = (context: string, bytes: Uint8Array) => Uint8Array;

/** An Ed25519 public key: its 32 bytes, their base64url text as snapshots carry it, or a key object. */
export type PublicKeyLike = Uint8Array | string | KeyObject;

export function signatureInput(context: string, bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${context}\0`, 'latin1'), bytes]);
}

/** A SignFn over a private key object. */
export function signerOf(privateKey: KeyObject): SignFn {
  return (context, bytes) => sign(null, signatureInput(context, bytes), privateKey);
}

export function verifySignature(
  context: string,
  bytes: Uint8Array,
  signature: Uint8Array,
  key: PublicKeyLike,
): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false;
  return verify(null, signatureInput(context, bytes), toPublicKey(key), signature);
}

/** by text: to make a key object of it takes longer than to sign, and a site sees the same few for every envelope */
const keyObjects = new Map<string, KeyObject>();
const maxKeyObjects = 1_024;

/** @throws E_ENVELOPE_BAD when it is not an Ed25519 public key */
export function toPublicKey(key: PublicKeyLike): KeyObject {
  if (typeof key !== 'string') return key instanceof Uint8Array ? parsePublicKey(key) : key;
  const known = keyObjects.get(key);
  if (known !== undefined) return known;
  const parsed = parsePublicKey(key);
  if (keyObjects.size >= maxKeyObjects) keyObjects.clear();
  keyObjects.set(key, parsed);
  return parsed;
}

function parsePublicKey(key: string | Uint8Array): KeyObject {
  const raw = typeof key === 'string' ? Buffer.from(key, 'base64url') : Buffer.from(key);
  if (raw.length !== KEY_BYTES) throw new BusError('E_ENVELOPE_BAD', 'a public key does not have 32 bytes');
  return createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url') } });
}
