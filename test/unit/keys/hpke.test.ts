/** The bus's HPKE against @hpke/core, in both directions: every part that goes over a wire or into a key. */
import { randomBytes } from 'node:crypto';
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core';
import { describe, expect, test } from 'vitest';
import {
  deriveKeyPair,
  importPrivateKey,
  receiveSecret,
  recipientContext,
  senderContext,
  shareSecret,
  unwrapWith,
  wrapTo,
} from '../../../src/keys/hpke.ts';

const other = () => new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
const info = Buffer.from('info of a test');
const aad = Buffer.from('what stands beside');
const plain = randomBytes(200);

async function pair() {
  const { privateKey, publicKey } = await deriveKeyPair(randomBytes(32));
  const theirs = await other().kem.deserializePrivateKey(privateKey);
  return { raw: privateKey, publicKey, ours: await importPrivateKey(privateKey), theirs };
}

describe('the same as @hpke/core', () => {
  test('derives the same key pair', async () => {
    for (let n = 0; n < 20; n++) {
      const ikm = randomBytes(32);
      const { publicKey } = await other().kem.deriveKeyPair(ikm);
      expect((await deriveKeyPair(ikm)).publicKey).toEqual(
        Buffer.from(await other().kem.serializePublicKey(publicKey)),
      );
    }
  });

  test('what it seals, the other opens, and the same secret comes out', async () => {
    const { publicKey, theirs } = await pair();
    const sender = senderContext(publicKey, info);
    const recipient = await other().createRecipientContext({ recipientKey: theirs, enc: sender.enc, info });
    expect(Buffer.from(await recipient.open(sender.seal(plain, aad), aad))).toEqual(plain);
    expect(Buffer.from(await recipient.export(Buffer.from('a context'), 32))).toEqual(sender.exportSecret('a context'));
  });

  test('what the other seals, it opens, and the same secret comes out', async () => {
    const { publicKey, ours } = await pair();
    const recipientPublicKey = await other().kem.deserializePublicKey(publicKey);
    const sender = await other().createSenderContext({ recipientPublicKey, info });
    const recipient = recipientContext(ours, Buffer.from(sender.enc), info);
    expect(recipient.open(Buffer.from(await sender.seal(plain, aad)), aad)).toEqual(plain);
    expect(recipient.exportSecret('a context')).toEqual(Buffer.from(await sender.export(Buffer.from('a context'), 32)));
  });
});

describe('by itself', () => {
  test('wraps and shares for the holder of the key, and for nobody else', async () => {
    const [mine, stranger] = [await pair(), await pair()];
    const wrapped = await wrapTo(mine.publicKey, info, plain);
    expect(await unwrapWith(mine.ours, info, wrapped)).toEqual(plain);
    const bad = { code: 'E_ENVELOPE_BAD' };
    await expect(unwrapWith(stranger.ours, info, wrapped)).rejects.toMatchObject(bad);
    await expect(unwrapWith(mine.ours, aad, wrapped)).rejects.toMatchObject(bad);
    const { enc, secret } = await shareSecret(mine.publicKey, info, 'x');
    expect(await receiveSecret(mine.ours, enc, info, 'x')).toEqual(secret);
    expect(await receiveSecret(stranger.ours, enc, info, 'x')).not.toEqual(secret);
    expect(await receiveSecret(mine.ours, enc, info, 'y')).not.toEqual(secret);
  });

  test('refuses every flipped bit and every shortened text', async () => {
    const { ours, publicKey } = await pair();
    const wrapped = await wrapTo(publicKey, info, Buffer.from('text'));
    for (let bit = 0; bit < wrapped.length * 8; bit++) {
      // the highest bit of an X25519 key counts for nothing in the agreement, but for the schedule it does
      const altered = Buffer.from(wrapped);
      altered[bit >> 3]! ^= 1 << (bit & 7);
      await expect(unwrapWith(ours, info, altered)).rejects.toMatchObject({ code: 'E_ENVELOPE_BAD' });
    }
    for (let size = 0; size < wrapped.length; size++) {
      await expect(unwrapWith(ours, info, wrapped.subarray(0, size))).rejects.toMatchObject({ code: 'E_ENVELOPE_BAD' });
    }
  });

  test.each([
    ['zero', '00'.repeat(32)],
    ['one', `01${'00'.repeat(31)}`],
    ['of order 8', 'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800'],
    ['p - 1', `ecffff${'ff'.repeat(28)}7f`],
    ['p', `edffff${'ff'.repeat(28)}7f`],
  ])('refuses a public key of low order: %s', async (_, hex) => {
    const { ours } = await pair();
    const low = Buffer.from(hex, 'hex');
    await expect(wrapTo(low, info, plain)).rejects.toThrow();
    await expect(receiveSecret(ours, low, info, 'x')).rejects.toMatchObject({ code: 'E_ENVELOPE_BAD' });
  });
});
