/**
 * A second implementation of what travels, written from docs/envelope.md and RFC 9180 alone: nothing of src/, nothing but
 * Node. What the two do not agree on is a fault of one of them or of the page. It favours plainness over speed.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  sign,
  timingSafeEqual,
  verify,
} from 'node:crypto';
import { zstdDecompressSync } from 'node:zlib';
import { refuse, Take, varint } from './bytes.ts';

const flags = { zstd: 1 };
const largestBody = 8 * 1024 * 1024 + 16 * 1024;

// Keys: raw bytes in and out, as RFC 8410 wraps them.

const privatePrefix = { ed25519: '302e020100300506032b657004220420', x25519: '302e020100300506032b656e04220420' };
const publicPrefix = { ed25519: '302a300506032b6570032100', x25519: '302a300506032b656e032100' };

export function privateKey(kind: 'ed25519' | 'x25519', raw: Uint8Array): KeyObject {
  return createPrivateKey({ key: join(hex(privatePrefix[kind]), raw), format: 'der', type: 'pkcs8' });
}

export function publicKey(kind: 'ed25519' | 'x25519', raw: Uint8Array): KeyObject {
  return createPublicKey({ key: join(hex(publicPrefix[kind]), raw), format: 'der', type: 'spki' });
}

/** The public half of a private key. */
export function rawPublic(key: KeyObject): Buffer {
  return createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32);
}

// Rules for every structure: what is signed is the context, a zero byte, the bytes.

const about = (context: string, ...parts: Uint8Array[]): Buffer => join(Buffer.from(`${context}\0`), ...parts);

export function signAbout(context: string, bytes: Uint8Array, key: KeyObject): Buffer {
  return sign(null, about(context, bytes), key);
}

function check(context: string, bytes: Uint8Array, signature: Uint8Array, rawKey: Uint8Array): void {
  if (!verify(null, about(context, bytes), publicKey('ed25519', rawKey), signature)) refuse('signature');
}

// HKDF and HPKE base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. Names as in RFC 5869 and RFC 9180.

const none = Buffer.alloc(0);
const kemSuite = join(Buffer.from('KEM'), u16(0x0020));
const hpkeSuite = join(Buffer.from('HPKE'), u16(0x0020), u16(0x0001), u16(0x0002));

const extract = (salt: Uint8Array, ikm: Uint8Array): Buffer =>
  createHmac('sha256', salt.length === 0 ? Buffer.alloc(32) : salt)
    .update(ikm)
    .digest();

function expand(prk: Uint8Array, info: Uint8Array, length: number): Buffer {
  let block: Buffer = none;
  let out: Buffer = none;
  for (let n = 1; out.length < length; n++) {
    block = createHmac('sha256', prk).update(block).update(info).update(Buffer.of(n)).digest();
    out = join(out, block);
  }
  return out.subarray(0, length);
}

export function hkdf(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Buffer {
  return expand(extract(salt, secret), info, length);
}

const version = Buffer.from('HPKE-v1');

function labeledExtract(suite: Buffer, salt: Uint8Array, label: string, ikm: Uint8Array): Buffer {
  return extract(salt, join(version, suite, Buffer.from(label), ikm));
}

function labeledExpand(suite: Buffer, prk: Uint8Array, label: string, info: Uint8Array, length: number): Buffer {
  return expand(prk, join(u16(length), version, suite, Buffer.from(label), info), length);
}

/** DeriveKeyPair: the private key's 32 bytes. */
export function deriveKeyPair(ikm: Uint8Array): Buffer {
  return labeledExpand(kemSuite, labeledExtract(kemSuite, none, 'dkp_prk', ikm), 'sk', none, 32);
}

interface HpkeContext {
  key: Buffer;
  nonce: Buffer;
  exporter: Buffer;
}

function keySchedule(dh: Uint8Array, enc: Uint8Array, receiver: Uint8Array, info: Uint8Array): HpkeContext {
  const eae = labeledExtract(kemSuite, none, 'eae_prk', dh);
  const shared = labeledExpand(kemSuite, eae, 'shared_secret', join(enc, receiver), 32);
  const pskIdHash = labeledExtract(hpkeSuite, none, 'psk_id_hash', none);
  const infoHash = labeledExtract(hpkeSuite, none, 'info_hash', info);
  const context = join(Buffer.of(0), pskIdHash, infoHash);
  const secret = labeledExtract(hpkeSuite, shared, 'secret', none);
  const derive = (label: string, length: number): Buffer => labeledExpand(hpkeSuite, secret, label, context, length);
  return { key: derive('key', 32), nonce: derive('base_nonce', 12), exporter: derive('exp', 32) };
}

/** The sender's side, with a fresh key: what to send, and the context. */
export function hpkeSender(receiver: Uint8Array, info: Uint8Array): { enc: Buffer; context: HpkeContext } {
  const ephemeral = generateKeyPairSync('x25519');
  const enc = rawPublic(ephemeral.privateKey);
  const dh = diffieHellman({ privateKey: ephemeral.privateKey, publicKey: publicKey('x25519', receiver) });
  return { enc, context: keySchedule(dh, enc, receiver, info) };
}

export function hpkeReceiver(raw: Uint8Array, enc: Uint8Array, info: Uint8Array): HpkeContext {
  const key = privateKey('x25519', raw);
  const dh = diffieHellman({ privateKey: key, publicKey: publicKey('x25519', enc) });
  return keySchedule(dh, enc, rawPublic(key), info);
}

export function hpkeExport(context: HpkeContext, about: string, length: number): Buffer {
  return labeledExpand(hpkeSuite, context.exporter, 'sec', Buffer.from(about), length);
}

function encrypt(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 }).setAAD(aad);
  return join(cipher.update(plain), cipher.final(), cipher.getAuthTag());
}

