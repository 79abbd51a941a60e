import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type BusMessage,
  ByteWriter,
  decodeBody,
  encodeBody,
  MAX_BODY_BYTES,
  MAX_MESSAGES,
  subjectSuffix,
} from '../../../src/envelope/index.ts';
import { messagesOf } from '../../support/envelopes.ts';

const refused = expect.objectContaining({ code: 'E_ENVELOPE_BAD' });

const token = fc.string({
  minLength: 1,
  maxLength: 12,
  unit: fc.constantFrom('a', 'Z', '9', '-', '_', '/', 'é', '東', '$'),
});
const message = fc.record({
  gap: fc.nat(1_000),
  suffix: fc.array(token, { maxLength: 4 }),
  headers: fc.option(fc.uint8Array({ minLength: 1, maxLength: 40 })),
  payload: fc.uint8Array({ maxLength: 200 }),
  timeNs: fc.bigInt(0n, 2n ** 63n - 1n),
});

function build(parts: { gap: number; suffix: string[] }[] & Record<string, unknown>[]): BusMessage[] {
  let seq = 0;
  return parts.map(({ gap, suffix, ...rest }) => {
    seq += gap + 1;
    return { ...(rest as Omit<BusMessage, 'seq' | 'subject'>), seq, subject: ['trade', ...suffix].join('.') };
  });
}

function plain(messages: BusMessage[]): unknown {
  const hex = (bytes: Uint8Array | null): string | null => bytes && Buffer.from(bytes).toString('hex');
  return messages.map((each) => ({ ...each, headers: hex(each.headers), payload: hex(each.payload) }));
}

describe('a body', () => {
  test('reads back as it was: sequences, subjects, headers, payloads, times', () => {
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 20 }), (parts) => {
        const messages = build(parts);
        expect(plain(decodeBody('trade', encodeBody('trade', messages)))).toEqual(plain(messages));
      }),
    );
  });

  test('shares its memory with the payloads read from it', () => {
    const body = encodeBody('trade', messagesOf(3));
    const [first] = decodeBody('trade', body);
    expect(first!.payload.buffer).toBe(body.buffer);
  });

  test('takes 999 messages and no more', () => {
    expect(decodeBody('trade', encodeBody('trade', messagesOf(MAX_MESSAGES)))).toHaveLength(999);
    expect(() => encodeBody('trade', messagesOf(MAX_MESSAGES + 1))).toThrow(refused);
    expect(() => encodeBody('trade', [])).toThrow(refused);
  });

  test('carries one message of 8 MiB', () => {
    const payload = Buffer.alloc(8 * 1024 * 1024, 7);
    const [read] = decodeBody('trade', encodeBody('trade', [{ ...messagesOf(1)[0]!, payload }]));
    expect(payload.equals(read!.payload)).toBe(true);
  });

  test('is refused with a byte more, cut at any byte, or decoded twice as long as allowed', () => {
    const body = encodeBody('trade', messagesOf(4));
    for (let size = 0; size < body.length; size++) {
      expect(() => decodeBody('trade', body.subarray(0, size))).toThrow(refused);
    }
    expect(() => decodeBody('trade', Buffer.concat([body, Buffer.of(0)]))).toThrow(refused);
    expect(() => decodeBody('trade', Buffer.alloc(MAX_BODY_BYTES + 1))).toThrow(refused);
  });

  test('that claims four billion messages is refused at once', () => {
    const bomb = new ByteWriter().u8(1).varint(4_000_000_000).bytes(Buffer.alloc(100)).finish();
    expect(() => decodeBody('trade', bomb)).toThrow(refused);
  });

  test('has one encoding: a changed byte is refused or is another body', () => {
    const body = encodeBody('trade', messagesOf(2));
    for (let index = 0; index < body.length; index++) {
      const changed = Buffer.from(body);
      changed[index]! ^= 0x55;
      let again: Buffer | undefined;
      try {
        again = encodeBody('trade', decodeBody('trade', changed));
      } catch (error) {
        // the first byte says which format it is in
        expect(error).toEqual(index === 0 ? expect.objectContaining({ code: 'E_VERSION_APART' }) : refused);
      }
      if (again) expect(again.equals(changed)).toBe(true);
    }
  });

  test('names the message that it cannot carry', () => {
    const messages = messagesOf(3);
    messages[1]!.subject = 'trade.*';
    const details = { seq: messages[1]!.seq };
    expect(() => encodeBody('trade', messages)).toThrow(expect.objectContaining({ code: 'E_ENVELOPE_BAD', details }));
  });

  test('keeps sequences strictly ascending', () => {
    const messages = messagesOf(2);
    messages[1]!.seq = messages[0]!.seq;
    expect(() => encodeBody('trade', messages)).toThrow(refused);
  });
});

describe('a subject in a body', () => {
  const bad = [
    '*',
    '>',
    'a.*',
    'a.>',
    '',
    'a.',
    '.a',
    'a..b',
    'a b',
    'a\tb',
    'a\r\nPUB x',
    '\u0000',
    'a\u007f',
    'a\u2028b',
    'a*b',
    '\u00a0',
    '\ufffd',
  ];

  test.each(bad.map((suffix) => [suffix]))('%j after the topic is refused by both sides', (suffix) => {
    expect(subjectSuffix('trade', `trade.${suffix}`)).toBeNull();
    if (suffix === '') return;
    const forged = new ByteWriter().u8(1).varint(1).varint(0).bigU63(1n).text(suffix).u8(0).u8(0).finish();
    expect(() => decodeBody('trade', forged)).toThrow(refused);
  });

  test.each(['trades', 'trad', 'other', 'trade-x.a', '_mb.in.trade', 'Trade'])('%s is not of the topic', (subject) => {
    expect(subjectSuffix('trade', subject)).toBeNull();
  });

  test('is the topic or a literal below it', () => {
    expect(subjectSuffix('trade', 'trade')).toBe('');
    expect(subjectSuffix('trade', 'trade.eu.1')).toBe('eu.1');
    expect(subjectSuffix('trade', `trade.${'x'.repeat(4_090)}`)).toHaveLength(4_090);
    expect(subjectSuffix('trade', `trade.${'x'.repeat(4_091)}`)).toBeNull();
  });
});
