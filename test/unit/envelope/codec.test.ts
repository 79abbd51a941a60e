import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteReader, ByteWriter, bytesToUuid, uuidToBytes } from '../../../src/envelope/index.ts';

const refused = expect.objectContaining({ code: 'E_ENVELOPE_BAD' });

function read<T>(bytes: Uint8Array, work: (reader: ByteReader) => T): T {
  const reader = new ByteReader(bytes, 'test');
  const value = work(reader);
  reader.end();
  return value;
}

describe('integers', () => {
  test('every varint reads back as itself, and every other encoding of it is refused', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        const bytes = new ByteWriter(1).varint(value).finish();
        expect(read(bytes, (reader) => reader.varint())).toBe(value);
        const padded = Buffer.concat([bytes, Buffer.of(0)]);
        padded[bytes.length - 1]! |= 0x80;
        expect(() => read(padded, (reader) => reader.varint())).toThrow(refused);
      }),
    );
  });

  test('the largest varint is 2^53-1, in eight bytes', () => {
    const bytes = new ByteWriter().varint(Number.MAX_SAFE_INTEGER).finish();
    expect(bytes.toString('hex')).toBe('ffffffffffffff0f');
    expect(() => read(Buffer.from('ffffffffffffff10', 'hex'), (reader) => reader.varint())).toThrow(refused);
    expect(() => read(Buffer.from('ffffffffffffffff01', 'hex'), (reader) => reader.varint())).toThrow(refused);
  });

  test('fixed integers read back, up to their limits and not beyond', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.bigInt(0n, 2n ** 63n - 1n), fc.nat(0xffff), (wide, big, short) => {
        const bytes = new ByteWriter(1)
          .u64(wide)
          .bigU63(big)
          .u16(short)
          .u32(wide % 2 ** 32)
          .finish();
        const values = read(bytes, (reader) => [reader.u64(), reader.bigU63(), reader.u16(), reader.u32()]);
        expect(values).toEqual([wide, big, short, wide % 2 ** 32]);
      }),
    );
    expect(() => read(Buffer.from('0020000000000000', 'hex'), (reader) => reader.u64())).toThrow(refused);
    expect(() => read(Buffer.from('8000000000000000', 'hex'), (reader) => reader.bigU63())).toThrow(refused);
  });

  test.each([-1, 1.5, Number.NaN, 2 ** 53])('%d cannot be written', (value) => {
    expect(() => new ByteWriter().varint(value)).toThrow(refused);
    expect(() => new ByteWriter().u64(value)).toThrow(refused);
  });
});

describe('bytes and texts', () => {
  test('what a length promises must be there', () => {
    expect(() => read(Buffer.from('05aabb', 'hex'), (reader) => reader.sized(10))).toThrow(refused);
    expect(() => read(Buffer.from('05aabbccddee', 'hex'), (reader) => reader.sized(4))).toThrow(refused);
  });

  test('a length of petabytes allocates nothing', () => {
    const bytes = new ByteWriter().varint(2 ** 52).finish();
    expect(() => read(bytes, (reader) => reader.sized(Number.MAX_SAFE_INTEGER))).toThrow(refused);
  });

  test('every text of whole characters reads back; broken UTF-8 is refused', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(read(new ByteWriter(1).text(text).finish(), (reader) => reader.text(1_000))).toBe(text);
      }),
    );
    for (const broken of ['01ff', '02c080', '03eda080', '02c3']) {
      expect(() => read(Buffer.from(broken, 'hex'), (reader) => reader.text(10))).toThrow(refused);
    }
  });

  test('a byte left over is refused', () => {
    expect(() => read(Buffer.from('0100', 'hex'), (reader) => reader.varint())).toThrow(refused);
  });
});

describe('ids', () => {
  test('a UUID is its 16 bytes', () => {
    fc.assert(
      fc.property(fc.uuid(), (uuid) => {
        expect(bytesToUuid(uuidToBytes(uuid))).toBe(uuid);
      }),
    );
  });

  test.each(['', '00000000-0000-0000-0000-00000000000', '0000000000000000-0000-0000-000000000000', 'A'.repeat(36)])(
    '%j is none',
    (text) => expect(() => uuidToBytes(text)).toThrow(refused),
  );
});
