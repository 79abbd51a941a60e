/**
 * Bytes in and out, for every structure of the bus: big-endian fixed integers, canonical LEB128 varints, ids, lengths.
 *
 * One value has one encoding: the reader refuses varints with padding, reads past the end and bytes left over. Reads
 * are views into the input; nothing is allocated from a length that the input does not hold.
 */
import { isUtf8 } from 'node:buffer';
import { BusError, type ErrorCode } from '../errors.ts';
import { formatsText, reads } from './formats.ts';
import { bytesToUuid, uuidToBytes } from './ids.ts';
import { FORMATS, ID_BYTES } from './wire.ts';

const twoTo32 = 0x1_0000_0000;

/** Grows as needed; `finish` returns a view of what was written. Values out of range throw E_ENVELOPE_BAD. */
export class ByteWriter {
  #buffer: Buffer;
  #length = 0;

  constructor(capacity = 256) {
    this.#buffer = Buffer.allocUnsafe(Math.max(16, capacity));
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    checkInteger(value, 0xff);
    const at = this.#reserve(1);
    this.#buffer[at] = value;
    return this;
  }

  u16(value: number): this {
    checkInteger(value, 0xffff);
    const at = this.#reserve(2);
    this.#buffer.writeUInt16BE(value, at);
    return this;
  }

  u32(value: number): this {
    checkInteger(value, 0xffff_ffff);
    const at = this.#reserve(4);
    this.#buffer.writeUInt32BE(value, at);
    return this;
  }

  /** 8 bytes; 0 to 2^53-1 */
  u64(value: number): this {
    checkInteger(value, Number.MAX_SAFE_INTEGER);
    const at = this.#reserve(8);
    this.#buffer.writeUInt32BE(Math.floor(value / twoTo32), at);
    this.#buffer.writeUInt32BE(value % twoTo32, at + 4);
    return this;
  }

  /** 8 bytes; 0 to 2^63-1 */
  bigU63(value: bigint): this {
    if (value < 0n || value > 0x7fff_ffff_ffff_ffffn) throw outOfRange(value);
    const at = this.#reserve(8);
    this.#buffer.writeBigUInt64BE(value, at);
    return this;
  }

  /** 1 to 8 bytes, 7 bits each, lowest first; 0 to 2^53-1 */
  varint(value: number): this {
    checkInteger(value, Number.MAX_SAFE_INTEGER);
    let at = this.#reserve(8);
    let rest = value;
    while (rest > 0x7f) {
      this.#buffer[at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#buffer[at++] = rest;
    this.#length = at;
    return this;
  }

  bytes(value: Uint8Array): this {
    const at = this.#reserve(value.length);
    this.#buffer.set(value, at);
    return this;
  }

  /** a varint length, then the bytes */
  sized(value: Uint8Array): this {
    return this.varint(value.length).bytes(value);
  }

  /** a varint length in bytes, then UTF-8 */
  text(value: string): this {
    const size = Buffer.byteLength(value, 'utf8');
    this.varint(size);
    const at = this.#reserve(size);
    this.#buffer.write(value, at, size, 'utf8');
    return this;
  }

  uuid(value: string): this {
    return this.bytes(uuidToBytes(value));
  }

  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Makes room, moves the end and returns where to write. */
  #reserve(size: number): number {
    const at = this.#length;
    const needed = at + size;
    if (needed > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
      this.#buffer.copy(grown, 0, 0, at);
      this.#buffer = grown;
    }
    this.#length = needed;
    return at;
  }
}

/** Reads one structure named `what`; every violation throws `code`. */
export class ByteReader {
  readonly #buffer: Buffer;
  readonly #what: string;
  readonly #code: ErrorCode;
  #at = 0;

  constructor(bytes: Uint8Array, what: string, code: ErrorCode = 'E_ENVELOPE_BAD') {
    this.#buffer = asBuffer(bytes);
    this.#what = what;
    this.#code = code;
  }

  get offset(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.#buffer.length - this.#at;
  }

  u8(): number {
    return this.#buffer[this.#take(1)]!;
  }

  /** The format that everything after it is in. @throws E_VERSION_APART when this build does not read it */
  format(): number {
    const format = this.u8();
    if (reads(FORMATS, format)) return format;
    throw new BusError(
      'E_VERSION_APART',
      `${this.#what} in format ${format}: this build reads ${formatsText(FORMATS)}`,
    );
  }

  u16(): number {
    return this.#buffer.readUInt16BE(this.#take(2));
  }

  u32(): number {
    return this.#buffer.readUInt32BE(this.#take(4));
  }

  u64(): number {
    const at = this.#take(8);
    const high = this.#buffer.readUInt32BE(at);
    if (high > 0x1f_ffff) this.fail('an integer is over 2^53-1');
    return high * twoTo32 + this.#buffer.readUInt32BE(at + 4);
  }

  bigU63(): bigint {
    const value = this.#buffer.readBigUInt64BE(this.#take(8));
    if (value > 0x7fff_ffff_ffff_ffffn) this.fail('an integer is over 2^63-1');
    return value;
  }

  /** `max` bounds the value, and so everything that is counted or sized by it. */
  varint(max = Number.MAX_SAFE_INTEGER): number {
    let value = 0;
    let factor = 1;
    for (let index = 0; ; index++) {
      const byte = this.u8();
      // the eighth byte holds bits 49 to 52
      if (index === 7 && byte > 0x0f) this.fail('a varint is over 2^53-1');
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        if (byte === 0 && index > 0) this.fail('a varint is padded');
        break;
      }
      factor *= 128;
    }
    if (value > max) this.fail(`${value} is over the limit of ${max}`);
    return value;
  }

  /** a view, not a copy */
  bytes(size: number): Buffer {
    const at = this.#take(size);
    return this.#buffer.subarray(at, at + size);
  }

  /** a varint length up to `max`, then that many bytes, as a view */
  sized(max: number): Buffer {
    return this.bytes(this.varint(max));
  }

  /** a varint length up to `max` bytes, then valid UTF-8 */
  text(max: number): string {
    const bytes = this.sized(max);
    if (!isUtf8(bytes)) this.fail('a text is not UTF-8');
    return bytes.toString('utf8');
  }

  uuid(): string {
    return bytesToUuid(this.bytes(ID_BYTES));
  }

  /** Everything read so far, as a view: what a signature at the end covers. */
  soFar(): Buffer {
    return this.#buffer.subarray(0, this.#at);
  }

  /** The structure ends here. */
  end(): void {
    if (this.remaining !== 0) this.fail(`${this.remaining} bytes are left over`);
  }

  fail(problem: string): never {
    throw new BusError(this.#code, `${this.#what} refused: ${problem}`);
  }

  #take(size: number): number {
    const at = this.#at;
    if (size > this.#buffer.length - at) this.fail('it ends too early');
    this.#at = at + size;
    return at;
  }
}

/** The same memory as a Buffer. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function checkInteger(value: number, max: number): void {
  if (!Number.isInteger(value) || value < 0 || value > max) throw outOfRange(value);
}

function outOfRange(value: unknown): BusError {
  return new BusError('E_ENVELOPE_BAD', `cannot encode ${String(value)}: out of range`);
}
