/**
 * HPKE (RFC 9180) in base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM: the one suite of the bus.
 *
 * Base mode proves nothing about the sender, so what is opened here is always signed or answered by a known key beside
 * it. Low-order points are refused by the X25519 below. Any failure to open is E_ENVELOPE_BAD and says no more.
 */
import type { webcrypto } from 'node:crypto';
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core';
import { BusError } from '../errors.ts';

/** An X25519 private key as HPKE takes it. */
export type HpkePrivateKey = webcrypto.CryptoKey;

const encBytes = 32;

function newSuite(): CipherSuite {
  return new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
}

/** A private X25519 key as HPKE takes it. @param raw 32 bytes */
export async function importPrivateKey(raw: Uint8Array): Promise<HpkePrivateKey> {
  return newSuite().kem.deserializePrivateKey(raw);
}

/** RFC 9180 DeriveKeyPair: both keys as 32 raw bytes. @param ikm at least 32 bytes of key material */
export async function deriveKeyPair(ikm: Uint8Array): Promise<{ privateKey: Buffer; publicKey: Buffer }> {
  const { kem } = newSuite();
  const pair = await kem.deriveKeyPair(ikm);
  return {
    privateKey: Buffer.from(await kem.serializePrivateKey(pair.privateKey)),
    publicKey: Buffer.from(await kem.serializePublicKey(pair.publicKey)),
  };
}

/** Seals to an X25519 public key; returns the encapsulated key (32 bytes) and the ciphertext in one. */
export async function wrapTo(publicKey: Uint8Array, info: Uint8Array, plaintext: Uint8Array): Promise<Buffer> {
  const suite = newSuite();
  const recipientPublicKey = await suite.kem.deserializePublicKey(publicKey);
  const { enc, ct } = await suite.seal({ recipientPublicKey, info }, plaintext);
  return Buffer.concat([Buffer.from(enc), Buffer.from(ct)]);
}

/** @throws E_ENVELOPE_BAD when it was not wrapped to this key with this info */
export async function unwrapWith(privateKey: HpkePrivateKey, info: Uint8Array, wrapped: Uint8Array): Promise<Buffer> {
  const [enc, ciphertext] = [wrapped.subarray(0, encBytes), wrapped.subarray(encBytes)];
  return opened(() => newSuite().open({ recipientKey: privateKey, enc, info }, ciphertext));
}

/** A sender's side of a shared secret: the encapsulated key to send and the secret exported from it. */
export async function shareSecret(
  publicKey: Uint8Array,
  info: Uint8Array,
  exporterContext: string,
): Promise<{ enc: Buffer; secret: Buffer }> {
  const suite = newSuite();
  const recipientPublicKey = await suite.kem.deserializePublicKey(publicKey);
  const sender = await suite.createSenderContext({ recipientPublicKey, info });
  const secret = await sender.export(Buffer.from(exporterContext), 32);
  return { enc: Buffer.from(sender.enc), secret: Buffer.from(secret) };
}

/** The receiver's side of it. @throws E_ENVELOPE_BAD when `enc` is no proper key */
export async function receiveSecret(
  privateKey: HpkePrivateKey,
  enc: Uint8Array,
  info: Uint8Array,
  exporterContext: string,
): Promise<Buffer> {
  return opened(async () => {
    const recipient = await newSuite().createRecipientContext({ recipientKey: privateKey, enc, info });
    return recipient.export(Buffer.from(exporterContext), 32);
  });
}

async function opened(work: () => Promise<ArrayBuffer>): Promise<Buffer> {
  try {
    return Buffer.from(await work());
  } catch {
    throw new BusError('E_ENVELOPE_BAD', 'what was sealed to this key does not open');
  }
}
