/**
 * Builds a ciphertext that AES-256-GCM accepts under two keys (NIST SP 800-38D: the tag is a polynomial in the hash
 * key, so one free block solves for both). What a commitment must catch.
 */
import { createCipheriv } from 'node:crypto';

const block = 16;
const reduction = 0xe1n << 120n;

function multiply(x: bigint, y: bigint): bigint {
  let product = 0n;
  let shifted = y;
  for (let bit = 127n; bit >= 0n; bit--) {
    if ((x >> bit) & 1n) product ^= shifted;
    shifted = shifted & 1n ? (shifted >> 1n) ^ reduction : shifted >> 1n;
  }
  return product;
}

/** x^(2^128 - 2) */
function inverse(x: bigint): bigint {
  let result = 1n << 127n;
  let square = x;
  for (let index = 1; index < 128; index++) {
    square = multiply(square, square);
    result = multiply(result, square);
  }
  return result;
}

const toInt = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
const toBlock = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(32, '0'), 'hex');

function encryptBlock(key: Uint8Array, input: Uint8Array): bigint {
  const cipher = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false);
  return toInt(cipher.update(input));
}

/** GHASH over zero-padded AAD, ciphertext and lengths. */
function ghash(hashKey: bigint, aad: Uint8Array, ciphertext: Uint8Array): bigint {
  const padded = (bytes: Uint8Array): Buffer =>
    Buffer.concat([bytes, Buffer.alloc((block - (bytes.length % block)) % block)]);
  const lengths = toBlock((BigInt(aad.length * 8) << 64n) | BigInt(ciphertext.length * 8));
  const all = Buffer.concat([padded(aad), padded(ciphertext), lengths]);
  let sum = 0n;
  for (let at = 0; at < all.length; at += block) sum = multiply(sum ^ toInt(all.subarray(at, at + block)), hashKey);
  return sum;
}

/** Ciphertext of `blocks` blocks and its tag, valid under both keys with the zero nonce and this AAD. */
export function twoKeyCiphertext(keys: [Uint8Array, Uint8Array], aad: Uint8Array, blocks: number): Buffer {
  const counterZero = Buffer.alloc(block);
  counterZero[block - 1] = 1;
  const hashKeys = keys.map((key) => encryptBlock(key, Buffer.alloc(block)));
  const masks = keys.map((key) => encryptBlock(key, counterZero));
  const ciphertext = Buffer.alloc(blocks * block, 0x5a);
  ciphertext.fill(0, (blocks - 1) * block);
  // the last ciphertext block stands before the lengths, so its power of the hash key is two
  const [square0, square1] = hashKeys.map((key) => multiply(key, key));
  const [sum0, sum1] = hashKeys.map((key, index) => ghash(key, aad, ciphertext) ^ masks[index]!);
  const last = multiply(sum0! ^ sum1!, inverse(square0! ^ square1!));
  toBlock(last).copy(ciphertext, (blocks - 1) * block);
  return Buffer.concat([ciphertext, toBlock(ghash(hashKeys[0]!, aad, ciphertext) ^ masks[0]!)]);
}
