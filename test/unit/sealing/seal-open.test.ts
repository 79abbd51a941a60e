import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { twoKeyCiphertext } from '../../../attack/two-key-gcm.ts';
import {
  context,
  decodeSealed,
  encodeBody,
  encodeSealedHeader,
  MAX_BODY_BYTES,
  newId16,
  sealedParts,
} from '../../../src/envelope/index.ts';
import { importPrivateKey, receiveSecret } from '../../../src/keys/index.ts';
import { Compression, compressBody } from '../../../src/sealing/compression.ts';
import { openBody, verifyCertificate, verifySealed } from '../../../src/sealing/open.ts';
import { bodyKey, digestOf, fixedNonce, type SealTicket, seal, ticketInfo } from '../../../src/sealing/seal.ts';
import {
  envelopeId,
  fixedBytes,
  ids,
  messagesOf,
  newSigner,
  type TicketKit,
  ticketKit,
} from '../../support/envelopes.ts';

const refused = expect.objectContaining({ code: 'E_ENVELOPE_BAD', disposition: 'reject' });
const unread = expect.objectContaining({ code: 'E_VERSION_APART' });
const expected = { customerId: ids.customer, topicId: ids.topic, originId: ids.origin };
const service = newSigner();
const kit = await ticketKit('one', service);
const other = await ticketKit('two', service);
const body = encodeBody('trade', messagesOf(3));

function sealed(ticket: SealTicket = kit.ticket, overrides: Partial<Parameters<typeof seal>[1]> = {}): Buffer {
  return seal(ticket, { body, count: 3, envelopeId, createdMs: 1_700_000_000_123, ...overrides });
}

async function secretOf({ opening, ticket }: TicketKit): Promise<Buffer> {
  const privateKey = await importPrivateKey(opening.openKey);
  return receiveSecret(privateKey, ticket.enc, ticketInfo(ticket.certificateBytes), context.exportSecret);
}

const secret = await secretOf(kit);
const otherSecret = await secretOf(other);

function open(bytes: Uint8Array, exportSecret = secret, expectation = expected): Buffer {
  const certificateOf = (encoded: Uint8Array) => verifyCertificate(encoded, service.publicKey);
  return openBody(verifySealed(bytes, expectation, certificateOf).envelope, exportSecret);
}

/** Signs any parts as the holder of the sealing half could. */
function signedParts(ticket: SealTicket, header: Uint8Array, commitment: Uint8Array, ciphertext: Uint8Array): Buffer {
  const parts = sealedParts(header, commitment, [ciphertext]);
  return Buffer.concat([...parts, ticket.sign(context.envelope, digestOf(parts))]);
}

function encrypt(key: Uint8Array, header: Uint8Array, plaintext: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, fixedNonce, { authTagLength: 16 }).setAAD(header);
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

describe('an envelope', () => {
  test.each([false, true])('opens to the body that was sealed (compress: %s)', (compress) => {
    const large = encodeBody('trade', messagesOf(500, 64));
    expect(
      open(
        sealed(kit.ticket, { body: large, count: 500, compressed: compress ? compressBody(large) : undefined }),
      ).equals(large),
    ).toBe(true);
  });

  test('is compressed only when that helps', () => {
    const zeros = Buffer.alloc(10_000);
    expect(sealed(kit.ticket, { body: zeros, compressed: compressBody(zeros) }).length).toBeLessThan(1_000);
    expect(compressBody(randomBytes(10_000))).toBeUndefined();
  });

  test('of a topic that does not shrink is tried less and less, and again as soon as one does', () => {
    const compression = new Compression();
    const zeros = Buffer.alloc(10_000);
    const tried = (): boolean => compression.tryOn(zeros) !== undefined;
    expect(compression.tryOn(randomBytes(10_000))).toBeUndefined();
    expect([tried(), tried(), tried()]).toEqual([false, true, true]);
    for (let body = 0; body < 100; body++) compression.tryOn(randomBytes(10_000));
    expect(Array.from({ length: 32 }, tried).filter((isTried) => isTried).length).toBeGreaterThan(0);
  });

  test('never repeats its ciphertext: another envelope id, another key', () => {
    const [one, two] = [newId16(), newId16()].map(
      (id) => decodeSealed(sealed(kit.ticket, { envelopeId: id })).ciphertext,
    );
    expect(one!.equals(two!)).toBe(false);
  });

  test('of 8 MiB opens', () => {
    const large = Buffer.alloc(MAX_BODY_BYTES, 3);
    expect(open(sealed(kit.ticket, { body: large })).equals(large)).toBe(true);
    expect(() => sealed(kit.ticket, { body: Buffer.alloc(MAX_BODY_BYTES + 1) })).toThrow(refused);
  });
});

