/**
 * Stands in for src/envelope/signature.ts: a signature is a checksum over signer, context and bytes. It tells a changed or
 * foreign structure from a genuine one, which is all the protocol asks; forging is no part of these schedules.
 */
import type { KeyObject } from 'node:crypto';

export type SignFn = (context: string, bytes: Uint8Array) => Uint8Array;
export type PublicKeyLike = Uint8Array | string | KeyObject;

const size = 64;

/** The signer whose public key is `name`. */
export function signerNamed(name: string): SignFn {
  return (context, bytes) => {
    const signature = new Uint8Array(size);
    new DataView(signature.buffer).setUint32(0, checksum(name, context, bytes));
    return signature;
  };
}

export function verifySignature(
  context: string,
  bytes: Uint8Array,
  signature: Uint8Array,
  key: PublicKeyLike,
): boolean {
  if (signature.length !== size || typeof key !== 'string') return false;
  const view = new DataView(signature.buffer, signature.byteOffset, signature.byteLength);
  return view.getUint32(0) === checksum(key, context, bytes);
}

function checksum(name: string, context: string, bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const text of [name, context]) {
    for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  for (let index = 0; index < bytes.length; index++) hash = Math.imul(hash ^ bytes[index]!, 0x01000193);
  return hash >>> 0;
}

export function signatureInput(_context: string, bytes: Uint8Array): Buffer {
  return Buffer.from(bytes);
}

export function signerOf(): SignFn {
  throw new Error('no private keys are simulated');
}

/** A name stays a name. */
export function toPublicKey(key: PublicKeyLike): PublicKeyLike {
  return key;
}
