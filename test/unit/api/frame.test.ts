import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { type CallerKey, type ControlKeys, callerKeyFromSeed, loadControlKeys } from '../../../src/api/control-keys.ts';
import { openAnswer, openRequest, type SealedRequest, sealAnswer, sealRequest } from '../../../src/api/frame.ts';

const address = { busId: 'b', callerId: 'c', method: 'bus.apply' };
let control: ControlKeys;
let caller: CallerKey;

beforeAll(async () => {
  control = await loadControlKeys(randomBytes(32), randomBytes(32));
  caller = callerKeyFromSeed(randomBytes(32));
});

function seal(request: unknown, to: ControlKeys = control): Promise<SealedRequest> {
  return sealRequest(address, request, caller, { control: to, atMs: 1_700_000_000_000 });
}

function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
}

describe('a request', () => {
  test('opens with the caller, the time and what was asked', async () => {
    const { frame, nonce } = await seal({ have: 7 });
    const opened = await openRequest(address, frame, control);
    expect(opened).toMatchObject({ key: caller.publicKey, nonce, atMs: 1_700_000_000_000, request: { have: 7 } });
  });

  test('shows nothing of what was asked', async () => {
    const { frame } = await seal({ text: 'canary-canary' });
    expect(frame.includes('canary')).toBe(false);
    expect(frame.includes(caller.publicKey)).toBe(false);
  });

  test('does not open with any bit flipped', async () => {
    const { frame } = await seal({});
    for (let bit = 0; bit < frame.length * 8; bit += 3) {
      await expect(openRequest(address, flipped(frame, bit), control)).rejects.toMatchObject({ code: 'E_REQUEST_BAD' });
    }
  });

  test('does not open cut short at any byte', async () => {
    const { frame } = await seal({});
    for (let length = 0; length < frame.length; length += 5) {
      const opening = openRequest(address, frame.subarray(0, length), control);
      await expect(opening).rejects.toMatchObject({ code: 'E_REQUEST_BAD' });
    }
  });

  test.each([
    ['bus', { ...address, busId: 'x' }],
    ['caller', { ...address, callerId: 'x' }],
    ['method', { ...address, method: 'bus.diff' }],
  ])('does not open for another %s', async (_, elsewhere) => {
    const { frame } = await seal({});
    await expect(openRequest(elsewhere, frame, control)).rejects.toMatchObject({ code: 'E_REQUEST_BAD' });
  });

  test('does not open for another control plane', async () => {
    const other = await loadControlKeys(randomBytes(32), randomBytes(32));
    const { frame } = await seal({});
    await expect(openRequest(address, frame, other)).rejects.toMatchObject({ code: 'E_REQUEST_BAD' });
  });

  test('does not open when it names a key that did not sign it', async () => {
    const victim = callerKeyFromSeed(randomBytes(32));
    const impostor = { publicKey: victim.publicKey, sign: caller.sign };
    const { frame } = await sealRequest(address, {}, impostor, { control, atMs: 0 });
    await expect(openRequest(address, frame, control)).rejects.toMatchObject({ code: 'E_REQUEST_BAD' });
  });

  test('of any size comes through, and one that inflates without end does not', async () => {
    const big = { text: randomBytes(300_000).toString('hex') };
    const { frame } = await seal(big);
    expect((await openRequest(address, frame, control)).request).toEqual(big);
    const bomb = await seal({ text: 'a'.repeat(40 * 1024 * 1024) });
    expect(bomb.frame.length).toBeLessThan(1024 * 1024);
    await expect(openRequest(address, bomb.frame, control)).rejects.toMatchObject({ code: 'E_REQUEST_BAD' });
  });
});

describe('an answer', () => {
  async function exchange(): Promise<{ sealed: SealedRequest; answer: Buffer }> {
    const sealed = await seal({});
    const { answerWith } = await openRequest(address, sealed.frame, control);
    return { sealed, answer: sealAnswer({ ok: 'done' }, answerWith, control) };
  }

  test('opens for the request it was made for', async () => {
    const { sealed, answer } = await exchange();
    expect(openAnswer(answer, sealed.answerKey, control)).toEqual({ ok: 'done' });
  });

  test('does not open with any bit flipped, or cut short', async () => {
    const { sealed, answer } = await exchange();
    for (let bit = 0; bit < answer.length * 8; bit++) {
      expect(() => openAnswer(flipped(answer, bit), sealed.answerKey, control)).toThrow(
        expect.objectContaining({ code: 'E_ANSWER_BAD' }),
      );
    }
    for (let length = 0; length < answer.length; length++) {
      expect(() => openAnswer(answer.subarray(0, length), sealed.answerKey, control)).toThrow();
    }
  });

  test('does not open for another request of the same caller', async () => {
    const { answer } = await exchange();
    const other = await seal({});
    expect(() => openAnswer(answer, other.answerKey, control)).toThrow(
      expect.objectContaining({ code: 'E_ANSWER_BAD' }),
    );
  });

  test('does not open when somebody else made it, though he knows the request', async () => {
    const sealed = await seal({});
    const { answerWith } = await openRequest(address, sealed.frame, control);
    const liar = await loadControlKeys(randomBytes(32), randomBytes(32));
    const forged = sealAnswer({ ok: 'forged' }, answerWith, liar);
    expect(() => openAnswer(forged, sealed.answerKey, control)).toThrow(
      expect.objectContaining({ code: 'E_ANSWER_BAD' }),
    );
  });

  test('two answers to one request never share a key stream', async () => {
    const sealed = await seal({});
    const { answerWith } = await openRequest(address, sealed.frame, control);
    const [first, second] = [sealAnswer({ ok: 1 }, answerWith, control), sealAnswer({ ok: 1 }, answerWith, control)];
    expect(first.subarray(1, 13)).not.toEqual(second.subarray(1, 13));
  });
});
