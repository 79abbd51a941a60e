/**
 * What this implementation writes is read by the one in test/second, which was written from docs/envelope.md alone and uses
 * nothing of src/, and the other way round. A flipped bit is refused by it too.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  context,
  decodeBody,
  decodeFrame,
  decodeMarker,
  encodeBody,
  newId16,
  readManifest,
  readReceipt,
} from '../../../src/envelope/index.ts';
import { deriveTerminalKeys, importPrivateKey, receiveSecret, wrapInfo, wrapTo } from '../../../src/keys/index.ts';
import { decodeRecord, isSignedBy } from '../../../src/routing/records.ts';
import { compressBody } from '../../../src/sealing/compression.ts';
import { openBody, verifyCertificate, verifySealed } from '../../../src/sealing/open.ts';
import { seal, ticketInfo } from '../../../src/sealing/seal.ts';
import {
  makeFrame,
  makeLinkRecord,
  makeManifest,
  makeReceipt,
  readFrame,
  readLinkRecord,
  readManifest as readManifestSecond,
  readMarker,
  readReceipt as readReceiptSecond,
  readRelease,
} from '../../second/statements.ts';
import {
  hex,
  type Message,
  makeBody,
  makeSealed,
  openSealed,
  readBody,
  readCertificate,
  terminalKeys,
  ticketHalves,
  unwrapAnswer,
} from '../../second/terminal.ts';
import { fixedBytes, ids, messagesOf, ticketKit } from '../../support/envelopes.ts';
import stored from '../../vectors/format-1.json' with { type: 'json' };

const vectors: Record<string, string> = stored;
const bytes = (name: string): Buffer => hex(vectors[name] ?? '');
const text = (name: string): string => vectors[name] ?? '';
const place = {
  serviceKey: bytes('serviceKey'),
  customer: text('customer'),
  topicId: text('topicId'),
  origin: text('origin'),
  topic: text('topic'),
};
const openKey = (): Buffer => bytes('openKey');
const terminal = terminalKeys(bytes('securekey'));
const base64url = (raw: Uint8Array): string => Buffer.from(raw).toString('base64url');

/** Messages of src/ in the other's form. */
const asSecond = (count: number): Message[] =>
  messagesOf(count).map(({ headers, payload, ...rest }) => ({
    ...rest,
    headers: Buffer.from(headers ?? []),
    payload: Buffer.from(payload),
  }));

test('the second implementation uses nothing of this one', () => {
  const dir = new URL('../../second/', import.meta.url);
  const imports = readdirSync(dir).flatMap((name) =>
    [...readFileSync(new URL(name, dir), 'utf8').matchAll(/from '([^']+)'/g)].map(([, from]) => from),
  );
  expect(imports.length).toBeGreaterThan(4);
  expect(imports.filter((from) => !/^(node:(crypto|zlib)|\.\/[a-z]+\.ts)$/.test(from ?? ''))).toEqual([]);
});

describe('the second implementation reads the vectors', () => {
  test('keys come out the same', () => {
    const halves = ticketHalves(bytes('root'), text('topicId'), 1, bytes('ticketId'));
    for (const [name, raw] of Object.entries(halves)) expect(raw.toString('hex'), name).toBe(vectors[name]);
    expect(base64url(terminal.signKey)).toBe(vectors.signKey);
    expect(base64url(terminal.wrapKey)).toBe(vectors.wrapKey);
  });

  test('certificate, envelope and body', () => {
    const { ticket, epoch, sealKey } = readCertificate(bytes('certificate'), place.serviceKey);
    expect([ticket, sealKey, epoch]).toEqual([bytes('ticketId'), bytes('sealKey'), 1]);
    const messages = openSealed(bytes('sealed'), place, openKey);
    expect(messages).toEqual(asSecond(3));
    expect(readBody(bytes('body'), 'trade')).toEqual(messages);
    expect(makeBody(messages, 'trade').equals(bytes('body'))).toBe(true);
  });

  test('statements, and writes them byte for byte', () => {
    const manifest = readManifestSecond(bytes('manifest'), terminal.signKey);
    const receipt = readReceiptSecond(bytes('receipt'), terminal.signKey);
    const record = readLinkRecord(bytes('linkState'), terminal.signKey);
    const frame = readFrame(bytes('frame'));
    expect(manifest).toMatchObject({ first: 10, last: 1_200, floor: 3, envelopeId: bytes('envelopeId') });
    expect(receipt).toMatchObject({ status: 1, received: { mark: 9, ranges: [[20, 40]] }, reason: '' });
    expect(record).toMatchObject({ sequence: 77, links: [{ degraded: 1, extraMilli: 1_500, rttMs: 42 }] });
    expect(makeManifest(manifest, terminal.sign).equals(bytes('manifest'))).toBe(true);
    expect(makeReceipt(receipt, terminal.sign).equals(bytes('receipt'))).toBe(true);
    expect(makeLinkRecord(record, terminal.sign).equals(bytes('linkState'))).toBe(true);
    expect(makeFrame(frame).equals(bytes('frame'))).toBe(true);
    expect(readRelease(bytes('release'), terminal.signKey)).toMatchObject({ first: 10, destination: ids.destination });
    const marker = readMarker(bytes('marker'), bytes('macKey'), text('stream'));
    expect(marker).toMatchObject({ floor: 4, received: { mark: 9 }, lost: { ranges: [[12, 14]] } });
  });
});

