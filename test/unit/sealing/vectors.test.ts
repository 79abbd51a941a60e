import { describe, expect, test } from 'vitest';
import { context, decodeBody } from '../../../src/envelope/index.ts';
import { importPrivateKey, receiveSecret } from '../../../src/keys/index.ts';
import { openBody, verifyCertificate, verifySealed } from '../../../src/sealing/open.ts';
import { ticketInfo } from '../../../src/sealing/seal.ts';
import { ids, messagesOf } from '../../support/envelopes.ts';
import { buildVectors, type Vectors, vectorTicket } from '../../support/vectors.ts';
import stored from '../../vectors/format-1.json' with { type: 'json' };

// A difference here means that terminals of two releases do not understand each other: raise FORMAT, keep the old file.
const vectors: Vectors = stored;
const hex = (name: string): Buffer => Buffer.from(vectors[name]!, 'hex');

describe('format 1', () => {
  test('is written byte for byte as it was', async () => {
    expect(await buildVectors(hex('enc'), hex('exportSecret'))).toEqual(vectors);
  });

  test('is read as it was written: opening half, seal, body', async () => {
    const { opening, certificate, serviceKey } = await vectorTicket();
    const privateKey = await importPrivateKey(opening.openKey);
    const secret = await receiveSecret(privateKey, hex('enc'), ticketInfo(certificate), context.exportSecret);
    expect(secret.equals(hex('exportSecret'))).toBe(true);
    const expected = { customerId: ids.customer, topicId: ids.topic, originId: ids.origin };
    const { envelope } = verifySealed(hex('sealed'), expected, (bytes) => verifyCertificate(bytes, serviceKey));
    const messages = decodeBody('trade', openBody(envelope, secret));
    expect(messages.map(({ seq, subject, timeNs }) => ({ seq, subject, timeNs }))).toEqual(
      messagesOf(3).map(({ seq, subject, timeNs }) => ({ seq, subject, timeNs })),
    );
  });
});
