/**
 * The two key pairs of a control plane (shared by its replicas) and the key of a caller. The public halves travel in the
 * join token and in snapshots; callers pin them, so nobody on the way can stand in for the control plane.
 */
import { createPublicKey, type KeyObject, sign } from 'node:crypto';
import { signatureInput, toPublicKey, verifySignature } from '../envelope/index.ts';
import { type HpkePrivateKey, importPrivateKey, privateKeyOf } from '../keys/index.ts';

/** What everybody may know; base64url of 32 bytes each. */
export interface ControlPublicKeys {
  /** Ed25519: signs answers, snapshots and ticket certificates */
  signKey: string;
  /** X25519: requests are sealed to it */
  sealKey: string;
}

/** Held by every replica. */
export interface ControlKeys extends ControlPublicKeys {
  sign(context: string, bytes: Uint8Array): Uint8Array;
  sealPrivate: HpkePrivateKey;
}

/** Who makes requests: a site, an admin, or a site that joins. SiteKey of src/site is one. */
export interface CallerKey {
  /** Ed25519, 32 bytes, base64url */
  publicKey: string;
  /** 64 bytes over exactly these bytes */
  sign(bytes: Uint8Array): Uint8Array;
}

/** @param signSeed 32 bytes @param sealRaw 32 bytes */
export async function loadControlKeys(signSeed: Uint8Array, sealRaw: Uint8Array): Promise<ControlKeys> {
  const signer = callerKeyFromSeed(signSeed);
  return {
    signKey: signer.publicKey,
    sealKey: publicTextOf(privateKeyOf('x25519', sealRaw)),
    sign: (context, bytes) => signer.sign(signatureInput(context, bytes)),
    sealPrivate: await importPrivateKey(sealRaw),
  };
}

/** @param seed 32 bytes */
export function callerKeyFromSeed(seed: Uint8Array): CallerKey {
  const key = privateKeyOf('ed25519', seed);
  return { publicKey: publicTextOf(key), sign: (bytes) => sign(null, bytes, key) };
}

/** False for anything but a good signature by a well-formed key. */
export function isSignedBy(publicKey: string, context: string, bytes: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verifySignature(context, bytes, signature, toPublicKey(publicKey));
  } catch {
    return false;
  }
}

function publicTextOf(privateKey: KeyObject): string {
  return createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64url');
}
