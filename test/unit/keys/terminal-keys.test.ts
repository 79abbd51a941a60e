import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { context, verifySignature } from '../../../src/envelope/index.ts';
import { deriveTerminalKeys, newSecurekey, wrapInfo, wrapTo } from '../../../src/keys/index.ts';
import { RateLimit } from '../../../src/keys/rate-limit.ts';
import { fixedBytes, ids } from '../../support/envelopes.ts';

const securekey = fixedBytes('securekey', 32);

describe('keys of a securekey', () => {
  test('are the same every time, and different for another securekey', () => {
    const [one, again, other] = [securekey, securekey, newSecurekey()].map((key) => deriveTerminalKeys(key));
    expect([again!.signKey, again!.wrapKey]).toEqual([one!.signKey, one!.wrapKey]);
    expect(other!.signKey).not.toBe(one!.signKey);
    expect(other!.wrapKey).not.toBe(one!.wrapKey);
  });

  test('sign under a context that is part of the signature', () => {
    const keys = deriveTerminalKeys(securekey);
    const signature = keys.sign(context.manifest, Buffer.from('text'));
    expect(verifySignature(context.manifest, Buffer.from('text'), signature, keys.signKey)).toBe(true);
    expect(verifySignature(context.receipt, Buffer.from('text'), signature, keys.signKey)).toBe(false);
  });

  test('show no secret when printed or serialized', () => {
    const keys = deriveTerminalKeys(securekey);
    const shown = inspect(keys, { depth: 9, showHidden: true }) + JSON.stringify(keys);
    expect(shown).not.toContain(securekey.toString('hex').slice(0, 8));
    expect(shown).not.toContain(securekey.toString('base64url').slice(0, 8));
  });

  test.each([0, 31, 33])('are not made of %d bytes', (size) => {
    expect(() => deriveTerminalKeys(Buffer.alloc(size))).toThrow(expect.objectContaining({ code: 'E_USAGE' }));
  });
});

describe('an answer wrapped to a terminal (K7)', () => {
  const keys = deriveTerminalKeys(securekey);
  const [ticketId, nonce, half] = [fixedBytes('ticket', 16), fixedBytes('nonce', 16), fixedBytes('half', 32)];
  const info = wrapInfo(context.wrapOpening, ids.destination, ticketId, nonce);
  const refused = expect.objectContaining({ code: 'E_ENVELOPE_BAD' });
  const wrapped = wrapTo(Buffer.from(keys.wrapKey, 'base64url'), info, half);

  test('unwraps there, for that request', async () => {
    expect((await keys.unwrap(await wrapped, info)).equals(half)).toBe(true);
  });

  test('does not unwrap at another terminal', async () => {
    await expect(deriveTerminalKeys(newSecurekey()).unwrap(await wrapped, info)).rejects.toThrow(refused);
  });

  test.each([
    ['another request', wrapInfo(context.wrapOpening, ids.destination, ticketId, fixedBytes('later', 16))],
    ['another ticket', wrapInfo(context.wrapOpening, ids.destination, fixedBytes('other', 16), nonce)],
    ['the other half', wrapInfo(context.wrapSealing, ids.destination, ticketId, nonce)],
    ['another terminal id', wrapInfo(context.wrapOpening, ids.origin, ticketId, nonce)],
  ])('does not unwrap as the answer for %s', async (_, otherInfo) => {
    await expect(keys.unwrap(await wrapped, otherInfo)).rejects.toThrow(refused);
  });

  test('altered in any byte, or cut, does not unwrap', async () => {
    const bytes = await wrapped;
    for (let index = 0; index < bytes.length; index++) {
      const altered = Buffer.from(bytes);
      altered[index]! ^= 0x80;
      await expect(keys.unwrap(altered, info)).rejects.toThrow(refused);
      await expect(keys.unwrap(bytes.subarray(0, index), info)).rejects.toThrow(refused);
    }
  });
});

describe('a rate limit', () => {
  test('gives a burst, then its rate, to each key for itself', () => {
    let nowMs = 0;
    const rate = new RateLimit({ perSecond: 10, burst: 3 }, { ...systemClock, monotonicMs: () => nowMs });
    const takes = (key: string, count: number): boolean[] => Array.from({ length: count }, () => rate.take(key));
    expect(takes('a', 4)).toEqual([true, true, true, false]);
    expect(takes('b', 1)).toEqual([true]);
    nowMs = 100;
    expect(takes('a', 2)).toEqual([true, false]);
    nowMs = 60_000;
    expect(takes('a', 4)).toEqual([true, true, true, false]);
  });

  test('counts each of many that passed together: what is owed comes in before the next', () => {
    let nowMs = 0;
    const rate = new RateLimit({ perSecond: 10, burst: 3 }, { ...systemClock, monotonicMs: () => nowMs });
    for (let n = 0; n < 50; n++) rate.owe('a');
    nowMs = 4_000;
    expect(rate.has('a')).toBe(false);
    nowMs = 4_900;
    expect(rate.has('a')).toBe(true);
  });
});
