/**
 * 3b Open: the opposite of seal.ts, in two steps, so that nobody is asked for a key before the envelope has proved that
 * the terminal it names sealed it under a certificate of the key service.
 *
 * Every failure is E_ENVELOPE_BAD. Which check failed is not told to the other side.
 */
import { createDecipheriv, type KeyObject, timingSafeEqual } from 'node:crypto';
import {
  type Certificate,
  context,
  decodeSealed,
  isSealedUnder,
  type PublicKeyLike,
  readCertificate,
  type SealedEnvelope,
  TAG_BYTES,
  toPublicKey,
  verifySignature,
} from '../envelope/index.ts';
import { BusError } from '../errors.ts';
import { decompressBody } from './compression.ts';
import { bodyKey, digestOf, fixedNonce } from './seal.ts';

/** What the receiver knows from elsewhere; the manifest is not believed about the seal. */
export interface OpenExpectation {
  customerId: string;
  topicId: string;
  originId: string;
}

/** A certificate that the key service signed, with its key ready. */
export interface KnownCertificate {
  certificate: Certificate;
  bytes: Buffer;
  signKey: KeyObject;
}

/** @throws E_ENVELOPE_BAD */
export function verifyCertificate(bytes: Uint8Array, serviceKey: PublicKeyLike): KnownCertificate {
  const certificate = readCertificate(bytes, serviceKey);
  return { certificate, bytes: Buffer.from(bytes), signKey: toPublicKey(certificate.signKey) };
}

/**
 * Decodes and verifies all that can be verified without a key. `certificateOf` verifies a certificate, or finds it
 * verified already.
 * @throws E_ENVELOPE_BAD
 */
export function verifySealed(
  sealed: Uint8Array,
  expect: OpenExpectation,
  certificateOf: (bytes: Uint8Array) => KnownCertificate,
): { envelope: SealedEnvelope; known: KnownCertificate } {
  const envelope = decodeSealed(sealed);
  const known = certificateOf(envelope.certificate);
  if (!isSealedUnder(envelope, known.certificate)) throw bad('its header and certificate differ');
  if (!isExpected(envelope, expect)) throw bad('it is of another customer, topic or terminal');
  const digest = digestOf([envelope.signed]);
  if (!verifySignature(context.envelope, digest, envelope.signature, known.signKey))
    throw bad('its signature is wrong');
  return { envelope, known };
}

/** @throws E_ENVELOPE_BAD */
export function openBody(envelope: SealedEnvelope, exportSecret: Uint8Array): Buffer {
  const { key, commitment } = bodyKey(exportSecret, envelope.envelopeId, envelope.header);
  if (!timingSafeEqual(commitment, envelope.commitment)) throw bad('its key is not the one it commits to');
  const body = decrypt(key, envelope);
  return envelope.isCompressed ? decompressBody(body, envelope.bodyBytes) : body;
}

function decrypt(key: Uint8Array, envelope: SealedEnvelope): Buffer {
  const tagAt = envelope.ciphertext.length - TAG_BYTES;
  const decipher = createDecipheriv('aes-256-gcm', key, fixedNonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(envelope.header);
  decipher.setAuthTag(envelope.ciphertext.subarray(tagAt));
  const body = decipher.update(envelope.ciphertext.subarray(0, tagAt));
  try {
    decipher.final();
  } catch {
    throw bad('it does not decrypt');
  }
  return body;
}

function isExpected(envelope: SealedEnvelope, expect: OpenExpectation): boolean {
  return (
    envelope.customerId === expect.customerId &&
    envelope.topicId === expect.topicId &&
    envelope.senderId === expect.originId
  );
}

function bad(problem: string): BusError {
  return new BusError('E_ENVELOPE_BAD', `sealed envelope refused: ${problem}`);
}
