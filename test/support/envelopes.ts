/** Fixed ids, keys and structures of each kind, for tests of formats and seals. No network, no database. */
import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto';
import {
  type BusMessage,
  context,
  type Flow,
  type Manifest,
  RangeSet,
  type Receipt,
  readCertificate,
  signCertificate,
  signerOf,
} from '../../src/envelope/index.ts';
import { deriveTicket, type OpeningHalf, type SealingHalf } from '../../src/keys/derive.ts';
import { privateKeyOf, shareSecret } from '../../src/keys/index.ts';
import { type SealTicket, ticketInfo } from '../../src/sealing/seal.ts';

/** `size` bytes that depend on the text alone. */
export function fixedBytes(text: string, size: number): Buffer {
  return createHash('sha512').update(text).digest().subarray(0, size);
}

export function fixedUuid(text: string): string {
  const hex = fixedBytes(text, 16).toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

export const ids = {
  customer: fixedUuid('customer'),
  topic: fixedUuid('topic'),
  origin: fixedUuid('origin'),
  destination: fixedUuid('destination'),
  group: fixedUuid('group'),
};

export const flow: Flow = {
  originId: ids.origin,
  topicId: ids.topic,
  incarnation: fixedBytes('incarnation', 16).toString('hex'),
};

export const envelopeId = fixedBytes('envelope', 16);

export function manifestOf(overrides: Partial<Manifest> = {}): Manifest {
  const assignments = [{ groupId: ids.group, terminalId: ids.destination, since: 1 }];
  const range = { first: 10, last: 1_200, floor: 3, snapshotVersion: 7 };
  return { customerId: ids.customer, flow, ...range, envelopeId, assignments, ...overrides };
}

export function receiptOf(overrides: Partial<Receipt> = {}): Receipt {
  return {
    customerId: ids.customer,
    flow,
    groupId: ids.group,
    terminalId: ids.destination,
    status: 'stored',
    first: 10,
    last: 1_200,
    snapshotVersion: 7,
    received: RangeSet.of(9, [[20, 40]]),
    reason: '',
    ...overrides,
  };
}

export function messagesOf(count: number, payloadBytes = 16): BusMessage[] {
  return Array.from({ length: count }, (_, index) => ({
    seq: 100 + index * 2,
    subject: index % 3 === 0 ? 'trade' : `trade.eu.${index}`,
    headers: index % 2 === 0 ? null : Buffer.from(`NATS/1.0\r\nn: ${index}\r\n\r\n`),
    payload: fixedBytes(`payload ${index}`, Math.min(payloadBytes, 64)),
    timeNs: 1_700_000_000_000_000_000n + BigInt(index),
  }));
}

export function newSigner(): { publicKey: KeyObject; privateKey: KeyObject } {
  return generateKeyPairSync('ed25519');
}

export interface TicketKit {
  service: { publicKey: KeyObject; privateKey: KeyObject };
  sealing: SealingHalf;
  opening: OpeningHalf;
  ticket: SealTicket;
}

/** A ticket as the key service would derive and sign it, with both halves. `name` varies root and ticket id. */
export async function ticketKit(name = 'ticket', service = newSigner()): Promise<TicketKit> {
  const at = { topicId: ids.topic, epoch: 1 };
  const ticketId = fixedBytes(name, 16);
  const { sealing, opening } = await deriveTicket(fixedBytes(`root of ${name}`, 32), at, ticketId);
  const scope = { customerId: ids.customer, ...at, ticketId, terminalId: ids.origin };
  const publicKeys = { signKey: opening.signKey, sealKey: sealing.sealKey };
  const times = { notBeforeMs: 1_700_000_000_000, expiryMs: 1_700_000_300_000 };
  const certificateBytes = signCertificate({ ...scope, ...publicKeys, ...times }, signerOf(service.privateKey));
  const shared = await shareSecret(sealing.sealKey, ticketInfo(certificateBytes), context.exportSecret);
  const ticket = {
    certificate: readCertificate(certificateBytes, service.publicKey),
    certificateBytes,
    password: fixedBytes(`password of ${name}`, 32),
    sign: signerOf(privateKeyOf('ed25519', sealing.signSeed)),
    enc: shared.enc,
    exportSecret: shared.secret,
  };
  return { service, sealing, opening, ticket };
}