describe('each opens what the other made', () => {
  test.each([false, true])('this one seals, the second opens (compressed: %s)', async (compress) => {
    const { ticket, opening, service } = await ticketKit();
    const many = messagesOf(300).map((message) => ({ ...message, payload: Buffer.alloc(90, 5) }));
    const input = { body: encodeBody('trade', many), count: 300, envelopeId: newId16(), createdMs: 1 };
    const compressed = compress ? compressBody(input.body) : undefined;
    const sealed = seal(ticket, { ...input, compressed });
    const serviceKey = service.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
    const messages = openSealed(sealed, { ...place, serviceKey }, () => opening.openKey);
    expect(messages.map(({ seq, subject }) => [seq, subject])).toEqual(many.map(({ seq, subject }) => [seq, subject]));
    expect(messages.every(({ payload }) => payload.equals(Buffer.alloc(90, 5)))).toBe(true);
  });

  test('the second seals, this one opens', async () => {
    const messages = asSecond(5);
    const halves = { signSeed: bytes('signSeed'), password: bytes('password') };
    const ticket = { certificate: bytes('certificate'), serviceKey: place.serviceKey, ...halves };
    const sealed = makeSealed(ticket, {
      envelopeId: newId16(),
      createdMs: 1_700_000_000_000,
      messages,
      topic: 'trade',
    });
    const expected = { customerId: ids.customer, topicId: ids.topic, originId: ids.origin };
    const { envelope } = verifySealed(sealed, expected, (encoded) => verifyCertificate(encoded, place.serviceKey));
    const key = await importPrivateKey(openKey());
    const secret = await receiveSecret(key, envelope.enc, ticketInfo(envelope.certificate), context.exportSecret);
    expect(decodeBody('trade', openBody(envelope, secret))).toEqual(messagesOf(5));
  });

  test('the second signs, this one verifies', () => {
    const manifest = readManifestSecond(bytes('manifest'), terminal.signKey);
    const receipt = readReceiptSecond(bytes('receipt'), terminal.signKey);
    const { sign, signKey } = terminal;
    const later = readManifest(makeManifest({ ...manifest, last: 9_999 }, sign), () => signKey);
    expect(later.last).toBe(9_999);
    expect(readReceipt(makeReceipt({ ...receipt, status: 2, reason: 'gone' }, sign), () => signKey)).toMatchObject({
      status: 'gone',
      reason: 'gone',
    });
    const record = readLinkRecord(bytes('linkState'), signKey);
    expect(isSignedBy(decodeRecord(makeLinkRecord({ ...record, sequence: 78 }, sign)), signKey)).toBe(true);
    const frame = makeFrame({ ...readFrame(bytes('frame')), shun: [ids.group], path: [ids.origin, ids.group] });
    expect(decodeFrame(frame)).toMatchObject({ kind: 'envelope', shun: [ids.group], path: [ids.origin, ids.group] });
    expect(decodeMarker(bytes('marker'), bytes('macKey'), text('stream')).floor).toBe(4);
  });

  test('an answer of the key service unwraps at the terminal it is for, to the request it answers', async () => {
    const [ticket, nonce, secret] = [fixedBytes('t', 16), fixedBytes('n', 16), fixedBytes('s', 64)];
    const wrapKey = Buffer.from(deriveTerminalKeys(bytes('securekey')).wrapKey, 'base64url');
    const wrapped = await wrapTo(wrapKey, wrapInfo(context.wrapSealing, ids.origin, ticket, nonce), secret);
    const to = { unwrapping: terminal.unwrapping, terminal: ids.origin, ticket, nonce };
    expect(unwrapAnswer('sealing-half', to, wrapped).equals(secret)).toBe(true);
    expect(() => unwrapAnswer('opening-half', to, wrapped)).toThrow();
    expect(() => unwrapAnswer('sealing-half', { ...to, nonce: fixedBytes('m', 16) }, wrapped)).toThrow();
    expect(() => unwrapAnswer('sealing-half', { ...to, terminal: ids.destination }, wrapped)).toThrow();
  });
});

test.each(['sealed', 'manifest', 'receipt', 'marker'])(
  'every flipped bit of %s is refused by the second implementation',
  (name) => {
    const read: Record<string, (flipped: Buffer) => unknown> = {
      sealed: (flipped) => openSealed(flipped, place, openKey),
      manifest: (flipped) => readManifestSecond(flipped, terminal.signKey),
      receipt: (flipped) => readReceiptSecond(flipped, terminal.signKey),
      marker: (flipped) => readMarker(flipped, bytes('macKey'), text('stream')),
    };
    const genuine = bytes(name);
    expect(() => read[name]?.(genuine)).not.toThrow();
    const taken: number[] = [];
    for (let bit = 0; bit < genuine.length * 8; bit++) {
      const flipped = Buffer.from(genuine);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      try {
        read[name]?.(flipped);
        taken.push(bit);
      } catch {
        // refused
      }
    }
    expect(taken).toEqual([]);
  },
);
