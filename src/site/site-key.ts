/**
 * The key a site signs its requests to the control plane with: Ed25519, kept as PKCS#8 in keys/request.key (0600), made
 * on the site and never sent.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { BusError } from '../errors.ts';
import { loadOrCreateSecret } from '../trust/index.ts';

export interface SiteKey {
  /** 32 bytes, base64url */
  publicKey: string;
  privateKey: KeyObject;
  sign(bytes: Uint8Array): Uint8Array;
}

export async function loadOrCreateSiteKey(path: string): Promise<SiteKey> {
  const pem = await loadOrCreateSecret(path, () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    return Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' }));
  });
  const privateKey = readKey(path, pem);
  const publicKey = createPublicKey(privateKey).export({ format: 'jwk' }).x;
  if (publicKey === undefined) throw new BusError('E_KEY_FILE', `${path} holds no Ed25519 key`);
  return { publicKey, privateKey, sign: (bytes) => sign(null, bytes, privateKey) };
}

function readKey(path: string, pem: Buffer): KeyObject {
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch (cause) {
    throw new BusError('E_KEY_FILE', `${path} cannot be read as a key`, { cause });
  }
  throw new BusError('E_KEY_FILE', `${path} holds no Ed25519 key`);
}
