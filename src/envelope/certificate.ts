/**
 * The certificate of a ticket: the key service says which terminal may seal what under which public keys, and until
 * when. It travels in every envelope of the ticket, so a receiver verifies without asking anybody.
 */
import { ByteReader, ByteWriter } from './codec.ts';
import { type PublicKeyLike, type SignFn, verifySignature } from './signature.ts';
import {
  context,
  FORMAT,
  ID_BYTES,
  KEY_BYTES,
  MAX_CERTIFICATE_BYTES,
  SIGNATURE_BYTES,
  SUITE_X25519_AES256GCM_ED25519,
} from './wire.ts';

export interface Certificate {
  customerId: string;
  topicId: string;
  /** of the topic's root secret, from 1 */
  epoch: number;
  /** 16 bytes */
  ticketId: Uint8Array;
  /** the terminal that seals */
  terminalId: string;
  /** 32 bytes, Ed25519: verifies envelopes */
  signKey: Uint8Array;
  /** 32 bytes, X25519: envelopes are sealed to it */
  sealKey: Uint8Array;
  /** ms since 1970 by the key service's clock */
  notBeforeMs: number;
  expiryMs: number;
}

/** Certificate bytes with the key service's signature. @throws E_ENVELOPE_BAD when a field is out of range */
export function signCertificate(certificate: Certificate, sign: SignFn): Buffer {
  const writer = new ByteWriter(MAX_CERTIFICATE_BYTES);
  writer.u8(FORMAT).u8(SUITE_X25519_AES256GCM_ED25519);
  writer.uuid(certificate.customerId).uuid(certificate.topicId).u32(certificate.epoch);
  writer.bytes(certificate.ticketId).uuid(certificate.terminalId);
  writer.bytes(certificate.signKey).bytes(certificate.sealKey);
  writer.u64(certificate.notBeforeMs).u64(certificate.expiryMs);
  const bytes = writer.finish();
  decodeCertificate(new ByteReader(bytes, 'certificate')).reader.end();
  return Buffer.concat([bytes, sign(context.certificate, bytes)]);
}

/** Decodes and verifies with the key service's public key. @throws E_ENVELOPE_BAD */
export function readCertificate(bytes: Uint8Array, serviceKey: PublicKeyLike): Certificate {
  const { certificate, reader } = decodeCertificate(new ByteReader(bytes, 'certificate'));
  const signed = reader.soFar();
  const signature = reader.bytes(SIGNATURE_BYTES);
  reader.end();
  if (!verifySignature(context.certificate, signed, signature, serviceKey))
    reader.fail('the signature does not verify');
  return certificate;
}

function decodeCertificate(reader: ByteReader): { certificate: Certificate; reader: ByteReader } {
  if (reader.u8() !== FORMAT) reader.fail('unknown format');
  if (reader.u8() !== SUITE_X25519_AES256GCM_ED25519) reader.fail('unknown suite');
  const certificate = {
    customerId: reader.uuid(),
    topicId: reader.uuid(),
    epoch: reader.u32(),
    ticketId: Buffer.from(reader.bytes(ID_BYTES)),
    terminalId: reader.uuid(),
    signKey: Buffer.from(reader.bytes(KEY_BYTES)),
    sealKey: Buffer.from(reader.bytes(KEY_BYTES)),
    notBeforeMs: reader.u64(),
    expiryMs: reader.u64(),
  };
  if (certificate.notBeforeMs >= certificate.expiryMs) reader.fail('it ends before it begins');
  return { certificate, reader };
}
