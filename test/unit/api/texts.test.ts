import { randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { errorAnswer, okAnswer, readAnswer } from '../../../src/api/answer.ts';
import { callerKeyFromSeed, loadControlKeys } from '../../../src/api/control-keys.ts';
import { isRegistrationProven, signRegistration } from '../../../src/api/registration.ts';
import { ReplayWindow } from '../../../src/api/replay-window.ts';
import { maxSkewMs } from '../../../src/api/server.ts';
import { readSnapshot, signSnapshot } from '../../../src/api/signed-snapshot.ts';
import type { Snapshot } from '../../../src/api/snapshot.ts';
import { formatToken, type JoinToken, parseToken } from '../../../src/api/token.ts';
import { signatureInput } from '../../../src/envelope/index.ts';
import { BusError } from '../../../src/errors.ts';

const key = callerKeyFromSeed(randomBytes(32));
const sign = (context: string, bytes: Uint8Array): Uint8Array => key.sign(signatureInput(context, bytes));

describe('a snapshot', () => {
  const snapshot: Snapshot = {
    format: 1,
    version: 3,
    busId: randomUUID(),
    site: { id: randomUUID(), name: 'tokyo', mode: 'client', address: null, maxPayload: 1, durability: 'process' },
    control: { leafUrls: [], signKey: '', sealKey: '', caPem: '' },
    customers: [],
  };

  test('is what the control plane signed, or nothing', async () => {
    const keys = await loadControlKeys(randomBytes(32), randomBytes(32));
    const signed = signSnapshot(snapshot, keys);
    expect(readSnapshot(signed, keys.signKey)).toEqual(snapshot);
    const altered = { ...signed, text: signed.text.replace('"version":3', '"version":4') };
    expect(() => readSnapshot(altered, keys.signKey)).toThrow(expect.objectContaining({ code: 'E_ANSWER_BAD' }));
    expect(() => readSnapshot(signed, key.publicKey)).toThrow(expect.objectContaining({ code: 'E_ANSWER_BAD' }));
  });
});

describe('a registration', () => {
  const keys = { terminalId: randomUUID(), signKey: key.publicKey, wrapKey: 'w', linkUser: 'U' };

  test('is proven by the key it names, for exactly these keys', () => {
    const proof = signRegistration(keys, sign);
    expect(isRegistrationProven(keys, proof)).toBe(true);
    for (const other of [{ terminalId: randomUUID() }, { wrapKey: 'x' }, { linkUser: 'V' }]) {
      expect(isRegistrationProven({ ...keys, ...other }, proof)).toBe(false);
    }
    const stranger = callerKeyFromSeed(randomBytes(32)).publicKey;
    expect(isRegistrationProven({ ...keys, signKey: stranger }, proof)).toBe(false);
    expect(isRegistrationProven({ ...keys, signKey: 'no key at all' }, proof)).toBe(false);
  });
});

describe('a token', () => {
  const token: JoinToken = {
    v: 1,
    id: randomUUID(),
    secret: 'secret',
    busId: randomUUID(),
    site: 'tokyo',
    urls: ['127.0.0.1:1'],
    caPem: 'pem',
    signKey: 'k',
    sealKey: 'k',
    userJwt: 'j',
    userSeed: 's',
  };

  test('is one line without blanks and reads back', () => {
    const text = formatToken(token);
    expect(text).toMatch(/^[A-Za-z0-9_-]+$/);
    expect(parseToken(`${text}\n`)).toEqual(token);
  });

  test('that was cut or altered is refused with a name', () => {
    const text = formatToken(token);
    for (const bad of ['', 'x', text.slice(1), text.slice(0, -8), formatToken({ ...token, urls: [] })]) {
      expect(() => parseToken(bad)).toThrow(expect.objectContaining({ code: 'E_TOKEN_BAD' }));
    }
  });
});

describe('an answer', () => {
  test('is a result, or the same error again', () => {
    expect(readAnswer(okAnswer({ version: 1 }))).toEqual({ version: 1 });
    const error = new BusError('E_TOKEN_USED', 'used', { details: { tokenId: 't' }, cause: new Error('inner secret') });
    expect(() => readAnswer(errorAnswer(error))).toThrow(
      expect.objectContaining({ code: 'E_TOKEN_USED', message: 'used', details: { tokenId: 't' } }),
    );
    expect(JSON.stringify(errorAnswer(error))).not.toContain('inner');
  });

  test('of a later version is an error, not a guess', () => {
    const unknown = { error: { code: 'E_OF_TOMORROW', message: 'm', details: {} } };
    expect(() => readAnswer(unknown)).toThrow(expect.objectContaining({ code: 'E_REQUEST_BAD' }));
    expect(() => readAnswer({ other: 1 })).toThrow(expect.objectContaining({ code: 'E_REQUEST_BAD' }));
  });
});

describe('the replay window', () => {
  test('admits a nonce once while its request could still be accepted', () => {
    const window = new ReplayWindow();
    expect(window.admit('a', 0)).toBe(true);
    expect(window.admit('b', 2 * maxSkewMs - 1)).toBe(true);
    expect(window.admit('a', 2 * maxSkewMs)).toBe(false);
  });

  test('does not grow without bound', () => {
    const window = new ReplayWindow(3);
    for (const nonce of ['a', 'b', 'c', 'd']) expect(window.admit(nonce, 0)).toBe(true);
    expect(window.admit('d', 0)).toBe(false);
    expect(window.admit('a', 0)).toBe(true);
  });
});
