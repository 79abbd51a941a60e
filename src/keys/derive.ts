/**
 * From a topic's root secret to a ticket's two halves, and the root's own wrapping by the master key. Neither half is
 * stored: the service derives them again from (topic, epoch, ticket) whenever an allowed terminal asks.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { ByteWriter, context, KEY_BYTES, signatureInput, TAG_BYTES } from '../envelope/index.ts';
import { BusError } from '../errors.ts';
import { deriveKeyPair, derivePrivateKey } from './hpke.ts';
import { hkdf, privateKeyOf, publicBytesOf } from './key-objects.ts';

const nonceBytes = 12;

export interface TopicEpoch {
  topicId: string;
  /** from 1 */
  epoch: number;
}

/** Seals, cannot open: an Ed25519 seed and the X25519 public key. */
export interface SealingHalf {
  signSeed: Buffer;
  sealKey: Buffer;
}

/** Opens, cannot seal: the X25519 private key and the Ed25519 public key. */
export interface OpeningHalf {
  openKey: Buffer;
  signKey: Buffer;
}

/** Both halves of a ticket; hand out one of them only. @param root 32 bytes @param ticketId 16 bytes */
export async function deriveTicket(
  root: Uint8Array,
  at: TopicEpoch,
  ticketId: Uint8Array,
): Promise<{ sealing: SealingHalf; opening: OpeningHalf }> {
  const scope = topicEpochBytes(at);
  const pair = await deriveKeyPair(sealMaterial(root, ticketId, scope));
  const signSeed = hkdf(root, ticketId, signatureInput(context.ticketSign, scope), KEY_BYTES);
  return {
    sealing: { signSeed, sealKey: pair.publicKey },
    opening: { openKey: pair.privateKey, signKey: publicBytesOf(privateKeyOf('ed25519', signSeed)) },
  };
}

/** What opens a ticket's envelopes, alone. */
export function deriveOpenKey(root: Uint8Array, at: TopicEpoch, ticketId: Uint8Array): Buffer {
  return derivePrivateKey(sealMaterial(root, ticketId, topicEpochBytes(at)));
}

function sealMaterial(root: Uint8Array, ticketId: Uint8Array, scope: Uint8Array): Buffer {
  return hkdf(root, ticketId, signatureInput(context.ticketSeal, scope), KEY_BYTES);
}

/** A new root secret under the master key: nonce, ciphertext, tag. AAD is topic and epoch. */
export function wrapRoot(masterKey: Uint8Array, at: TopicEpoch, root: Uint8Array): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', rootKey(masterKey), nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(signatureInput(context.root, topicEpochBytes(at)));
  return Buffer.concat([nonce, cipher.update(root), cipher.final(), cipher.getAuthTag()]);
}

/** @throws E_TOPIC_KEY when the master key is another one, or the row was altered or moved */
export function unwrapRoot(masterKey: Uint8Array, at: TopicEpoch, wrapped: Uint8Array): Buffer {
  try {
    const tagAt = wrapped.length - TAG_BYTES;
    const nonce = wrapped.subarray(0, nonceBytes);
    const decipher = createDecipheriv('aes-256-gcm', rootKey(masterKey), nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(signatureInput(context.root, topicEpochBytes(at)));
    decipher.setAuthTag(wrapped.subarray(tagAt));
    return Buffer.concat([decipher.update(wrapped.subarray(nonceBytes, tagAt)), decipher.final()]);
  } catch (cause) {
    const where = `topic ${at.topicId} epoch ${at.epoch}`;
    throw new BusError('E_TOPIC_KEY', `the stored key of ${where} does not open with this master key`, { cause });
  }
}

/** The same root under another master key. @throws E_TOPIC_KEY */
export function rewrapRoot(keys: { from: Uint8Array; to: Uint8Array }, at: TopicEpoch, wrapped: Uint8Array): Buffer {
  return wrapRoot(keys.to, at, unwrapRoot(keys.from, at, wrapped));
}

/** The master key encrypts other secrets too: each use has a key of its own. */
function rootKey(masterKey: Uint8Array): Buffer {
  return hkdf(masterKey, Buffer.alloc(0), context.root, KEY_BYTES);
}

function topicEpochBytes(at: TopicEpoch): Buffer {
  return new ByteWriter(32).uuid(at.topicId).u32(at.epoch).finish();
}
