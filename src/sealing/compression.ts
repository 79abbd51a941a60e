/**
 * zstd on a body before it is sealed. Decompression never writes more than the header promises and takes a window of
 * 16 MiB at most, so a bomb costs no more than an honest envelope.
 */
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { BusError } from '../errors.ts';

/** below this gain a receiver's work is not worth the bytes saved */
const worthwhile = 0.95;

/** The compressed body, undefined when it is hardly smaller. Level 1: links are slower than that, disks are not. */
export function compressBody(body: Uint8Array): Buffer | undefined {
  const compressed = zstdCompressSync(body, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
  return compressed.length < body.length * worthwhile ? compressed : undefined;
}

/** after that many bodies in a row that hardly shrank, 31 go untried */
const maxInVain = 5;

/** Compresses the bodies of one topic while that pays: after one that hardly shrank, the next few are not tried. */
export class Compression {
  #inVain = 0;
  #untried = 0;

  /** Undefined when the body goes as it is. */
  tryOn(body: Uint8Array): Buffer | undefined {
    if (this.#untried > 0) {
      this.#untried -= 1;
      return undefined;
    }
    const compressed = compressBody(body);
    this.#inVain = compressed === undefined ? Math.min(this.#inVain + 1, maxInVain) : 0;
    this.#untried = 2 ** this.#inVain - 1;
    return compressed;
  }
}

/** @param bodyBytes the exact length that must come out. @throws E_ENVELOPE_BAD */
export function decompressBody(compressed: Uint8Array, bodyBytes: number): Buffer {
  const body = inflate(compressed, bodyBytes);
  if (body?.length !== bodyBytes) throw new BusError('E_ENVELOPE_BAD', 'a body does not decompress to its length');
  return body;
}

function inflate(compressed: Uint8Array, maxOutputLength: number): Buffer | undefined {
  try {
    return zstdDecompressSync(compressed, { maxOutputLength, params: { [constants.ZSTD_d_windowLogMax]: 24 } });
  } catch {
    return undefined;
  }
}