function decrypt(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 }).setAAD(aad);
  decipher.setAuthTag(sealed.subarray(-16));
  return join(decipher.update(sealed.subarray(0, -16)), decipher.final());
}

// Keys that are derived.

/** Both halves of a ticket, as the key service makes them. */
export function ticketHalves(root: Uint8Array, topic: string, epoch: number, ticket: Uint8Array) {
  const scope = join(id(topic), u32(epoch));
  const openKey = deriveKeyPair(hkdf(root, ticket, about('mbus/1/ticket-x25519', scope), 32));
  const signSeed = hkdf(root, ticket, about('mbus/1/ticket-ed25519', scope), 32);
  return { openKey, signSeed, sealKey: rawPublic(privateKey('x25519', openKey)) };
}

/** The public keys of a terminal, and the private one that answers are wrapped to. */
export function terminalKeys(securekey: Uint8Array) {
  const [signing, unwrapping] = ['sign', 'wrap'].map((use) =>
    hkdf(securekey, none, Buffer.from(`mbus/1/terminal-${use}`), 32),
  ) as [Buffer, Buffer];
  const signKey = privateKey('ed25519', signing);
  return {
    sign: signKey,
    signKey: rawPublic(signKey),
    wrapKey: rawPublic(privateKey('x25519', unwrapping)),
    unwrapping,
  };
}

/** What the key service wrapped for a terminal. */
export function unwrapAnswer(
  use: 'sealing-half' | 'opening-half' | 'password',
  to: { unwrapping: Uint8Array; terminal: string; ticket: Uint8Array; nonce: Uint8Array },
  wrapped: Uint8Array,
): Buffer {
  const info = about(`mbus/1/wrap-${use}`, id(to.terminal), to.ticket, to.nonce);
  const { key, nonce } = hpkeReceiver(to.unwrapping, wrapped.subarray(0, 32), info);
  return decrypt(key, nonce, none, wrapped.subarray(32));
}

// Certificate and sealed envelope.

export function readCertificate(bytes: Uint8Array, serviceKey: Uint8Array) {
  const take = new Take(bytes);
  take.constant(1).constant(1);
  const certificate = {
    customer: take.id(),
    topic: take.id(),
    epoch: take.integer(4),
    ticket: take.bytes(16),
    terminal: take.id(),
    signKey: take.bytes(32),
    sealKey: take.bytes(32),
    notBefore: take.integer(8),
    expiry: take.integer(8),
  };
  const signed = take.soFar();
  check('mbus/1/certificate', signed, take.bytes(64), serviceKey);
  take.end();
  if (certificate.notBefore >= certificate.expiry) refuse('certificate ends before it begins');
  return certificate;
}

export interface Message {
  seq: number;
  subject: string;
  headers: Buffer;
  payload: Buffer;
  timeNs: bigint;
}

/** All checks in the page's order; the export secret is asked for only when the signatures hold. */
export function openSealed(
  bytes: Uint8Array,
  place: { serviceKey: Uint8Array; customer: string; topicId: string; origin: string; topic: string },
  openKeyOf: (ticket: Buffer) => Uint8Array,
): Message[] {
  const take = new Take(bytes);
  take.constant(1).constant(1);
  const flag = take.integer(1);
  if (flag > flags.zstd) refuse('flags');
  const named = { customer: take.id(), topic: take.id(), epoch: take.integer(4), ticket: take.bytes(16) };
  take.bytes(32); // temporary password: for the key service
  const sender = take.id();
  const envelopeId = take.bytes(16);
  const count = take.integer(2);
  take.integer(8); // created: for people
  const bodyBytes = take.integer(4);
  const certificateBytes = take.sized(512);
  const enc = take.bytes(32);
  if (count < 1 || count > 999 || bodyBytes < 1 || bodyBytes > largestBody) refuse('count or length');
  const header = take.soFar();
  const commitment = take.bytes(32);
  const size = take.integer(4);
  if (size <= 16 || size > largestBody + 16) refuse('ciphertext length');
  if (flag === 0 && size !== bodyBytes + 16) refuse('body length');
  const ciphertext = take.bytes(size);
  const signed = take.soFar();
  const signature = take.bytes(64);
  take.end();

  const certificate = readCertificate(certificateBytes, place.serviceKey);
  const isSame =
    certificate.customer === named.customer &&
    certificate.topic === named.topic &&
    certificate.epoch === named.epoch &&
    certificate.ticket.equals(named.ticket) &&
    certificate.terminal === sender;
  if (!isSame) refuse('header and certificate differ');
  if (named.customer !== place.customer || named.topic !== place.topicId || sender !== place.origin) refuse('not it');
  check('mbus/1/envelope', createHash('sha256').update(signed).digest(), signature, certificate.signKey);

  const context = hpkeReceiver(openKeyOf(named.ticket), enc, about('mbus/1/ticket', certificateBytes));
  const both = bodyKey(hpkeExport(context, 'mbus/1/export-secret', 32), envelopeId, header);
  if (!timingSafeEqual(both.subarray(32), commitment)) refuse('commitment');
  const plain = decrypt(both.subarray(0, 32), Buffer.alloc(12), header, ciphertext);
  const body = flag === flags.zstd ? zstdDecompressSync(plain, { maxOutputLength: bodyBytes }) : plain;
  if (body.length !== bodyBytes) refuse('body length');
  return readBody(body, place.topic);
}

