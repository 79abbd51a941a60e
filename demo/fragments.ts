/**
 * Finds known plaintext in a stream of bytes, whatever the chunk borders: fixed-size fragments of every payload by a
 * rolling hash, and a few words (field names, subjects) by plain search. Used on what the eavesdropper hears.
 *
 * A hit is sure (the bytes are compared); 24 bytes of a payload do not stand in ciphertext by chance.
 */
const fragmentBytes = 24;
const minWordBytes = 8;
const filterBits = 24;
const base = 0x01000193;
/** base^fragmentBytes modulo 2^32: takes the byte that leaves the window out of the hash */
const leaving = power(base, fragmentBytes);

export class FragmentScanner {
  readonly #filter = new Uint8Array(2 ** (filterBits - 3));
  readonly #fragments = new Set<string>();
  readonly #words: Buffer[] = [];
  readonly #tails = new Map<string, Buffer>();
  #keep = fragmentBytes - 1;

  /** Adds beginning, middle and end of a payload; a payload shorter than a fragment is added as a word. */
  addPayload(payload: Buffer): void {
    const last = payload.length - fragmentBytes;
    if (last < 0) this.addWord(payload);
    else for (const at of new Set([0, last >> 1, last])) this.#addFragment(payload.subarray(at, at + fragmentBytes));
  }

  /** Adds a text that must not appear; shorter than 8 bytes it could stand there by chance and is left out. */
  addWord(word: string | Buffer): void {
    const bytes = Buffer.from(word);
    if (bytes.length < minWordBytes) return;
    this.#words.push(bytes);
    this.#keep = Math.max(this.#keep, bytes.length - 1);
  }

  /** Plaintext found in the next chunk of one direction of one connection. */
  push(source: string, chunk: Buffer): number {
    const tail = this.#tails.get(source) ?? Buffer.alloc(0);
    const bytes = Buffer.concat([tail, chunk]);
    this.#tails.set(source, Buffer.from(bytes.subarray(Math.max(0, bytes.length - this.#keep))));
    return this.#countWords(bytes, tail.length) + this.#countFragments(bytes, tail.length);
  }

  #addFragment(fragment: Buffer): void {
    this.#fragments.add(fragment.toString('latin1'));
    let hash = 0;
    for (const byte of fragment) hash = (Math.imul(hash, base) + byte) | 0;
    const slot = slotOf(hash);
    this.#filter[slot >> 3]! |= 1 << (slot & 7);
  }

  /** `known`: bytes at the start that an earlier call has searched; a match must end after them. */
  #countWords(bytes: Buffer, known: number): number {
    let count = 0;
    for (const word of this.#words) {
      const first = Math.max(0, known - word.length + 1);
      for (let at = bytes.indexOf(word, first); at !== -1; at = bytes.indexOf(word, at + 1)) count += 1;
    }
    return count;
  }

  #countFragments(bytes: Buffer, known: number): number {
    const first = Math.max(0, known - fragmentBytes + 1);
    let count = 0;
    let hash = 0;
    for (let at = first; at < bytes.length; at++) {
      hash = (Math.imul(hash, base) + bytes[at]!) | 0;
      const start = at - fragmentBytes + 1;
      if (start > first) hash = (hash - Math.imul(bytes[start - 1]!, leaving)) | 0;
      if (start >= first && this.#mayBe(hash) && this.#fragments.has(bytes.toString('latin1', start, at + 1)))
        count += 1;
    }
    return count;
  }

  #mayBe(hash: number): boolean {
    const slot = slotOf(hash);
    return (this.#filter[slot >> 3]! & (1 << (slot & 7))) !== 0;
  }
}

function slotOf(hash: number): number {
  return (hash ^ (hash >>> 13)) & (2 ** filterBits - 1);
}

function power(value: number, exponent: number): number {
  let result = 1;
  for (let i = 0; i < exponent; i++) result = Math.imul(result, value);
  return result;
}
