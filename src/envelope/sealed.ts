/**
 * The sealed envelope: header, commitment, ciphertext, signature. Pure encoding; src/sealing does the cryptography.
 *
 * The header is at once HKDF info and AAD, the signature covers everything before it: there is no byte that could be
 * altered unseen, and one envelope has one encoding. Bad in any way: E_ENVELOPE_BAD.
 */
import type { Certificate } from './certificate.ts';
import { asBuffer, ByteReader, ByteWriter } from './codec.ts';
import {
  FORMATS,
  ID_BYTES,
  KEY_BYTES,
  MAX_BODY_BYTES,
  MAX_CERTIFICATE_BYTES,
  MAX_MESSAGES,
  SIGNATURE_BYTES,
  SUITE_X25519_AES256GCM_ED25519,
  TAG_BYTES,
} from './wire.ts';

export interface SealedHeader {
  customerId: string;
  topicId: string;
  epoch: number;
  /** 16 bytes */
  ticketId: Uint8Array;
  /** 32 bytes; with a securekey's proof the key service gives the opening half for it, while it lasts */
  password: Uint8Array;
  /** terminal id of the sealing terminal */
  senderId: string;
  /** 16 random bytes */
  envelopeId: Uint8Array;
  /** messages in the body */
  count: number;
  /** when it was sealed, ms since 1970 by the sender's clock: for people, no decision reads it */
  createdMs: number;
  isCompressed: boolean;
  /** bytes of the body before compression */
  bodyBytes: number;
  /** signed by the key service, see certificate.ts */
  certificate: Uint8Array;
  /** 32 bytes, HPKE's encapsulated key, one per ticket */
  enc: Uint8Array;
}

export interface SealedEnvelope extends SealedHeader {
  /** the header's exact bytes: HKDF info and AAD */
  header: Buffer;
  commitment: Buffer;
  /** AES-256-GCM with its 16-byte tag at the end */
  ciphertext: Buffer;
  /** what the signature covers */
  signed: Buffer;
  signature: Buffer;
}

const flagZstd = 1;

/** The bytes that HKDF and AAD take. @throws E_ENVELOPE_BAD when a field is out of range */
export function encodeSealedHeader(header: SealedHeader, format = FORMATS.max): Buffer {
  const writer = new ByteWriter(256 + header.certificate.length);
  writer
    .u8(format)
    .u8(SUITE_X25519_AES256GCM_ED25519)
    .u8(header.isCompressed ? flagZstd : 0);
  writer.uuid(header.customerId).uuid(header.topicId).u32(header.epoch);
  writer.bytes(header.ticketId).bytes(header.password).uuid(header.senderId).bytes(header.envelopeId);
  writer.u16(header.count).u64(header.createdMs).u32(header.bodyBytes);
  writer.sized(header.certificate).bytes(header.enc);
  const bytes = writer.finish();
  parseSealedHeader(bytes);
  return bytes;
}

/** Everything but the signature, as the parts that are signed and then sent, uncopied. */
export function sealedParts(header: Uint8Array, commitment: Uint8Array, ciphertext: Uint8Array[]): Uint8Array[] {
  const size = ciphertext.reduce((sum, part) => sum + part.length, 0);
  return [header, commitment, new ByteWriter(16).u32(size).finish(), ...ciphertext];
}

/** A header alone, nothing verified: what a re-ticket shows the key service. @throws E_ENVELOPE_BAD */
export function parseSealedHeader(bytes: Uint8Array): SealedHeader {
  const reader = new ByteReader(bytes, 'envelope header');
  const header = decodeSealedHeader(reader);
  reader.end();
  return header;
}

/** Whether header and certificate name the same customer, topic, epoch, ticket and terminal. */
export function isSealedUnder(header: SealedHeader, certificate: Certificate): boolean {
  return (
    header.customerId === certificate.customerId &&
    header.topicId === certificate.topicId &&
    header.epoch === certificate.epoch &&
    header.senderId === certificate.terminalId &&
    asBuffer(header.ticketId).equals(certificate.ticketId)
  );
}

/** Parts are views into `sealed`; nothing is verified yet. @throws E_ENVELOPE_BAD */
export function decodeSealed(sealed: Uint8Array): SealedEnvelope {
  const reader = new ByteReader(sealed, 'sealed envelope');
  const fields = decodeSealedHeader(reader);
  const header = reader.soFar();
  const commitment = reader.bytes(KEY_BYTES);
  const size = reader.u32();
  if (size <= TAG_BYTES || size > MAX_BODY_BYTES + TAG_BYTES) reader.fail(`a ciphertext of ${size} bytes`);
  if (!fields.isCompressed && size !== fields.bodyBytes + TAG_BYTES) reader.fail('its body has another length');
  const ciphertext = reader.bytes(size);
  const signed = reader.soFar();
  const signature = reader.bytes(SIGNATURE_BYTES);
  reader.end();
  return { ...fields, header, commitment, ciphertext, signed, signature };
}

function decodeSealedHeader(reader: ByteReader): SealedHeader {
  reader.format();
  if (reader.u8() !== SUITE_X25519_AES256GCM_ED25519) reader.fail('unknown suite');
  const flags = reader.u8();
  if (flags > flagZstd) reader.fail('unknown flags');
  const header = {
    isCompressed: flags === flagZstd,
    customerId: reader.uuid(),
    topicId: reader.uuid(),
    epoch: reader.u32(),
    ticketId: reader.bytes(ID_BYTES),
    password: reader.bytes(KEY_BYTES),
    senderId: reader.uuid(),
    envelopeId: reader.bytes(ID_BYTES),
    count: reader.u16(),
    createdMs: reader.u64(),
    bodyBytes: reader.u32(),
    certificate: reader.sized(MAX_CERTIFICATE_BYTES),
    enc: reader.bytes(KEY_BYTES),
  };
  if (header.count < 1 || header.count > MAX_MESSAGES) reader.fail(`it claims ${header.count} messages`);
  if (header.bodyBytes < 1 || header.bodyBytes > MAX_BODY_BYTES) reader.fail(`it claims ${header.bodyBytes} bytes`);
  return header;
}
