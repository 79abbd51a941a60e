/** The rules for every structure (docs/envelope.md) for the second implementation: reading with one encoding per value. */

export class Refused extends Error {}

export function refuse(what: string): never {
  throw new Refused(what);
}

/** LEB128, lowest seven bits first. */
export function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}

export class Take {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes);
  }

  bytes(size: number): Buffer {
    if (this.#at + size > this.#bytes.length) refuse('too short');
    this.#at += size;
    return this.#bytes.subarray(this.#at - size, this.#at);
  }

  constant(value: number): this {
    if (this.integer(1) !== value) refuse('format or suite');
    return this;
  }

  /** big-endian, at most 2^53-1 */
  integer(size: number): number {
    const value = BigInt(`0x${this.bytes(size).toString('hex')}`);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) refuse('integer');
    return Number(value);
  }

  /** 8 bytes below 2^63 */
  big(): bigint {
    const value = BigInt(`0x${this.bytes(8).toString('hex')}`);
    return value < 1n << 63n ? value : refuse('integer');
  }

  varint(max = Number.MAX_SAFE_INTEGER): number {
    let value = 0n;
    for (let n = 0n; ; n++) {
      const byte = this.integer(1);
      if (n > 7n || (n > 0n && byte === 0)) refuse('varint');
      value |= BigInt(byte & 127) << (7n * n);
      if (byte < 128) break;
    }
    if (value > BigInt(max)) refuse('varint over its limit');
    return Number(value);
  }

  sized(max: number): Buffer {
    return this.bytes(this.varint(max));
  }

  text(max: number): string {
    const bytes = this.sized(max);
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return refuse('text');
    }
  }

  id(): string {
    return this.bytes(16)
      .toString('hex')
      .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  }

  soFar(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  end(): void {
    if (this.#at !== this.#bytes.length) refuse('bytes left over');
  }
}
