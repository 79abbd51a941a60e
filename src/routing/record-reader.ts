/** Bytes of neighbours become records: decoded from a copy of their own, checked under keys that are made once. */
import { type PublicKeyLike, toPublicKey } from '../envelope/index.ts';
import { type DecodedRecord, decodeRecord, isSignedBy } from './records.ts';

/** a key object costs as much to make as a signature to check */
const maxKeys = 16_384;

export class RecordReader {
  readonly #keys = new Map<string, PublicKeyLike>();

  /** @throws E_RECORD_BAD */
  decode(bytes: Uint8Array): DecodedRecord {
    // what arrives is a view into much more
    return decodeRecord(Uint8Array.from(bytes));
  }

  /** Whether the holder of the key (Ed25519 public, base64url) signed it. */
  isSigned(decoded: DecodedRecord, signKey: string): boolean {
    return isSignedBy(decoded, this.#keyOf(signKey));
  }

  #keyOf(signKey: string): PublicKeyLike {
    const known = this.#keys.get(signKey);
    if (known !== undefined) return known;
    if (this.#keys.size >= maxKeys) this.#keys.clear();
    const key = toPublicKey(signKey);
    this.#keys.set(signKey, key);
    return key;
  }
}
