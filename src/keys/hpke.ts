/**
 * HPKE (RFC 9180) in base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM: the one suite of the bus, on
 * node:crypto, because the key service does this thousands of times a second. A test compares every part with @hpke/core.
 *
 * Base mode proves nothing about the sender, so what is opened here is always signed or answered by a known key beside
 * it. Low-order points are refused. Any failure to open is E_ENVELOPE_BAD and says no more.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { BusError } from '../errors.ts';
import { privateKeyOf, publicBytesOf, x25519PublicKey } from './key-objects.ts';

/** An X25519 private key as HPKE takes it, with its public half. */
export interface HpkePrivateKey {
  readonly key: KeyObject;
  readonly publicKey: Uint8Array;
}

const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
const hashBytes = 32;
const none = Buffer.alloc(0);
/** section 4.1: the KEM's own, and the whole suite's (section 5.1) */
const kemSuite = Buffer.from('KEM\x00\x20', 'latin1');
const suite = Buffer.from('HPKE\x00\x20\x00\x01\x00\x02', 'latin1');
const version = Buffer.from('HPKE-v1');

/** A private X25519 key as HPKE takes it. @param raw 32 bytes */
export async function importPrivateKey(raw: Uint8Array): Promise<HpkePrivateKey> {
  const key = privateKeyOf('x25519', raw);
  return { key, publicKey: publicBytesOf(key) };
}

/** The private half of DeriveKeyPair alone: the public one costs more than the rest. */
export function derivePrivateKey(ikm: Uint8Array): Buffer {
  return labeledExpand(kemSuite, labeledExtract(kemSuite, none, 'dkp_prk', ikm), 'sk', none, keyBytes);
}

/** RFC 9180 DeriveKeyPair: both keys as 32 raw bytes. @param ikm at least 32 bytes of key material */
export async function deriveKeyPair(ikm: Uint8Array): Promise<{ privateKey: Buffer; publicKey: Buffer }> {
  const privateKey = derivePrivateKey(ikm);
  return { privateKey, publicKey: publicBytesOf(privateKeyOf('x25519', privateKey)) };
}

/** What both sides have in common: one message, and secrets beside it. */
export interface HpkeContext {
  /** for one message only: the nonce is that of the first */
  seal(plaintext: Uint8Array, aad?: Uint8Array): Buffer;
  /** @throws E_ENVELOPE_BAD */
  open(sealed: Uint8Array, aad?: Uint8Array): Buffer;
  /** 32 bytes of section 5.3 */
  exportSecret(exporterContext: string): Buffer;
}

/** @param publicKey 32 bytes of X25519. @throws E_ENVELOPE_BAD when it is none, or of low order */
export function senderContext(publicKey: Uint8Array, info: Uint8Array): HpkeContext & { enc: Buffer } {
  const { enc, shared } = encapsulate(publicKey);
  return { enc, ...contextOf(shared, info) };
}

/** @throws E_ENVELOPE_BAD when `enc` is no proper key */
export function recipientContext(privateKey: HpkePrivateKey, enc: Uint8Array, info: Uint8Array): HpkeContext {
  return contextOf(
    opened(() => decapsulate(privateKey, enc)),
    info,
  );
}

/** Seals to an X25519 public key; returns the encapsulated key (32 bytes) and the ciphertext in one. */
export async function wrapTo(publicKey: Uint8Array, info: Uint8Array, plaintext: Uint8Array): Promise<Buffer> {
  const context = senderContext(publicKey, info);
  return Buffer.concat([context.enc, context.seal(plaintext)]);
}

/** @throws E_ENVELOPE_BAD when it was not wrapped to this key with this info */
export async function unwrapWith(privateKey: HpkePrivateKey, info: Uint8Array, wrapped: Uint8Array): Promise<Buffer> {
  return recipientContext(privateKey, wrapped.subarray(0, keyBytes), info).open(wrapped.subarray(keyBytes));
}

/** A sender's side of a shared secret: the encapsulated key to send and the secret exported from it. */
export async function shareSecret(
  publicKey: Uint8Array,
  info: Uint8Array,
  exporterContext: string,
): Promise<{ enc: Buffer; secret: Buffer }> {
  const context = senderContext(publicKey, info);
  return { enc: context.enc, secret: context.exportSecret(exporterContext) };
}

