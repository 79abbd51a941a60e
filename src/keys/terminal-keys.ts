/**
 * What a terminal's securekey derives: a signing pair (proofs, manifests, receipts), and a pair that answers of the key
 * service are wrapped to. Each has a label of its own, so neither tells of the other.
 *
 * The securekey stays in a 0600 file at the terminal; only the two public keys leave it. Nothing here prints a secret.
 */
import { type KeyObject, randomFillSync } from 'node:crypto';
import { context, KEY_BYTES, type SignFn, signerOf } from '../envelope/index.ts';
import { BusError } from '../errors.ts';
import { type HpkePrivateKey, importPrivateKey, unwrapWith } from './hpke.ts';
import { hkdf, privateKeyOf, publicBytesOf } from './key-objects.ts';

export interface TerminalKeys {
  /** Ed25519 public key, base64url */
  readonly signKey: string;
  /** X25519 public key, base64url */
  readonly wrapKey: string;
  /** 64 bytes of Ed25519 over the context and the bytes; may be passed on as a SignFn */
  readonly sign: SignFn;
  /** Opens what was wrapped to wrapKey with the same info. @throws E_ENVELOPE_BAD */
  unwrap(wrapped: Uint8Array, info: Uint8Array): Promise<Buffer>;
}

/** 32 random bytes: what a terminal is known by from registration on. */
export function newSecurekey(): Buffer {
  return randomFillSync(Buffer.alloc(KEY_BYTES));
}

/** @param securekey 32 bytes */
export function deriveTerminalKeys(securekey: Uint8Array): TerminalKeys {
  if (securekey.length !== KEY_BYTES) throw new BusError('E_USAGE', 'a securekey has 32 bytes');
  const none = Buffer.alloc(0);
  const signPrivate = privateKeyOf('ed25519', hkdf(securekey, none, context.terminalSign, KEY_BYTES));
  const wrapRaw = hkdf(securekey, none, context.terminalWrap, KEY_BYTES);
  return new DerivedKeys(signPrivate, wrapRaw);
}

class DerivedKeys implements TerminalKeys {
  readonly signKey: string;
  readonly wrapKey: string;
  readonly sign: SignFn;
  readonly #wrapRaw: Uint8Array;
  #wrapPrivate: Promise<HpkePrivateKey> | undefined;

  constructor(signPrivate: KeyObject, wrapRaw: Uint8Array) {
    this.signKey = publicBytesOf(signPrivate).toString('base64url');
    this.wrapKey = publicBytesOf(privateKeyOf('x25519', wrapRaw)).toString('base64url');
    this.sign = signerOf(signPrivate);
    this.#wrapRaw = wrapRaw;
  }

  async unwrap(wrapped: Uint8Array, info: Uint8Array): Promise<Buffer> {
    this.#wrapPrivate ??= importPrivateKey(this.#wrapRaw);
    return unwrapWith(await this.#wrapPrivate, info, wrapped);
  }
}
