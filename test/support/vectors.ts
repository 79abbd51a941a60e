/**
 * Every structure of the wire from fixed keys and values, as hex, with the keys and names that are needed to read it. HPKE's
 * encapsulated key is random by nature, so it is an input here, with the secret that it gives.
 */
import {
  encodeBody,
  encodeFrame,
  encodeMarker,
  RangeSet,
  readCertificate,
  signCertificate,
  signerOf,
  signManifest,
  signReceipt,
  signRelease,
  toPublicKey,
} from '../../src/envelope/index.ts';
import { deriveTicket } from '../../src/keys/derive.ts';
import { deriveTerminalKeys, privateKeyOf } from '../../src/keys/index.ts';
import { publicBytesOf } from '../../src/keys/key-objects.ts';
import { signRecord } from '../../src/routing/records.ts';
import { seal } from '../../src/sealing/seal.ts';
import { envelopeId, fixedBytes, flow, ids, manifestOf, messagesOf, receiptOf } from './envelopes.ts';

const vectorInputs = {
  root: fixedBytes('vector root', 32),
  ticketId: fixedBytes('vector ticket', 16),
  password: fixedBytes('vector password', 32),
  serviceSeed: fixedBytes('vector service', 32),
  securekey: fixedBytes('vector securekey', 32),
  macKey: fixedBytes('vector mac', 32),
};

export interface Vectors {
  /** HPKE, from one run: what the others cannot be derived from */
  enc: string;
  exportSecret: string;
  [structure: string]: string;
}

/** The certificate of the vectors' ticket and its halves. */
export async function vectorTicket() {
  const { root, ticketId, serviceSeed } = vectorInputs;
  const halves = await deriveTicket(root, { topicId: ids.topic, epoch: 1 }, ticketId);
  const servicePrivate = privateKeyOf('ed25519', serviceSeed);
  const scope = { customerId: ids.customer, topicId: ids.topic, epoch: 1, ticketId, terminalId: ids.origin };
  const publicKeys = { signKey: halves.opening.signKey, sealKey: halves.sealing.sealKey };
  const times = { notBeforeMs: 1_700_000_000_000, expiryMs: 1_700_000_300_000 };
  const certificate = signCertificate({ ...scope, ...publicKeys, ...times }, signerOf(servicePrivate));
  return { ...halves, certificate, serviceKey: toPublicKey(publicBytesOf(servicePrivate)) };
}

export async function buildVectors(enc: Buffer, exportSecret: Buffer): Promise<Vectors> {
  const { sealing, opening, certificate, serviceKey } = await vectorTicket();
  const terminal = deriveTerminalKeys(vectorInputs.securekey);
  const body = encodeBody('trade', messagesOf(3));
  const ticket = {
    certificate: readCertificate(certificate, serviceKey),
    certificateBytes: certificate,
    password: vectorInputs.password,
    sign: signerOf(privateKeyOf('ed25519', sealing.signSeed)),
    enc,
    exportSecret,
  };
  const sealed = seal(ticket, { body, count: 3, envelopeId, createdMs: 1_700_000_000_123 });
  const manifest = signManifest(manifestOf(), terminal.sign);
  const receipt = signReceipt(receiptOf(), terminal.sign);
  const sets = { received: RangeSet.of(9, [[20, 40]]), lost: RangeSet.of(0, [[12, 14]]) };
  const marker = encodeMarker({ flow, floor: 4, ...sets }, vectorInputs.macKey, 'trade@risk');
  const head = { hopLimit: 8, path: [ids.origin], shun: [], destinations: [ids.destination] };
  const frame = encodeFrame({ kind: 'envelope', ...head, manifest, sealed });
  const range = { first: 10, last: 1_200 };
  const release = signRelease(
    { customerId: ids.customer, flow, terminalId: ids.origin, destinationId: ids.destination, ...range },
    terminal.sign,
  );
  const links = [{ linkId: ids.group, isDegraded: true, extraMilli: 1_500, rttMs: 42 }];
  const spoken = { customerId: ids.customer, terminalId: ids.origin, sequence: 77 };
  const linkState = signRecord({ kind: 'links', ...spoken, links }, terminal.sign);
  const halves = { signSeed: sealing.signSeed, sealKey: sealing.sealKey, openKey: opening.openKey };
  const structures = { certificate, body, sealed, manifest, receipt, marker, frame, release, linkState };
  const { signKey, wrapKey } = terminal;
  const { root, ticketId, password, securekey, macKey } = vectorInputs;
  const serviceKeyRaw = publicBytesOf(privateKeyOf('ed25519', vectorInputs.serviceSeed));
  const inputs = { root, ticketId, password, securekey, macKey, serviceKey: serviceKeyRaw, envelopeId };
  const names = { customer: ids.customer, topicId: ids.topic, origin: ids.origin, destination: ids.destination };
  const texts = { ...names, group: ids.group, incarnation: flow.incarnation, topic: 'trade', stream: 'trade@risk' };
  const given = { enc: enc.toString('hex'), exportSecret: exportSecret.toString('hex') };
  return { ...texts, ...given, ...hexOf({ ...inputs, ...halves, ...structures }), signKey, wrapKey };
}

function hexOf(parts: Record<string, Uint8Array>): Record<string, string> {
  return Object.fromEntries(Object.entries(parts).map(([name, bytes]) => [name, Buffer.from(bytes).toString('hex')]));
}