const bodyKey = (exported: Uint8Array, envelopeId: Uint8Array, header: Uint8Array): Buffer =>
  hkdf(exported, envelopeId, about('mbus/1/body-key', header), 64);

/** A sealed envelope under a ticket, never compressed. */
export function makeSealed(
  ticket: { certificate: Uint8Array; serviceKey: Uint8Array; password: Uint8Array; signSeed: Uint8Array },
  envelope: { envelopeId: Uint8Array; createdMs: number; messages: Message[]; topic: string },
): Buffer {
  const { certificate: bytes, serviceKey, password, signSeed } = ticket;
  const { customer, topic, epoch, ticket: ticketId, terminal, sealKey } = readCertificate(bytes, serviceKey);
  const { enc, context } = hpkeSender(sealKey, about('mbus/1/ticket', bytes));
  const body = makeBody(envelope.messages, envelope.topic);
  const header = join(
    Buffer.of(1, 1, 0),
    ...[id(customer), id(topic), u32(epoch), ticketId, password, id(terminal), envelope.envelopeId],
    ...[u16(envelope.messages.length), u64(BigInt(envelope.createdMs)), u32(body.length)],
    ...[varint(bytes.length), bytes, enc],
  );
  const both = bodyKey(hpkeExport(context, 'mbus/1/export-secret', 32), envelope.envelopeId, header);
  const ciphertext = encrypt(both.subarray(0, 32), Buffer.alloc(12), header, body);
  const signed = join(header, both.subarray(32), u32(ciphertext.length), ciphertext);
  const digest = createHash('sha256').update(signed).digest();
  return join(signed, signAbout('mbus/1/envelope', digest, privateKey('ed25519', signSeed)));
}

// Body.

export function readBody(body: Uint8Array, topic: string): Message[] {
  const take = new Take(body);
  take.constant(1);
  const count = take.varint(999);
  if (count === 0) refuse('no message');
  const messages: Message[] = [];
  let seq = 0;
  for (let n = 0; n < count; n++) {
    seq += 1 + take.varint();
    if (!Number.isSafeInteger(seq)) refuse('sequence');
    const timeNs = take.big();
    const suffix = take.text(4096);
    const subject = suffix === '' ? topic : `${topic}.${suffix}`;
    const isLiteral =
      suffix === '' || suffix.split('.').every((token) => /^[^\s*>\u0000-\u0020\u007f-\u009f\ufffd]+$/.test(token));
    if (!isLiteral || Buffer.byteLength(subject) > 4096) refuse('subject');
    messages.push({ seq, subject, timeNs, headers: take.sized(largestBody), payload: take.sized(largestBody) });
  }
  take.end();
  return messages;
}

export function makeBody(messages: Message[], topic: string): Buffer {
  let before = 0;
  const parts = messages.map(({ seq, subject, headers, payload, timeNs }) => {
    const suffix = Buffer.from(subject === topic ? '' : subject.slice(topic.length + 1));
    const gap = varint(seq - before - 1);
    before = seq;
    const sized = [suffix, headers, payload].flatMap((bytes) => [varint(bytes.length), bytes]);
    return join(gap, u64(timeNs), ...sized);
  });
  return join(Buffer.of(1), varint(messages.length), ...parts);
}

// Small parts.

export function join(...parts: Uint8Array[]): Buffer {
  return Buffer.concat(parts);
}

export function hex(text: string): Buffer {
  return Buffer.from(text, 'hex');
}

/** A UUID's 16 bytes. */
export function id(uuid: string): Buffer {
  return hex(uuid.replaceAll('-', ''));
}

export function u16(value: number): Buffer {
  return Buffer.of(value >> 8, value & 0xff);
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}