describe('an altered envelope (K4)', () => {
  const genuine = sealed();

  test('with any bit flipped does not open', () => {
    for (let bit = 0; bit < genuine.length * 8; bit++) {
      const flipped = Buffer.from(genuine);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      // the first byte says which format it is in
      expect(() => open(flipped)).toThrow(bit < 8 ? unread : refused);
    }
  });

  test('cut at any byte, or a byte longer, does not open', () => {
    for (let size = 0; size < genuine.length; size++) expect(() => open(genuine.subarray(0, size))).toThrow(refused);
    expect(() => open(Buffer.concat([genuine, Buffer.of(0)]))).toThrow(refused);
  });

  test('with any field of another genuine one does not open, also when the sender itself signs it', () => {
    const mine = decodeSealed(genuine);
    const theirs = decodeSealed(sealed(other.ticket, { envelopeId: newId16(), createdMs: 5 }));
    const fields = ['ticketId', 'password', 'envelopeId', 'createdMs', 'certificate', 'enc'] as const;
    for (const field of fields) {
      const header = encodeSealedHeader({ ...mine, [field]: theirs[field] });
      const forged = signedParts(kit.ticket, header, mine.commitment, mine.ciphertext);
      expect(() => open(forged), field).toThrow(refused);
    }
    expect(() => open(signedParts(kit.ticket, mine.header, theirs.commitment, mine.ciphertext))).toThrow(refused);
    expect(() => open(signedParts(kit.ticket, mine.header, mine.commitment, theirs.ciphertext))).toThrow(refused);
    expect(() => open(signedParts(other.ticket, mine.header, mine.commitment, mine.ciphertext))).toThrow(refused);
  });

  test('with a tag of 0 to 15 bytes does not open', () => {
    const { header, commitment, ciphertext } = decodeSealed(genuine);
    for (let size = 0; size < 16; size++) {
      const cut = ciphertext.subarray(0, ciphertext.length - 16 + size);
      expect(() => open(signedParts(kit.ticket, header, commitment, cut))).toThrow(refused);
    }
  });

  test('for another customer, topic or origin does not open', () => {
    for (const field of ['customerId', 'topicId', 'originId'] as const) {
      expect(() => open(genuine, secret, { ...expected, [field]: ids.group }), field).toThrow(refused);
    }
  });

  test('under a certificate of another service does not open', async () => {
    const foreign = await ticketKit('one', newSigner());
    expect(() => open(sealed(foreign.ticket))).toThrow(refused);
  });

  test('with a low-order or malformed encapsulated key gives no secret', async () => {
    const privateKey = await importPrivateKey(kit.opening.openKey);
    const lowOrder = [
      '00'.repeat(32),
      `01${'00'.repeat(31)}`,
      `ec${'ff'.repeat(30)}7f`,
      `ed${'ff'.repeat(30)}7f`,
      `ee${'ff'.repeat(30)}7f`,
    ];
    const points = [...lowOrder, 'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800', ''];
    for (const point of points) {
      const secretOfPoint = receiveSecret(privateKey, Buffer.from(point, 'hex'), Buffer.alloc(0), context.exportSecret);
      await expect(secretOfPoint, point).rejects.toThrow(refused);
    }
  });
});

describe('a key', () => {
  test('that is not the one committed to opens nothing, even a ciphertext valid under both (K5)', () => {
    const header = decodeSealed(sealed(kit.ticket, { body: Buffer.alloc(64) })).header;
    const [one, two] = [secret, otherSecret].map((each) => bodyKey(each, envelopeId, header));
    const ciphertext = twoKeyCiphertext([one!.key, two!.key], header, 4);
    for (const { key } of [one!, two!]) {
      const decipher = createDecipheriv('aes-256-gcm', key, fixedNonce, { authTagLength: 16 }).setAAD(header);
      decipher.setAuthTag(ciphertext.subarray(-16)).update(ciphertext.subarray(0, -16));
      expect(() => decipher.final()).not.toThrow();
    }
    const forged = signedParts(kit.ticket, header, one!.commitment, ciphertext);
    expect(open(forged, secret)).toHaveLength(64);
    expect(() => open(forged, otherSecret)).toThrow(refused);
  });

  test('of another ticket opens nothing', () => {
    expect(() => open(sealed(), otherSecret)).toThrow(refused);
  });
});

describe('a compression bomb (K9)', () => {
  /** An envelope whose sender lies about what its body decompresses to. */
  function bomb(compressed: Buffer, claimedBytes: number): Buffer {
    const honest = decodeSealed(
      sealed(kit.ticket, { body: Buffer.alloc(1_000), compressed: compressBody(Buffer.alloc(1_000)) }),
    );
    const header = encodeSealedHeader({ ...honest, bodyBytes: claimedBytes });
    const { key, commitment } = bodyKey(secret, envelopeId, header);
    return signedParts(kit.ticket, header, commitment, encrypt(key, header, compressed));
  }

  test('writes no more than its header claims, and then is refused', () => {
    const gigabyte = zstdCompressSync(Buffer.alloc(256 * 1024 * 1024));
    const before = process.memoryUsage.rss();
    expect(() => open(bomb(gigabyte, 1_000))).toThrow(refused);
    expect(() => open(bomb(gigabyte, MAX_BODY_BYTES))).toThrow(refused);
    expect(process.memoryUsage.rss() - before).toBeLessThan(128 * 1024 * 1024);
  });

  test('that claims more than the limit is refused before it is decrypted', () => {
    expect(() => bomb(zstdCompressSync(Buffer.alloc(100)), MAX_BODY_BYTES + 1)).toThrow(refused);
  });

  test('that comes out shorter than claimed, or is no zstd, is refused', () => {
    expect(() => open(bomb(zstdCompressSync(Buffer.alloc(999)), 1_000))).toThrow(refused);
    expect(() => open(bomb(fixedBytes('noise', 64), 1_000))).toThrow(refused);
  });
});
