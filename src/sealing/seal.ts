/**
 * 3a Seal: the body of an envelope under a key that is used once, committed to, and signed. Pure and synchronous: what a
 * ticket needs once (HPKE, key objects) is in SealTicket.
 *
 * key ‖ commitment = HKDF(export secret, salt = envelope id, info = header); AES-256-GCM with the header as AAD; Ed25519
 * over everything. The header names customer, topic, ticket and sender, so none can be swapped.
 */
import { createCipheriv, createHash } from 'node:crypto';
import {
  asBuffer,
  type Certificate,
  context,
  encodeSealedHeader,
  KEY_BYTES,
  type SignFn,
  sealedParts,
  signatureInput,
  TAG_BYTES,
} from '../envelope/index.ts';
import { hkdf } from '../keys/index.ts';

/** A ticket as its sender holds it in memory. */
export interface SealTicket {
  certificate: Certificate;
  /** as the key service signed it */
  certificateBytes: Uint8Array;
  /** 32 bytes: travels in the header */
  password: Uint8Array;
  /** Ed25519 of the ticket */
  sign: SignFn;
  enc: Uint8Array;
  exportSecret: Uint8Array;
}

export interface SealInput {
  body: Uint8Array;
  /** messages in the body */
  count: number;
  /** the body compressed; undefined when it goes as it is */
  compressed?: Uint8Array | undefined;
  /** 16 bytes, never used before */
  envelopeId: Uint8Array;
  createdMs: number;
  /** of the header; the newest this build writes where it is absent */
  format?: number | undefined;
}

/** A key that is used for one envelope needs no nonce. */
export const fixedNonce = Buffer.alloc(12);

/** @throws E_ENVELOPE_BAD when a value is out of the format's range */
export function seal(ticket: SealTicket, input: SealInput): Buffer {
  const { compressed } = input;
  const header = headerOf(ticket, input, compressed !== undefined);
  const { key, commitment } = bodyKey(ticket.exportSecret, input.envelopeId, header);
  const cipher = createCipheriv('aes-256-gcm', key, fixedNonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(header);
  const ciphertext = cipher.update(compressed ?? input.body);
  cipher.final();
  const parts = sealedParts(header, commitment, [ciphertext, cipher.getAuthTag()]);
  return Buffer.concat([...parts, ticket.sign(context.envelope, digestOf(parts))]);
}

function headerOf(ticket: SealTicket, input: SealInput, isCompressed: boolean): Buffer {
  const { customerId, topicId, epoch, ticketId, terminalId } = ticket.certificate;
  const header = {
    customerId,
    topicId,
    epoch,
    ticketId,
    password: ticket.password,
    senderId: terminalId,
    envelopeId: input.envelopeId,
    count: input.count,
    createdMs: input.createdMs,
    isCompressed,
    bodyBytes: input.body.length,
    certificate: ticket.certificateBytes,
    enc: ticket.enc,
  };
  return encodeSealedHeader(header, input.format);
}

/** Key and commitment of one envelope, 32 bytes each. */
export function bodyKey(exportSecret: Uint8Array, envelopeId: Uint8Array, header: Uint8Array) {
  const both = hkdf(exportSecret, envelopeId, signatureInput(context.bodyKey, header), 2 * KEY_BYTES);
  return { key: both.subarray(0, KEY_BYTES), commitment: both.subarray(KEY_BYTES) };
}

/** What the envelope's signature signs: one pass over a large envelope instead of Ed25519's two. */
export function digestOf(parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(asBuffer(part));
  return hash.digest();
}

/** HPKE info of a ticket: the certificate, so both sides mean the same keys, topic and terminal. */
export function ticketInfo(certificateBytes: Uint8Array): Buffer {
  return signatureInput(context.ticket, certificateBytes);
}
