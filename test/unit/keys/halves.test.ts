import { randomBytes, verify } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { bytesToUuid, context, newId16, signerOf, toPublicKey, verifySignature } from '../../../src/envelope/index.ts';
import { deriveTicket, type OpeningHalf, type SealingHalf, unwrapRoot, wrapRoot } from '../../../src/keys/derive.ts';
import { importPrivateKey, privateKeyOf, receiveSecret, shareSecret } from '../../../src/keys/index.ts';
import { fixedBytes, ids } from '../../support/envelopes.ts';

const tries = 200;
const info = Buffer.from('info');

interface Attempt {
  sealing: SealingHalf;
  opening: OpeningHalf;
  enc: Buffer;
  secret: Buffer;
}

async function attempt(): Promise<Attempt> {
  const { sealing, opening } = await deriveTicket(randomBytes(32), { topicId: ids.topic, epoch: 1 }, newId16());
  return { sealing, opening, ...(await shareSecret(sealing.sealKey, info, context.exportSecret)) };
}

describe('the two halves of a ticket (K1)', () => {
  test('the opening half gets the secret, the sealing half never does', async () => {
    for (let round = 0; round < tries; round++) {
      const { sealing, opening, enc, secret } = await attempt();
      const get = async (raw: Uint8Array): Promise<Buffer> =>
        receiveSecret(await importPrivateKey(raw), enc, info, context.exportSecret);
      expect((await get(opening.openKey)).equals(secret)).toBe(true);
      for (const held of [sealing.signSeed, sealing.sealKey]) expect((await get(held)).equals(secret)).toBe(false);
    }
  });

  test('the sealing half signs, the opening half never makes a signature that verifies', async () => {
    const digest = fixedBytes('digest', 32);
    for (let round = 0; round < tries; round++) {
      const { sealing, opening } = await deriveTicket(randomBytes(32), { topicId: ids.topic, epoch: 1 }, newId16());
      const verifies = (seed: Uint8Array): boolean => {
        const signature = signerOf(privateKeyOf('ed25519', seed))(context.envelope, digest);
        return verifySignature(context.envelope, digest, signature, opening.signKey);
      };
      expect(verifies(sealing.signSeed)).toBe(true);
      for (const held of [opening.openKey, opening.signKey]) expect(verifies(held)).toBe(false);
      expect(verify(null, digest, toPublicKey(opening.signKey), randomBytes(64))).toBe(false);
    }
  });

  test('depend on root, topic, epoch and ticket, each alone', async () => {
    const root = fixedBytes('root', 32);
    const ticketId = fixedBytes('ticket', 16);
    const base = { topicId: ids.topic, epoch: 1 };
    const variants = await Promise.all([
      deriveTicket(root, base, ticketId),
      deriveTicket(fixedBytes('other root', 32), base, ticketId),
      deriveTicket(root, { ...base, topicId: bytesToUuid(fixedBytes('other topic', 16)) }, ticketId),
      deriveTicket(root, { ...base, epoch: 2 }, ticketId),
      deriveTicket(root, base, fixedBytes('other ticket', 16)),
    ]);
    const secrets = variants.flatMap(({ sealing, opening }) => [sealing.signSeed, opening.openKey]);
    expect(new Set(secrets.map((bytes) => bytes.toString('hex'))).size).toBe(10);
  });
});

describe("a topic's root secret", () => {
  const masterKey = fixedBytes('master', 32);
  const at = { topicId: ids.topic, epoch: 3 };
  const root = fixedBytes('root', 32);
  const refused = expect.objectContaining({ code: 'E_TOPIC_KEY' });

  test('opens with the master key, for its topic and epoch alone', () => {
    const wrapped = wrapRoot(masterKey, at, root);
    expect(unwrapRoot(masterKey, at, wrapped).equals(root)).toBe(true);
    expect(() => unwrapRoot(fixedBytes('other', 32), at, wrapped)).toThrow(refused);
    expect(() => unwrapRoot(masterKey, { ...at, epoch: 4 }, wrapped)).toThrow(refused);
    expect(() => unwrapRoot(masterKey, { ...at, topicId: ids.group }, wrapped)).toThrow(refused);
  });

  test('altered in any byte, or cut, does not open', () => {
    const wrapped = wrapRoot(masterKey, at, root);
    for (let index = 0; index < wrapped.length; index++) {
      const altered = Buffer.from(wrapped);
      altered[index]! ^= 1;
      expect(() => unwrapRoot(masterKey, at, altered)).toThrow(refused);
      expect(() => unwrapRoot(masterKey, at, wrapped.subarray(0, index))).toThrow(refused);
    }
  });
});