/** The receiver's side of it. @throws E_ENVELOPE_BAD when `enc` is no proper key */
export async function receiveSecret(
  privateKey: HpkePrivateKey,
  enc: Uint8Array,
  info: Uint8Array,
  exporterContext: string,
): Promise<Buffer> {
  return recipientContext(privateKey, enc, info).exportSecret(exporterContext);
}

/** Section 4.1, Encap. */
function encapsulate(publicKey: Uint8Array): { enc: Buffer; shared: Buffer } {
  const ephemeral = generateKeyPairSync('x25519');
  const enc = publicBytesOf(ephemeral.publicKey);
  const dh = agree(ephemeral.privateKey, publicKey);
  return { enc, shared: extractAndExpand(dh, enc, publicKey) };
}

/** Section 4.1, Decap. */
function decapsulate({ key, publicKey }: HpkePrivateKey, enc: Uint8Array): Buffer {
  return extractAndExpand(agree(key, enc), enc, publicKey);
}

/** X25519 that refuses points of low order: their outcome is zero whatever the other key is (RFC 7748, section 6.1). */
function agree(privateKey: KeyObject, publicKey: Uint8Array): Buffer {
  if (publicKey.length !== keyBytes) throw new BusError('E_ENVELOPE_BAD', 'a public key has 32 bytes');
  const dh = diffieHellman({ privateKey, publicKey: x25519PublicKey(publicKey) });
  if (dh.every((byte) => byte === 0)) throw new BusError('E_ENVELOPE_BAD', 'a public key is of low order');
  return dh;
}

function extractAndExpand(dh: Uint8Array, enc: Uint8Array, publicKey: Uint8Array): Buffer {
  const prk = labeledExtract(kemSuite, none, 'eae_prk', dh);
  return labeledExpand(kemSuite, prk, 'shared_secret', Buffer.concat([enc, publicKey]), keyBytes);
}

/** Base mode has no psk: the same in every schedule. */
const pskIdHash = labeledExtract(suite, none, 'psk_id_hash', none);

/** Section 5.1, KeySchedule in base mode. */
function contextOf(shared: Uint8Array, info: Uint8Array): HpkeContext {
  const infoHash = labeledExtract(suite, none, 'info_hash', info);
  const scheduled = Buffer.concat([Buffer.of(0), pskIdHash, infoHash]);
  const secret = labeledExtract(suite, shared, 'secret', none);
  const expand = (label: string, length: number): Buffer => labeledExpand(suite, secret, label, scheduled, length);
  return {
    seal: (plaintext, aad = none) =>
      sealWith(expand('key', keyBytes), expand('base_nonce', nonceBytes), plaintext, aad),
    open: (sealed, aad = none) =>
      opened(() => openWith(expand('key', keyBytes), expand('base_nonce', nonceBytes), sealed, aad)),
    exportSecret: (exporterContext) =>
      labeledExpand(suite, expand('exp', hashBytes), 'sec', Buffer.from(exporterContext), keyBytes),
  };
}

function sealWith(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
  cipher.setAAD(aad);
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

function openWith(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Buffer {
  const tagAt = sealed.length - tagBytes;
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(tagAt));
  return Buffer.concat([decipher.update(sealed.subarray(0, tagAt)), decipher.final()]);
}

function labeledExtract(id: Uint8Array, salt: Uint8Array, label: string, ikm: Uint8Array): Buffer {
  const hmac = createHmac('sha256', salt.length === 0 ? Buffer.alloc(hashBytes) : salt);
  return hmac.update(version).update(id).update(label).update(ikm).digest();
}

/** One block of HKDF-Expand: nothing here is longer than a hash. */
function labeledExpand(id: Uint8Array, prk: Uint8Array, label: string, info: Uint8Array, length: number): Buffer {
  const hmac = createHmac('sha256', prk).update(Buffer.of(0, length)).update(version).update(id).update(label);
  return hmac.update(info).update(Buffer.of(1)).digest().subarray(0, length);
}

function opened(work: () => Buffer): Buffer {
  try {
    return work();
  } catch {
    throw new BusError('E_ENVELOPE_BAD', 'what was sealed to this key does not open');
  }
}
