/**
 * Ids: UUIDs of the registry as their 16 bytes, and random 16-byte ids (envelopes, incarnations).
 * The text form is lower case with hyphens; nothing else is accepted, so an id has one spelling.
 */
import { randomFillSync } from 'node:crypto';
import { BusError } from '../errors.ts';
import { ID_BYTES } from './wire.ts';

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const hex16Pattern = /^[0-9a-f]{32}$/;

/** @throws E_ENVELOPE_BAD when the text is not a lower-case UUID */
export function uuidToBytes(uuid: string): Buffer {
  if (!uuidPattern.test(uuid)) throw new BusError('E_ENVELOPE_BAD', 'an id is not a lower-case UUID');
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

/** @throws E_ENVELOPE_BAD when there are not 16 bytes */
export function bytesToUuid(bytes: Uint8Array): string {
  const hex = bytesToHex16(bytes);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** 16 random bytes */
export function newId16(): Buffer {
  return randomFillSync(Buffer.alloc(ID_BYTES));
}

/** A flow's incarnation: 32 lower-case hex digits of 16 bytes. @throws E_ENVELOPE_BAD */
export function hex16ToBytes(hex: string): Buffer {
  if (!hex16Pattern.test(hex)) throw new BusError('E_ENVELOPE_BAD', 'an incarnation is not 32 lower-case hex digits');
  return Buffer.from(hex, 'hex');
}

/** @throws E_ENVELOPE_BAD when there are not 16 bytes */
export function bytesToHex16(bytes: Uint8Array): string {
  if (bytes.length !== ID_BYTES) throw new BusError('E_ENVELOPE_BAD', `an id has ${bytes.length} bytes, not 16`);
  return Buffer.from(bytes.buffer, bytes.byteOffset, ID_BYTES).toString('hex');
}
